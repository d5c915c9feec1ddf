//! `/version`: which Kubernetes the server speaks like, and which build it is.

use std::env::consts;

use serde::Serialize;

use crate::kinds::generated::resources::KUBERNETES_MINOR;

/// The version document. Clients of several languages demand all of its fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionDocument {
    major: String,
    minor: String,
    emulation_major: String,
    emulation_minor: String,
    min_compatibility_major: String,
    min_compatibility_minor: String,
    git_version: String,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: String,
}

/// The version in semantic form: that of Kubernetes, with the build behind it.
pub fn git_version() -> String {
    format!("v1.{KUBERNETES_MINOR}.0+watchkeep.{}", env!("CARGO_PKG_VERSION"))
}

/// The document as JSON, with a line end.
pub fn document() -> Vec<u8> {
    let document = VersionDocument {
        major: "1".to_owned(),
        minor: KUBERNETES_MINOR.to_string(),
        emulation_major: "1".to_owned(),
        emulation_minor: KUBERNETES_MINOR.to_string(),
        min_compatibility_major: "1".to_owned(),
        min_compatibility_minor: (KUBERNETES_MINOR - 1).to_string(),
        git_version: git_version(),
        git_commit: "",
        git_tree_state: "",
        build_date: "",
        go_version: "",
        compiler: "rustc",
        platform: format!("{}/{}", consts::OS, architecture()),
    };
    let mut json = serde_json::to_vec(&document).unwrap_or_default();
    json.push(b'\n');
    json
}

/// The architecture under the name that clients know it by.
fn architecture() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
