//! Tables as clients get them.

use std::sync::Arc;

use watchkeep_storage::{Key, Schema};

use super::*;
use crate::kinds::table::ResourceTable;
use crate::table::testing::now;

fn config_maps() -> Arc<Resource> {
    Arc::clone(ResourceTable::built_in().resource("", "v1", "configmaps").unwrap())
}

fn writer(version: TableVersion, include: IncludeObject) -> TableWriter {
    TableWriter::new(&config_maps(), version, include)
}

const OBJECT: &str = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"tt","namespace":"t1","uid":"u","creationTimestamp":"2026-11-21T22:08:29Z"},"data":{"a":"1","b":"2"}}"#;

fn record() -> Record {
    let value = watchkeep_storage::Value::new(OBJECT.as_bytes().to_vec(), &Schema::default()).unwrap();
    Record { key: Key::unchecked("/configmaps/t1/tt"), value, revision: Revision::new(213) }
}

fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn one_record_is_a_table_of_one_row() {
    let mut out = Vec::new();
    let mut writer = writer(TableVersion::V1, IncludeObject::Metadata);
    writer.single_record(&record(), Revision::new(213), now(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"213"},"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"The object's name.","priority":0},{"name":"Data","type":"string","format":"","description":"How many entries it has.","priority":0},{"name":"Age","type":"string","format":"","description":"Time since creation.","priority":0}],"rows":[{"cells":["tt",2,"42m"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"tt","namespace":"t1","uid":"u","resourceVersion":"213","creationTimestamp":"2026-11-21T22:08:29Z"}}}]}"#
    );
}

#[test]
fn a_list_is_written_row_by_row() {
    let metadata = TableMetadata {
        resource_version: Some(Revision::new(300)),
        continue_token: Some("next".to_owned()),
        remaining: Some(3),
        shard_selector: Some("shard".to_owned()),
    };
    let table = parsed(|out| {
        let mut writer = writer(TableVersion::V1, IncludeObject::Metadata);
        writer.head(&metadata, out);
        for _ in 0..3 {
            writer.record(&record(), Revision::new(213), now(), out);
        }
        writer.tail(out);
    });
    assert_eq!(
        table["metadata"],
        json!({
            "resourceVersion": "300", "continue": "next", "remainingItemCount": 3, "shardInfo": {"selector": "shard"}
        })
    );
    assert_eq!(table["rows"].as_array().unwrap().len(), 3);
    assert_eq!(table["rows"][2]["object"]["metadata"]["resourceVersion"], "213");
}

#[test]
fn an_empty_list_has_columns_and_no_rows() {
    let table = parsed(|out| {
        let mut writer = writer(TableVersion::V1, IncludeObject::Metadata);
        writer.head(&Revision::new(5).into(), out);
        writer.tail(out);
    });
    assert_eq!(table["rows"], json!([]));
    assert_eq!(table["columnDefinitions"].as_array().unwrap().len(), 3);
}

#[test]
fn the_client_says_how_much_of_the_object_it_gets() {
    let object = |include| {
        let table = parsed(|out| {
            writer(TableVersion::V1, include).single_record(&record(), Revision::new(213), now(), out);
        });
        table["rows"][0]["object"].clone()
    };
    let whole: Value = serde_json::from_slice(&record().object()).unwrap();
    assert_eq!(object(IncludeObject::Object), whole);
    assert_eq!(object(IncludeObject::Metadata)["metadata"], whole["metadata"]);
    assert_eq!(object(IncludeObject::None), Value::Null);
}

#[test]
fn an_object_gives_the_same_table_as_its_record() {
    let whole: Value = serde_json::from_slice(&record().object()).unwrap();
    for include in [IncludeObject::Metadata, IncludeObject::Object, IncludeObject::None] {
        let revision = Revision::new(213);
        assert_eq!(
            parsed(|out| writer(TableVersion::V1, include).single_object(&whole, Some(revision), now(), out)),
            parsed(|out| writer(TableVersion::V1, include).single_record(&record(), revision, now(), out)),
        );
    }
}

#[test]
fn what_was_not_stored_has_no_revision() {
    let object: Value = serde_json::from_str(OBJECT).unwrap();
    let table = parsed(|out| {
        writer(TableVersion::V1, IncludeObject::Metadata).single_object(&object, None, now(), out);
    });
    assert_eq!(table["metadata"], json!({}));
    assert_eq!(table["rows"][0]["cells"], json!(["tt", 2, "42m"]));
}

#[test]
fn the_older_version_names_itself_in_table_and_rows() {
    let table = parsed(|out| {
        let mut writer = writer(TableVersion::V1Beta1, IncludeObject::Metadata);
        writer.single_record(&record(), Revision::new(213), now(), out);
    });
    assert_eq!(table["apiVersion"], "meta.k8s.io/v1beta1");
    assert_eq!(table["rows"][0]["object"]["apiVersion"], "meta.k8s.io/v1beta1");
}

#[test]
fn only_the_first_table_of_a_watch_defines_the_columns() {
    let mut writer = writer(TableVersion::V1, IncludeObject::Metadata);
    let mut next =
        |revision| parsed(|out| writer.single_record(&record(), Revision::new(revision), now(), out));
    assert!(next(213)["columnDefinitions"].is_array());
    let deletion = next(220);
    assert_eq!(deletion["columnDefinitions"], Value::Null);
    assert_eq!(deletion["metadata"]["resourceVersion"], "220");
    assert_eq!(deletion["rows"].as_array().unwrap().len(), 1);
    assert_eq!(deletion["rows"][0]["object"]["metadata"]["resourceVersion"], "220");
}

#[test]
fn a_bookmark_is_a_row_without_an_object_behind_it() {
    let bookmark = |include, initial_events_end| {
        let bookmark = Bookmark { revision: Revision::new(493), initial_events_end };
        parsed(|out| writer(TableVersion::V1, include).bookmark(bookmark, now(), out))
    };
    let table = bookmark(IncludeObject::Metadata, true);
    assert_eq!(table["metadata"], json!({"resourceVersion": "493"}));
    assert_eq!(
        table["rows"],
        json!([{"cells": ["", 0, "<unknown>"], "object": {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "493", "annotations": {"k8s.io/initial-events-end": "true"}},
        }}])
    );
    assert_eq!(
        bookmark(IncludeObject::Object, false)["rows"][0]["object"],
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "493"}})
    );
}

#[test]
fn an_unknown_choice_of_object_is_refused() {
    assert_eq!(IncludeObject::parse(""), Ok(IncludeObject::Metadata));
    assert_eq!(IncludeObject::parse("Metadata"), Ok(IncludeObject::Metadata));
    assert_eq!(IncludeObject::parse("Object"), Ok(IncludeObject::Object));
    assert_eq!(IncludeObject::parse("None"), Ok(IncludeObject::None));
    assert_eq!(
        IncludeObject::parse("Foo").unwrap_err().to_string(),
        "Unable to convert to Table as requested: includeObject: Invalid value: \"Foo\": must be 'Metadata', 'Object', 'None', or empty"
    );
}
