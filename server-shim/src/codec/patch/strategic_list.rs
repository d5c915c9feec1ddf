//! Merging lists: lists of objects by the value of their merge key, lists of scalars as sets.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::PatchError;
use super::error::go_text;
use super::strategic::{DIRECTIVE, Known, elements_without_directives, merge_object, unknown_directive};
use super::strategic_order::{arrange, identity, key_of};

/// Merges `patch` into `original`. Elements that both have keep their relative order, elements that only
/// the patch has come before those that only the original has, unless the original's order forbids it.
pub(super) fn merge_lists(
    elements: Known,
    merge_key: Option<&str>,
    original: Vec<Value>,
    patch: &[Value],
) -> Result<Vec<Value>, PatchError> {
    match element_kind(original.iter().chain(patch))? {
        None => Ok(original),
        Some(ElementKind::Scalar) => {
            let merged = unique(original.iter().chain(patch));
            arrange(merged, patch, &original, None)
        }
        Some(ElementKind::Object) => {
            let key = merge_key
                .ok_or_else(|| PatchError::Malformed("cannot merge lists without merge key".to_owned()))?;
            merge_objects(elements, key, original, patch)
        }
    }
}

/// Removes the scalars that `deleted` names.
pub(super) fn delete_scalars(list: &mut Vec<Value>, deleted: &[Value]) {
    let deleted: HashSet<String> = deleted.iter().map(identity).collect();
    list.retain(|value| !deleted.contains(&identity(value)));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ElementKind {
    Scalar,
    Object,
}

/// What the elements are; they have to be all of one kind.
fn element_kind<'v>(values: impl Iterator<Item = &'v Value>) -> Result<Option<ElementKind>, PatchError> {
    let mut kind = None;
    for value in values {
        let this = match value {
            Value::Array(_) => return Err(PatchError::rejected("lists of lists are not supported")),
            Value::Object(_) => ElementKind::Object,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => ElementKind::Scalar,
        };
        if *kind.get_or_insert(this) != this {
            return Err(PatchError::Malformed("list element types are not identical".to_owned()));
        }
    }
    Ok(kind)
}

fn unique<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(identity(value))).cloned().collect()
}

fn merge_objects(
    elements: Known,
    key: &str,
    original: Vec<Value>,
    patch: &[Value],
) -> Result<Vec<Value>, PatchError> {
    let Sorted { plain, deleted, replaces } = sort_out(key, patch)?;
    if replaces {
        return elements_without_directives(&plain);
    }
    let mut merged = original;
    merged.retain(|element| element.get(key).is_none_or(|value| !deleted.contains(&identity(value))));
    let server_order = merged.clone();
    merge_elements(elements, key, &mut merged, &plain)?;
    arrange(merged, &plain, &server_order, Some(key))
}

/// The elements of a patch, told apart by their directives.
struct Sorted {
    /// Those without one.
    plain: Vec<Value>,
    /// The keys of those that are to be deleted.
    deleted: HashSet<String>,
    /// Whether the plain ones take the place of the whole list.
    replaces: bool,
}

fn sort_out(key: &str, patch: &[Value]) -> Result<Sorted, PatchError> {
    let mut sorted = Sorted { plain: Vec::new(), deleted: HashSet::new(), replaces: false };
    for element in patch {
        let directive = element.as_object().and_then(|map| Some((map, map.get(DIRECTIVE)?)));
        match directive.map(|(map, directive)| (map, directive, directive.as_str())) {
            None => sorted.plain.push(element.clone()),
            Some((_, _, Some("delete"))) => {
                sorted.deleted.insert(key_of(element, key)?);
            }
            Some((_, _, Some("replace"))) => sorted.replaces = true,
            Some((_, _, Some("merge"))) => {
                let message = "merging lists cannot yet be specified in the patch";
                return Err(PatchError::Malformed(message.to_owned()));
            }
            Some((map, directive, _)) => return Err(unknown_directive(directive, map)),
        }
    }
    Ok(sorted)
}

/// Merges each element of the patch into the first one of the same key, or appends it.
fn merge_elements(
    elements: Known,
    key: &str,
    merged: &mut Vec<Value>,
    patch: &[Value],
) -> Result<(), PatchError> {
    let mut positions = HashMap::new();
    for (position, element) in merged.iter().enumerate() {
        if let Some(value) = element.get(key) {
            positions.entry(identity(value)).or_insert(position);
        }
    }
    for element in patch {
        let identity = key_of(element, key)?;
        let known = positions.get(&identity).and_then(|position| merged.get_mut(*position));
        if let (Some(Value::Object(original)), Value::Object(patch)) = (known, element) {
            *original = merge_object(elements, std::mem::take(original), patch)?;
        } else {
            positions.insert(identity, merged.len());
            merged.extend(elements_without_directives(std::slice::from_ref(element))?);
        }
    }
    Ok(())
}

pub(super) fn no_merge_key(element: &Value, key: &str) -> PatchError {
    let element = if element.is_object() { element.clone() } else { Value::Object(Map::new()) };
    let element = go_text(&element);
    PatchError::Malformed(format!("map: {element} does not contain declared merge key: {key}"))
}
