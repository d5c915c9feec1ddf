//! From the body of a request to an object.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde_json::{Map, Value as Json};

use super::object::Object;
use super::target::Target;
use crate::codec::protobuf::{self, BadMessage, Envelope};
use crate::codec::{self, FieldValidation, Identity};
use crate::http::error::ApiError;
use crate::kinds::field::Type;

/// The largest body, in bytes: as the reference's.
const BODY_BYTES_MAX: usize = 3 << 20;

/// The notation of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Protobuf in its envelope.
    Protobuf,
}

/// An object that a client sent.
pub(super) struct Sent {
    /// The object in the canonical form of its stored version, its resourceVersion taken out.
    pub(super) object: Object,
    /// `metadata.resourceVersion`; empty if there was none.
    pub(super) resource_version: String,
    /// What the client is to be warned of.
    pub(super) warnings: Vec<String>,
}

/// Reads a body whole.
///
/// # Errors
/// 413 for one that is too large, 400 for one that breaks off.
pub(super) async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("Request entity too large: limit is {BODY_BYTES_MAX}");
            Err(ApiError::new(413, "RequestEntityTooLarge", message))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body of the request broke off: {error}"))),
    }
}

/// Decodes an object of the target's kind.
///
/// # Errors
/// 400 with the reference's messages.
pub(super) fn decode(
    target: &Target,
    notation: Notation,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Sent, ApiError> {
    let identity = identity(target);
    let document = parse(identity.kind, target.resource.schema, notation, body)?;
    check_identity(target, &document.value, body)?;
    let refused = |cause: &dyn std::fmt::Display| ApiError::bad_request(identity.undecodable(cause));
    let (tree, findings) =
        codec::decode(target.resource.schema, identity, document.value).map_err(|error| refused(&error))?;
    let findings = findings.with_duplicates(&document.duplicates);
    let warnings = findings.judge(validation).map_err(|strict| refused(&strict))?;
    sent(target, tree, warnings)
}

/// An object must be of the target's kind; `body` is where it comes from.
///
/// # Errors
/// 400 with the reference's messages.
pub(super) fn check_identity(target: &Target, object: &Json, body: &[u8]) -> Result<(), ApiError> {
    let table = target.app.table.load();
    let is_served = |sent: &Identity<'_>| {
        let (group, version) = sent.api_version.split_once('/').unwrap_or(("", sent.api_version));
        table.resource_of_kind(group, version, sent.kind).is_some()
    };
    identity(target).check(object, body, is_served).map_err(ApiError::bad_request)
}

/// The kind that an object has to be.
pub(super) fn identity(target: &Target) -> Identity<'static> {
    Identity { api_version: target.resource.api_version, kind: target.resource.kind }
}

/// An object whose tree is in the canonical form of the request's version.
///
/// # Errors
/// As [`Target::to_storage`].
pub(super) fn sent(target: &Target, tree: Json, warnings: Vec<String>) -> Result<Sent, ApiError> {
    let mut object = Object::new(target.to_storage(tree)?);
    let resource_version = object.meta_text("resourceVersion").to_owned();
    object.set_meta("resourceVersion", None);
    Ok(Sent { object, resource_version, warnings })
}

/// Parses a body as a document that should be of this kind, whose type is `schema`.
///
/// # Errors
/// 400 with the reference's message for a body that is none.
pub(super) fn parse(
    kind: &str,
    schema: &'static Type,
    notation: Notation,
    body: &[u8],
) -> Result<codec::Document, ApiError> {
    match notation {
        Notation::Json => codec::json::parse(body).map_err(|error| codec::identity::interpretation(&error.0)),
        Notation::Yaml => codec::yaml::parse(body).map_err(|error| error.0),
        Notation::Protobuf => parse_protobuf(kind, schema, body).map_err(|error| error.to_string()),
    }
    .map_err(|detail| ApiError::bad_request(codec::identity::unrecognized(kind, &detail, body)))
}

/// The object in an envelope. One of another kind is left closed: it is refused for that.
fn parse_protobuf(kind: &str, schema: &'static Type, body: &[u8]) -> Result<codec::Document, BadMessage> {
    let envelope = Envelope::open(body)?;
    let mut object = Map::new();
    for (name, text) in [("kind", envelope.kind), ("apiVersion", envelope.api_version)] {
        if !text.is_empty() {
            object.insert(name.to_owned(), text.into());
        }
    }
    if envelope.kind.is_empty() || envelope.kind == kind {
        object.extend(protobuf::decode(schema, envelope.message)?);
    }
    Ok(codec::Document { value: Json::Object(object), duplicates: Vec::new() })
}
