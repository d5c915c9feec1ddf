//! Every resource has its columns, and no object, however odd, breaks a table.

mod odd;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::testing::now;
use super::*;
use crate::kinds::table::ResourceTable;

/// `v1 nodes: Name(name), Status, …`: the format in brackets, the type after a colon unless it is a
/// string, and a star where the column belongs to the wide output.
fn spelled(resource: &Resource) -> String {
    let columns: Vec<String> = columns(resource)
        .iter()
        .map(|column| {
            let kind = match column.kind {
                ColumnType::String => "",
                ColumnType::Integer => ":integer",
                ColumnType::Boolean => ":boolean",
                ColumnType::Date => ":date",
            };
            let format = if column.format.is_empty() { "" } else { "(name)" };
            let star = if column.priority == 0 { "" } else { "*" };
            format!("{}{kind}{format}{star}", column.name)
        })
        .collect();
    format!("{} {}: {}", resource.api_version, resource.plural, columns.join(", "))
}

#[test]
fn the_columns_of_every_resource_are_those_that_clients_know() {
    let resources = ResourceTable::built_in();
    for resource in resources.resources() {
        let spelled = spelled(resource);
        assert!(include_str!("columns.txt").lines().any(|line| line == spelled), "{spelled}");
    }
}

#[test]
fn every_column_says_what_it_shows() {
    for resource in ResourceTable::built_in().resources() {
        for column in columns(resource) {
            assert!(column.description.ends_with('.'), "{} of {}", column.name, resource.plural);
            assert!(column.description.len() < 60, "{} of {}", column.name, resource.plural);
        }
    }
}

#[test]
fn a_resource_without_a_table_of_its_own_shows_name_and_creation() {
    let resources = ResourceTable::built_in();
    let roles = resources.resource("rbac.authorization.k8s.io", "v1", "roles").unwrap();
    let unknown = Resource { group: "example.com", plural: "pods", ..(**roles).clone() };
    for resource in [roles, &unknown] {
        let object = json!({"metadata": {"name": "r", "creationTimestamp": "2026-11-21T22:08:29Z"}});
        assert_eq!(cells(resource, &object, now()), [json!("r"), json!("2026-11-21T22:08:29Z")]);
        assert_eq!(cells(resource, &json!({}), now()), [json!(""), json!("0001-01-01T00:00:00Z")]);
    }
}

/// Enough for every field of a pod to have been odd many times.
const ROUNDS: u64 = 300;

#[test]
fn no_object_breaks_a_table() {
    for resource in ResourceTable::built_in().resources() {
        for seed in 0..ROUNDS {
            let object = odd::object(resource.schema, &mut StdRng::seed_from_u64(seed));
            let cells = cells(resource, &object, now());
            assert_eq!(cells.len(), columns(resource).len(), "{} {seed}: {object}", resource.plural);
            let is_scalar =
                |cell: &Value| cell.is_string() || cell.is_i64() || cell.is_u64() || cell.is_boolean();
            assert!(cells.iter().all(is_scalar), "{} {seed}: {cells:?}", resource.plural);
        }
    }
}
