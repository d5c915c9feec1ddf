//! The definition of a column, as a Table carries it.

use serde::Serialize;

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The name; clients print it in capitals.
    pub name: &'static str,
    /// The type of its cells.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// `name` for the column that names the object, empty for the others.
    pub format: &'static str,
    /// What it shows.
    pub description: &'static str,
    /// Zero for a column that is always shown; others belong to the wide output.
    pub priority: i32,
}

/// What clients may expect in the cells of a column. They accept other scalars too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text, ready to be shown.
    String,
    /// A whole number.
    Integer,
    /// A truth value.
    Boolean,
    /// A time in RFC 3339, of which clients show the age.
    Date,
}

/// The name of the object.
pub(super) const NAME: Column = Column {
    name: "Name",
    kind: ColumnType::String,
    format: "name",
    description: "The object's name.",
    priority: 0,
};

/// The time since the creation of the object.
pub(super) const AGE: Column = Column::text("Age", "Time since creation.");

/// The creation of the object.
pub(super) const CREATED_AT: Column =
    Column { kind: ColumnType::Date, ..Column::text("Created At", "Time of creation.") };

/// The names of the containers.
pub(super) const CONTAINERS: Column = Column::text("Containers", "Container names.");

/// The images of the containers.
pub(super) const IMAGES: Column = Column::text("Images", "Container images.");

/// The selector of what belongs to the object.
pub(super) const SELECTOR: Column = Column::text("Selector", "Labels that select members.");

impl Column {
    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: ColumnType::String, format: "", description, priority: 0 }
    }

    pub(super) const fn integer(name: &'static str, description: &'static str) -> Self {
        Self { kind: ColumnType::Integer, ..Self::text(name, description) }
    }

    pub(super) const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self { kind: ColumnType::Boolean, ..Self::text(name, description) }
    }

    /// This column, in the wide output only.
    pub(super) const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }
}
