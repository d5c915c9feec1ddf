//! Continue tokens: where the next page of a list begins, and at which revision.
//!
//! A token is `{"v":"meta.k8s.io/v1","rv":…,"start":…}` in URL-safe base64 without padding, byte for byte
//! what clients know; `start` is the key without the prefix of the list. Tokens come back from clients, so
//! nothing in them is believed: no token leads out of the prefix that it is decoded with.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::selector::quote::quoted_char;

/// The longest token in bytes: room for the longest key, all of it escaped.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

const VERSION: &str = "meta.k8s.io/v1";

/// Clients may send any bits where the last character has some to spare.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// What a continue token says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContinueToken {
    /// The revision of the next page.
    pub revision: TokenRevision,
    /// The key that the next page starts from, itself included: the last key returned and a NUL byte.
    pub start: String,
}

/// The revision that a continue token asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenRevision {
    /// This one, from 1 to [`i64::MAX`]: all pages of a list show the same state.
    At(u64),
    /// The latest at the time of the request: the revision of the first page is gone.
    Latest,
}

/// Why a text is no continue token, or why a key has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContinueTokenError {
    /// The token is longer than [`TOKEN_BYTES_MAX`].
    #[error("continue key is not valid: longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// The token is not base64.
    #[error("continue key is not valid: illegal base64 data at input byte {offset}")]
    Base64 {
        /// The first wrong byte.
        offset: usize,
    },
    /// The base64 holds no JSON object of the expected fields.
    #[error("continue key is not valid: {reason}")]
    Json {
        /// What is wrong with it.
        reason: String,
    },
    /// The token is of another version.
    #[error("continue key is not valid: server does not recognize this encoded version {version}")]
    Version {
        /// The version.
        version: String,
    },
    /// There is no revision in the token, or none that a token can carry.
    #[error("continue key is not valid: incorrect encoded start resourceVersion (version {VERSION})")]
    Revision,
    /// There is no key in the token.
    #[error("continue key is not valid: encoded start key empty (version {VERSION})")]
    EmptyStart,
    /// The key of the token would lead elsewhere: it has an empty segment, a `.` or a `..`.
    #[error("continue key is not valid: {start}")]
    Start {
        /// The key.
        start: String,
    },
    /// The key to encode does not lie under the prefix.
    #[error("unable to encode next field: the key and key prefix do not match {prefix} {key}")]
    PrefixMismatch {
        /// The prefix.
        prefix: String,
        /// The key.
        key: String,
    },
}

impl ContinueToken {
    /// The text of the token for a list of `prefix`, which ends in a slash.
    /// [`ContinueToken::decode`] with the same prefix gives back an equal token.
    ///
    /// # Errors
    /// [`ContinueTokenError`] if the token could not be decoded again. No list produces such a token.
    pub fn encode(&self, prefix: &str) -> Result<String, ContinueTokenError> {
        let mismatch =
            || ContinueTokenError::PrefixMismatch { prefix: prefix.to_owned(), key: self.start.clone() };
        let start = self.start.strip_prefix(prefix).filter(|_| !prefix.is_empty()).ok_or_else(mismatch)?;
        if start.starts_with('/') {
            return Err(mismatch());
        }
        check_start(start)?;
        let revision = self.revision.to_json()?;
        let json = format!(r#"{{"v":"{VERSION}","rv":{revision},"start":{}}}"#, json_string(start));
        let token = BASE64.encode(json);
        if token.len() > TOKEN_BYTES_MAX { Err(ContinueTokenError::TooLong) } else { Ok(token) }
    }

    /// Decodes what a client sent as `continue` to a list of `prefix`, which ends in a slash.
    ///
    /// # Errors
    /// [`ContinueTokenError`]; its text after `invalid continue token: ` is the answer to the client.
    pub fn decode(token: &str, prefix: &str) -> Result<Self, ContinueTokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(ContinueTokenError::TooLong);
        }
        let fields = parse_object(&decode_base64(token)?)?;
        let version = string_field(&fields, "v")?;
        if version != VERSION {
            return Err(ContinueTokenError::Version { version: version.to_owned() });
        }
        let revision = TokenRevision::from_json(integer_field(&fields, "rv")?)?;
        let start = string_field(&fields, "start")?;
        check_start(start)?;
        Ok(Self { revision, start: format!("{prefix}{}", start.strip_prefix('/').unwrap_or(start)) })
    }
}

impl TokenRevision {
    fn to_json(self) -> Result<i64, ContinueTokenError> {
        match self {
            Self::Latest => Ok(-1),
            Self::At(0) => Err(ContinueTokenError::Revision),
            Self::At(revision) => i64::try_from(revision).map_err(|_| ContinueTokenError::Revision),
        }
    }

    fn from_json(revision: i64) -> Result<Self, ContinueTokenError> {
        match u64::try_from(revision) {
            Ok(0) => Err(ContinueTokenError::Revision),
            Ok(revision) => Ok(Self::At(revision)),
            Err(_) => Ok(Self::Latest),
        }
    }
}

/// A key relative to its prefix, with or without a slash before it, must be in normal form: appended to
/// the prefix it then lies under it. A slash alone is the prefix itself.
fn check_start(start: &str) -> Result<(), ContinueTokenError> {
    if start.is_empty() {
        return Err(ContinueTokenError::EmptyStart);
    }
    let relative = start.strip_prefix('/').unwrap_or(start);
    let normal =
        relative.is_empty() || relative.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if normal { Ok(()) } else { Err(ContinueTokenError::Start { start: start.to_owned() }) }
}

/// A JSON string that is also safe inside HTML and JavaScript, as clients compare tokens byte by byte.
fn json_string(text: &str) -> String {
    let mut out = String::new();
    for character in Value::from(text).to_string().chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

fn decode_base64(token: &str) -> Result<Vec<u8>, ContinueTokenError> {
    let foreign =
        token.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    // One character alone holds no byte.
    let dangling = (token.len() % 4 == 1).then(|| token.len() - 1);
    if let Some(offset) = foreign.or(dangling) {
        return Err(ContinueTokenError::Base64 { offset });
    }
    BASE64.decode(token).map_err(|_| ContinueTokenError::Base64 { offset: token.len() })
}

fn parse_object(json: &[u8]) -> Result<Map<String, Value>, ContinueTokenError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(fields)) => Ok(fields),
        // As a client library reads null into an object: nothing is set.
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(ContinueTokenError::Json { reason: "not a JSON object".to_owned() }),
        Err(error) => Err(ContinueTokenError::Json { reason: syntax_error(json, &error) }),
    }
}

/// What is wrong with a text that is not JSON; mostly already its first character.
fn syntax_error(json: &[u8], error: &serde_json::Error) -> String {
    let text = json.trim_ascii_start();
    match text.first() {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') if !error.is_eof() => {
            error.to_string()
        }
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') | None => {
            "unexpected end of JSON input".to_owned()
        }
        Some(first) => {
            format!("invalid character {} looking for beginning of value", quoted_first(text, *first))
        }
    }
}

/// The first character in quotes; where the bytes are not UTF-8, the first byte.
fn quoted_first(text: &[u8], first: u8) -> String {
    match text.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
        Some(character) => quoted_char(character),
        None => format!("'\\x{first:02x}'"),
    }
}

fn string_field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, ContinueTokenError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ContinueTokenError::Json { reason: format!("the field {name} is no string") }),
    }
}

fn integer_field(fields: &Map<String, Value>, name: &str) -> Result<i64, ContinueTokenError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| ContinueTokenError::Json {
            reason: format!("the field {name} is no integer of 64 bits"),
        }),
    }
}

/// Decodes arbitrary bytes, as they are and as the JSON of a token, and checks what must hold of every
/// token.
///
/// # Panics
/// If a promise of [`ContinueToken`] does not hold.
#[doc(hidden)]
pub fn fuzz_decode(bytes: &[u8]) {
    const PREFIX: &str = "/test/";
    for text in [String::from_utf8_lossy(bytes).into_owned(), BASE64.encode(bytes)] {
        let Ok(token) = ContinueToken::decode(&text, PREFIX) else { continue };
        assert!(token.start.starts_with(PREFIX), "of {text:?}");
        assert!(!token.start.split('/').any(|segment| matches!(segment, "." | "..")), "of {text:?}");
        match token.encode(PREFIX) {
            Ok(again) => {
                assert_eq!(ContinueToken::decode(&again, PREFIX).as_ref(), Ok(&token), "of {text:?}");
            }
            // The prefix itself is only decoded, and another spelling of a long token may be shorter.
            Err(error) => assert!(
                matches!(error, ContinueTokenError::EmptyStart | ContinueTokenError::TooLong),
                "{error} of {text:?}"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
