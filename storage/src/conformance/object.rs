//! Objects for tests: `pod("ns", "a").label("color", "red").node("n1")`.

use serde_json::{Map, Value as Json, json};

use crate::key::Key;
use crate::record::Value;
use crate::schema::Schema;

/// An object to be written, built field by field. Without a namespace it is cluster-scoped.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    uid: Option<String>,
    labels: Map<String, Json>,
    node: String,
    mark: String,
}

/// An object in a namespace.
pub fn pod(namespace: &str, name: &str) -> Object {
    Object { namespace: Some(namespace.to_owned()), ..node(name) }
}

/// An object without a namespace.
pub fn node(name: &str) -> Object {
    Object {
        namespace: None,
        name: name.to_owned(),
        uid: None,
        labels: Map::new(),
        node: String::new(),
        mark: String::new(),
    }
}

impl Object {
    /// With a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.into());
        self
    }

    /// With a `spec.nodeName`.
    #[must_use]
    pub fn node(self, node: &str) -> Self {
        Self { node: node.to_owned(), ..self }
    }

    /// With a uid.
    #[must_use]
    pub fn uid(self, uid: &str) -> Self {
        Self { uid: Some(uid.to_owned()), ..self }
    }

    /// With contents that no selector sees: to tell versions apart, or to be large.
    #[must_use]
    pub fn mark(self, mark: impl Into<String>) -> Self {
        Self { mark: mark.into(), ..self }
    }

    /// The value to store.
    ///
    /// # Panics
    /// Never: the builder makes canonical objects.
    pub fn value(&self, schema: &Schema) -> Value {
        let mut metadata = Map::from_iter([("name".to_owned(), json!(self.name))]);
        metadata.extend(self.namespace.iter().map(|namespace| ("namespace".to_owned(), json!(namespace))));
        metadata.extend(self.uid.iter().map(|uid| ("uid".to_owned(), json!(uid))));
        if !self.labels.is_empty() {
            metadata.insert("labels".to_owned(), Json::Object(self.labels.clone()));
        }
        let object = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": metadata,
            "spec": {"nodeName": self.node, "mark": self.mark},
        });
        Value::new(serde_json::to_vec(&object).unwrap(), schema).unwrap()
    }

    /// Where the object lives below a resource's prefix.
    pub fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The part of a key behind the resource: `ns/name`.
pub fn path_of(key: &Key) -> &str {
    key.as_str().splitn(3, '/').nth(2).unwrap_or_default()
}
