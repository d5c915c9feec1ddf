//! Quoting of what a client sent inside the text of an error, spelled as its tools expect it.

use std::fmt::Write as _;

/// The text in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        push_escaped(&mut out, character, '"');
    }
    out.push('"');
    out
}

/// The character in single quotes.
pub(crate) fn quoted_char(character: char) -> String {
    let mut out = String::from('\'');
    push_escaped(&mut out, character, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, character: char, quote: char) {
    let number = u32::from(character);
    // Writing to a string cannot fail.
    let _ = match character {
        '\\' => out.write_str("\\\\"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\x07' => out.write_str("\\a"),
        '\x08' => out.write_str("\\b"),
        '\x0b' => out.write_str("\\v"),
        '\x0c' => out.write_str("\\f"),
        _ if character == quote => write!(out, "\\{character}"),
        '\0'..' ' | '\x7f' => write!(out, "\\x{number:02x}"),
        ' '..'\x7f' => out.write_char(character),
        _ if is_printable(character) => out.write_char(character),
        _ if number < 0x10000 => write!(out, "\\u{number:04x}"),
        _ => write!(out, "\\U{number:08x}"),
    };
}

fn is_printable(character: char) -> bool {
    character.escape_debug().next() == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_between_double_quotes() {
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("a\"b\\c\n\x01\x7f"), r#""a\"b\\c\n\x01\x7f""#);
        assert_eq!(quoted("é\u{a0}\u{e0001}"), r#""é\u00a0\U000e0001""#);
    }

    #[test]
    fn a_character_is_escaped_between_single_quotes() {
        assert_eq!(quoted_char('x'), "'x'");
        assert_eq!(quoted_char('\''), r"'\''");
        assert_eq!(quoted_char('"'), "'\"'");
    }
}
