//! Golden bytes, round trips of every kind, and bytes that are no message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::codec::specimen::{self, Random};
use crate::codec::{Identity, canonical};
use crate::kinds::field::Type;
use crate::kinds::generated::fields::{CORE_V1_NAMESPACE, CORE_V1_POD, CORE_V1_SERVICE};
use crate::kinds::table::ResourceTable;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn canonical_of(schema: &'static Type, identity: Identity<'_>, message: &[u8]) -> Value {
    let read = decode(schema, message).unwrap();
    canonical::decode(schema, identity, Value::Object(read)).unwrap().0
}

const NAMESPACE: Identity<'_> = Identity { api_version: "v1", kind: "Namespace" };

/// What kubectl sends for `create namespace ns1`.
#[test]
fn the_request_of_a_client_is_read() {
    let body = bytes(
        "6b387300 0a0f 0a027631 12094e616d657370616365 121b 0a13 0a036e7331 1200 1a00 2200 2a00 3200 3800 4200 \
         1200 1a02 0a00 1a00 2200",
    );
    let envelope = Envelope::open(&body).unwrap();
    assert_eq!((envelope.api_version, envelope.kind), ("v1", "Namespace"));
    let object = canonical_of(&CORE_V1_NAMESPACE, NAMESPACE, envelope.message);
    let want = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ns1"}, "spec": {}, "status": {}});
    assert_eq!(object, want);
}

#[test]
fn an_object_has_these_bytes() {
    let object =
        json!({"metadata": {"name": "ns1", "labels": {"b": "2", "a": "1"}, "generation": 3}, "spec": {}});
    let message = encode(&CORE_V1_NAMESPACE, object.as_object().unwrap());
    let metadata = "0a03 6e7331 3803 5a06 0a0161 120131 5a06 0a0162 120132";
    assert_eq!(message, bytes(&format!("0a17 {metadata} 1200")));
    let body = Envelope::close(NAMESPACE, &message);
    assert_eq!(
        body,
        bytes(&format!("6b387300 0a0f 0a027631 12094e616d657370616365 121b 0a17 {metadata} 1200 1a00 2200"))
    );
    assert_eq!(Envelope::open(&body).unwrap().message, message);
}

/// Times, quantities, numbers or texts, and what JSON inlines.
#[test]
fn special_types_have_these_bytes() {
    let object = json!({
        "metadata": {"creationTimestamp": "2026-11-21T22:43:43Z"},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}], "sessionAffinity": ""}
    });
    let message = encode(&CORE_V1_SERVICE, object.as_object().unwrap());
    let ports = "0a0e 1850 220a 0801 1000 1a04 68747470 0a0b 1851 2207 0800 10913f 1a00";
    assert_eq!(message, bytes(&format!("0a0a 4208 08 9fbd88d806 1000 121d {ports}")));

    let volume = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}});
    let message = encode(&CORE_V1_POD, volume.as_object().unwrap());
    // Pod.spec.volumes[0] { 1: name, 2: volumeSource { 2: emptyDir { 2: sizeLimit { 1: text } } } }
    assert_eq!(message, bytes("1210 0a0e 0a0176 1209 1207 1205 0a03 314d69"));
}

fn for_every_kind(mut check: impl FnMut(&'static Type, Identity<'static>)) {
    let table = ResourceTable::built_in();
    assert!(table.resources().len() > 50);
    for resource in table.resources() {
        check(resource.schema, Identity { api_version: resource.api_version, kind: resource.kind });
    }
}

#[test]
fn an_object_of_any_kind_comes_back_as_it_was() {
    for_every_kind(|schema, identity| {
        for seed in 1..12 {
            let sent = specimen::object(schema, &mut Random::new(seed));
            let (object, _) = canonical::decode(schema, identity, sent).unwrap();
            let message = encode(schema, object.as_object().unwrap());
            let back = canonical_of(schema, identity, &message);
            assert_eq!(back.to_string(), object.to_string(), "{identity:?} {seed}");
        }
    });
}

/// A message that is cut off at any place is refused, or says less; nothing panics.
#[test]
fn half_a_message_is_no_panic() {
    for_every_kind(|schema, identity| {
        let sent = specimen::object(schema, &mut Random::new(7));
        let (object, _) = canonical::decode(schema, identity, sent).unwrap();
        let body = Envelope::close(identity, &encode(schema, object.as_object().unwrap()));
        for end in (0..body.len()).step_by(1 + body.len() / 50) {
            if let Ok(envelope) = Envelope::open(&body[..end]) {
                let _ = decode(schema, envelope.message);
            }
        }
    });
}

#[test]
fn what_is_no_message_is_told() {
    for (body, want) in [
        ("7b7d", "it does not begin with the four bytes of a protobuf of Kubernetes"),
        ("6b387300 0a05 0a", "it is cut off"),
        ("6b387300 08 01", "field 1: wire type Varint where LengthDelimited has to be"),
        ("6b387300 2204 6a736f6e", "its content is json, and not protobuf"),
    ] {
        assert_eq!(Envelope::open(&bytes(body)).unwrap_err().to_string(), want);
    }
    for (message, want) in [
        ("0a03 0a01ff", "metadata: name: invalid utf-8 sequence of 1 bytes from index 0"),
        ("0a02 0801", "metadata: name: wire type Varint where LengthDelimited has to be"),
    ] {
        assert_eq!(decode(&CORE_V1_NAMESPACE, &bytes(message)).unwrap_err().to_string(), want);
    }
}

/// Fields that a newer client knows are dropped, and what comes in parts is put together.
#[test]
fn messages_are_read_as_protobuf_demands() {
    let message = bytes("0a05 0a036e7331 f83f 01 0a04 5a020a00 0a05 0a036e7332");
    let object = canonical_of(&CORE_V1_NAMESPACE, NAMESPACE, &message);
    assert_eq!(object["metadata"], json!({"name": "ns2", "labels": {"": ""}}));
}

#[test]
fn lists_and_events_have_these_bytes() {
    let head = ListHead { resource_version: "7", continue_token: Some("c"), remaining: Some(300) };
    let identity = Identity { api_version: "v1", kind: "NamespaceList" };
    let list = head.close(identity, &[bytes("0a00"), bytes("")]);
    let message = "0a09 120137 1a0163 20ac02 1202 0a00 1200";
    let kind = "0a13 0a027631 120d4e616d6573706163654c697374";
    assert_eq!(list, bytes(&format!("6b387300 {kind} 1211 {message} 1a00 2200")));

    let mut frame = b"before".to_vec();
    WatchFrame { event_type: "ADDED", object: &bytes("6b387300") }.write(&mut frame);
    assert_eq!(frame, [b"before".to_vec(), bytes("0000000f 0a05 4144444544 1206 0a04 6b387300")].concat());
}

#[test]
fn bytes_are_bytes() {
    let schema = ResourceTable::built_in().resource("", "v1", "secrets").unwrap().schema;
    let object = json!({"data": {"k": STANDARD.encode([0, 255, 1])}});
    let message = encode(schema, object.as_object().unwrap());
    assert_eq!(message, bytes("1208 0a016b 120300ff01"));
    assert_eq!(Value::Object(decode(schema, &message).unwrap()), object);
}
