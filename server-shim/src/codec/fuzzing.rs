//! One function for each parser of outside bytes. It must not panic, and what it accepts must hold the
//! parser's promise. Fuzzers call them, and so does a test over seeded input.

use serde_json::{Value, json};

use super::patch::{Patch, PatchFormat};
use super::protobuf::{self, Envelope};
use super::time::Precision;
use super::{Document, Identity, MAX_DEPTH, bytes, decode, duration, encode, json, quantity, time, yaml};
use crate::kinds::generated::fields::CORE_V1_POD;

const POD: Identity<'static> = Identity { api_version: "v1", kind: "Pod" };

/// What a fuzzer calls with its input.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("json_body", fuzz_json_body),
    ("yaml_body", fuzz_yaml_body),
    ("quantity", fuzz_quantity),
    ("time", fuzz_time),
    ("duration", fuzz_duration),
    ("base64", fuzz_base64),
    ("json_patch", fuzz_json_patch),
    ("merge_patch", fuzz_merge_patch),
    ("strategic_patch", fuzz_strategic_patch),
    ("protobuf", fuzz_protobuf),
];

/// A body of JSON, taken as a pod: canonical bytes decode to themselves.
pub fn fuzz_json_body(data: &[u8]) {
    if let Ok(document) = json::parse(data) {
        let text = document.value.to_string();
        let again = json::parse(text.as_bytes()).map(|document| document.value);
        assert_eq!(again.as_ref(), Ok(&document.value), "printed JSON reads back");
        check_document(document);
    }
}

/// A body of YAML, taken as a pod.
pub fn fuzz_yaml_body(data: &[u8]) {
    if let Ok(document) = yaml::parse(data) {
        check_document(document);
    }
}

/// A quantity: the canonical form is its own canonical form.
pub fn fuzz_quantity(data: &[u8]) {
    check_spelling(data, |text| quantity::canonical(text).ok());
}

/// A time in both precisions.
pub fn fuzz_time(data: &[u8]) {
    for precision in [Precision::Seconds, Precision::Micros] {
        check_spelling(data, |text| time::canonical(text, precision).ok().flatten());
    }
}

/// A duration.
pub fn fuzz_duration(data: &[u8]) {
    check_spelling(data, |text| duration::canonical(text).ok());
}

/// Bytes in base64.
pub fn fuzz_base64(data: &[u8]) {
    check_spelling(data, |text| bytes::canonical(text).ok());
}

/// A JSON patch of a pod: the result stays within the bound of depth.
pub fn fuzz_json_patch(data: &[u8]) {
    check_patch(PatchFormat::Json, data);
}

/// A merge patch of a pod.
pub fn fuzz_merge_patch(data: &[u8]) {
    check_patch(PatchFormat::Merge, data);
}

/// A strategic merge patch of a pod.
pub fn fuzz_strategic_patch(data: &[u8]) {
    check_patch(PatchFormat::Strategic, data);
}

/// A body of protobuf, taken as a pod: what it says is said by its own protobuf as well.
pub fn fuzz_protobuf(data: &[u8]) {
    let Ok(envelope) = Envelope::open(data) else { return };
    let Ok(read) = protobuf::decode(&CORE_V1_POD, envelope.message) else { return };
    check_pod(Value::Object(read.clone()));
    let Ok((object, _)) = decode(&CORE_V1_POD, POD, Value::Object(read)) else { return };
    let Value::Object(fields) = &object else { return };
    let message = protobuf::encode(&CORE_V1_POD, fields);
    let again = protobuf::decode(&CORE_V1_POD, &message).map(Value::Object);
    let Ok(Ok((again, _))) = again.map(|again| decode(&CORE_V1_POD, POD, again)) else {
        panic!("its own protobuf is refused")
    };
    assert_eq!(again.to_string(), object.to_string(), "its own protobuf says the same");
}

fn check_spelling(data: &[u8], canonical: impl Fn(&str) -> Option<String>) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(once) = canonical(text)
    {
        assert_eq!(canonical(&once).as_ref(), Some(&once), "canonical form of {text:?}");
    }
}

fn check_document(document: Document) {
    assert!(depth(&document.value) <= MAX_DEPTH, "too deep");
    check_pod(document.value);
}

fn check_pod(object: Value) {
    let Ok((value, _)) = decode(&CORE_V1_POD, POD, object) else { return };
    let once = encode(&CORE_V1_POD, &value);
    let parsed = json::parse(&once).map(|document| document.value);
    let again = parsed.map(|value| decode(&CORE_V1_POD, POD, value));
    let Ok(Ok((again, findings))) = again else { panic!("canonical bytes are refused") };
    assert!(findings.is_empty(), "canonical bytes have no findings");
    assert_eq!(encode(&CORE_V1_POD, &again), once, "canonical bytes are their own canonical form");
}

fn check_patch(format: PatchFormat, data: &[u8]) {
    let Ok(patch) = Patch::parse(format, data) else { return };
    if let Ok(result) = patch.apply(&CORE_V1_POD, pod()) {
        // An operation may put a value of the greatest depth below the root.
        assert!(depth(&result) <= MAX_DEPTH + 1, "too deep");
        check_pod(result);
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What the patches are applied to.
fn pod() -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "p", "labels": {"a": "1"}, "finalizers": ["x/a", "x/b"]},
        "spec": {
            "containers": [
                {"name": "a", "image": "i:1", "env": [{"name": "A", "value": "1"}, {"name": "B"}],
                 "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}},
                {"name": "b", "image": "i:2"}
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "tolerations": [{"key": "k", "operator": "Exists"}]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{self, Random};
    use super::*;

    /// Where the mutations start. Every target sees all of them.
    const CORPUS: &[&str] = &[
        "",
        "{bad",
        r#"{"data":{"a":"1","a":"2"},"x":[1,-0.0,1e300,null,true,"\u00e4\ud83d\ude00"]}"#,
        r#"{"metadata":{"name":"p","creationTimestamp":"2026-11-21T22:43:43.5+01:30"},"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":"1.5Gi"}}}]}}"#,
        "a: &x {b: [1, 2.5, ~]}\nc: *x\n1: |\n  text\n? [k]\n: v\n",
        "metadata: {name: p}\nspec:\n  containers:\n  - name: a\n    image: i\n",
        "1024Ki",
        "-1.500e-10",
        "9223372036854775808Ei",
        "2026-11-21T22:43:43.123456Z",
        "0001-01-01T00:00:00-23:59",
        "-1h2m3.5s",
        "aGVsbG8=",
        r#"[{"op":"test","path":"/metadata/name","value":"p"},{"op":"copy","from":"/spec","path":"/spec/x"},{"op":"move","from":"/spec/volumes/0","path":"/metadata/y~1z"},{"op":"add","path":"/spec/containers/-","value":{}},{"op":"remove","path":"/spec/tolerations"}]"#,
        r#"{"metadata":{"labels":{"a":null,"b":"2"}},"spec":{"containers":[{"name":"c"}]}}"#,
        r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["x/a"],"$setElementOrder/finalizers":["x/b","x/c"],"finalizers":["x/c"]},"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"n"},{"name":"a","$patch":"delete"}],"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/"}}]}}"#,
        r#"{"spec":{"$patch":"replace","containers":[{"$patch":"replace"},{"name":"z"}]}}"#,
    ];

    fn mutate(random: &mut Random, seed: &[u8]) -> Vec<u8> {
        const SPICE: &[&str] = &[
            "{", "}", "[", "]", "\"", ":", ",", "0", "9", "-", ".", "e", "null", "$patch", "\u{e9}", "\\u",
            " ", "\n- ",
        ];
        let mut data = seed.to_vec();
        for _ in 0..=random.below(6) {
            let at = random.below(data.len() + 1);
            let spice = SPICE[random.below(SPICE.len())].as_bytes();
            match random.below(5) {
                0 => data.truncate(at),
                1 => drop(data.splice(at..at, spice.iter().copied())),
                2 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
                3 => drop(data.drain(at..(at + 5).min(data.len()))),
                _ => {
                    let part = data[at..(at + 40).min(data.len())].to_vec();
                    drop(data.splice(at..at, part));
                }
            }
        }
        data
    }

    #[test]
    fn no_input_breaks_a_parser() {
        let mut random = Random::new(7);
        for round in 0..6_000 {
            let seed = CORPUS[round % CORPUS.len()].as_bytes();
            let data = if round < CORPUS.len() { seed.to_vec() } else { mutate(&mut random, seed) };
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }

    #[test]
    fn no_broken_message_breaks_the_reader_of_protobuf() {
        for seed in 1..40 {
            let mut random = Random::new(seed);
            let (pod, _) = decode(&CORE_V1_POD, POD, specimen::object(&CORE_V1_POD, &mut random)).unwrap();
            let message = protobuf::encode(&CORE_V1_POD, pod.as_object().unwrap());
            let body = Envelope::close(POD, &message);
            fuzz_protobuf(&body);
            for _ in 0..200 {
                fuzz_protobuf(&mutate(&mut random, &body));
            }
        }
    }

    #[test]
    fn no_random_pod_breaks_a_patch() {
        for seed in 1..40 {
            let mut random = Random::new(seed);
            let pod = specimen::object(&CORE_V1_POD, &mut random);
            let data = specimen::respell(&CORE_V1_POD, &pod, &mut random).to_string();
            fuzz_merge_patch(data.as_bytes());
            fuzz_strategic_patch(data.as_bytes());
            fuzz_strategic_patch(&mutate(&mut random, data.as_bytes()));
        }
    }
}
