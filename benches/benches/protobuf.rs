//! What does it cost to write an object as protobuf, and to read one? A pod of 10 KiB, as a server has and gets it:
//! canonical JSON to a message, and a message to canonical JSON. CPU is one thread's, so the clock tells it where
//! nobody else uses the machine.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value, json};
use watchkeep_server::codec::{self, Identity, protobuf};
use watchkeep_server::kinds::generated::fields::CORE_V1_POD;

const POD: Identity<'static> = Identity { api_version: "v1", kind: "Pod" };
/// How many variables each of two containers has.
const VARIABLES: usize = 45;

/// A pod in canonical form.
fn pod() -> Vec<u8> {
    let variable = |n: usize| {
        let from = json!({"secretKeyRef": {"name": format!("secret-{n}"), "key": "value"}});
        if n.is_multiple_of(3) {
            json!({"name": format!("VARIABLE_{n}"), "valueFrom": from})
        } else {
            json!({"name": format!("VARIABLE_{n}"), "value": format!("some text of a variable, number {n}")})
        }
    };
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.com/team/application:1.2.3",
            "env": (0..VARIABLES).map(variable).collect::<Vec<_>>(),
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config", "readOnly": true}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10}
        })
    };
    let object = json!({
        "metadata": {
            "name": "web-5d4f8c7b9-abcde", "namespace": "default", "uid": "3f9d3c1e-8f0a-4d53-9f0e-1f8f6f1f2a3b",
            "creationTimestamp": "2026-11-21T22:43:43Z", "labels": {"app": "web", "pod-template-hash": "5d4f8c7b9"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8c7b9", "uid": "u", "controller": true}]
        },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": "web", "containers": [container("web"), container("side")],
            "volumes": [{"name": "config", "configMap": {"name": "web"}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]
        },
        "status": {
            "phase": "Running", "podIP": "10.1.2.3", "startTime": "2026-11-21T22:43:43Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T22:43:50Z"}]
        }
    });
    let (object, findings) = codec::decode(&CORE_V1_POD, POD, object).expect("a pod");
    assert!(findings.is_empty(), "{findings:?}");
    codec::encode(&CORE_V1_POD, &object)
}

fn written(json: &[u8]) -> Vec<u8> {
    let object: Map<String, Value> = serde_json::from_slice(json).expect("JSON");
    protobuf::encode(&CORE_V1_POD, &object)
}

fn read(message: &[u8]) -> Vec<u8> {
    let object = protobuf::decode(&CORE_V1_POD, message).expect("a message");
    let (object, _) = codec::decode(&CORE_V1_POD, POD, Value::Object(object)).expect("a pod");
    codec::encode(&CORE_V1_POD, &object)
}

fn read_json(json: &[u8]) -> Vec<u8> {
    let document = codec::json::parse(json).expect("JSON");
    let (object, _) = codec::decode(&CORE_V1_POD, POD, document.value).expect("a pod");
    codec::encode(&CORE_V1_POD, &object)
}

fn bench(criterion: &mut Criterion) {
    let json = pod();
    let message = written(&json);
    assert_eq!(read(&message), json, "it comes back as it was");
    let mut group =
        criterion.benchmark_group(format!("pod of {} bytes, {} as protobuf", json.len(), message.len()));
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("canonical JSON to protobuf", |bencher| bencher.iter(|| written(black_box(&json))));
    group.bench_function("protobuf to canonical JSON", |bencher| bencher.iter(|| read(black_box(&message))));
    group.bench_function("JSON to canonical JSON", |bencher| bencher.iter(|| read_json(black_box(&json))));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
