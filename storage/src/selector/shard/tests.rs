//! What a shard selector is and what it is not, and the hash.

use super::*;
use crate::attributes::Parts;
use crate::schema::Schema;

const LOWER: &str = "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')";
const UPPER: &str = "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')";

fn object(namespace: &str, uid: &str) -> Attributes {
    let parts = Parts { namespace: namespace.into(), uid: uid.into(), ..Parts::default() };
    parts.encode(&Schema::default())
}

fn range(field: &str, start: &str, end: &str) -> String {
    format!("shardRange({field}, '{start}', '{end}')")
}

#[test]
fn the_hash_is_the_one_that_clients_know() {
    for (text, expected) in
        [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8_u64)]
    {
        assert_eq!(hash(text), expected, "{text:?}");
    }
}

#[test]
fn a_range_begins_at_its_start_and_stops_before_its_end() {
    // The hash of `a`, and its neighbours.
    for (start, end, matches) in [
        ("0xaf63dc4c8601ec8c", "0xaf63dc4c8601ec8d", true),
        ("0xaf63dc4c8601ec8d", "0x10000000000000000", false),
        ("0x0000000000000000", "0xaf63dc4c8601ec8c", false),
        ("0x0000000000000000", "0x10000000000000000", true),
    ] {
        let by_uid = ShardSelector::parse(&range("object.metadata.uid", start, end)).unwrap();
        assert_eq!(by_uid.matches(&object("x", "a")), matches, "{start} {end}");
        let by_namespace = ShardSelector::parse(&range("object.metadata.namespace", start, end)).unwrap();
        assert_eq!(by_namespace.matches(&object("a", "x")), matches, "{start} {end}");
    }
}

#[test]
fn the_first_and_the_last_hash_belong_to_a_shard() {
    let (lower, upper) = (ShardSelector::parse(LOWER).unwrap(), ShardSelector::parse(UPPER).unwrap());
    for (hash, is_lower) in [(0, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
        assert_eq!((lower.0.has(hash), upper.0.has(hash)), (is_lower, !is_lower), "{hash:#x}");
    }
}

#[test]
fn a_missing_value_is_the_empty_text() {
    let of_nothing = range("object.metadata.namespace", "0xcbf29ce484222325", "0xcbf29ce484222326");
    assert!(ShardSelector::parse(&of_nothing).unwrap().matches(&object("", "x")));
}

#[test]
fn ranges_are_alternatives() {
    let uid = "object.metadata.uid";
    let a = range(uid, "0xaf63dc4c8601ec8c", "0xaf63dc4c8601ec8d");
    let foobar = range(uid, "0x85944171f73967e8", "0x85944171f73967e9");
    let both = ShardSelector::parse(&format!("{a}||{foobar}")).unwrap();
    for (value, matches) in [("a", true), ("foobar", true), ("b", false), ("", false)] {
        assert_eq!(both.matches(&object("", value)), matches, "{value:?}");
    }
}

#[test]
fn space_and_the_kind_of_quotes_mean_nothing() {
    let plain = ShardSelector::parse(LOWER).unwrap();
    for text in [
        "shardRange(object.metadata.uid,'0x0000000000000000','0x8000000000000000')",
        "shardRange(object.metadata.uid,\"0x0000000000000000\",\"0x8000000000000000\")",
        " shardRange\t(\nobject.metadata.uid , '0x0000000000000000'\r, '0x8000000000000000' ) ",
    ] {
        assert_eq!(ShardSelector::parse(text).as_ref(), Ok(&plain), "{text:?}");
    }
}

#[test]
fn the_canonical_text_has_sorted_ranges_that_do_not_touch() {
    let uid = "object.metadata.uid";
    let third = range(uid, "0x9000000000000000", "0xa000000000000000");
    let inner = range(uid, "0x1000000000000000", "0x2000000000000000");
    for (text, canonical) in [
        (LOWER.to_owned(), LOWER.to_owned()),
        (format!("{UPPER} || {LOWER}"), range(uid, "0x0000000000000000", "0x10000000000000000")),
        (format!("{third}||{inner} || {LOWER}"), format!("{LOWER} || {third}")),
        (format!("{third}||{third}"), third),
    ] {
        assert_eq!(ShardSelector::parse(&text).unwrap().to_string(), canonical, "{text}");
    }
}

#[test]
fn a_client_reads_what_is_wrong_with_the_selector() {
    let (uid, zero, end) = ("object.metadata.uid", "0x0000000000000000", "0x10000000000000000");
    let bounds = "expected: 0x and 16 digits of 0-9 and a-f, as '0x8000000000000000', or '0x10000000000000000' \
                  for the end of all hashes";
    let fields = "expected: object.metadata.uid, object.metadata.namespace";
    for (text, error) in [
        (String::new(), "it is empty: leave it out to select all objects".to_owned()),
        (" \n".to_owned(), "it is empty: leave it out to select all objects".to_owned()),
        ("a=b".to_owned(), "found \"a=b\", expected: shardRange(…)".to_owned()),
        ("shardRange".to_owned(), "found the end, expected: (".to_owned()),
        ("shardRange()".to_owned(), format!("found \")\", {fields}")),
        (range("metadata.uid", zero, end), format!("unknown field \"metadata.uid\", {fields}")),
        (
            range("object.metadata.name", zero, end),
            format!("unknown field \"object.metadata.name\", {fields}"),
        ),
        (range(uid, "0x0", end), format!("unknown bound \"0x0\", {bounds}")),
        (range(uid, zero, "8000000000000000"), format!("unknown bound \"8000000000000000\", {bounds}")),
        (range(uid, zero, "0x800000000000000F"), format!("unknown bound \"0x800000000000000F\", {bounds}")),
        (range(uid, zero, "0x+800000000000000"), format!("unknown bound \"0x+800000000000000\", {bounds}")),
        (range(uid, zero, "0x10000000000000001"), format!("unknown bound \"0x10000000000000001\", {bounds}")),
        (range(uid, zero, zero), format!("a range has to begin below its end, found '{zero}' and '{zero}'")),
        (range(uid, end, end), format!("a range has to begin below its end, found '{end}' and '{end}'")),
        (range(uid, end, zero), format!("a range has to begin below its end, found '{end}' and '{zero}'")),
        (
            "shardRange(object.metadata.uid, 0x0, 0x1)".to_owned(),
            "found \"0x0, 0x1)\", expected: a bound in quotes".to_owned(),
        ),
        (
            "shardRange(object.metadata.uid, '0x0".to_owned(),
            "found \"'0x0\", expected: a bound in quotes".to_owned(),
        ),
        (format!("{LOWER} {UPPER}"), format!("found {:?}, expected: ||, or the end", &UPPER[..SHOWN_MAX])),
        (format!("{LOWER} &&"), "found \"&&\", expected: ||, or the end".to_owned()),
        (format!("{LOWER} ||"), "found the end, expected: shardRange(…)".to_owned()),
        (
            format!("{LOWER} || {}", range("object.metadata.namespace", zero, end)),
            "all ranges have to be of one field, found object.metadata.uid and object.metadata.namespace"
                .to_owned(),
        ),
    ] {
        let told = ShardSelector::parse(&text).unwrap_err().to_string();
        assert_eq!(told, format!("invalid shard selector: {error}"), "{text}");
    }
}

#[test]
fn a_selector_is_bounded_in_length_and_ranges() {
    use super::super::SELECTOR_BYTES_MAX;
    let padded = |bytes: usize| format!("{LOWER}{}", " ".repeat(bytes - LOWER.len()));
    assert!(ShardSelector::parse(&padded(SELECTOR_BYTES_MAX)).is_ok());
    assert_eq!(ShardSelector::parse(&padded(SELECTOR_BYTES_MAX + 1)), Err(SelectorError::TooLong));
    assert!(ShardSelector::parse(&vec![LOWER; RANGES_MAX].join("||")).is_ok());
    let many = ShardSelector::parse(&vec![LOWER; RANGES_MAX + 1].join("||"));
    assert_eq!(many, Err(SelectorError::Shard(ShardError::TooManyRanges)));
}

#[test]
fn the_longest_canonical_text_is_a_selector() {
    let ranges = (0..RANGES_MAX).map(|at| {
        let bound = |number: usize| format!("0x{number:016x}");
        range("object.metadata.namespace", &bound(2 * at), &bound(2 * at + 1))
    });
    let selector = ShardSelector::parse(&ranges.collect::<Vec<_>>().join("||")).unwrap();
    assert_eq!(selector.0.ranges.len(), RANGES_MAX);
    assert_eq!(ShardSelector::parse(&selector.to_string()), Ok(selector));
}
