//! JSON patches (RFC 6902): a list of operations, applied in order, all or none.

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation,
    TestOperation,
};
use serde_json::{Map, Value};

use super::super::MAX_DEPTH;
use super::super::identity::json_kind;
use super::PatchError;

/// How many operations a patch may have.
const MAX_OPERATIONS: usize = 10_000;

/// How many values a whole patch may put in place. A copy of a part into itself doubles it, so without
/// a bound a few dozen operations fill the memory.
const MAX_PLACED: usize = 1_000_000;

/// How many bytes of text it may put in place.
const MAX_PLACED_TEXT: usize = 32 << 20;

/// A parsed list of operations.
#[derive(Clone, Debug)]
pub(super) struct JsonPatch(Vec<Operation>);

/// An operation that is well-formed JSON but none of the standard's is refused when its turn comes.
type Operation = Result<PatchOperation, String>;

impl JsonPatch {
    pub(super) fn decode(value: Value) -> Result<Self, PatchError> {
        let operations = match value {
            Value::Array(operations) => operations,
            Value::Null => Vec::new(),
            other => return Err(undecodable(&other, "value of type []handlers.jsonPatchOp")),
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(PatchError::TooManyOperations { limit: MAX_OPERATIONS, sent: operations.len() });
        }
        operations.into_iter().map(decode_operation).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn apply(&self, mut target: Value) -> Result<Value, PatchError> {
        let mut allowance = Allowance { values: MAX_PLACED, text: MAX_PLACED_TEXT };
        for operation in &self.0 {
            let operation = operation.as_ref().map_err(PatchError::rejected)?;
            allowance.admit(operation, &target).map_err(PatchError::rejected)?;
            json_patch::patch_unsafe(&mut target, std::slice::from_ref(operation))
                .map_err(|error| PatchError::rejected(error.to_string()))?;
        }
        Ok(target)
    }
}

fn undecodable(found: &Value, target: &str) -> PatchError {
    let found = json_kind(found);
    PatchError::BadRequest(format!("error decoding patch: json: cannot unmarshal {found} into Go {target}"))
}

fn decode_operation(value: Value) -> Result<Operation, PatchError> {
    let mut members = match value {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => return Err(undecodable(&other, "value of type handlers.jsonPatchOp")),
    };
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(undecodable(other, &format!("struct field jsonPatchOp.{name} of type string"))),
    };
    let (op, path, from) = (text("op")?, text("path")?, text("from")?);
    Ok(operation(op.as_deref(), path, from, members.remove("value")))
}

fn operation(
    op: Option<&str>,
    path: Option<String>,
    from: Option<String>,
    value: Option<Value>,
) -> Operation {
    let path = pointer("path", path)?;
    let value = value.ok_or_else(|| "missing value".to_owned());
    match op {
        Some("add") => Ok(PatchOperation::Add(AddOperation { path, value: value? })),
        Some("remove") => Ok(PatchOperation::Remove(RemoveOperation { path })),
        Some("replace") => Ok(PatchOperation::Replace(ReplaceOperation { path, value: value? })),
        Some("move") => Ok(PatchOperation::Move(MoveOperation { from: pointer("from", from)?, path })),
        Some("copy") => Ok(PatchOperation::Copy(CopyOperation { from: pointer("from", from)?, path })),
        Some("test") => Ok(PatchOperation::Test(TestOperation { path, value: value? })),
        Some(other) => Err(format!("unexpected operation {other:?}")),
        None => Err("missing operation".to_owned()),
    }
}

fn pointer(name: &str, text: Option<String>) -> Result<PointerBuf, String> {
    let text = text.ok_or_else(|| format!("missing {name}"))?;
    PointerBuf::parse(text).map_err(|error| format!("invalid {name}: {error}"))
}

/// What the rest of the patch may put in place.
struct Allowance {
    values: usize,
    text: usize,
}

impl Allowance {
    /// Refuses an operation that would make the object too large or too deep.
    fn admit(&mut self, operation: &PatchOperation, target: &Value) -> Result<(), String> {
        match operation {
            PatchOperation::Add(AddOperation { path, value })
            | PatchOperation::Replace(ReplaceOperation { path, value }) => self.place(path, Some(value)),
            PatchOperation::Copy(CopyOperation { path, from })
            | PatchOperation::Move(MoveOperation { path, from }) => {
                self.place(path, target.pointer(from.as_str()))
            }
            PatchOperation::Remove(_) | PatchOperation::Test(_) => Ok(()),
        }
    }

    fn place(&mut self, path: &Pointer, value: Option<&Value>) -> Result<(), String> {
        // Where the source is missing the operation itself fails.
        value.map_or(Ok(()), |value| self.measure(value, path.count()))
    }

    fn measure(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the result nests too deep".to_owned());
        }
        self.spend(1, 0)?;
        match value {
            Value::String(text) => self.spend(0, text.len()),
            Value::Array(list) => list.iter().try_for_each(|item| self.measure(item, depth + 1)),
            Value::Object(map) => map.iter().try_for_each(|(key, value)| {
                self.spend(0, key.len())?;
                self.measure(value, depth + 1)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn spend(&mut self, values: usize, text: usize) -> Result<(), String> {
        let left = self.values.checked_sub(values).zip(self.text.checked_sub(text));
        let (values, text) = left.ok_or("the patch puts too much in place")?;
        (self.values, self.text) = (values, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::PatchClass;
    use super::*;

    fn apply(target: Value, patch: Value) -> Result<Value, PatchError> {
        JsonPatch::decode(patch)?.apply(target)
    }

    #[track_caller]
    fn rejected(target: Value, patch: Value) {
        let error = apply(target, patch).unwrap_err();
        assert_eq!(error.class(), PatchClass::Rejected);
        assert_eq!(error.to_string(), "the server rejected our request due to an error in our request");
    }

    #[test]
    fn operations_are_applied_in_order() {
        let target = json!({"data": {"a": "1"}, "list": [1, 3]});
        let patch = json!([
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "add", "path": "/data/b~1c", "value": "2"},
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "copy", "from": "/data/a", "path": "/data/d"},
            {"op": "move", "from": "/data/a", "path": "/data/e"},
            {"op": "replace", "path": "/list/0", "value": null},
            {"op": "remove", "path": "/data/d"}
        ]);
        let result = apply(target, patch).unwrap();
        assert_eq!(result, json!({"data": {"b/c": "2", "e": "1"}, "list": [null, 2, 3, 4]}));
    }

    #[test]
    fn an_operation_that_does_not_fit_is_rejected() {
        let target = json!({"data": {"a": "1"}});
        for operation in [
            json!({"op": "test", "path": "/data/a", "value": "2"}),
            json!({"op": "remove", "path": "/data/b"}),
            json!({"op": "replace", "path": "/data/b", "value": 1}),
            json!({"op": "add", "path": "/x/y", "value": 1}),
            json!({"op": "add", "path": "/data/c"}),
            json!({"op": "bogus", "path": "/data/a"}),
            json!({"op": "remove", "path": "data"}),
            json!({"op": "move", "from": "/data", "path": "/data/a"}),
            json!({"op": "remove"}),
            json!({}),
        ] {
            rejected(target.clone(), json!([operation]));
        }
    }

    #[test]
    fn what_is_no_list_of_operations_is_a_bad_request() {
        for (patch, text) in [
            (json!({}), "object into Go value of type []handlers.jsonPatchOp"),
            (json!(["x"]), "string into Go value of type handlers.jsonPatchOp"),
            (json!([{"op": 1}]), "number into Go struct field jsonPatchOp.op of type string"),
        ] {
            let error = JsonPatch::decode(patch).unwrap_err();
            assert_eq!(
                error,
                PatchError::BadRequest(format!("error decoding patch: json: cannot unmarshal {text}"))
            );
        }
    }

    #[test]
    fn the_number_of_operations_is_bounded() {
        let patch = |count| json!(vec![json!({"op": "test", "path": "", "value": {}}); count]);
        assert!(apply(json!({}), patch(MAX_OPERATIONS)).is_ok());
        let error = apply(json!({}), patch(MAX_OPERATIONS + 1)).unwrap_err();
        assert_eq!(error.class(), PatchClass::TooLarge);
        assert_eq!(
            error.to_string(),
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
        );
    }

    #[test]
    fn copying_a_part_into_itself_is_bounded() {
        let double = |n: usize| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")});
        rejected(json!({"a": {}}), json!((0..60).map(double).collect::<Vec<_>>()));
        let text = "x".repeat(1 << 20);
        let copies: Vec<_> =
            (0..100).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/{n}")})).collect();
        rejected(json!({"a": text}), json!(copies));
    }

    #[test]
    fn the_depth_of_the_result_is_bounded() {
        let deeper = json!({"op": "copy", "from": "", "path": "/a"});
        assert!(apply(json!({"a": 1}), json!(vec![deeper.clone(); MAX_DEPTH - 1])).is_ok());
        rejected(json!({"a": 1}), json!(vec![deeper; MAX_DEPTH + 1]));
    }
}
