//! The tables before they are text. The names are those of `server-shim/src/kinds`.

/// A type with its fields in the order in which they are written.
#[derive(Debug)]
pub(crate) struct Type {
    /// The name from the root of the crates.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) json: String,
    pub(crate) tags: Vec<u32>,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    pub(crate) patch: Patch,
    pub(crate) list: List,
}

/// The shape of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The name of the variant of `Scalar`.
    Scalar(&'static str),
    /// The name of a type.
    Object(String),
    List(Box<Self>),
    Map(Box<Self>),
}

/// When a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    OmitZero,
    Optional,
}

/// What a strategic merge does with a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// `merge`, `replace`, `retainKeys` or `merge,retainKeys`; empty where none is stated.
    pub(crate) strategy: String,
    pub(crate) key: Option<String>,
}

/// The topology of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// `atomic`, `set` or `map`; empty where none is stated.
    pub(crate) topology: String,
    pub(crate) keys: Vec<String>,
}
