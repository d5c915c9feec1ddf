//! Strategic merge patches over the schemas of the built-in kinds.

#![expect(clippy::needless_pass_by_value, reason = "literals are easier to read without borrows")]

use serde_json::{Value, json};

use super::{Patch, PatchClass, PatchError, PatchFormat};
use crate::kinds::field::Type;
use crate::kinds::generated::fields::{APPS_V1_DEPLOYMENT, CORE_V1_CONFIG_MAP, CORE_V1_POD, CORE_V1_SERVICE};

fn apply(schema: &'static Type, target: Value, patch: Value) -> Result<Value, PatchError> {
    Patch::parse(PatchFormat::Strategic, patch.to_string().as_bytes())?.apply(schema, target)
}

#[track_caller]
fn pod_spec(target: Value, patch: Value, expected: Value) {
    let result = apply(&CORE_V1_POD, json!({"spec": target}), json!({"spec": patch})).unwrap();
    assert_eq!(result["spec"], expected);
}

#[track_caller]
fn finalizers(target: Value, patch: Value, expected: Value) {
    let result =
        apply(&CORE_V1_POD, json!({"metadata": {"finalizers": target}}), json!({"metadata": patch})).unwrap();
    assert_eq!(result["metadata"]["finalizers"], expected);
}

#[test]
fn the_image_of_a_container_is_changed_by_its_name() {
    pod_spec(
        json!({"containers": [{"name": "a", "image": "i:1", "args": ["x"]}, {"name": "b", "image": "i:2"}]}),
        json!({"containers": [{"name": "b", "image": "i:3"}]}),
        json!({"containers": [{"name": "a", "image": "i:1", "args": ["x"]}, {"name": "b", "image": "i:3"}]}),
    );
}

#[test]
fn a_new_element_comes_before_those_of_the_original() {
    pod_spec(
        json!({"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}),
        json!({"containers": [{"name": "c", "env": [{"name": "B", "value": "2"}]}]}),
        json!({"containers": [{"name": "c", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}]}),
    );
}

#[test]
fn an_element_is_deleted_by_its_directive() {
    pod_spec(
        json!({"containers": [{"name": "c", "env": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}]}),
        json!({"containers": [{"name": "c", "env": [{"name": "B", "$patch": "delete"}]}]}),
        json!({"containers": [{"name": "c", "env": [{"name": "A"}, {"name": "C"}]}]}),
    );
}

#[test]
fn ports_are_told_apart_by_their_number() {
    pod_spec(
        json!({"containers": [{"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 81}]}]}),
        json!({"containers": [{"name": "c", "ports": [{"containerPort": 81, "name": "http"}]}]}),
        json!({"containers": [{"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 81, "name": "http"}]}]}),
    );
    let service = apply(
        &CORE_V1_SERVICE,
        json!({"spec": {"ports": [{"port": 80, "targetPort": "x"}]}}),
        json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
    );
    assert_eq!(service.unwrap(), json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}));
}

#[test]
fn retain_keys_changes_the_source_of_a_volume() {
    pod_spec(
        json!({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}, {"name": "w", "emptyDir": {}}]}),
    );
    let deployment = apply(
        &APPS_V1_DEPLOYMENT,
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    );
    assert_eq!(deployment.unwrap(), json!({"spec": {"strategy": {"type": "Recreate"}}}));
}

#[test]
fn retain_keys_has_to_name_what_the_patch_sets() {
    let error = apply(
        &APPS_V1_DEPLOYMENT,
        json!({"spec": {"strategy": {}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}),
    );
    let error = error.unwrap_err();
    assert_eq!(
        (error.class(), error.to_string().as_str()),
        (PatchClass::BadRequest, "invalid patch format of retainKeys")
    );
}

#[test]
fn an_atomic_list_is_replaced() {
    pod_spec(
        json!({"tolerations": [{"key": "a"}, {"key": "b"}]}),
        json!({"tolerations": [{"key": "c"}]}),
        json!({"tolerations": [{"key": "c"}]}),
    );
}

#[test]
fn a_set_of_scalars_is_merged() {
    finalizers(json!(["a", "b"]), json!({"finalizers": ["c", "b"]}), json!(["c", "a", "b"]));
    finalizers(json!(["a", "b"]), json!({"$deleteFromPrimitiveList/finalizers": ["a"]}), json!(["b"]));
    finalizers(
        json!(["a", "b"]),
        json!({"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}),
        json!(["c", "b"]),
    );
}

#[test]
fn null_deletes_a_member() {
    let target = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "data": {"x": "1"}});
    let result =
        apply(&CORE_V1_CONFIG_MAP, target, json!({"metadata": {"labels": {"a": null}}, "data": null}));
    assert_eq!(result.unwrap(), json!({"metadata": {"labels": {"b": "2"}}}));
}

#[test]
fn set_element_order_decides_the_order_of_what_it_names() {
    // What a client sends that applies a changed manifest: containers reordered, one new, one changed.
    pod_spec(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "injected"}, {"name": "b", "image": "1"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
               "containers": [{"name": "b", "image": "2"}, {"name": "new", "image": "1"}]}),
        json!({"containers": [{"name": "injected"}, {"name": "b", "image": "2"}, {"name": "new", "image": "1"},
                              {"name": "a", "image": "1"}]}),
    );
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a"}]}),
    );
    pod_spec(
        json!({}),
        json!({"$setElementOrder/volumes": [{"name": "v"}], "volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
    );
}

#[test]
fn set_element_order_and_delete_go_together() {
    pod_spec(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
               "containers": [{"name": "b", "$patch": "delete"}, {"name": "a", "image": "x"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "x"}]}),
    );
}

#[test]
fn replace_takes_the_place_of_an_object_or_a_list() {
    pod_spec(
        json!({"nodeSelector": {"a": "1"}, "containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"nodeSelector": {"$patch": "replace", "b": "2"}, "containers": [{"name": "c"}, {"$patch": "replace"}]}),
        json!({"nodeSelector": {"b": "2"}, "containers": [{"name": "c"}]}),
    );
    pod_spec(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "delete"}}),
        json!({"securityContext": {}}),
    );
}

#[test]
fn what_was_not_there_is_taken_without_directives_and_nulls() {
    pod_spec(
        json!({}),
        json!({"securityContext": {"runAsUser": 1, "runAsGroup": null, "$retainKeys": ["runAsUser"]},
               "containers": [{"name": "a", "env": [{"name": "A", "$patch": "delete"}, {"name": "B"}]}]}),
        json!({"securityContext": {"runAsUser": 1}, "containers": [{"name": "a", "env": [{"name": "B"}]}]}),
    );
}

#[test]
fn an_element_without_its_key_is_refused() {
    let error = apply(
        &CORE_V1_POD,
        json!({"spec": {"containers": [{"name": "a"}]}}),
        json!({"spec": {"containers": [{"image": "noname"}]}}),
    );
    let error = error.unwrap_err();
    assert_eq!(error.class(), PatchClass::Failure);
    assert_eq!(error.to_string(), "map: map[image:noname] does not contain declared merge key: name");
}

#[test]
fn an_unknown_directive_is_refused() {
    let target = json!({"data": {"k": "1"}});
    let error =
        apply(&CORE_V1_CONFIG_MAP, target, json!({"data": {"$patch": "bogus", "k": "v"}})).unwrap_err();
    assert_eq!(error.class(), PatchClass::Failure);
    assert_eq!(error.to_string(), "unknown patch type: bogus in map: map[$patch:bogus k:v]");
}

#[test]
fn long_lists_are_merged_in_reasonable_time() {
    let list =
        |from: usize| Value::from((from..from + 20_000).map(|n| json!(n.to_string())).collect::<Vec<_>>());
    let result = apply(
        &CORE_V1_POD,
        json!({"metadata": {"finalizers": list(0)}}),
        json!({"metadata": {"finalizers": list(10_000), "$setElementOrder/finalizers": list(10_000)}}),
    );
    assert_eq!(result.unwrap()["metadata"]["finalizers"].as_array().unwrap().len(), 30_000);
}
