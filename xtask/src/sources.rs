//! Where the sources lie: the two crates that the tables are made from, as the lock file pins them, and
//! the places in this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Failure;

/// The minor version of Kubernetes whose types the tables hold. `k8s-openapi` has a directory for each
/// version; `k8s-pb` has one version only, and does not say which: the two are compared field by field
/// when the tables are made, so a crate of another version fails the task.
pub(crate) const KUBERNETES_MINOR: u32 = 35;

/// The source directories of the two crates.
pub(crate) struct Sources {
    /// `src` of `k8s-pb`.
    pub(crate) protobuf: PathBuf,
    /// `src/v1_NN` of `k8s-openapi`.
    pub(crate) openapi: PathBuf,
}

impl Sources {
    /// Asks cargo where the crates are; it downloads what is missing.
    pub(crate) fn locate(minor: u32) -> Result<Self, Failure> {
        let metadata = cargo_metadata()?;
        Ok(Self {
            protobuf: source_directory(&metadata, "k8s-pb")?,
            openapi: source_directory(&metadata, "k8s-openapi")?.join(format!("v1_{minor}")),
        })
    }
}

/// The root of this repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn cargo_metadata() -> Result<Value, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(repository())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn source_directory(metadata: &Value, name: &str) -> Result<PathBuf, Failure> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let package =
        packages.into_iter().flatten().find(|package| package.get("name").is_some_and(|found| found == name));
    let manifest = package.and_then(|package| package.get("manifest_path")).and_then(Value::as_str);
    let directory = manifest.and_then(|path| Path::new(path).parent());
    Ok(directory.ok_or_else(|| format!("{name} is not among the packages of the lock file"))?.join("src"))
}
