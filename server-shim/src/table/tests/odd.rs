//! Objects that are almost what their schema says.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde_json::{Map, Value, json};

use crate::kinds::field::{Scalar, Shape, Type};

/// Deep enough for the containers of a job template of a cron job.
const DEPTH_MAX: usize = 12;

/// Texts on which tables decide something, and texts that are no text of the kind.
const TEXTS: &[&str] = &[
    "",
    "a",
    "ü/…",
    "True",
    "Always",
    "Completed",
    "PodInitializing",
    "NodeLost",
    "Succeeded",
    "Ready",
    "Initialized",
    "PodScheduled",
    "SchedulingGated",
    "Complete",
    "InternalIP",
    "LoadBalancer",
    "ExternalName",
    "In",
    "DoesNotExist",
    "Resource",
    "Pods",
    "External",
    "User",
    "Dangling",
    "2026-11-21T22:08:29Z",
    "2026-11-21T22:50:30.000001Z",
    "-9999-01-02T00:00:00Z",
    "9999-12-30T00:00:00Z",
];

const NUMBERS: &[i64] = &[0, 1, -1, 2, 300, i64::MAX, i64::MIN];

/// An object of this type. One place in ten holds something else.
pub(super) fn object(schema: &'static Type, random: &mut StdRng) -> Value {
    value(Shape::Object(schema), DEPTH_MAX, random)
}

fn value(shape: Shape, depth: usize, random: &mut StdRng) -> Value {
    if depth == 0 || random.random_ratio(1, 10) {
        return anything(random);
    }
    match shape {
        Shape::Scalar(scalar) => of_scalar(scalar, random),
        Shape::Object(schema) => {
            let mut object = Map::new();
            for field in schema.fields {
                if random.random_ratio(1, 2) {
                    object.insert(field.json.to_owned(), value(field.shape, depth - 1, random));
                }
            }
            Value::Object(object)
        }
        Shape::List(shape) => (0..length(random)).map(|_| value(*shape, depth - 1, random)).collect(),
        Shape::Map(shape) => {
            let keys = ["storage", "limits.cpu", "node-role.kubernetes.io/x", "kubernetes.io/role"];
            (0..length(random))
                .map(|index| (keys[index].to_owned(), value(*shape, depth - 1, random)))
                .collect()
        }
    }
}

fn length(random: &mut StdRng) -> usize {
    random.random_range(0..=4)
}

fn of_scalar(scalar: Scalar, random: &mut StdRng) -> Value {
    match scalar {
        Scalar::Bool => json!(random.random_bool(0.5)),
        Scalar::Int32 | Scalar::Int64 | Scalar::Float64 => json!(NUMBERS.choose(random)),
        _ => json!(TEXTS.choose(random)),
    }
}

fn anything(random: &mut StdRng) -> Value {
    match random.next_u32() % 9 {
        0 => json!(null),
        1 => json!({}),
        2 => json!([]),
        3 => json!([null, 1, "x", [], {}]),
        4 => json!({"": {"a": []}, "name": 1, "reason": [], "containers": {"x": 1}}),
        5 => json!(1.5e300),
        6 => json!(u64::MAX),
        7 => json!(NUMBERS.choose(random)),
        _ => json!(TEXTS.choose(random)),
    }
}
