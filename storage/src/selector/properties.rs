//! Properties of the selectors, over deterministic random ones.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::attributes::Parts;
use crate::schema::Schema;

/// Enough cases to combine all tokens, few enough for a second.
const CASES: u32 = 2000;

fn runner() -> TestRunner {
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config { cases: CASES, failure_persistence: None, ..Config::default() }, rng)
}

#[derive(Clone, Debug)]
struct Requirement {
    key: &'static str,
    operator: &'static str,
    values: Vec<&'static str>,
}

const VALUES: [&str; 7] = ["", "a", "b", "in", "7", "07", "12"];
const NUMBERS: [&str; 3] = ["7", "07", "12"];

fn requirement() -> impl Strategy<Value = Requirement> {
    let keys = || select(vec!["a", "in", "notin", "example.com/a"]);
    let build = |(key, operator, values)| Requirement { key, operator, values };
    prop_oneof![
        (keys(), select(vec!["exists", "!"]), Just(Vec::new())).prop_map(build),
        (keys(), select(vec!["=", "==", "!="]), vec(select(&VALUES), 1)).prop_map(build),
        (keys(), select(vec!["in", "notin"]), vec(select(&VALUES), 1..4)).prop_map(build),
        (keys(), select(vec!["<", ">"]), vec(select(&NUMBERS), 1)).prop_map(build),
    ]
}

impl Requirement {
    fn text(&self, space: &str) -> String {
        let Self { key, operator, values } = self;
        match *operator {
            "exists" => format!("{space}{key}{space}"),
            "!" => format!("!{space}{key}"),
            "in" | "notin" => {
                format!("{key} {operator}{space}({space}{})", values.join(&format!("{space},")))
            }
            _ => format!("{key}{space}{operator}{space}{}", values[0]),
        }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.contains(&value));
        let number = value.and_then(|value| value.parse::<i64>().ok());
        let bound = self.values.first().and_then(|value| value.parse::<i64>().ok());
        match self.operator {
            "exists" => value.is_some(),
            "!" => value.is_none(),
            "=" | "==" | "in" => listed,
            "!=" | "notin" => !listed,
            "<" => number.is_some() && number < bound,
            _ => number.is_some() && number > bound,
        }
    }
}

#[test]
fn a_label_selector_matches_what_its_requirements_say() {
    let labels = btree_map(select(vec!["a", "in", "notin", "example.com/a"]), select(&VALUES), 0..4);
    let cases = (vec(requirement(), 0..4), select(vec!["", " ", "\t\n"]), labels);
    let agrees =
        |(requirements, space, labels): (Vec<Requirement>, &str, std::collections::BTreeMap<&str, &str>)| {
            let texts: Vec<String> = requirements.iter().map(|requirement| requirement.text(space)).collect();
            let selector = LabelSelector::parse(&texts.join(",")).unwrap();
            let expected = requirements
                .iter()
                .all(|requirement| requirement.holds(labels.get(requirement.key).copied()));
            prop_assert_eq!(selector.matches(|key| labels.get(key).copied()), expected);
            for (key, value) in &labels {
                let pinned = selector.exact(key);
                prop_assert!(!expected || pinned.is_none_or(|pinned| pinned == *value));
            }
            prop_assert_eq!(&LabelSelector::parse(&selector.to_string()).unwrap(), &selector);
            Ok(())
        };
    runner().run(&cases, agrees).unwrap();
}

#[test]
fn a_field_selector_matches_what_its_terms_say() {
    let value =
        || vec(select(vec!["a", ",", "=", "\\", "!", " ", "é"]), 0..3).prop_map(|parts| parts.concat());
    let term = (select(vec!["x", "y.z"]), select(vec!["=", "==", "!="]), value());
    let cases = (vec(term, 0..4), value(), value());
    let agrees = |(terms, x, yz): (Vec<(&str, &str, String)>, String, String)| {
        let escape = |value: &str| value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
        let text =
            |(field, operator, value): &(&str, &str, String)| format!("{field}{operator}{}", escape(value));
        let texts: Vec<String> = terms.iter().map(text).collect();
        let selector = FieldSelector::parse(&texts.join(",")).unwrap();
        let lookup = |field: &str| Some(if field == "x" { &*x } else { &*yz });
        let holds = |(field, operator, value): &(&str, &str, String)| {
            (lookup(field) == Some(value)) == (*operator != "!=")
        };
        prop_assert_eq!(selector.matches(lookup), terms.iter().all(holds));
        prop_assert_eq!(selector.fields().count(), terms.len());
        prop_assert_eq!(&FieldSelector::parse(&selector.to_string()).unwrap(), &selector);
        Ok(())
    };
    runner().run(&cases, agrees).unwrap();
}

/// The shards between these cuts of all hashes, in the order of their ranges.
fn shards(field: &str, cuts: &std::collections::BTreeSet<u64>) -> Vec<ShardSelector> {
    let bounds: Vec<u128> =
        [0].into_iter().chain(cuts.iter().map(|cut| u128::from(*cut))).chain([1 << 64]).collect();
    let between = |pair: &[u128]| {
        let text = format!("shardRange({field}, '{:#018x}', '{:#018x}')", pair[0], pair[1]);
        ShardSelector::parse(&text).unwrap()
    };
    bounds.windows(2).map(between).collect()
}

#[test]
fn shards_that_share_all_hashes_have_each_object_once() {
    let fields = select(vec!["object.metadata.uid", "object.metadata.namespace"]);
    let cases = (fields, btree_set(1..=u64::MAX, 0..8), "\\PC{0,40}", "\\PC{0,10}");
    let agrees = |(field, cuts, uid, namespace): (&str, _, String, String)| {
        let parts = Parts { uid: uid.into(), namespace: namespace.into(), ..Parts::default() };
        let object = parts.encode(&Schema::default());
        let shards = shards(field, &cuts);
        prop_assert_eq!(shards.iter().filter(|shard| shard.matches(&object)).count(), 1);
        for shard in &shards {
            prop_assert_eq!(&ShardSelector::parse(&shard.to_string()).unwrap(), shard);
        }
        // Some of the shards together match what one of them matches, in whatever order they come.
        let texts: Vec<_> = shards.iter().rev().step_by(2).map(ToString::to_string).collect();
        let together = ShardSelector::parse(&texts.join(" || ")).unwrap();
        let one_of_them = shards.iter().rev().step_by(2).any(|shard| shard.matches(&object));
        prop_assert_eq!(together.matches(&object), one_of_them);
        prop_assert_eq!(&ShardSelector::parse(&together.to_string()).unwrap(), &together);
        Ok(())
    };
    runner().run(&cases, agrees).unwrap();
}

const PIECES: [&str; 24] = [
    "a", "b", "7", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", "<", ">", " ", "\t", "/", ".", "-",
    "_", "\\", "é", "\0", "x.y/z",
];

fn anything() -> impl Strategy<Value = (String, Vec<u8>)> {
    (vec(select(&PIECES), 0..24).prop_map(|pieces| pieces.concat()), vec(any::<u8>(), 0..64))
}

#[test]
fn no_input_breaks_the_label_parser() {
    runner()
        .run(&anything(), |(text, bytes)| {
            fuzz_label(text.as_bytes());
            fuzz_label(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_input_breaks_the_field_parser() {
    runner()
        .run(&anything(), |(text, bytes)| {
            fuzz_field(text.as_bytes());
            fuzz_field(&bytes);
            Ok(())
        })
        .unwrap();
}

const SHARD_PIECES: [&str; 16] = [
    "shardRange",
    "(",
    ")",
    ",",
    "||",
    "|",
    "'",
    "\"",
    " ",
    "\n",
    "object.metadata.uid",
    "object.metadata.name",
    "é",
    "'0x0000000000000000'",
    "'0x8000000000000000'",
    "'0x10000000000000000'",
];

#[test]
fn no_input_breaks_the_shard_parser() {
    let whole = "shardRange(object.metadata.uid,'0x0000000000000000','0x8000000000000000')";
    let cases = (vec(select(&SHARD_PIECES), 0..12), vec(any::<u8>(), 0..64), 0..whole.len());
    runner()
        .run(&cases, |(pieces, bytes, at)| {
            fuzz_shard(pieces.concat().as_bytes());
            fuzz_shard(&bytes);
            let (before, behind) = whole.split_at(at);
            fuzz_shard(format!("{before}{}{behind}", pieces.concat()).as_bytes());
            Ok(())
        })
        .unwrap();
}
