//! A body of YAML: the first document of it, as the JSON it stands for.
//!
//! Keys that are no strings become their text; references are expanded within bounds.

use serde_yaml_ng::Deserializer;

use super::document::{self, Document, Malformed};

/// How many brackets may be open at once, wherever they stand. The scanner of the YAML library compares
/// every token with every open bracket; no document that keeps to the depth limit comes near this.
const MAX_OPEN_BRACKETS: usize = 10_000;

/// How large the tree may be for each byte of the text. A document without references needs less: a
/// character of a value costs one, and so does the value, which takes a separator at least.
const UNITS_PER_BYTE: usize = 2;

/// What references may add to that.
const UNITS_FOR_REFERENCES: usize = 64 << 10;

/// Parses a body of YAML.
///
/// # Errors
/// The text of [`Malformed`] starts with `error converting YAML to JSON: yaml: `.
pub fn parse(body: &[u8]) -> Result<Document, Malformed> {
    if open_brackets(body) > MAX_OPEN_BRACKETS {
        return Err(malformed(&document::TOO_DEEP));
    }
    let budget = body.len().saturating_mul(UNITS_PER_BYTE).saturating_add(UNITS_FOR_REFERENCES);
    let Some(first) = Deserializer::from_slice(body).next() else {
        return Err(malformed(&"no document"));
    };
    document::build(first, budget).map_err(|error| malformed(&error))
}

fn malformed(cause: &dyn std::fmt::Display) -> Malformed {
    Malformed(format!("error converting YAML to JSON: yaml: {cause}"))
}

fn open_brackets(body: &[u8]) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in body {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(body: &str) -> serde_json::Value {
        parse(body.as_bytes()).unwrap().value
    }

    #[test]
    fn yaml_becomes_the_json_it_stands_for() {
        let body = "kind: ConfigMap\nmetadata:\n  name: yam\ndata:\n  a: \"1\"\n  b: |\n    two\n    lines\nn: 3\nf: 1.5\nt: true\nz: ~\nl: [a, b]\n";
        assert_eq!(
            value(body),
            json!({"kind": "ConfigMap", "metadata": {"name": "yam"}, "data": {"a": "1", "b": "two\nlines\n"},
                   "n": 3, "f": 1.5, "t": true, "z": null, "l": ["a", "b"]})
        );
    }

    #[test]
    fn keys_that_are_no_strings_become_their_text() {
        assert_eq!(value("1: a\ntrue: b\n-2: c\n"), json!({"1": "a", "true": "b", "-2": "c"}));
    }

    #[test]
    fn json_is_yaml() {
        assert_eq!(value(r#"{"a":[1,{"b":null}]}"#), json!({"a": [1, {"b": null}]}));
    }

    #[test]
    fn an_empty_body_is_null() {
        assert_eq!(value(""), json!(null));
    }

    #[test]
    fn only_the_first_document_counts() {
        assert_eq!(value("a: 1\n---\nb: 2\n"), json!({"a": 1}));
    }

    #[test]
    fn a_duplicate_key_is_noted_with_its_full_path() {
        assert_eq!(parse(b"data:\n  a: 1\n  a: 2\n").unwrap().duplicates, ["data.a"]);
    }

    #[test]
    fn references_expand_within_bounds() {
        assert_eq!(value("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
        let level = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
        let levels: String = (1..9).map(level).collect();
        let bomb = format!("a0: &a0 [x]\n{levels}");
        assert!(parse(bomb.as_bytes()).is_err());
        let text = "y".repeat(10_000);
        let wide = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 5_000].join(","));
        assert!(parse(wide.as_bytes()).unwrap_err().0.contains("aliasing"));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse("[".repeat(200).as_bytes()).is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(parse("- ".repeat(1_000).as_bytes()).is_err());
        assert!(parse(format!("{}{}", "[".repeat(101), "]".repeat(101)).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_yaml_is_told() {
        let error = parse(b"a: b: c").unwrap_err();
        assert!(
            error.0.starts_with("error converting YAML to JSON: yaml: mapping values are not allowed"),
            "{error}"
        );
    }
}
