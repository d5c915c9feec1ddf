//! Where the selectable fields of the built-in kinds stand in their stored objects.

use watchkeep_storage::{Schema, SelectableField};

use crate::kinds::resource::Resource;

/// Grows when a rule below changes, so that engines extract anew.
const VERSION: u32 = 1;

/// Fields whose value in a selector is not found under their name, or is not empty where the object has
/// none: (kind, field, path in the stored object, value when absent).
const RULES: &[(&str, &str, &str, &str)] = &[
    ("Pod", "spec.hostNetwork", "spec.hostNetwork", "false"),
    ("Pod", "status.podIPs", "status.podIPs.ip", ""),
    ("Node", "spec.unschedulable", "spec.unschedulable", "false"),
    ("ReplicationController", "status.replicas", "status.replicas", "0"),
    ("Job", "status.successful", "status.succeeded", "0"),
    ("Event", "source", "source.component", ""),
    ("Event", "reportingController", "reportingComponent", ""),
];

/// Events of `events.k8s.io` are stored in the core version, which names their object differently.
const EVENT_OBJECT: (&str, &str) = ("regarding.", "involvedObject.");

/// What a store extracts from the objects that these resources, versions of one kind, share.
pub(crate) fn schema<'a>(versions: impl IntoIterator<Item = &'a Resource>) -> Schema {
    let mut fields: Vec<SelectableField> = Vec::new();
    for resource in versions {
        for name in resource.selectable_fields {
            if !fields.iter().any(|known| *known.name == **name) {
                fields.push(selectable(resource.kind, name));
            }
        }
    }
    Schema::new(VERSION, fields)
}

fn selectable(kind: &str, name: &str) -> SelectableField {
    let rule = RULES.iter().find(|(of, field, ..)| *of == kind && *field == name);
    if let Some((_, _, path, absent)) = rule {
        return SelectableField::at(name, path, absent);
    }
    match name.strip_prefix(EVENT_OBJECT.0) {
        Some(rest) if kind == "Event" => SelectableField::at(name, &format!("{}{rest}", EVENT_OBJECT.1), ""),
        _ => SelectableField::new(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::table::ResourceTable;
    use watchkeep_storage::Value;

    #[test]
    fn both_versions_of_an_event_select_on_the_stored_one() {
        let table = ResourceTable::built_in();
        let versions = table.resources().iter().filter(|resource| resource.storage_prefix == "/events/");
        let schema = schema(versions.map(|resource| &**resource));
        let event = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{"name":"p"},"reportingComponent":"c"}"#;
        let value = Value::new(event.as_bytes().to_vec(), &schema).unwrap();
        for (field, want) in
            [("involvedObject.name", "p"), ("regarding.name", "p"), ("reportingController", "c")]
        {
            assert_eq!(value.attributes().field(field), Some(want), "{field}");
        }
    }

    #[test]
    fn what_an_object_leaves_out_selects_as_its_zero_value() {
        let table = ResourceTable::built_in();
        let pods = table.resource("", "v1", "pods").unwrap();
        let pod = r#"{"kind":"Pod","apiVersion":"v1","metadata":{},"status":{"podIPs":[{"ip":"::1"},{"ip":"::2"}]}}"#;
        let value = Value::new(pod.as_bytes().to_vec(), &schema([&**pods])).unwrap();
        for (field, want) in
            [("spec.hostNetwork", "false"), ("spec.nodeName", ""), ("status.podIPs", "::1,::2")]
        {
            assert_eq!(value.attributes().field(field), Some(want), "{field}");
        }
    }
}
