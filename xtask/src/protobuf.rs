//! What `k8s-pb` knows: the messages with their fields in the order of the Go structs, the tags from the
//! `prost` attributes and the markers from the comments.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;
use crate::rust::{self, Module};

/// The messages by their name from the root of the crate.
pub(crate) type Messages = BTreeMap<String, Message>;

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) fields: Vec<Field>,
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    /// The name, made comparable.
    pub(crate) name: String,
    pub(crate) tag: u32,
    pub(crate) label: Label,
    pub(crate) value: Value,
    /// The markers in the comment without their `+`, such as `listType=map`.
    pub(crate) markers: Vec<String>,
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    One,
    Repeated,
    Map,
}

/// One value of a field.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The protobuf name of a scalar type.
    Scalar(String),
    /// The name of a message.
    Message(String),
}

/// Reads the messages of the crate whose `src` is `root`.
pub(crate) fn read(root: &Path) -> Result<Messages, Failure> {
    let mut messages = Messages::new();
    for part in ["api", "apimachinery"] {
        for mut module in rust::read_modules(&root.join(part))? {
            module.path.insert(0, part.to_owned());
            read_structs(&module, &mut messages)?;
        }
    }
    Ok(messages)
}

/// Gives the messages the names that the types have elsewhere: the two crates disagree on the case of
/// some abbreviations (`GcePersistentDisk`, `GCEPersistentDisk`).
pub(crate) fn with_names_of<'a>(messages: Messages, names: impl Iterator<Item = &'a String>) -> Messages {
    let names: BTreeMap<String, &String> = names.map(|name| (name.to_lowercase(), name)).collect();
    let aligned = |name: String| names.get(&name.to_lowercase()).map_or(name, |&known| known.clone());
    let rename = |mut message: Message| {
        for field in &mut message.fields {
            if let Value::Message(name) = &mut field.value {
                *name = aligned(std::mem::take(name));
            }
        }
        message
    };
    messages.into_iter().map(|(name, message)| (aligned(name), rename(message))).collect()
}

fn read_structs(module: &Module, messages: &mut Messages) -> Result<(), Failure> {
    for item in &module.file.items {
        if let syn::Item::Struct(item) = item
            && let syn::Fields::Named(named) = &item.fields
        {
            let name = format!("{}::{}", module.path.join("::"), item.ident);
            let fields = named.named.iter().map(|field| read_field(module, field));
            let fields = fields.collect::<Result<_, _>>().map_err(|error| format!("{name}: {error}"))?;
            messages.insert(name, Message { fields });
        }
    }
    Ok(())
}

fn read_field(module: &Module, field: &syn::Field) -> Result<Field, Failure> {
    let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let attribute = Attribute::read(field).map_err(|error| format!("{ident}: {error}"))?;
    let value = match attribute.value.as_str() {
        "message" => Value::Message(message_name(module, &field.ty)?),
        scalar => Value::Scalar(scalar.to_owned()),
    };
    let markers = field.attrs.iter().filter_map(rust::doc);
    let markers = markers.filter_map(|line| line.trim().strip_prefix('+').map(str::to_owned)).collect();
    Ok(Field { name: rust::comparable(&ident), tag: attribute.tag, label: attribute.label, value, markers })
}

/// The message that a field holds, below whatever wraps it: the innermost type, for a map the last one.
fn message_name(module: &Module, ty: &syn::Type) -> Result<String, Failure> {
    let syn::Type::Path(path) = ty else { return Err("a message field without a path".into()) };
    match rust::generic_arguments(&path.path).last() {
        Some(inner) => message_name(module, inner),
        None => Ok(rust::absolute(&module.path, &path.path)),
    }
}

/// What a `prost` attribute says.
struct Attribute {
    tag: u32,
    label: Label,
    value: String,
}

impl Attribute {
    fn read(field: &syn::Field) -> Result<Self, Failure> {
        let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident("prost"));
        let attribute = attribute.ok_or("no prost attribute")?;
        let (mut tag, mut label, mut value) = (None, Label::One, None);
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let text = match meta.value() {
                Ok(text) => Some(text.parse::<syn::LitStr>()?.value()),
                Err(_) => None,
            };
            match (name.as_str(), text) {
                ("tag", Some(number)) => tag = number.parse().ok(),
                ("optional" | "packed", _) => {}
                ("repeated", _) => label = Label::Repeated,
                ("btree_map", Some(entry)) => {
                    label = Label::Map;
                    value = entry.split_once(", ").map(|(_, value)| value.to_owned());
                }
                (scalar, _) => value = Some(scalar.to_owned()),
            }
            Ok(())
        })?;
        Ok(Self { tag: tag.ok_or("no tag")?, label, value: value.ok_or("no type")? })
    }
}
