//! A body of JSON.

use super::document::{self, Document, Malformed};
use super::json_fault;

/// Parses a body of JSON.
///
/// # Errors
/// The text of [`Malformed`] is a fragment such as `unexpected end of JSON input`; see
/// [`super::identity::unrecognized`] for the whole message.
pub fn parse(body: &[u8]) -> Result<Document, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    document::build(&mut deserializer, usize::MAX)
        .and_then(|document| deserializer.end().map(|()| document))
        .map_err(|error| Malformed(json_fault::find(body).unwrap_or_else(|| error.to_string())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::MAX_DEPTH;
    use super::*;

    fn duplicates(body: &str) -> Vec<String> {
        parse(body.as_bytes()).unwrap().duplicates
    }

    #[test]
    fn a_duplicate_key_is_noted_with_its_full_path() {
        assert_eq!(duplicates(r#"{"data":{"a":"1","b":"2","a":"3"}}"#), ["data.a"]);
        let nested = r#"{"spec":{"containers":[{"x":1},{"name":"a","name":"b"}]}}"#;
        assert_eq!(duplicates(nested), ["spec.containers[1].name"]);
        assert_eq!(duplicates(r#"{"a":[[{"b":1,"b":2}]]}"#), ["a[0][0].b"]);
        assert_eq!(duplicates(r#"{"a":1,"a":2,"a":3}"#), ["a"]);
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        let document = parse(br#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(document.value, json!({"a": 2}));
    }

    #[test]
    fn equal_keys_of_different_objects_are_no_duplicates() {
        assert_eq!(duplicates(r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#), [""; 0]);
    }

    #[test]
    fn a_key_is_only_a_key() {
        let document = parse(br#"{"$serde_json::private::RawValue":"{}"}"#).unwrap();
        assert_eq!(document.value, json!({"$serde_json::private::RawValue": "{}"}));
    }

    #[test]
    fn the_noted_duplicates_are_bounded() {
        let pairs: Vec<_> = (0..500).map(|n| format!(r#""k{n}":1,"k{n}":2"#)).collect();
        assert_eq!(duplicates(&format!("{{{}}}", pairs.join(","))).len(), 100);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err().0, "exceeded max depth");
        assert!(parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_json_is_told_in_the_words_clients_know() {
        for (body, text) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("not", "invalid character 'o' in literal null (expecting 'u')"),
            ("<", "invalid character '<' looking for beginning of value"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\"\\u12x4\"", "invalid character 'x' in \\u hexadecimal character escape"),
            ("'", "invalid character '\\'' looking for beginning of value"),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().0, text, "{body}");
        }
        let binary = parse(b"\x81").unwrap_err();
        assert_eq!(binary.0, "invalid character '\\x81' looking for beginning of value");
    }

    #[test]
    fn a_number_beyond_64_bits_is_kept_as_a_float() {
        assert_eq!(parse(b"18446744073709551616").unwrap().value, json!(18_446_744_073_709_551_616.0_f64));
        assert!(parse(b"1e999").is_err());
    }
}
