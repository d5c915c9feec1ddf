//! Bytes in JSON: base64 with the standard alphabet and padding.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Decodes as leniently as the reference: stray bits after the last byte are ignored.
const CODEC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The one spelling of the bytes that `text` stands for; line breaks in it do not count.
pub(super) fn canonical(text: &str) -> Result<String, String> {
    let is_break = |c: char| matches!(c, '\r' | '\n');
    let joined: String;
    let plain = if text.contains(is_break) {
        joined = text.replace(is_break, "");
        &joined
    } else {
        text
    };
    let decoded = CODEC.decode(plain).map_err(|_| fault(plain))?;
    Ok(CODEC.encode(decoded))
}

/// Names the first byte that does not belong, or the end where one is missing.
fn fault(text: &str) -> String {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let offset = text.bytes().position(|byte| !is_known(byte)).unwrap_or(text.len() & !3);
    format!("illegal base64 data at input byte {offset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_the_same() {
        for text in ["aGVsbG8=", "aGVs\r\nbG8=", "aGVsbG9="] {
            assert_eq!(canonical(text).as_deref(), Ok("aGVsbG8="), "{text}");
        }
        assert_eq!(canonical("").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        assert_eq!(canonical("a b=").unwrap_err(), "illegal base64 data at input byte 1");
        assert_eq!(canonical("aGVsbG8").unwrap_err(), "illegal base64 data at input byte 4");
        assert!(canonical("aGVsbG8_").is_err());
    }
}
