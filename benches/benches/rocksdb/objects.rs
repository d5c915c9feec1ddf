//! The objects of the benches: canonical pods of a given size, with labels, a node and text that compresses
//! little. All of them follow from a seed.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use watchkeep_storage::{Key, ResourcePrefix, Schema, SelectableField, Value};

/// The seed of everything that is drawn.
pub(crate) const SEED: u64 = 20_260_101;

const TEXT_BYTES: usize = 4 << 20;
const WORDS: usize = 4_000;
const PODS_PER_NAMESPACE: usize = 1_000;
const NODES: usize = 100;

/// Makes objects of one size.
pub(crate) struct Objects {
    bytes: usize,
    text: String,
    schema: Schema,
}

/// The random numbers of one user of them.
pub(crate) fn chance(stream: u64) -> StdRng {
    StdRng::seed_from_u64(SEED ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Pods are selected by their node.
pub(crate) fn schema() -> Schema {
    Schema::new(1, vec![SelectableField::new("spec.nodeName")])
}

/// The key of the n-th pod.
pub(crate) fn key(prefix: &ResourcePrefix, n: usize) -> Key {
    let key = prefix.object(Some(&namespace(n)), &name(n));
    key.expect("both names are made of letters, digits and dashes")
}

fn namespace(n: usize) -> String {
    format!("team-{:04}", n / PODS_PER_NAMESPACE)
}

fn name(n: usize) -> String {
    format!("pod-{n:07}")
}

impl Objects {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, text: text(), schema: schema() }
    }

    /// A value of the n-th pod; another one for each version.
    pub(crate) fn value(&self, n: usize, version: u64) -> Value {
        let head = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}","namespace":"{}","uid":"7d1f0c52-0000-4000-8000-{n:012}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"app-{}","tier":"front","version":"v{version}"}}}},"spec":{{"containers":[{{"name":"main","image":"registry.example/team/app-{}:1.2"}}],"nodeName":"node-{:03}"}},"status":{{"phase":"Running","message":""#,
            name(n),
            namespace(n),
            n % 50,
            n % 50,
            n % NODES,
        );
        let tail = r#""}}"#;
        let filling = self.bytes.saturating_sub(head.len() + tail.len());
        let mut chance = chance(n as u64 ^ version << 40);
        let start = chance.random_range(0..self.text.len() - filling);
        let filling = self.text.get(start..start + filling).expect("the text is ASCII");
        Value::new([&head, filling, tail].concat(), &self.schema).expect("the bytes are in canonical form")
    }
}

/// Words of a vocabulary and numbers between them, as messages, annotations and scripts have.
fn text() -> String {
    let mut chance = chance(0);
    let letter = |chance: &mut StdRng| char::from(chance.random_range(b'a'..=b'z'));
    let mut word = || (0..chance.random_range(3..10)).map(|_| letter(&mut chance)).collect::<String>();
    let words: Vec<String> = (0..WORDS).map(|_| word()).collect();
    let mut text = String::with_capacity(TEXT_BYTES + 32);
    while text.len() < TEXT_BYTES {
        let word = words.get(chance.random_range(0..WORDS)).expect("the position is below the length");
        text.push_str(word);
        text.push(' ');
        if chance.random_ratio(1, 3) {
            write!(text, "{:08x} ", chance.random::<u32>()).expect("a string takes everything");
        }
    }
    text
}
