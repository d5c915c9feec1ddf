//! Strategic merge patches: merge patches that know the kind.
//!
//! The field table says which lists are merged and by which key. Directives inside the patch say more:
//! `$patch` (`replace` or `delete` what it stands in), `$retainKeys` (drop all other keys),
//! `$setElementOrder/<list>` (the order of the result), `$deleteFromPrimitiveList/<list>`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::PatchError;
use super::error::go_text;
use super::strategic_list::{delete_scalars, merge_lists};
use super::strategic_order::{arrange, check_order};
use crate::kinds::field::{PatchStrategy, Shape, Type};

/// The key of the directive of an object or of an element of a list.
pub(super) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";

/// The object that results from `target`. It is no deeper than the deeper of the two.
pub(super) fn apply(schema: &'static Type, target: Value, patch: &Value) -> Result<Value, PatchError> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            merge_object(Known::Type(schema), target, patch).map(Value::Object)
        }
        (target, _) => Ok(target),
    }
}

/// What the table knows of the members of an object.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// Its type.
    Type(&'static Type),
    /// That it is a map with values of this shape.
    Values(Shape),
    /// Nothing: free-form.
    Nothing,
}

impl Known {
    pub(super) fn of(shape: Shape) -> Self {
        match shape {
            Shape::Object(schema) => Self::Type(schema),
            Shape::Map(values) => Self::Values(*values),
            Shape::List(_) | Shape::Scalar(_) => Self::Nothing,
        }
    }

    fn rules(self, name: &str) -> Rules {
        match self {
            Self::Type(schema) => schema.field(name).map_or(Rules::NONE, |field| Rules {
                shape: Some(field.shape),
                strategy: field.patch_strategy,
                merge_key: field.merge_key,
            }),
            Self::Values(shape) => Rules { shape: Some(shape), ..Rules::NONE },
            Self::Nothing => Rules::NONE,
        }
    }
}

/// How a member is merged.
#[derive(Clone, Copy)]
struct Rules {
    shape: Option<Shape>,
    strategy: PatchStrategy,
    merge_key: Option<&'static str>,
}

impl Rules {
    const NONE: Self = Self { shape: None, strategy: PatchStrategy::Default, merge_key: None };

    fn merges_lists(self) -> bool {
        matches!(self.strategy, PatchStrategy::Merge | PatchStrategy::MergeRetainKeys)
    }

    fn members(self) -> Known {
        self.shape.map_or(Known::Nothing, Known::of)
    }

    fn elements(self) -> Known {
        match self.shape {
            Some(Shape::List(item)) => Known::of(*item),
            _ => Known::Nothing,
        }
    }

    fn merge_lists(self, original: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, PatchError> {
        if self.merges_lists() {
            merge_lists(self.elements(), self.merge_key, original, patch)
        } else {
            Ok(patch.to_vec())
        }
    }
}

pub(super) fn merge_object(
    known: Known,
    mut target: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return directed(directive, patch);
    }
    if let Some(retained) = patch.get(RETAIN_KEYS) {
        retain_keys(&mut target, patch, retained)?;
    }
    for (key, order) in patch {
        if let Some(name) = list_name(key, SET_ELEMENT_ORDER)? {
            merge_ordered(known.rules(name), &mut target, patch.get(name), name, order)?;
        }
    }
    for (key, value) in patch {
        if let Some(name) = list_name(key, DELETE_FROM_PRIMITIVE_LIST)? {
            delete_from_primitive_list(&mut target, name, value)?;
        } else if !is_directive(key) && !patch.contains_key(&format!("{SET_ELEMENT_ORDER}/{key}")) {
            merge_member(known.rules(key), &mut target, key, value)?;
        }
    }
    Ok(target)
}

fn is_directive(key: &str) -> bool {
    matches!(key, DIRECTIVE | RETAIN_KEYS)
        || key.starts_with(SET_ELEMENT_ORDER)
        || key.starts_with(DELETE_FROM_PRIMITIVE_LIST)
}

/// The object that carries the directive takes the place of the original, or leaves it empty.
fn directed(directive: &Value, patch: &Map<String, Value>) -> Result<Map<String, Value>, PatchError> {
    match directive.as_str() {
        Some("replace") => {
            let kept = patch.iter().filter(|(key, _)| *key != DIRECTIVE);
            Ok(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        Some("delete") => Ok(Map::new()),
        _ => Err(unknown_directive(directive, patch)),
    }
}

pub(super) fn unknown_directive(directive: &Value, patch: &Map<String, Value>) -> PatchError {
    let (directive, patch) = (go_text(directive), go_text(&Value::Object(patch.clone())));
    PatchError::Malformed(format!("unknown patch type: {directive} in map: {patch}"))
}

/// `list` of `$directive/list`.
fn list_name<'k>(key: &'k str, directive: &str) -> Result<Option<&'k str>, PatchError> {
    let Some(rest) = key.strip_prefix(directive) else {
        return Ok(None);
    };
    let malformed = || PatchError::BadRequest(format!("invalid patch format of {}", list_word(directive)));
    rest.strip_prefix('/').ok_or_else(malformed).map(Some)
}

fn list_word(directive: &str) -> &'static str {
    if directive == SET_ELEMENT_ORDER { "setElementOrder list" } else { "primitive list" }
}

/// Drops the keys that the directive does not name, which has to name all that the patch sets.
fn retain_keys(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    retained: &Value,
) -> Result<(), PatchError> {
    let malformed = || PatchError::BadRequest("invalid patch format of retainKeys".to_owned());
    let retained: HashSet<_> =
        retained.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    let is_retained = |key: &str| retained.contains(key);
    let mut set = patch.iter().filter(|(key, value)| !value.is_null() && !is_directive(key));
    if !set.all(|(key, _)| is_retained(key)) {
        return Err(malformed());
    }
    target.retain(|key, _| is_retained(key));
    Ok(())
}

fn merge_member(
    rules: Rules,
    target: &mut Map<String, Value>,
    key: &str,
    patch: &Value,
) -> Result<(), PatchError> {
    let original = target.get_mut(key).map(Value::take);
    let merged = match (original, patch) {
        (_, Value::Null) => None,
        (Some(Value::Object(original)), Value::Object(patch)) => {
            Some(Value::Object(if rules.strategy == PatchStrategy::Replace {
                patch.clone()
            } else {
                merge_object(rules.members(), original, patch)?
            }))
        }
        (Some(Value::Array(original)), Value::Array(patch)) => {
            Some(Value::Array(rules.merge_lists(original, patch)?))
        }
        _ => without_directives(patch)?,
    };
    match merged {
        Some(merged) => target.insert(key.to_owned(), merged),
        None => target.swap_remove(key),
    };
    Ok(())
}

/// Merges the list `name` and brings the result into the order that the patch asks for.
fn merge_ordered(
    rules: Rules,
    target: &mut Map<String, Value>,
    patch: Option<&Value>,
    name: &str,
    order: &Value,
) -> Result<(), PatchError> {
    let order = expect_list(order)?;
    let original = target.swap_remove(name);
    let server_order = original.as_ref().map(expect_list).transpose()?.unwrap_or_default().to_vec();
    let patched = match patch {
        Some(Value::Null) => return Ok(()),
        Some(patch) => Some(expect_list(patch)?),
        None => None,
    };
    check_order(patched.unwrap_or_default(), order, rules.merge_key)?;
    let merged = match (original, patched) {
        (None, None) => return Ok(()),
        (Some(_), None) => server_order.clone(),
        (None, Some(patch)) => elements_without_directives(patch)?,
        (Some(_), Some(patch)) => rules.merge_lists(server_order.clone(), patch)?,
    };
    let arranged = arrange(merged, order, &server_order, rules.merge_key)?;
    target.insert(name.to_owned(), Value::Array(arranged));
    Ok(())
}

fn delete_from_primitive_list(
    target: &mut Map<String, Value>,
    name: &str,
    deleted: &Value,
) -> Result<(), PatchError> {
    let deleted = expect_list(deleted)?;
    if let Some(Value::Array(list)) = target.get_mut(name) {
        delete_scalars(list, deleted);
    }
    Ok(())
}

fn expect_list(value: &Value) -> Result<&[Value], PatchError> {
    match value {
        Value::Array(list) => Ok(list),
        other => {
            let found = match other {
                Value::Null => "<nil>",
                Value::Bool(_) => "bool",
                Value::Number(_) => "int64",
                Value::String(_) => "string",
                Value::Array(_) | Value::Object(_) => "map[string]interface {}",
            };
            Err(PatchError::Malformed(format!("expected a []interface {{}}, but received a {found}")))
        }
    }
}

/// What the patch sets where there was nothing: itself, without directives and `null` members.
fn without_directives(patch: &Value) -> Result<Option<Value>, PatchError> {
    match patch {
        Value::Array(list) => elements_without_directives(list).map(|list| Some(Value::Array(list))),
        Value::Object(map) => match map.get(DIRECTIVE).map(|directive| (directive, directive.as_str())) {
            Some((_, Some("delete"))) => Ok(None),
            None | Some((_, Some("replace" | "merge"))) => members_without_directives(map).map(Some),
            Some((directive, _)) => Err(unknown_directive(directive, map)),
        },
        other => Ok(Some(other.clone())),
    }
}

fn members_without_directives(map: &Map<String, Value>) -> Result<Value, PatchError> {
    let mut kept = Map::new();
    for (key, value) in map.iter().filter(|(key, value)| !is_directive(key) && !value.is_null()) {
        if let Some(value) = without_directives(value)? {
            kept.insert(key.clone(), value);
        }
    }
    Ok(Value::Object(kept))
}

/// An element that is nothing but a directive is none.
pub(super) fn elements_without_directives(list: &[Value]) -> Result<Vec<Value>, PatchError> {
    let is_element =
        |value: &&Value| value.as_object().is_none_or(|map| map.len() != 1 || !map.contains_key(DIRECTIVE));
    list.iter().filter(is_element).filter_map(|value| without_directives(value).transpose()).collect()
}
