//! Manifests for `kubectl create -f -` and its relatives.
//!
//! None names a namespace: the command does.

use std::fmt::Write as _;

/// A `ConfigMap` with these data.
pub fn config_map(name: &str, data: &[(&str, &str)]) -> String {
    config_map_with(&format!("name: {name}"), data)
}

/// A `ConfigMap` with this metadata, in YAML's flow style and without braces: `name: a, labels: {b: c}`.
pub fn config_map_with(metadata: &str, data: &[(&str, &str)]) -> String {
    let mut manifest = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{{metadata}}}\n");
    if !data.is_empty() {
        manifest.push_str("data:\n");
    }
    for (key, value) in data {
        let _ = writeln!(manifest, "  '{key}': '{value}'");
    }
    manifest
}

/// A `Deployment` of one container called `main`.
pub fn deployment(name: &str, replicas: u32, image: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
      - name: main
        image: {image}
"
    )
}

/// A `Namespace`.
pub fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

/// Several manifests as one.
pub fn together(manifests: &[String]) -> String {
    manifests.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_strings_whatever_they_look_like() {
        let manifest = config_map("a", &[("n", "1"), ("truth", "yes")]);
        let expected = "data:\n  'n': '1'\n  'truth': 'yes'\n";
        assert!(manifest.ends_with(expected), "{manifest}");
        assert!(!config_map("a", &[]).contains("\ndata"));
    }

    #[test]
    fn manifests_are_parted_by_a_line_of_their_own() {
        assert_eq!(together(&["a: 1\n".to_owned(), "b: 2\n".to_owned()]), "a: 1\n---\nb: 2\n");
    }
}
