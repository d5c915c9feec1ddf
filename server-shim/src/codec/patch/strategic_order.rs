//! The order of a merged list.
//!
//! Two orders are known: that of the patch, which names some elements, and that of the original. The
//! result keeps both, the patch's where they contradict; what neither decides comes as the patch's
//! elements first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::PatchError;
use super::error::go_text;
use super::strategic::DIRECTIVE;
use super::strategic_list::no_merge_key;

/// What tells a scalar, or the value of a merge key, apart from others.
pub(super) fn identity(value: &Value) -> String {
    value.to_string()
}

/// The identity of an element of a list of objects.
pub(super) fn key_of(element: &Value, merge_key: &str) -> Result<String, PatchError> {
    element.get(merge_key).map(identity).ok_or_else(|| no_merge_key(element, merge_key))
}

fn element_identity(element: &Value, merge_key: Option<&str>) -> Result<String, PatchError> {
    merge_key.map_or_else(|| Ok(identity(element)), |key| key_of(element, key))
}

/// Where each element stands in `list`, the first of equal ones.
fn positions(list: &[Value], merge_key: Option<&str>) -> Result<HashMap<String, usize>, PatchError> {
    let mut positions = HashMap::with_capacity(list.len());
    for (position, element) in list.iter().enumerate() {
        if let Entry::Vacant(entry) = positions.entry(element_identity(element, merge_key)?) {
            entry.insert(position);
        }
    }
    Ok(positions)
}

/// An element with its place in the order of its own side and in that of the original.
struct Placed {
    element: Value,
    own: usize,
    server: Option<usize>,
}

/// Brings `merged` into the order described above.
pub(super) fn arrange(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: Option<&str>,
) -> Result<Vec<Value>, PatchError> {
    let in_patch = positions(patch_order, merge_key)?;
    let in_server = positions(server_order, merge_key)?;
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for element in merged {
        let identity = element_identity(&element, merge_key)?;
        let server = in_server.get(&identity).copied();
        match in_patch.get(&identity) {
            Some(own) => named.push(Placed { element, own: *own, server }),
            None => others.push(Placed { element, own: server.unwrap_or(usize::MAX), server }),
        }
    }
    named.sort_by_key(|placed| placed.own);
    others.sort_by_key(|placed| placed.own);
    Ok(interleave(others, named))
}

/// Inserts each of `others` before the first of `named` that follows it in the original.
fn interleave(others: Vec<Placed>, named: Vec<Placed>) -> Vec<Value> {
    let mut result = Vec::with_capacity(others.len() + named.len());
    let mut others = others.into_iter().peekable();
    for next in named {
        while let Some(other) =
            others.next_if(|other| other.server.zip(next.server).is_some_and(|(other, next)| other < next))
        {
            result.push(other.element);
        }
        result.push(next.element);
    }
    result.extend(others.map(|other| other.element));
    result
}

/// Checks that the elements of a patch appear in the order that its directive asks for.
pub(super) fn check_order(
    patch: &[Value],
    order: &[Value],
    merge_key: Option<&str>,
) -> Result<(), PatchError> {
    let mut ordered = order.iter();
    for element in patch.iter().filter(|element| element.get(DIRECTIVE).is_none()) {
        let wanted = element_identity(element, merge_key)?;
        loop {
            let Some(next) = ordered.next() else {
                let (patch, order) = (Value::from(patch), Value::from(order));
                return Err(PatchError::Malformed(format!(
                    "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                    go_text(&patch),
                    go_text(&order)
                )));
            };
            if element_identity(next, merge_key)? == wanted {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arranged(merged: Value, patch: Value, server: Value) -> Value {
        let list = |value: Value| value.as_array().unwrap().clone();
        Value::from(arrange(list(merged), &list(patch), &list(server), None).unwrap())
    }

    #[test]
    fn new_elements_come_first() {
        assert_eq!(arranged(json!(["a", "b"]), json!(["b"]), json!(["a"])), json!(["b", "a"]));
    }

    #[test]
    fn the_order_of_the_original_is_kept_where_the_patch_does_not_contradict() {
        let merged = json!(["a", "b", "c", "x"]);
        assert_eq!(
            arranged(merged.clone(), json!(["b"]), json!(["a", "b", "c"])),
            json!(["a", "b", "c", "x"])
        );
        assert_eq!(arranged(merged, json!(["c", "a"]), json!(["a", "b", "c"])), json!(["b", "c", "a", "x"]));
    }

    #[test]
    fn a_patch_list_out_of_its_own_order_is_refused() {
        let order = [json!("a"), json!("b")];
        assert!(check_order(&[json!("a")], &order, None).is_ok());
        assert!(check_order(&[json!("a"), json!("b")], &order, None).is_ok());
        let error = check_order(&[json!("b"), json!("a")], &order, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The order in patch list:\n[b a]\n doesn't match $setElementOrder list:\n[a b]\n"
        );
    }
}
