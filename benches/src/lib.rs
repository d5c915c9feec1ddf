//! What the benches share: objects of the sizes that the targets name, and stores that hold them.
//!
//! A bench states its question in its header and names its sizes; every figure is printed with its unit.
//! Compare CPU time or ratios within one run: wall time varies with the machine.

use std::sync::Arc;

use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{
    Backend, Environment, Interface, Key, ResourcePrefix, Schema, SelectableField, Value, create,
};

/// The bytes of a configmap in the targets.
pub const CONFIG_MAP_BYTES: usize = 1_600;

/// A store of configmaps in memory.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn config_maps() -> Arc<dyn Interface> {
    let backend = MemoryBackend::new(MemoryOptions::default(), Environment::system());
    let prefix = ResourcePrefix::new("/configmaps").expect("the prefix is a literal that follows the rules");
    backend.resource(prefix, Arc::new(schema())).await.expect("the memory backend opens any resource")
}

/// A schema with one field beyond the common ones, as pods have.
pub fn schema() -> Schema {
    Schema::new(1, vec![SelectableField::new("spec.nodeName")])
}

/// The key of the n-th configmap; a thousand share a namespace.
///
/// # Panics
/// Never: the names follow the rules.
pub fn key(store: &dyn Interface, n: usize) -> Key {
    let namespace = format!("ns-{:04}", n / 1000);
    let key = store.prefix().object(Some(&namespace), &format!("cm-{n:06}"));
    key.expect("both names are made of letters, digits and dashes")
}

/// The canonical bytes of a configmap of [`CONFIG_MAP_BYTES`].
pub fn config_map(n: usize, version: usize) -> Vec<u8> {
    let head = format!(
        "{{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"cm-{n:06}\",\"namespace\":\"ns-{:04}\",\"uid\":\"00000000-0000-4000-8000-{n:012}\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{{\"app\":\"app-{}\",\"version\":\"v{version}\"}}}},\"data\":{{\"text\":\"",
        n / 1000,
        n % 100
    );
    let filling = CONFIG_MAP_BYTES.saturating_sub(head.len() + 3);
    format!("{head}{}\"}}}}", "x".repeat(filling)).into_bytes()
}

/// The value of a configmap.
///
/// # Panics
/// Never: [`config_map`] is in canonical form.
pub fn value(n: usize, version: usize) -> Value {
    Value::new(config_map(n, version), &schema()).expect("the bytes are in canonical form")
}

/// Stores the first `count` configmaps.
///
/// # Panics
/// If one of them exists already.
pub async fn fill(store: &dyn Interface, count: usize) {
    for n in 0..count {
        let created = create(store, key(store, n), value(n, 0), None).await;
        created.expect("the store is empty");
    }
}
