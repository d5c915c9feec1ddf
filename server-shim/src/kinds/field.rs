//! The field table: for every type of the built-in API its fields in the order in which they are
//! written, with what the canonical form, field validation, strategic merge and protobuf need to know.
//!
//! The data is generated (`cargo run -p xtask -- generate`) and checked in as `generated/`; this file
//! holds the shape of that data and nothing else.

use std::sync::OnceLock;

use super::message::Message;

/// A type of the API, such as `io.k8s.api.core.v1.PodSpec`.
///
/// A kind begins with its `kind` and its `apiVersion`, also where it is a part of another one
/// (`StatefulSetSpec.volumeClaimTemplates`).
#[derive(Debug)]
pub struct Type {
    /// The name of the definition in the published schema.
    pub name: &'static str,
    /// The fields, in the order of the canonical form.
    pub fields: &'static [Field],
    message: OnceLock<Message>,
}

/// A field of a [`Type`].
#[derive(Debug)]
pub struct Field {
    /// The name in JSON.
    pub json: &'static str,
    /// The protobuf tags that lead to the value: one, or more where a type that is inlined in JSON is a
    /// nested message in protobuf (`Volume.volumeSource`). None for `kind` and `apiVersion`, which
    /// every kind has in JSON and which protobuf keeps in its envelope only.
    pub tags: &'static [u32],
    /// What the value looks like.
    pub shape: Shape,
    /// When the field is written.
    pub presence: Presence,
    /// The key by which a strategic merge pairs the elements of this list.
    pub merge_key: Option<&'static str>,
    /// What a strategic merge does with the field.
    pub patch_strategy: PatchStrategy,
    /// The topology of a list, as server-side apply sees it.
    pub list_type: ListType,
    /// The keys of a [`ListType::Map`].
    pub list_map_keys: &'static [&'static str],
}

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A value without fields of its own.
    Scalar(Scalar),
    /// An object of a known type.
    Object(&'static Type),
    /// A list of values of one shape.
    List(&'static Self),
    /// A map from strings to values of one shape. Where that is a list, protobuf wraps the list in a
    /// message of its own, with the elements in field 1.
    Map(&'static Self),
}

/// A value without fields of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    String,
    /// A boolean.
    Bool,
    /// A signed 32-bit number.
    Int32,
    /// A signed 64-bit number.
    Int64,
    /// A 64-bit floating point number.
    Float64,
    /// Bytes, base64 in JSON.
    Bytes,
    /// A resource quantity such as `100m`.
    Quantity,
    /// A time with seconds, RFC 3339 in UTC.
    Time,
    /// A time with microseconds, RFC 3339 in UTC.
    MicroTime,
    /// A duration in the notation `1h2m3s`.
    Duration,
    /// A number or a string.
    IntOrString,
    /// Any JSON object, kept as it was sent: `RawExtension` and `FieldsV1`.
    AnyObject,
    /// Any JSON value, kept as it was sent.
    Any,
}

/// When a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always: where the client sent none, the zero value is written.
    Always,
    /// Unless it holds the zero value: an empty string, list or map, `0` or `false`.
    OmitZero,
    /// If and only if the client sent it: its zero value means something else than its absence.
    Optional,
}

/// What a strategic merge does with a field (`+patchStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchStrategy {
    /// Objects are merged, lists are replaced.
    Default,
    /// Lists are merged, by key or as sets.
    Merge,
    /// The value is replaced.
    Replace,
    /// Keys that `$retainKeys` does not name are dropped.
    RetainKeys,
    /// Both: a list is merged by key, and in an element only the named keys are kept.
    MergeRetainKeys,
}

/// The topology of a list (`+listType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Not stated: atomic.
    Unset,
    /// One value, replaced as a whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// Elements told apart by [`Field::list_map_keys`].
    Map,
}

impl Field {
    /// A field with neither a merge key nor a list type.
    pub(crate) const fn new(
        json: &'static str,
        tags: &'static [u32],
        shape: Shape,
        presence: Presence,
    ) -> Self {
        Self {
            json,
            tags,
            shape,
            presence,
            merge_key: None,
            patch_strategy: PatchStrategy::Default,
            list_type: ListType::Unset,
            list_map_keys: &[],
        }
    }

    /// The same field with what a strategic merge does to it.
    pub(super) const fn patched(
        self,
        patch_strategy: PatchStrategy,
        merge_key: Option<&'static str>,
    ) -> Self {
        Self { merge_key, patch_strategy, ..self }
    }

    /// The same field with the topology of its list.
    pub(super) const fn listed(self, list_type: ListType, list_map_keys: &'static [&'static str]) -> Self {
        Self { list_type, list_map_keys, ..self }
    }
}

impl Type {
    /// A type with these fields.
    pub const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        Self { name, fields, message: OnceLock::new() }
    }

    /// The same in protobuf. Made when it is first asked for.
    pub fn message(&self) -> &Message {
        self.message.get_or_init(|| Message::of(self.fields))
    }

    /// The field of this name. Linear in the number of fields; they are few.
    pub fn field(&self, json: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.json == json)
    }
}
