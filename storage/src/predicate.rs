//! Which objects a list or a watch returns.

use crate::attributes::Attributes;
use crate::selector::{FieldSelector, LabelSelector};

/// A label selector and a field selector; an object has to match both.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// The label selector.
    pub labels: LabelSelector,
    /// The field selector.
    pub fields: FieldSelector,
}

impl Predicate {
    /// Every object.
    pub fn everything() -> Self {
        Self { labels: LabelSelector::everything(), fields: FieldSelector::everything() }
    }

    /// Whether every object matches.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object of these attributes matches. Works on extracted attributes alone.
    pub fn matches(&self, attributes: &Attributes) -> bool {
        self.is_empty()
            || self.labels.matches(|key| attributes.label(key))
                && self.fields.matches(|field| attributes.field(field))
    }

    /// The name, where the field selector pins `metadata.name`.
    pub fn single_name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }

    /// The namespace, where the field selector pins `metadata.namespace`.
    pub fn single_namespace(&self) -> Option<&str> {
        self.fields.exact("metadata.namespace")
    }
}

impl Default for Predicate {
    fn default() -> Self {
        Self::everything()
    }
}
