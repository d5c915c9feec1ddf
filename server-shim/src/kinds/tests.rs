//! What the tables say of the built-in kinds, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Field, ListType, PatchStrategy, Presence, Scalar, Shape, Type};
use super::generated::fields;
use super::generated::resources::RESOURCES;
use super::resource::{NameRule, Resource, Scope};

fn field(ty: &'static Type, name: &str) -> &'static Field {
    ty.field(name).unwrap_or_else(|| panic!("{} has no {name}", ty.name))
}

fn resource(api_version: &str, plural: &str) -> &'static Resource {
    RESOURCES
        .iter()
        .find(|resource| resource.api_version == api_version && resource.plural == plural)
        .unwrap_or_else(|| panic!("no {plural} in {api_version}"))
}

fn scalar(shape: Shape) -> Option<Scalar> {
    match shape {
        Shape::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

/// Every type that a resource is made of.
fn types() -> BTreeMap<&'static str, &'static Type> {
    fn visit(ty: &'static Type, found: &mut BTreeMap<&'static str, &'static Type>) {
        if found.insert(ty.name, ty).is_none() {
            ty.fields.iter().filter_map(|field| innermost(field.shape)).for_each(|ty| visit(ty, found));
        }
    }
    fn innermost(shape: Shape) -> Option<&'static Type> {
        match shape {
            Shape::Scalar(_) => None,
            Shape::Object(ty) => Some(ty),
            Shape::List(inner) | Shape::Map(inner) => innermost(*inner),
        }
    }
    let mut found = BTreeMap::new();
    for resource in RESOURCES {
        visit(resource.schema, &mut found);
    }
    found
}

#[test]
fn containers_are_merged_by_name() {
    let containers = field(&fields::CORE_V1_POD_SPEC, "containers");
    assert_eq!(containers.merge_key, Some("name"));
    assert_eq!(containers.patch_strategy, PatchStrategy::Merge);
    assert_eq!((containers.list_type, containers.list_map_keys), (ListType::Map, &["name"][..]));
    assert!(
        matches!(containers.shape, Shape::List(Shape::Object(ty)) if ty.name == "io.k8s.api.core.v1.Container")
    );
}

#[test]
fn ports_of_a_service_are_merged_by_port_and_told_apart_by_protocol_too() {
    let ports = field(&fields::CORE_V1_SERVICE_SPEC, "ports");
    assert_eq!(ports.merge_key, Some("port"));
    assert_eq!(ports.list_map_keys, ["port", "protocol"]);
}

#[test]
fn lists_of_scalars_are_merged_without_a_key() {
    let finalizers = field(&fields::META_V1_OBJECT_META, "finalizers");
    assert_eq!((finalizers.patch_strategy, finalizers.merge_key), (PatchStrategy::Merge, None));
    assert_eq!(finalizers.list_type, ListType::Set);
}

#[test]
fn retain_keys_is_kept_apart_from_merge() {
    assert_eq!(field(&fields::CORE_V1_POD_SPEC, "volumes").patch_strategy, PatchStrategy::MergeRetainKeys);
    assert_eq!(field(&fields::APPS_V1_DEPLOYMENT_SPEC, "strategy").patch_strategy, PatchStrategy::RetainKeys);
    assert_eq!(field(&fields::CORE_V1_POD_SPEC, "nodeName").patch_strategy, PatchStrategy::Default);
}

#[test]
fn zero_of_a_pointer_field_is_kept() {
    assert_eq!(field(&fields::APPS_V1_DEPLOYMENT_SPEC, "replicas").presence, Presence::Optional);
    assert_eq!(field(&fields::CORE_V1_VOLUME, "emptyDir").presence, Presence::Optional);
    assert_eq!(
        field(&fields::CORE_V1_SERVICE_ACCOUNT, "automountServiceAccountToken").presence,
        Presence::Optional
    );
}

#[test]
fn zero_of_a_plain_field_with_omitempty_is_dropped() {
    assert_eq!(field(&fields::CORE_V1_POD_SPEC, "hostNetwork").presence, Presence::OmitZero);
    assert_eq!(field(&fields::CORE_V1_POD_SPEC, "volumes").presence, Presence::OmitZero);
    assert_eq!(field(&fields::APPS_V1_DEPLOYMENT_STATUS, "replicas").presence, Presence::OmitZero);
    assert_eq!(field(&fields::META_V1_OBJECT_META, "generation").presence, Presence::OmitZero);
}

#[test]
fn structs_held_by_value_and_fields_without_omitempty_are_always_written() {
    assert_eq!(field(&fields::CORE_V1_POD, "status").presence, Presence::Always);
    assert_eq!(field(&fields::CORE_V1_CONTAINER, "resources").presence, Presence::Always);
    assert_eq!(field(&fields::CORE_V1_POD_TEMPLATE_SPEC, "metadata").presence, Presence::Always);
    assert_eq!(field(&fields::APPS_V1_REPLICA_SET_STATUS, "replicas").presence, Presence::Always);
    assert_eq!(field(&fields::RBAC_V1_ROLE, "rules").presence, Presence::Always);
}

#[test]
fn a_time_that_is_not_set_is_not_written() {
    let created = field(&fields::META_V1_OBJECT_META, "creationTimestamp");
    assert_eq!((scalar(created.shape), created.presence), (Some(Scalar::Time), Presence::Optional));
}

#[test]
fn fields_come_in_the_order_in_which_they_are_written() {
    let names = |ty: &'static Type| ty.fields.iter().map(|field| field.json).collect::<Vec<_>>();
    assert_eq!(
        names(&fields::CORE_V1_CONFIG_MAP),
        ["kind", "apiVersion", "metadata", "immutable", "data", "binaryData"]
    );
    let meta = names(&fields::META_V1_OBJECT_META);
    let observed = [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ];
    assert_eq!(meta, observed);
}

#[test]
fn what_json_inlines_is_nested_in_protobuf() {
    assert_eq!(field(&fields::CORE_V1_VOLUME, "name").tags, [1]);
    assert_eq!(field(&fields::CORE_V1_VOLUME, "hostPath").tags, [2, 1]);
    assert_eq!(field(&fields::CORE_V1_PERSISTENT_VOLUME_SPEC, "nfs").tags, [2, 5]);
    assert_eq!(field(&fields::CORE_V1_PROBE, "httpGet").tags, [1, 2]);
    assert_eq!(field(&fields::CORE_V1_CONFIG_MAP_KEY_SELECTOR, "name").tags, [1, 1]);
    assert_eq!(field(&fields::NETWORKING_V1_INGRESS_RULE, "http").tags, [2, 1]);
    let rule = &fields::ADMISSIONREGISTRATION_V1_NAMED_RULE_WITH_OPERATIONS;
    assert_eq!(field(rule, "apiGroups").tags, [2, 2, 1]);
}

#[test]
fn kind_and_api_version_are_no_part_of_a_message() {
    for ty in
        [&fields::CORE_V1_POD, &fields::CORE_V1_PERSISTENT_VOLUME_CLAIM, &fields::META_V1_DELETE_OPTIONS]
    {
        let names: Vec<_> = ty.fields.iter().take(2).map(|field| (field.json, field.tags)).collect();
        assert_eq!(names, [("kind", &[][..]), ("apiVersion", &[][..])]);
    }
    assert_eq!(field(&fields::CORE_V1_OBJECT_REFERENCE, "kind").tags, [1]);
}

#[test]
fn values_with_a_notation_of_their_own_are_scalars() {
    let shape = |ty, name| scalar(field(ty, name).shape);
    assert_eq!(shape(&fields::CORE_V1_SERVICE_PORT, "targetPort"), Some(Scalar::IntOrString));
    assert_eq!(shape(&fields::COORDINATION_V1_LEASE_SPEC, "renewTime"), Some(Scalar::MicroTime));
    assert_eq!(shape(&fields::CORE_V1_EMPTY_DIR_VOLUME_SOURCE, "sizeLimit"), Some(Scalar::Quantity));
    assert_eq!(shape(&fields::APPS_V1_CONTROLLER_REVISION, "data"), Some(Scalar::AnyObject));
    assert_eq!(shape(&fields::META_V1_MANAGED_FIELDS_ENTRY, "fieldsV1"), Some(Scalar::AnyObject));
    let data = field(&fields::CORE_V1_SECRET, "data").shape;
    assert!(matches!(data, Shape::Map(Shape::Scalar(Scalar::Bytes))));
    let extra = field(&fields::CERTIFICATES_V1_CERTIFICATE_SIGNING_REQUEST_SPEC, "extra").shape;
    assert!(matches!(extra, Shape::Map(Shape::List(Shape::Scalar(Scalar::String)))));
}

#[test]
fn names_and_tags_are_unique_within_a_type() {
    for ty in types().values() {
        let names: BTreeSet<_> = ty.fields.iter().map(|field| field.json).collect();
        assert_eq!(names.len(), ty.fields.len(), "{}", ty.name);
        let tagged: Vec<_> =
            ty.fields.iter().map(|field| field.tags).filter(|tags| !tags.is_empty()).collect();
        let tags: BTreeSet<_> = tagged.iter().collect();
        assert_eq!(tags.len(), tagged.len(), "{}", ty.name);
    }
}

#[test]
fn a_tag_holds_a_value_or_a_nested_message_and_not_both() {
    for ty in types().values() {
        for field in ty.fields {
            let inside =
                |other: &&Field| other.tags.len() > field.tags.len() && other.tags.starts_with(field.tags);
            let nested = ty.fields.iter().filter(|_| !field.tags.is_empty()).find(inside);
            assert!(nested.is_none(), "{}.{}", ty.name, field.json);
        }
    }
}

#[test]
fn the_keys_of_a_list_are_fields_of_its_elements() {
    for ty in types().values() {
        for field in ty.fields {
            let keys = field.list_map_keys.iter().copied().chain(field.merge_key);
            for key in keys {
                let Shape::List(Shape::Object(element)) = field.shape else {
                    panic!("{}.{} is not a list of objects", ty.name, field.json)
                };
                assert!(element.field(key).is_some(), "{}.{}: {key}", ty.name, field.json);
            }
        }
    }
}

#[test]
fn every_resource_has_metadata() {
    for resource in RESOURCES {
        let metadata = field(resource.schema, "metadata");
        assert!(
            matches!(metadata.shape, Shape::Object(ty) if std::ptr::eq(ty, &raw const fields::META_V1_OBJECT_META))
        );
        assert_eq!(metadata.tags, [1], "{}", resource.kind);
    }
}

#[test]
fn a_storage_prefix_belongs_to_one_kind() {
    let mut owners: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for resource in RESOURCES {
        assert!(resource.storage_prefix.starts_with('/') && resource.storage_prefix.ends_with('/'));
        let owner = (resource.storage_api_version, resource.kind);
        owners.entry(resource.storage_prefix).or_default().insert(owner);
    }
    for (prefix, kinds) in owners {
        assert_eq!(kinds.len(), 1, "{prefix}: {kinds:?}");
    }
}

#[test]
fn what_is_stored_in_another_version_is_served_in_it_too() {
    for stored in RESOURCES.iter().filter(|resource| resource.api_version != resource.storage_api_version) {
        let as_stored = resource(stored.storage_api_version, stored.plural);
        assert_eq!(as_stored.storage_prefix, stored.storage_prefix);
        assert_eq!(as_stored.storage_api_version, as_stored.api_version);
    }
    assert_eq!(resource("autoscaling/v1", "horizontalpodautoscalers").storage_api_version, "autoscaling/v2");
    assert_eq!(resource("events.k8s.io/v1", "events").storage_api_version, "v1");
}

#[test]
fn status_is_a_subresource_of_the_kinds_that_have_one() {
    for resource in RESOURCES {
        let served = resource.subresources.iter().any(|subresource| subresource.name == "status");
        assert_eq!(served, resource.schema.field("status").is_some(), "{}", resource.kind);
        assert_eq!(served, resource.writes.has_status, "{}", resource.kind);
    }
}

#[test]
fn scale_is_of_another_group_and_on_what_has_replicas() {
    let scaled = RESOURCES.iter().filter_map(|resource| {
        let scale = resource.subresources.iter().find(|subresource| subresource.name == "scale")?;
        assert_eq!((scale.group, scale.version, scale.kind), ("autoscaling", "v1", "Scale"));
        Some(resource.plural)
    });
    let scaled: Vec<_> = scaled.collect();
    assert_eq!(scaled, ["replicationcontrollers", "deployments", "replicasets", "statefulsets"]);
}

#[test]
fn selectable_fields_lead_to_fields_of_the_schema() {
    // A field selector calls the count of a job that succeeded by a name of its own.
    for resource in RESOURCES {
        for path in resource.selectable_fields.iter().filter(|path| **path != "status.successful") {
            let mut ty = Some(resource.schema);
            for name in path.split('.') {
                let found = field(ty.unwrap_or_else(|| panic!("{path} goes beyond a value")), name);
                ty = if let Shape::Object(inner) = found.shape { Some(inner) } else { None };
            }
        }
    }
}

#[test]
fn rules_of_writing_differ_between_kinds() {
    let pods = resource("v1", "pods").writes;
    assert!(pods.unconditional_update && pods.has_generation && !pods.create_on_update);
    let leases = resource("coordination.k8s.io/v1", "leases").writes;
    assert!(!leases.unconditional_update && leases.create_on_update && !leases.has_generation);
    assert_eq!(resource("v1", "namespaces").writes.name, NameRule::Label);
    assert_eq!(resource("v1", "services").writes.name, NameRule::Label1035);
    assert_eq!(resource("v1", "configmaps").writes.name, NameRule::Subdomain);
    assert_eq!(resource("rbac.authorization.k8s.io/v1", "roles").writes.name, NameRule::PathSegment);
}

#[test]
fn namespaces_are_not_deleted_as_a_collection() {
    let namespaces = resource("v1", "namespaces");
    assert_eq!(namespaces.scope, Scope::Cluster);
    assert_eq!(namespaces.verbs, ["create", "delete", "get", "list", "patch", "update", "watch"]);
}
