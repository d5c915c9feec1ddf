//! Puts the two crates and the facts together: the types that the served kinds are made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::Failure;
use crate::facts::PresenceFacts;
use crate::model::{Field, List, Patch, Presence, Shape, Type};
use crate::naming;
use crate::openapi::{Definition, Definitions};
use crate::protobuf::{self, Label, Messages, Value};

/// Types that have a notation of their own in JSON, and that notation.
const NOTATIONS: [(&str, &str); 7] = [
    ("apimachinery::pkg::api::resource::Quantity", "Quantity"),
    ("apimachinery::pkg::apis::meta::v1::Time", "Time"),
    ("apimachinery::pkg::apis::meta::v1::MicroTime", "MicroTime"),
    ("apimachinery::pkg::apis::meta::v1::Duration", "Duration"),
    ("apimachinery::pkg::apis::meta::v1::FieldsV1", "AnyObject"),
    ("apimachinery::pkg::runtime::RawExtension", "AnyObject"),
    ("apimachinery::pkg::util::intstr::IntOrString", "IntOrString"),
];

/// Makes the types out of what the crates and the facts say.
pub(crate) struct Builder<'a> {
    pub(crate) messages: &'a Messages,
    pub(crate) definitions: &'a Definitions,
    pub(crate) presence: &'a mut PresenceFacts,
}

impl Builder<'_> {
    /// The types that the roots are made of, themselves included, by name.
    pub(crate) fn reachable(&mut self, roots: &BTreeSet<String>) -> Result<Vec<Type>, Failure> {
        let mut types = BTreeMap::new();
        let mut waiting: Vec<String> = roots.iter().cloned().collect();
        while let Some(name) = waiting.pop() {
            if types.contains_key(&name) {
                continue;
            }
            let built = self.build(&name).map_err(|error| format!("{name}: {error}"))?;
            waiting.extend(built.fields.iter().filter_map(|field| object(&field.shape)));
            types.insert(name, built);
        }
        Ok(types.into_values().collect())
    }

    fn build(&mut self, name: &str) -> Result<Type, Failure> {
        let definition = self.definitions.get(name).ok_or("k8s-openapi has no such type")?;
        let mut fields = Vec::new();
        if definition.is_kind() || self.is_kind_of_every_group(name, definition) {
            fields.extend(["kind", "apiVersion"].map(type_meta));
        }
        self.message_fields(name, definition, &[], &mut fields)?;
        let known: BTreeSet<&str> = fields.iter().map(|field| field.json.as_str()).collect();
        for field in &definition.fields {
            if definition.json(&field.name).is_none_or(|json| !known.contains(json)) {
                return Err(format!("k8s-pb has no field {}", field.name).into());
            }
        }
        Ok(Type { name: name.to_owned(), fields })
    }

    /// `DeleteOptions` has the two fields of a kind in JSON, but belongs to no group.
    fn is_kind_of_every_group(&self, name: &str, definition: &Definition) -> bool {
        let in_message = |field: &str| {
            self.messages
                .get(name)
                .is_some_and(|message| message.fields.iter().any(|known| known.name == field))
        };
        ["kind", "apiversion"].iter().all(|field| definition.field(field).is_some() && !in_message(field))
    }

    /// Appends the fields of a message. A field that JSON does not know is a message that JSON inlines.
    fn message_fields(
        &mut self,
        message_name: &str,
        definition: &Definition,
        outer_tags: &[u32],
        fields: &mut Vec<Field>,
    ) -> Result<(), Failure> {
        let message = self.messages.get(message_name).ok_or("k8s-pb has no such type")?;
        for field in &message.fields {
            let tags: Vec<u32> = outer_tags.iter().copied().chain([field.tag]).collect();
            match (definition.field(&field.name), &field.value) {
                (Some(known), _) => {
                    let json = definition.json(&field.name).ok_or("a field without a name in JSON")?;
                    fields.push(self.field(message_name, field, json, known.required, tags)?);
                }
                (None, Value::Message(inlined)) if field.label == Label::One => {
                    self.message_fields(inlined, definition, &tags, fields)?;
                }
                (None, _) => return Err(format!("k8s-openapi has no field {}", field.name).into()),
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        message_name: &str,
        field: &protobuf::Field,
        json: &str,
        required: bool,
        tags: Vec<u32>,
    ) -> Result<Field, Failure> {
        let ty = naming::fact_name(message_name);
        let shape = self.shape(field)?;
        let presence = self.presence.presence(&ty, json, presence_rule(&shape, required));
        let (patch, list) = (patch_of(&field.markers), list_of(&field.markers));
        Ok(Field { json: json.to_owned(), tags, shape, presence, patch, list })
    }

    fn shape(&self, field: &protobuf::Field) -> Result<Shape, Failure> {
        let value = match &field.value {
            Value::Scalar(name) => Shape::Scalar(scalar(name)?),
            Value::Message(name) => self.message_shape(name)?,
        };
        Ok(match field.label {
            Label::One => value,
            Label::Repeated => Shape::List(Box::new(value)),
            Label::Map => Shape::Map(Box::new(value)),
        })
    }

    /// A message that `k8s-openapi` does not know is a list that protobuf has to wrap.
    fn message_shape(&self, name: &str) -> Result<Shape, Failure> {
        if let Some((_, notation)) = NOTATIONS.iter().find(|(known, _)| *known == name) {
            return Ok(Shape::Scalar(notation));
        }
        if self.definitions.contains_key(name) {
            return Ok(Shape::Object(name.to_owned()));
        }
        match self.messages.get(name).map(|message| message.fields.as_slice()) {
            Some([items]) if items.name == "items" && items.tag == 1 => self.shape(items),
            _ => Err(format!("neither an object nor a wrapped list: {name}").into()),
        }
    }
}

/// `kind` or `apiVersion`, which is not a part of the message.
fn type_meta(json: &str) -> Field {
    Field {
        json: json.to_owned(),
        tags: Vec::new(),
        shape: Shape::Scalar("String"),
        presence: Presence::OmitZero,
        patch: Patch::default(),
        list: List::default(),
    }
}

fn scalar(name: &str) -> Result<&'static str, Failure> {
    Ok(match name {
        "string" => "String",
        "bool" => "Bool",
        "int32" => "Int32",
        "int64" => "Int64",
        "double" => "Float64",
        "bytes" => "Bytes",
        _ => return Err(format!("an unknown scalar: {name}").into()),
    })
}

/// The type that a shape leads to, if any.
fn object(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Scalar(_) => None,
        Shape::Object(name) => Some(name.clone()),
        Shape::List(inner) | Shape::Map(inner) => object(inner),
    }
}

/// When a field is written, unless the facts know better. What is required is written always; what is
/// not is left out when it is zero, or, for what can be told apart from its absence, when it is absent.
fn presence_rule(shape: &Shape, required: bool) -> Presence {
    match shape {
        // A time that is not set is null, and so is an object of any type: neither has a zero to write.
        Shape::Scalar("Time" | "MicroTime" | "AnyObject") => Presence::Optional,
        _ if required => Presence::Always,
        Shape::Scalar("String" | "Bytes") | Shape::List(_) | Shape::Map(_) => Presence::OmitZero,
        Shape::Scalar(_) | Shape::Object(_) => Presence::Optional,
    }
}

/// What the markers say about strategic merge.
fn patch_of(markers: &[String]) -> Patch {
    Patch {
        strategy: marker(markers, "patchStrategy").next().unwrap_or_default().to_owned(),
        key: marker(markers, "patchMergeKey").next().map(str::to_owned),
    }
}

/// What the markers say about the topology of a list.
fn list_of(markers: &[String]) -> List {
    List {
        topology: marker(markers, "listType").next().unwrap_or_default().to_owned(),
        keys: marker(markers, "listMapKey").map(str::to_owned).collect(),
    }
}

fn marker<'a>(markers: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    markers.iter().filter_map(move |marker| marker.strip_prefix(name)?.strip_prefix('=')).map(str::trim)
}
