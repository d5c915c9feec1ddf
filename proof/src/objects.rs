//! The small world that programs write to: two resources whose prefixes begin alike, three namespaces and four
//! names that do so too, objects with one label, one selectable field and a mark that tells every two writes
//! apart.
//!
//! What an object is, and which of them a selector shows, is said here once more and on purpose, in the
//! plainest way: nothing of the code under test is asked.

use std::fmt;
use std::sync::Arc;

use watchkeep_storage::selector::{FieldSelector, LabelSelector, ShardSelector};
use watchkeep_storage::{Interface, Key, Predicate, Schema, Scope, SelectableField, Value};

/// The prefixes of the resources.
pub const RESOURCES: [&str; 2] = ["/pods", "/podsandmore"];
/// The namespaces: the order of their keys is not that of their names.
pub const NAMESPACES: [&str; 3] = ["a", "a-b", "b"];
/// The names.
pub const NAMES: [&str; 4] = ["x", "x-y", "xy", "z"];
/// The values of the label `color`; the first is none.
pub const COLORS: [&str; 3] = ["", "red", "blue"];
/// The values of the field `spec.nodeName`.
pub const NODES: [&str; 3] = ["", "n1", "n2"];
/// How much an object is filled up: nothing, a block's part, more than a block of any engine.
pub const FILLS: [usize; 3] = [0, 700, 40_000];

/// Where an object lives: indices into [`RESOURCES`], [`NAMESPACES`] and [`NAMES`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The resource.
    pub resource: usize,
    /// The namespace.
    pub namespace: usize,
    /// The name.
    pub name: usize,
}

/// What selectors see of an object, and its size: indices into [`COLORS`], [`NODES`] and [`FILLS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// The label.
    pub color: usize,
    /// The field.
    pub node: usize,
    /// The size.
    pub fill: usize,
}

/// An object's content. No two writes of a program have the same mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// What selectors see.
    pub look: Look,
    /// Which write it is.
    pub mark: u32,
}

/// What a list or a watch covers of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// All of it.
    All,
    /// A namespace.
    Namespace(usize),
    /// One object: namespace and name.
    One(usize, usize),
}

/// Which objects a list or a watch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every one.
    Everything,
    /// `color=red`
    Red,
    /// `color!=red`: also those without the label.
    NotRed,
    /// `color`
    Colored,
    /// `spec.nodeName=n1`
    OnNode1,
    /// `metadata.name=x`
    NamedX,
    /// `color in (red,blue)` and `spec.nodeName=n1`
    ColoredOnNode1,
    /// The shard of all uids below the middle of the hashes.
    LowerUids,
    /// A shard of namespaces, of two ranges: it begins at the hash of `a-b`, and stops before that of `b`.
    SomeNamespaces,
}

/// What a reader sees: of which resource, where, and which objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The resource.
    pub resource: usize,
    /// Where.
    pub area: Area,
    /// Which.
    pub selection: Selection,
}

fn index_of(texts: &[&str], text: &str) -> Option<usize> {
    texts.iter().position(|known| *known == text)
}

fn of<'a>(texts: &[&'a str], index: usize) -> &'a str {
    texts.get(index).copied().unwrap_or_default()
}

/// The schema of both resources.
pub fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(1, vec![SelectableField::new("spec.nodeName")]))
}

impl Place {
    /// All places of a resource.
    pub fn all(resource: usize) -> impl Iterator<Item = Self> {
        let names = move |namespace| (0..NAMES.len()).map(move |name| Self { resource, namespace, name });
        (0..NAMESPACES.len()).flat_map(names)
    }

    /// The text of its key.
    pub fn key_text(self) -> String {
        let (namespace, name) = (of(&NAMESPACES, self.namespace), of(&NAMES, self.name));
        format!("{}/{namespace}/{name}", of(&RESOURCES, self.resource))
    }

    /// The place of a key; `None` if it is none of this world's.
    pub fn parse(key: &str) -> Option<Self> {
        let (resource, path) = key.strip_prefix('/')?.split_once('/')?;
        let (namespace, name) = path.split_once('/')?;
        Some(Self {
            resource: index_of(&RESOURCES, &format!("/{resource}"))?,
            namespace: index_of(&NAMESPACES, namespace)?,
            name: index_of(&NAMES, name)?,
        })
    }

    /// The uid of every object that lives here: what is created anew keeps it, as nothing here tells the two apart.
    fn uid(self) -> String {
        format!("uid-{}-{}", of(&NAMESPACES, self.namespace), of(&NAMES, self.name))
    }

    /// Whether the hash of its uid is in the upper half: these are.
    fn has_upper_uid(self) -> bool {
        matches!(&*self.uid(), "uid-a-x-y" | "uid-a-b-xy" | "uid-b-xy")
    }

    /// Its key.
    ///
    /// # Panics
    /// When the store refuses a legal key.
    #[expect(clippy::expect_used, reason = "a legal key that is refused is a failed proof")]
    pub fn key(self, store: &dyn Interface) -> Key {
        let (namespace, name) = (of(&NAMESPACES, self.namespace), of(&NAMES, self.name));
        store.prefix().object(Some(namespace), name).expect("a legal key")
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key_text())
    }
}

impl Content {
    /// The canonical bytes of this content at a place.
    pub fn text(self, place: Place) -> String {
        let (namespace, name) = (of(&NAMESPACES, place.namespace), of(&NAMES, place.name));
        let labels = match of(&COLORS, self.look.color) {
            "" => String::new(),
            color => format!(r#","labels":{{"color":"{color}"}}"#),
        };
        let (node, mark) = (of(&NODES, self.look.node), self.mark);
        let filling = "f".repeat(FILLS.get(self.look.fill).copied().unwrap_or_default());
        let uid = place.uid();
        let metadata = format!(r#"{{"name":"{name}","namespace":"{namespace}","uid":"{uid}"{labels}}}"#);
        let spec = format!(r#"{{"nodeName":"{node}","mark":{mark},"fill":"{filling}"}}"#);
        format!(r#"{{"kind":"Pod","apiVersion":"v1","metadata":{metadata},"spec":{spec}}}"#)
    }

    /// The content that bytes say they are; `None` if they are none of this world's.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let object: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let spec = object.get("spec")?;
        let color = object.pointer("/metadata/labels/color").and_then(serde_json::Value::as_str);
        let filling = spec.get("fill")?.as_str()?.len();
        let look = Look {
            color: index_of(&COLORS, color.unwrap_or_default())?,
            node: index_of(&NODES, spec.get("nodeName")?.as_str()?)?,
            fill: FILLS.iter().position(|fill| *fill == filling)?,
        };
        Some(Self { look, mark: u32::try_from(spec.get("mark")?.as_u64()?).ok()? })
    }

    /// The value to store.
    ///
    /// # Panics
    /// When the store refuses a canonical object.
    #[expect(clippy::expect_used, reason = "a canonical object that is refused is a failed proof")]
    pub fn value(self, place: Place, store: &dyn Interface) -> Value {
        Value::new(self.text(place), store.schema()).expect("a canonical object")
    }
}

impl View {
    /// Everything of a resource.
    pub fn everything(resource: usize) -> Self {
        Self { resource, area: Area::All, selection: Selection::Everything }
    }

    /// Whether it covers a place.
    pub fn covers(self, place: Place) -> bool {
        let here = match self.area {
            Area::All => true,
            Area::Namespace(namespace) => place.namespace == namespace,
            Area::One(namespace, name) => (place.namespace, place.name) == (namespace, name),
        };
        place.resource == self.resource && here
    }

    /// Whether it shows an object that it covers.
    pub fn shows(self, place: Place, content: Content) -> bool {
        let (color, node) = (of(&COLORS, content.look.color), of(&NODES, content.look.node));
        let selected = match self.selection {
            Selection::Everything => true,
            Selection::Red => color == "red",
            Selection::NotRed => color != "red",
            Selection::Colored => !color.is_empty(),
            Selection::OnNode1 => node == "n1",
            Selection::NamedX => of(&NAMES, place.name) == "x",
            Selection::ColoredOnNode1 => !color.is_empty() && node == "n1",
            Selection::LowerUids => !place.has_upper_uid(),
            Selection::SomeNamespaces => of(&NAMESPACES, place.namespace) != "b",
        };
        selected && self.covers(place)
    }

    /// The scope, as the store is asked for it.
    ///
    /// # Panics
    /// When the store refuses a legal scope.
    #[expect(clippy::expect_used, reason = "a legal scope that is refused is a failed proof")]
    pub fn scope(self, store: &dyn Interface) -> Scope {
        match self.area {
            Area::All => store.prefix().under(None).expect("a legal scope"),
            Area::Namespace(namespace) => {
                store.prefix().under(Some(of(&NAMESPACES, namespace))).expect("a legal scope")
            }
            Area::One(namespace, name) => {
                Scope::One(Place { resource: self.resource, namespace, name }.key(store))
            }
        }
    }
}

impl Selection {
    /// The selector, as the store is asked for it.
    ///
    /// # Panics
    /// When a legal selector is refused.
    #[expect(clippy::expect_used, reason = "a legal selector that is refused is a failed proof")]
    pub fn predicate(self) -> Predicate {
        const LOWER_UIDS: &str =
            "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')";
        const SOME_NAMESPACES: &str = "shardRange(object.metadata.namespace, '0x0000000000000000', '0xaf63df4c8601f1a5') || \
             shardRange(object.metadata.namespace, '0xe61ab31904644883', '0xe61ab31904644884')";
        let (labels, fields) = match self {
            Self::Everything | Self::LowerUids | Self::SomeNamespaces => ("", ""),
            Self::Red => ("color=red", ""),
            Self::NotRed => ("color!=red", ""),
            Self::Colored => ("color", ""),
            Self::OnNode1 => ("", "spec.nodeName=n1"),
            Self::NamedX => ("", "metadata.name=x"),
            Self::ColoredOnNode1 => ("color in (red,blue)", "spec.nodeName=n1"),
        };
        let selected = Predicate::new(
            LabelSelector::parse(labels).expect("a legal selector"),
            FieldSelector::parse(fields).expect("a legal selector"),
        );
        let shard = match self {
            Self::LowerUids => LOWER_UIDS,
            Self::SomeNamespaces => SOME_NAMESPACES,
            _ => return selected,
        };
        selected.with_shard(ShardSelector::parse(shard).expect("a legal selector"))
    }
}
