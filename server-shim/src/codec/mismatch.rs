//! A value that is not of the type its field has, and the message for it.

use std::fmt;

use serde_json::Value;

use super::document::join;
use super::identity::json_kind;
use crate::kinds::field::{Scalar, Shape, Type};

/// An object does not fit its schema. The text is the one clients know, such as
/// `json: cannot unmarshal number into Go struct field ConfigMap.data of type string`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TypeError(pub(super) Box<Mismatch>);

/// What does not fit where. Every level of the tree adds what it knows on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// A value of another type than the field has.
    Type {
        /// What was found, such as `number`.
        found: String,
        /// What was wanted, such as `[]string`.
        wanted: String,
        /// The name of the innermost type of which it is a field.
        owner: Option<&'static str>,
        /// The names of the fields that lead to it.
        path: String,
    },
    /// A text that its field's own format refuses. Such messages carry no path.
    Format(String),
}

impl Mismatch {
    pub(super) fn of(value: &Value, shape: Shape) -> Self {
        Self::named(json_kind(value).to_owned(), go_type(shape))
    }

    /// A number that does not fit: the message shows it.
    pub(super) fn of_number(number: &serde_json::Number, scalar: Scalar) -> Self {
        Self::named(format!("number {number}"), go_type(Shape::Scalar(scalar)))
    }

    pub(super) fn named(found: String, wanted: String) -> Self {
        Self::Type { found, wanted, owner: None, path: String::new() }
    }

    /// The same, seen from the object of type `parent` that has the value in its field `name`.
    pub(super) fn in_field(mut self, parent: &'static Type, name: &str) -> Self {
        if let Self::Type { owner, path, .. } = &mut self {
            owner.get_or_insert(last_name(parent));
            *path = if path.is_empty() { name.to_owned() } else { join(&name, path) };
        }
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(text) => formatter.write_str(text),
            Self::Type { found, wanted, owner: Some(owner), path } => {
                write!(
                    formatter,
                    "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
                )
            }
            Self::Type { found, wanted, owner: None, .. } => {
                write!(formatter, "json: cannot unmarshal {found} into Go value of type {wanted}")
            }
        }
    }
}

/// `Container` of `io.k8s.api.core.v1.Container`.
fn last_name(schema: &Type) -> &'static str {
    schema.name.rsplit('.').next().unwrap_or(schema.name)
}

/// How the messages name a type.
pub(super) fn go_type(shape: Shape) -> String {
    match shape {
        Shape::Scalar(scalar) => scalar_type(scalar).to_owned(),
        Shape::List(item) => format!("[]{}", go_type(*item)),
        Shape::Map(value) => format!("map[string]{}", go_type(*value)),
        Shape::Object(schema) => object_type(schema),
    }
}

/// `v1.Container` of `io.k8s.api.core.v1.Container`.
fn object_type(schema: &Type) -> String {
    let mut parts = schema.name.rsplit('.');
    match (parts.next(), parts.next()) {
        (Some(name), Some(package)) => format!("{package}.{name}"),
        _ => schema.name.to_owned(),
    }
}

fn scalar_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String | Scalar::Quantity | Scalar::Time | Scalar::MicroTime | Scalar::Duration => "string",
        Scalar::Bool => "bool",
        Scalar::Int32 | Scalar::IntOrString => "int32",
        Scalar::Int64 => "int64",
        Scalar::Float64 => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::AnyObject | Scalar::Any => "map[string]interface {}",
    }
}
