//! Says what is wrong with a body that is no JSON, in the words that clients of the API know: the first
//! byte that does not fit, and what was expected there.
//!
//! The parser's own errors name lines and columns instead. This scanner runs only on bodies that the
//! parser has refused, keeps no values, and does not recurse.

use super::MAX_DEPTH;
use super::document::TOO_DEEP;

const END: &str = "unexpected end of JSON input";

/// The first fault of `body`; none where its grammar is in order and the parser refused it for another
/// reason, such as a number out of range.
pub(super) fn find(body: &[u8]) -> Option<String> {
    Scanner { rest: body, open: Vec::new() }.document().err()
}

/// What encloses the position.
#[derive(Clone, Copy)]
enum Open {
    Object,
    List,
}

struct Scanner<'b> {
    rest: &'b [u8],
    open: Vec<Open>,
}

/// The text of the fault.
type Scanned<T = ()> = Result<T, String>;

fn unexpected(byte: u8, context: &str) -> String {
    let shown = match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        0x20..=0x7e => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("invalid character '{shown}' {context}")
}

impl Scanner<'_> {
    fn next(&mut self) -> Scanned<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or(END)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The next byte if `wanted` takes it.
    fn take_if(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        wanted(byte).then(|| {
            self.rest = rest;
            byte
        })
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.take_if(&wanted).is_some() {}
    }

    /// The next byte that is no white space.
    fn next_token(&mut self) -> Scanned<u8> {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        self.next()
    }

    fn document(mut self) -> Scanned {
        let first = self.next_token()?;
        let mut complete = self.value(first)?;
        loop {
            if complete && self.after_value()? {
                return Ok(());
            }
            let first = self.next_token()?;
            complete = match (self.open.last(), complete) {
                // An empty list.
                (Some(Open::List), false) if first == b']' => {
                    self.open.pop();
                    true
                }
                (Some(Open::Object), false) if first == b'}' => {
                    self.open.pop();
                    true
                }
                (Some(Open::Object), _) => {
                    self.key(first)?;
                    let value = self.next_token()?;
                    self.value(value)?
                }
                _ => self.value(first)?,
            };
        }
    }

    /// A value, or the opening of one: then it is not complete.
    fn value(&mut self, first: u8) -> Scanned<bool> {
        match first {
            b'{' => self.enter(Open::Object),
            b'[' => self.enter(Open::List),
            b'"' => self.string().map(|()| true),
            b'-' | b'0'..=b'9' => self.number(first).map(|()| true),
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| true),
            b'n' => self.literal("null").map(|()| true),
            _ => Err(unexpected(first, "looking for beginning of value")),
        }
    }

    fn enter(&mut self, open: Open) -> Scanned<bool> {
        if self.open.len() >= MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        self.open.push(open);
        Ok(false)
    }

    /// Closes what the complete value ends. True at the end of the document; otherwise another element
    /// has to follow.
    fn after_value(&mut self) -> Scanned<bool> {
        loop {
            let Some(&open) = self.open.last() else {
                return match self.next_token() {
                    Ok(byte) => Err(unexpected(byte, "after top-level value")),
                    Err(_) => Ok(true),
                };
            };
            match (open, self.next_token()?) {
                (_, b',') => return Ok(false),
                (Open::Object, b'}') | (Open::List, b']') => {
                    self.open.pop();
                }
                (Open::Object, byte) => return Err(unexpected(byte, "after object key:value pair")),
                (Open::List, byte) => return Err(unexpected(byte, "after array element")),
            }
        }
    }

    fn key(&mut self, first: u8) -> Scanned {
        if first != b'"' {
            return Err(unexpected(first, "looking for beginning of object key string"));
        }
        self.string()?;
        match self.next_token()? {
            b':' => Ok(()),
            byte => Err(unexpected(byte, "after object key")),
        }
    }

    /// The rest of a string, after its opening quote.
    fn string(&mut self) -> Scanned {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ 0..=0x1f => return Err(unexpected(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Scanned {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.next()?;
                    if !byte.is_ascii_hexdigit() {
                        return Err(unexpected(byte, "in \\u hexadecimal character escape"));
                    }
                }
                Ok(())
            }
            byte => Err(unexpected(byte, "in string escape code")),
        }
    }

    /// The rest of a number, after its first byte.
    fn number(&mut self, first: u8) -> Scanned {
        let leading = if first == b'-' { self.digit("in numeric literal")? } else { first };
        if leading != b'0' {
            self.take_while(|byte| byte.is_ascii_digit());
        }
        if self.take_if(|byte| byte == b'.').is_some() {
            self.digit("after decimal point in numeric literal")?;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        if self.take_if(|byte| matches!(byte, b'e' | b'E')).is_some() {
            self.take_if(|byte| matches!(byte, b'+' | b'-'));
            self.digit("in exponent of numeric literal")?;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        Ok(())
    }

    fn digit(&mut self, context: &str) -> Scanned<u8> {
        match self.next()? {
            byte if byte.is_ascii_digit() => Ok(byte),
            byte => Err(unexpected(byte, context)),
        }
    }

    /// The rest of a literal, after its first byte.
    fn literal(&mut self, literal: &str) -> Scanned {
        for expected in literal.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let wanted = char::from(expected);
                return Err(unexpected(byte, &format!("in literal {literal} (expecting '{wanted}')")));
            }
        }
        Ok(())
    }
}
