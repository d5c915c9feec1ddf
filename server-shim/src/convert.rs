//! Kinds that are served in two versions are stored in one; these functions go between the two.
//!
//! Both directions together lose nothing: what the older version cannot say it keeps in annotations.

use serde_json::{Map, Value as Json, json};

use crate::kinds::resource::Resource;

/// Fields of an Event that have other names in `events.k8s.io`: (core, events.k8s.io).
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// What `autoscaling/v1` cannot say: (place in v2, annotation in v1).
const AUTOSCALER_ANNOTATIONS: &[(&str, &str, &str)] = &[
    ("spec", "metrics", "autoscaling.alpha.kubernetes.io/metrics"),
    ("spec", "behavior", "autoscaling.alpha.kubernetes.io/behavior"),
    ("status", "currentMetrics", "autoscaling.alpha.kubernetes.io/current-metrics"),
    ("status", "conditions", "autoscaling.alpha.kubernetes.io/conditions"),
];

/// Whether a resource is served in another version than it is stored in.
pub(crate) fn is_needed(resource: &Resource) -> bool {
    resource.api_version != resource.storage_api_version
}

/// From the version of a request to the stored one.
pub(crate) fn to_storage(resource: &Resource, mut tree: Json) -> Json {
    if let Json::Object(object) = &mut tree {
        match resource.api_version {
            "events.k8s.io/v1" => EVENT_FIELDS.iter().for_each(|(core, own)| rename(object, own, core)),
            "autoscaling/v1" => autoscaler_to_v2(object),
            _ => {}
        }
        object.insert("apiVersion".to_owned(), Json::from(resource.storage_api_version));
    }
    tree
}

/// From the stored version to that of a request.
pub(crate) fn from_storage(resource: &Resource, mut tree: Json) -> Json {
    if let Json::Object(object) = &mut tree {
        match resource.api_version {
            "events.k8s.io/v1" => EVENT_FIELDS.iter().for_each(|(core, own)| rename(object, core, own)),
            "autoscaling/v1" => autoscaler_to_v1(object),
            _ => {}
        }
        object.insert("apiVersion".to_owned(), Json::from(resource.api_version));
    }
    tree
}

fn rename(object: &mut Map<String, Json>, from: &str, to: &str) {
    if let Some(value) = object.shift_remove(from) {
        object.insert(to.to_owned(), value);
    }
}

/// The part of `autoscaling/v2` that v1 can say: one target for the use of the CPU.
fn cpu_target(metric: &Json) -> Option<&Json> {
    let is_cpu = metric.pointer("/resource/name")? == "cpu";
    let target = metric.pointer("/resource/target")?;
    (is_cpu && target.get("type")? == "Utilization").then(|| target.get("averageUtilization"))?
}

fn cpu_current(metric: &Json) -> Option<&Json> {
    let is_cpu = metric.pointer("/resource/name")? == "cpu";
    is_cpu.then(|| metric.pointer("/resource/current/averageUtilization"))?
}

fn part<'a>(object: &'a mut Map<String, Json>, field: &str) -> Option<&'a mut Map<String, Json>> {
    object.get_mut(field)?.as_object_mut()
}

/// Takes the first element of a list for which `found` gives a value, and returns that value.
fn take_first(
    object: &mut Map<String, Json>,
    list: (&str, &str),
    found: fn(&Json) -> Option<&Json>,
) -> Option<Json> {
    let metrics = part(object, list.0)?.get_mut(list.1)?.as_array_mut()?;
    let position = metrics.iter().position(|metric| found(metric).is_some())?;
    found(&metrics.remove(position)).cloned()
}

fn autoscaler_to_v1(object: &mut Map<String, Json>) {
    let target = take_first(object, ("spec", "metrics"), cpu_target);
    let current = take_first(object, ("status", "currentMetrics"), cpu_current);
    for (place, field, annotation) in AUTOSCALER_ANNOTATIONS {
        let Some(value) = part(object, place).and_then(|part| part.shift_remove(*field)) else { continue };
        let is_empty = value.as_array().is_some_and(Vec::is_empty);
        if !is_empty && let Some(metadata) = part(object, "metadata") {
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert((*annotation).to_owned(), Json::from(value.to_string()));
            }
        }
    }
    put(object, "spec", "targetCPUUtilizationPercentage", target);
    put(object, "status", "currentCPUUtilizationPercentage", current);
}

fn autoscaler_to_v2(object: &mut Map<String, Json>) {
    for (place, field, annotation) in AUTOSCALER_ANNOTATIONS {
        let text = part(object, "metadata")
            .and_then(|metadata| part(metadata, "annotations"))
            .and_then(|annotations| annotations.shift_remove(*annotation));
        let value = text.as_ref().and_then(Json::as_str).and_then(|text| serde_json::from_str(text).ok());
        put(object, place, field, value);
    }
    if let Some(metadata) = part(object, "metadata")
        && metadata.get("annotations").and_then(Json::as_object).is_some_and(Map::is_empty)
    {
        metadata.shift_remove("annotations");
    }
    let target = part(object, "spec").and_then(|spec| spec.shift_remove("targetCPUUtilizationPercentage"));
    let target = target.map(|percent| json!({ "type": "Utilization", "averageUtilization": percent }));
    prepend_cpu(object, ("spec", "metrics"), "target", target);
    let current =
        part(object, "status").and_then(|part| part.shift_remove("currentCPUUtilizationPercentage"));
    let current = current.map(|percent| json!({ "averageUtilization": percent }));
    prepend_cpu(object, ("status", "currentMetrics"), "current", current);
}

fn prepend_cpu(object: &mut Map<String, Json>, list: (&str, &str), name: &str, value: Option<Json>) {
    let Some(value) = value else { return };
    let metric = json!({ "type": "Resource", "resource": { "name": "cpu", name: value } });
    if let Some(part) = part(object, list.0)
        && let Some(metrics) = part.entry(list.1).or_insert_with(|| json!([])).as_array_mut()
    {
        metrics.insert(0, metric);
    }
}

fn put(object: &mut Map<String, Json>, place: &str, field: &str, value: Option<Json>) {
    if let (Some(part), Some(value)) = (part(object, place), value) {
        part.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::table::ResourceTable;

    fn there_and_back(group: &str, plural: &str, tree: Json) -> Json {
        let table = ResourceTable::built_in();
        let resource = table.resource(group, "v1", plural).unwrap();
        assert!(is_needed(resource));
        let stored = to_storage(resource, tree);
        assert_eq!(stored["apiVersion"], resource.storage_api_version);
        from_storage(resource, stored)
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let event = json!({
            "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"},
            "note": "n", "regarding": {"name": "p"}, "reportingController": "c", "deprecatedCount": 3
        });
        assert_eq!(there_and_back("events.k8s.io", "events", event.clone()), event);
    }

    #[test]
    fn an_autoscaler_comes_back_as_it_went() {
        let v1 = json!({
            "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80},
            "status": {"currentReplicas": 1, "currentCPUUtilizationPercentage": 40}
        });
        assert_eq!(there_and_back("autoscaling", "horizontalpodautoscalers", v1.clone()), v1);
    }

    #[test]
    fn what_the_older_version_cannot_say_survives_in_annotations() {
        let table = ResourceTable::built_in();
        let v1 = table.resource("autoscaling", "v1", "horizontalpodautoscalers").unwrap();
        let stored = json!({
            "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
                {"type": "Pods", "pods": {"metric": {"name": "x"}}}
            ], "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}
        });
        let seen = from_storage(v1, stored.clone());
        assert_eq!(seen["spec"]["targetCPUUtilizationPercentage"], 80);
        assert!(seen["spec"].get("metrics").is_none());
        assert_eq!(to_storage(v1, seen), stored);
    }
}
