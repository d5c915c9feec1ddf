//! The table of role bindings, with and without a namespace. Roles show name and time of creation.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{kind_and_name, path};

pub(super) static BINDINGS: Table = Table {
    columns: &[
        NAME,
        Column::text("Role", "Role that is given."),
        AGE,
        Column::text("Users", "Users who have it.").wide(),
        Column::text("Groups", "Groups that have it.").wide(),
        Column::text("ServiceAccounts", "Service accounts that have it.").wide(),
    ],
    cells: |binding, now| {
        cells![
            binding.name(),
            kind_and_name(binding.get("roleRef")),
            age::since(binding.created(), now),
            subjects(binding, "User"),
            subjects(binding, "Group"),
            subjects(binding, "ServiceAccount"),
        ]
    },
};

/// The subjects of a kind; of these only service accounts have a namespace.
fn subjects(binding: Fields<'_>, kind: &str) -> String {
    let subjects = binding.get("subjects").items().filter(|subject| subject.get("kind").text() == kind);
    let names: Vec<_> =
        subjects.map(|subject| path(subject.get("namespace").text(), subject.get("name").text())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_binding_shows_its_subjects_by_kind() {
        let binding = json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [
                {"kind": "User", "name": "ann"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "sa"},
                {"kind": "Group", "name": "ops"},
                {"kind": "User", "name": "bob"},
                {"kind": "ServiceAccount", "name": "lost"},
            ],
        });
        assert_eq!(
            row(&BINDINGS, binding),
            json!(["a", "ClusterRole/admin", "42m", "ann, bob", "ops", "n/sa, lost"])
        );
    }
}
