//! Continue tokens: known tokens, refusals, and properties of arbitrary ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

fn at(revision: u64, start: &str) -> ContinueToken {
    ContinueToken { revision: TokenRevision::At(revision), start: start.to_owned() }
}

fn latest(start: &str) -> ContinueToken {
    ContinueToken { revision: TokenRevision::Latest, start: start.to_owned() }
}

fn decode_json(json: &str) -> Result<ContinueToken, ContinueTokenError> {
    ContinueToken::decode(&BASE64.encode(json), "/test/")
}

fn json_of(token: &ContinueToken) -> String {
    String::from_utf8(BASE64.decode(token.encode("/test/").unwrap()).unwrap()).unwrap()
}

#[test]
fn tokens_are_byte_for_byte_what_clients_know() {
    for (token, prefix, text) in [
        (
            at(348, "/configmaps/t1/b\0"),
            "/configmaps/t1/",
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzQ4LCJzdGFydCI6ImJcdTAwMDAifQ",
        ),
        (
            at(363, "/configmaps/t1/a\0"),
            "/configmaps/t1/",
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzYzLCJzdGFydCI6ImFcdTAwMDAifQ",
        ),
    ] {
        assert_eq!(token.encode(prefix).as_deref(), Ok(text));
        assert_eq!(ContinueToken::decode(text, prefix), Ok(token));
    }
    // A start with a slash before it, which servers that list without a trailing slash hand out.
    let text = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzQ4LCJzdGFydCI6Ii9nZW4tYmg4ZnFcdTAwMDAifQ";
    assert_eq!(ContinueToken::decode(text, "/configmaps/t1/"), Ok(at(348, "/configmaps/t1/gen-bh8fq\0")));
}

#[test]
fn the_json_is_escaped_for_html() {
    assert_eq!(json_of(&at(1, "/test/a/b\0")), r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a/b\u0000"}"#);
    assert_eq!(
        json_of(&latest("/test/<&>\"\\é\n\u{8}\u{1f}\u{7f}\u{2028}\u{2029}")),
        "{\"v\":\"meta.k8s.io/v1\",\"rv\":-1,\"start\":\"\\u003c\\u0026\\u003e\\\"\\\\é\\n\\b\\u001f\u{7f}\\u2028\\u2029\"}"
    );
}

#[test]
fn a_start_in_normal_form_is_appended_to_the_prefix() {
    for (start, key) in [
        ("key", "/test/key"),
        ("/key", "/test/key"),
        ("/", "/test/"),
        ("ns/key\\u0000", "/test/ns/key\0"),
        ("..key", "/test/..key"),
        ("key..", "/test/key.."),
    ] {
        let decoded = decode_json(&format!(r#"{{"v":"meta.k8s.io/v1","rv":1,"start":"{start}"}}"#));
        assert_eq!(decoded, Ok(at(1, key)), "{start}");
    }
}

#[test]
fn a_start_that_normalisation_would_change_is_refused() {
    for start in [
        "../key",
        "./key",
        "./../key",
        "key/../..",
        "key/",
        "key//x",
        "//key",
        "..",
        ".",
        "/..",
        "/./x",
        "//",
    ] {
        let refusal =
            decode_json(&format!(r#"{{"v":"meta.k8s.io/v1","rv":1,"start":"{start}"}}"#)).unwrap_err();
        assert_eq!(refusal.to_string(), format!("continue key is not valid: {start}"));
    }
}

#[test]
fn a_negative_revision_means_the_latest() {
    for revision in ["-1", "-2", "-9223372036854775808"] {
        let decoded = decode_json(&format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":"key"}}"#));
        assert_eq!(decoded, Ok(latest("/test/key")), "{revision}");
    }
}

#[test]
fn spaces_order_and_unknown_fields_do_not_matter() {
    let json = " {\"start\" : \"key\",\n\"x\":{\"v\":[1]}, \"rv\": 7 , \"v\":\"meta.k8s.io/v1\"}\t";
    assert_eq!(decode_json(json), Ok(at(7, "/test/key")));
}

#[test]
fn spare_bits_of_the_last_character_do_not_matter() {
    let text = at(1, "/test/a").encode("/test/").unwrap();
    let (head, last) = text.split_at(text.len() - 1);
    assert_eq!((text.len() % 4, last), (3, "0"));
    assert_eq!(ContinueToken::decode(&format!("{head}1"), "/test/"), Ok(at(1, "/test/a")));
}

#[test]
fn a_client_reads_why_its_token_is_refused() {
    let version = "continue key is not valid: server does not recognize this encoded version ";
    let revision =
        "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)";
    let empty = "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)";
    for (json, error) in [
        (r#"{"v":"","rv":1,"start":"key"}"#, version),
        (r#"{"rv":1,"start":"key"}"#, version),
        ("null", version),
        (r#"{"v":"v1","rv":1,"start":"key"}"#, &format!("{version}v1")),
        (r#"{"v":"meta.k8s.io/v1","rv":0,"start":"key"}"#, revision),
        (r#"{"v":"meta.k8s.io/v1","start":"key"}"#, revision),
        (r#"{"v":"meta.k8s.io/v1","rv":1,"start":""}"#, empty),
        (r#"{"v":"meta.k8s.io/v1","rv":1}"#, empty),
        ("", "continue key is not valid: unexpected end of JSON input"),
        ("{", "continue key is not valid: unexpected end of JSON input"),
        ("a", "continue key is not valid: invalid character 'a' looking for beginning of value"),
        (" '", r"continue key is not valid: invalid character '\'' looking for beginning of value"),
        ("é", "continue key is not valid: invalid character 'é' looking for beginning of value"),
        ("[]", "continue key is not valid: not a JSON object"),
        (
            r#"{"v":"meta.k8s.io/v1","rv":"1"}"#,
            "continue key is not valid: the field rv is no integer of 64 bits",
        ),
        (r#"{"v":1}"#, "continue key is not valid: the field v is no string"),
    ] {
        assert_eq!(decode_json(json).unwrap_err().to_string(), error, "{json}");
    }
    assert!(decode_json("{x}").unwrap_err().to_string().starts_with("continue key is not valid: "));
}

#[test]
fn a_client_reads_where_its_token_is_not_base64() {
    for (text, error) in [
        ("garbage", r"continue key is not valid: invalid character '\x81' looking for beginning of value"),
        ("eyJ2!", "continue key is not valid: illegal base64 data at input byte 4"),
        ("eyJ2Ij0=", "continue key is not valid: illegal base64 data at input byte 7"),
        ("+eyJ", "continue key is not valid: illegal base64 data at input byte 0"),
        ("eyJ2e", "continue key is not valid: illegal base64 data at input byte 4"),
        ("é", "continue key is not valid: illegal base64 data at input byte 0"),
    ] {
        assert_eq!(ContinueToken::decode(text, "/test/").unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn what_could_not_be_decoded_is_not_encoded() {
    for (token, prefix) in
        [(at(1, "/other/a"), "/test/"), (at(1, "/test/a"), ""), (at(1, "/test/a"), "/test"), (at(1, ""), "/")]
    {
        assert_eq!(
            token.encode(prefix).unwrap_err().to_string(),
            format!(
                "unable to encode next field: the key and key prefix do not match {prefix} {}",
                token.start
            )
        );
    }
    assert_eq!(at(1, "/test/").encode("/test/"), Err(ContinueTokenError::EmptyStart));
    assert!(matches!(at(1, "/test/../a").encode("/test/"), Err(ContinueTokenError::Start { .. })));
    assert_eq!(at(0, "/test/a").encode("/test/"), Err(ContinueTokenError::Revision));
    assert_eq!(at(1 << 63, "/test/a").encode("/test/"), Err(ContinueTokenError::Revision));
    assert!(at((1 << 63) - 1, "/test/a").encode("/test/").is_ok());
}

#[test]
fn a_token_is_bounded_and_the_longest_key_fits() {
    let longest = at(u64::MAX >> 1, &format!("/test/{}", "\0".repeat(1024)));
    assert_eq!(ContinueToken::decode(&longest.encode("/test/").unwrap(), "/test/"), Ok(longest));
    let longer = at(1, &format!("/test/{}", "a".repeat(TOKEN_BYTES_MAX)));
    assert_eq!(longer.encode("/test/"), Err(ContinueTokenError::TooLong));
    let text = "A".repeat(TOKEN_BYTES_MAX + 1);
    assert_eq!(ContinueToken::decode(&text, "/test/"), Err(ContinueTokenError::TooLong));
}

fn any_token() -> impl Strategy<Value = ContinueToken> {
    let segment = "[^/]{1,20}".prop_filter("a step", |segment| segment != "." && segment != "..");
    let revision = prop_oneof![
        1 => Just(TokenRevision::Latest),
        3 => (1..=u64::MAX >> 1).prop_map(TokenRevision::At),
    ];
    (revision, vec(segment, 1..4)).prop_map(|(revision, segments)| ContinueToken {
        revision,
        start: format!("/test/{}", segments.join("/")),
    })
}

#[test]
fn every_token_survives_encoding() {
    let mut runner = TestRunner::deterministic();
    let survives = |token: ContinueToken| {
        let text = token.encode("/test/").unwrap();
        prop_assert_eq!(ContinueToken::decode(&text, "/test/"), Ok(token));
        Ok(())
    };
    runner.run(&any_token(), survives).unwrap();
}

#[test]
fn no_input_breaks_the_decoder() {
    let pieces = vec(
        proptest::sample::select(vec![
            "{",
            "}",
            "\"v\":\"meta.k8s.io/v1\"",
            ",",
            "\"rv\":",
            "1",
            "-1",
            "0",
            "\"start\":",
            "\"",
            "a",
            "/",
            ".",
            "..",
            "\\u0000",
            "\\ud800",
            "null",
            " ",
            "[",
            "]",
            "1e9",
            "é",
        ]),
        0..16,
    );
    let starts = vec(proptest::sample::select(vec!["a", "/", ".", "..", "\\u0000", "\\n", "<", "é"]), 0..8);
    let starts = starts.prop_map(|start| {
        vec![format!("{{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"{}\"}}", start.concat())]
    });
    let texts = prop_oneof![pieces.prop_map(|pieces| vec![pieces.concat()]), starts];
    let mut runner = TestRunner::deterministic();
    runner
        .run(&(texts, vec(any::<u8>(), 0..64)), |(texts, bytes)| {
            for text in texts {
                fuzz_decode(text.as_bytes());
            }
            fuzz_decode(&bytes);
            Ok(())
        })
        .unwrap();
}
