//! Who watches what, and so how many events each write makes.

use std::collections::HashMap;

use form_urlencoded::Serializer;

use crate::cli::Resource;
use crate::error::LoadError;
use crate::objects::Objects;

/// What the number of a watch replaces in a selector.
const NUMBER: &str = "{n}";

/// The field that a selector compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// The node of a pod.
    Node,
    /// The name of an object.
    Name,
}

/// The watches and the objects.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What is written.
    pub(crate) objects: Objects,
    // The selector of each watch.
    selectors: Vec<Option<String>>,
    // Who sees what: all watches see all, or so many each value of the field.
    field: Option<Field>,
    by_value: HashMap<String, u64>,
}

impl Plan {
    /// So many watches, with this selector.
    pub(crate) fn new(objects: Objects, watchers: u32, selector: Option<&str>) -> Result<Self, LoadError> {
        let mut plan = Self { objects, selectors: Vec::new(), field: None, by_value: HashMap::new() };
        let Some(selector) = selector else {
            plan.selectors.extend((0..watchers).map(|_| None));
            return Ok(plan);
        };
        let (field, value) = parse(selector, plan.objects.resource)?;
        plan.field = Some(field);
        for watcher in 0..watchers {
            let number = watcher.to_string();
            plan.selectors.push(Some(selector.replace(NUMBER, &number)));
            *plan.by_value.entry(value.replace(NUMBER, &number)).or_default() += 1;
        }
        Ok(plan)
    }

    /// How many watches there are.
    pub(crate) fn watchers(&self) -> u32 {
        u32::try_from(self.selectors.len()).unwrap_or(u32::MAX)
    }

    /// The path of each watch, from a resource version on.
    pub(crate) fn paths(&self, revision: &str) -> impl Iterator<Item = String> {
        self.selectors.iter().map(move |selector| {
            let mut query = Serializer::new(String::new());
            query.append_pair("watch", "1").append_pair("resourceVersion", revision);
            if let Some(selector) = selector {
                query.append_pair("fieldSelector", selector);
            }
            format!("{}?{}", self.objects.resource.collection(None), query.finish())
        })
    }

    /// How many watches see an object.
    pub(crate) fn seen_by(&self, object: u32) -> u64 {
        let value = match self.field {
            None => return self.watchers().into(),
            Some(Field::Node) => self.objects.node(object),
            Some(Field::Name) => Objects::name(object),
        };
        self.by_value.get(&value).copied().unwrap_or_default()
    }
}

/// The field of a selector and its value: those whose events can be foretold.
fn parse(selector: &str, resource: Resource) -> Result<(Field, &str), LoadError> {
    match selector.split_once('=') {
        Some(("spec.nodeName", value)) if resource == Resource::Pods => Ok((Field::Node, value)),
        Some(("metadata.name", value)) => Ok((Field::Name, value)),
        _ => {
            let text = "--field-selector is metadata.name=NAME, or spec.nodeName=NAME for pods, so that it is known \
                        which events have to come";
            Err(LoadError::Usage(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Shape;

    fn pods() -> Objects {
        Objects::new(Resource::Pods, 20, Shape { bytes: 0, namespaces: 1, nodes: 10, seed: 1 })
    }

    #[test]
    fn without_a_selector_all_see_all() {
        let plan = Plan::new(pods(), 5, None).unwrap();
        assert_eq!((plan.watchers(), plan.seen_by(3)), (5, 5));
        assert_eq!(plan.paths("7").last().unwrap(), "/api/v1/pods?watch=1&resourceVersion=7");
    }

    #[test]
    fn a_watch_of_a_node_sees_the_pods_of_it() {
        let plan = Plan::new(pods(), 4, Some("spec.nodeName=node-{n}")).unwrap();
        assert_eq!((0..6).map(|pod| plan.seen_by(pod)).collect::<Vec<_>>(), [1, 1, 1, 1, 0, 0]);
        assert_eq!(plan.seen_by(12), 1, "it is on node 2");
        let path = "/api/v1/pods?watch=1&resourceVersion=7&fieldSelector=spec.nodeName%3Dnode-3";
        assert_eq!(plan.paths("7").last().unwrap(), path);
    }

    #[test]
    fn watches_of_other_nodes_see_nothing_and_many_may_watch_one() {
        let other = Plan::new(pods(), 4, Some("spec.nodeName=other-{n}")).unwrap();
        assert_eq!(other.seen_by(0), 0);
        let one = Plan::new(pods(), 4, Some("metadata.name=bench-000001")).unwrap();
        assert_eq!((one.seen_by(0), one.seen_by(1)), (0, 4));
    }

    #[test]
    fn a_selector_whose_events_cannot_be_foretold_is_refused() {
        for selector in ["status.phase=Running", "spec.nodeName", "a=b,c=d"] {
            assert!(Plan::new(pods(), 1, Some(selector)).is_err(), "{selector}");
        }
    }
}
