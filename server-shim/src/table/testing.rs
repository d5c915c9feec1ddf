//! What the tests of tables share: the present, and a row from an object.

use std::time::SystemTime;

use serde_json::Value;

use super::Table;

/// When the objects of the tests were created; 42 minutes before [`now`].
pub(super) const CREATED: &str = "2026-11-21T22:08:29Z";

/// The present.
pub(super) fn now() -> SystemTime {
    "2026-11-21T22:50:29Z".parse::<jiff::Timestamp>().unwrap().into()
}

/// The cells of an object, as a list. An object without metadata gets a name and a creation time.
#[track_caller]
pub(super) fn row(table: &Table, mut object: Value) -> Value {
    if object.get("metadata").is_none() {
        object["metadata"] = serde_json::json!({"name": "a", "creationTimestamp": CREATED});
    }
    let cells = table.cells(&object, now());
    assert_eq!(cells.len(), table.columns().len(), "a cell for each column");
    Value::Array(cells)
}
