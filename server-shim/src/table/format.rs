//! How cells spell what several kinds show: labels, selectors, containers, shortened lists.

use serde_json::Value;

use super::fields::Fields;

/// For a field that is empty.
pub(super) const NONE: &str = "<none>";

/// For what nobody has reported.
pub(super) const UNKNOWN: &str = "<unknown>";

/// For a field that the client has left open.
pub(super) const UNSET: &str = "<unset>";

/// A count as a cell.
pub(super) fn count(length: usize) -> Value {
    Value::from(length)
}

/// The parts with a separator between them, or else `otherwise`.
pub(super) fn join_or(parts: &[String], separator: &str, otherwise: &str) -> String {
    if parts.is_empty() { otherwise.to_owned() } else { parts.join(separator) }
}

/// As many parts as a cell has room for, and how many more there are.
pub(super) struct Shortened {
    shown: Vec<String>,
    room: usize,
    total: usize,
}

impl Shortened {
    /// With room for so many parts.
    pub(super) fn new(room: usize) -> Self {
        Self { shown: Vec::new(), room, total: 0 }
    }

    /// Adds a part, which is made only if it is shown.
    pub(super) fn push(&mut self, part: impl FnOnce() -> String) {
        self.total += 1;
        if self.shown.len() < self.room {
            self.shown.push(part());
        }
    }

    /// Adds many parts.
    pub(super) fn extend(mut self, parts: impl Iterator<Item = String>) -> Self {
        for part in parts {
            self.push(|| part);
        }
        self
    }

    /// The cell; `otherwise` where there is no part.
    pub(super) fn finish(self, separator: &str, otherwise: &str) -> String {
        let shown = join_or(&self.shown, separator, otherwise);
        match self.total - self.shown.len() {
            0 => shown,
            hidden => format!("{shown} + {hidden} more..."),
        }
    }
}

/// Labels as `a=1,b=2`, in the order of their keys.
pub(super) fn labels(map: Fields<'_>) -> String {
    let mut pairs: Vec<_> = map.entries().map(|(key, value)| format!("{key}={}", value.text())).collect();
    pairs.sort_unstable();
    join_or(&pairs, ",", NONE)
}

/// A label selector of the structured form in the notation of a query.
pub(super) fn selector(selector: Fields<'_>) -> String {
    let equalities =
        selector.get("matchLabels").entries().map(|(key, value)| (key, format!("{key}={}", value.text())));
    let expressions = selector.get("matchExpressions").items().filter_map(expression);
    let mut requirements: Vec<_> = equalities.chain(expressions).collect();
    requirements.sort_by_key(|(key, _)| *key);
    let requirements: Vec<_> = requirements.into_iter().map(|(_, text)| text).collect();
    join_or(&requirements, ",", NONE)
}

/// The key of a requirement and its notation; none for an operator that does not exist.
fn expression(requirement: Fields<'_>) -> Option<(&str, String)> {
    let key = requirement.get("key").text();
    let values = || {
        let mut values: Vec<_> = requirement.get("values").texts().collect();
        values.sort_unstable();
        values.join(",")
    };
    let text = match requirement.get("operator").text() {
        "In" => format!("{key} in ({})", values()),
        "NotIn" => format!("{key} notin ({})", values()),
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        _ => return None,
    };
    Some((key, text))
}

/// The names of containers, and their images.
pub(super) fn containers(containers: Fields<'_>) -> [String; 2] {
    ["name", "image"].map(|field| {
        let parts: Vec<_> = containers.items().map(|container| container.get(field).text()).collect();
        parts.join(",")
    })
}

/// `namespace/name`, or the name alone where there is no namespace.
pub(super) fn path(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// `kind/name` of a reference.
pub(super) fn kind_and_name(reference: Fields<'_>) -> String {
    format!("{}/{}", reference.get("kind").text(), reference.get("name").text())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_shown_in_the_order_of_its_keys() {
        for (object, shown) in [
            (json!(null), "<none>"),
            (json!({}), "<none>"),
            (json!({"matchLabels": {"b": "2", "a": "1"}}), "a=1,b=2"),
            (
                json!({"matchLabels": {"m": "1"}, "matchExpressions": [
                    {"key": "z", "operator": "DoesNotExist"},
                    {"key": "k", "operator": "In", "values": ["y", "x"]},
                    {"key": "n", "operator": "NotIn", "values": ["v"]},
                    {"key": "e", "operator": "Exists"},
                    {"key": "q", "operator": "Like"},
                ]}),
                "e,k in (x,y),m=1,n notin (v),!z",
            ),
        ] {
            assert_eq!(selector(Fields::new(&object)), shown);
        }
    }

    #[test]
    fn labels_are_shown_in_the_order_of_their_keys() {
        assert_eq!(labels(Fields::new(&json!({"b": "2", "a": "", "c.d/e": "3"}))), "a=,b=2,c.d/e=3");
        assert_eq!(labels(Fields::new(&json!({}))), "<none>");
    }

    #[test]
    fn a_long_list_tells_how_much_it_hides() {
        let shortened = |parts: &[&str]| {
            Shortened::new(2).extend(parts.iter().map(|part| (*part).to_owned())).finish(", ", "-")
        };
        assert_eq!(shortened(&[]), "-");
        assert_eq!(shortened(&["a", "b"]), "a, b");
        assert_eq!(shortened(&["a", "b", "c", "d"]), "a, b + 2 more...");
    }
}
