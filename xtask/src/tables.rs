//! The two tasks: writes the generated files, or compares them with what would be written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Failure;
use crate::facts::PresenceFacts;
use crate::resources::Resource;
use crate::schema::Builder;
use crate::sources::{self, KUBERNETES_MINOR, Sources};
use crate::{openapi, protobuf, render, resources};

/// Types that no resource of the table is made of and that the server reads or writes.
const FURTHER_ROOTS: [&str; 9] = [
    "api::authentication::v1::TokenRequest",
    "api::autoscaling::v1::Scale",
    "api::core::v1::Binding",
    "api::policy::v1::Eviction",
    "apimachinery::pkg::apis::meta::v1::DeleteOptions",
    "apimachinery::pkg::apis::meta::v1::LabelSelector",
    "apimachinery::pkg::apis::meta::v1::ListMeta",
    "apimachinery::pkg::apis::meta::v1::ObjectMeta",
    "apimachinery::pkg::apis::meta::v1::Status",
];

/// A file that is generated.
struct Table {
    path: PathBuf,
    text: String,
}

/// Writes the tables.
pub(crate) fn generate() -> Result<(), Failure> {
    for table in make(KUBERNETES_MINOR)? {
        std::fs::create_dir_all(table.path.parent().unwrap_or(&table.path))?;
        std::fs::write(&table.path, table.text)?;
    }
    Ok(())
}

/// Fails if the tables that are checked in are not those that [`generate`] would write.
pub(crate) fn check() -> Result<(), Failure> {
    for table in make(KUBERNETES_MINOR)? {
        let name = table.path.strip_prefix(sources::repository())?.display().to_string();
        let found = std::fs::read_to_string(&table.path).map_err(|error| format!("{name}: {error}"))?;
        if let Some(line) = first_difference(&found, &table.text) {
            return Err(format!(
                "{name} is not what the generator makes (line {line}); run `cargo run -p xtask -- generate`"
            )
            .into());
        }
    }
    Ok(())
}

/// The number of the first line in which two texts differ.
fn first_difference(found: &str, made: &str) -> Option<usize> {
    if found == made {
        return None;
    }
    let same = found.split('\n').zip(made.split('\n')).take_while(|(found, made)| found == made).count();
    Some(same + 1)
}

/// Makes both tables for a version of Kubernetes.
fn make(minor: u32) -> Result<[Table; 2], Failure> {
    let sources = Sources::locate(minor)?;
    let facts = sources::repository().join("xtask/facts");
    let definitions = openapi::read(&sources.openapi)?;
    let messages = protobuf::with_names_of(protobuf::read(&sources.protobuf)?, definitions.keys());
    let resources = resources::read(&facts, &definitions)?;
    let mut presence = PresenceFacts::read(&facts)?;
    let mut builder = Builder { messages: &messages, definitions: &definitions, presence: &mut presence };
    let types = builder.reachable(&roots(&resources))?;
    presence.all_needed()?;
    let generated = sources::repository().join("server-shim/src/kinds/generated");
    Ok([
        Table { path: generated.join("fields.rs"), text: render::fields(&types) },
        Table { path: generated.join("resources.rs"), text: render::resources(&resources, minor) },
    ])
}

fn roots(resources: &[Resource]) -> BTreeSet<String> {
    let schemas = resources.iter().map(|resource| resource.schema.clone());
    schemas.chain(FURTHER_ROOTS.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::{check, first_difference, make};
    use crate::sources::KUBERNETES_MINOR;

    #[test]
    fn checked_in_tables_are_what_the_generator_makes() {
        check().unwrap();
    }

    #[test]
    fn both_crates_hold_the_same_version_of_kubernetes() {
        for other in [KUBERNETES_MINOR - 1, KUBERNETES_MINOR + 1] {
            let Err(failure) = make(other) else { panic!("the types of 1.{other} fit as well") };
            assert!(failure.to_string().contains("has no "), "{failure}");
        }
    }

    #[test]
    fn a_difference_is_found_at_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
