//! Which objects a list or a watch returns.

use crate::attributes::Attributes;
use crate::selector::{FieldSelector, LabelSelector, ShardSelector};

/// A label selector, a field selector and a shard; an object has to match all of them.
///
/// Made by [`Predicate::everything`] or [`Predicate::new`], and narrowed from there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Predicate {
    /// The label selector.
    pub labels: LabelSelector,
    /// The field selector.
    pub fields: FieldSelector,
    /// The shard; `None` where all of the objects are wanted.
    pub shard: Option<ShardSelector>,
}

impl Predicate {
    /// Every object.
    pub fn everything() -> Self {
        Self::new(LabelSelector::everything(), FieldSelector::everything())
    }

    /// The objects that match both selectors.
    pub fn new(labels: LabelSelector, fields: FieldSelector) -> Self {
        Self { labels, fields, shard: None }
    }

    /// Of these objects, those of a shard.
    #[must_use]
    pub fn with_shard(self, shard: ShardSelector) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// Whether every object matches, because nothing is asked. A shard of all hashes does ask.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty() && self.shard.is_none()
    }

    /// Whether an object of these attributes matches. Works on extracted attributes alone.
    pub fn matches(&self, attributes: &Attributes) -> bool {
        self.is_empty()
            || self.selects(attributes) && self.shard.as_ref().is_none_or(|shard| shard.matches(attributes))
    }

    /// Whether an object matches the label selector and the field selector, whatever shard it is in.
    pub fn selects(&self, attributes: &Attributes) -> bool {
        self.labels.matches(|key| attributes.label(key))
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
