//! Which representation a client gets, and in which one it sends.
//!
//! Promises: the most wanted clause of `Accept` that can be served decides, and clauses that cannot be
//! served are skipped; what is refused is refused with the list of what would be accepted.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, USER_AGENT};

use super::accept::{self, Clause};
use super::error::ApiError;

/// The media type of JSON.
pub const JSON: &str = "application/json";
/// The media type of YAML.
pub const YAML: &str = "application/yaml";
/// The media type of protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

const OBJECTS_SERVED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const DOCUMENTS_SERVED: &str = "application/json, application/yaml";
const WATCHES_SERVED: &str =
    "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

const META_GROUP: &str = "meta.k8s.io";

/// How an object is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

impl Format {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => PROTOBUF,
        }
    }

    /// The media type of a stream of events.
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::Json | Self::Yaml => self.media_type(),
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// A version of `meta.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetaVersion {
    /// `v1`.
    V1,
    /// `v1beta1`.
    V1Beta1,
}

impl MetaVersion {
    /// The `apiVersion` of what is made in this version.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What is made of an object before it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Rows of cells.
    Table(MetaVersion),
    /// Its metadata.
    PartialObjectMetadata(MetaVersion),
    /// A list of the metadata of its items.
    PartialObjectMetadataList(MetaVersion),
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One object.
    Object,
    /// A list.
    List,
    /// A stream of events.
    Watch,
    /// What the server says of itself: discovery, which has no protobuf here.
    Document,
}

/// The representation that the client gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// How it is written down.
    pub format: Format,
    /// What is made of it before.
    pub transform: Option<Transform>,
    /// Whether JSON is indented.
    pub pretty: bool,
}

/// The representation that `Accept` and the query ask for.
///
/// # Errors
/// 406 when the client accepts nothing that is served, or wants a list of one object or the reverse.
pub fn negotiate(headers: &HeaderMap, query: Option<&str>, answer: Answer) -> Result<Negotiated, ApiError> {
    let header = accept::header(headers);
    let chosen = accept::clauses(&header).iter().find_map(|clause| serve(clause, answer));
    let (format, transform) = chosen.ok_or_else(|| nothing_accepted(answer))?;
    check_fit(transform, answer)?;
    let pretty = answer != Answer::Watch && wants_pretty(headers, query);
    Ok(Negotiated { format, transform, pretty })
}

/// The representation of a Status: never refused, JSON if nothing else fits.
pub fn negotiate_status(headers: &HeaderMap, query: Option<&str>) -> Negotiated {
    let header = accept::header(headers);
    let chosen = accept::clauses(&header).iter().find_map(|clause| serve(clause, Answer::Object));
    let format = chosen.map(|(format, _)| format).unwrap_or_default();
    Negotiated { format, transform: None, pretty: wants_pretty(headers, query) }
}

fn serve(clause: &Clause<'_>, answer: Answer) -> Option<(Format, Option<Transform>)> {
    let format = if clause.accepts(JSON) {
        Format::Json
    } else if clause.accepts(YAML) && answer != Answer::Watch {
        Format::Yaml
    } else if clause.accepts(PROTOBUF) && answer != Answer::Document {
        Format::Protobuf
    } else {
        return None;
    };
    if !matches!(clause.parameter("stream"), "" | "watch") {
        return None;
    }
    match clause.parameter("as") {
        "" => Some((format, None)),
        kind => {
            let transform = transform(kind, clause)?;
            // A table has no protobuf.
            let is_served = format != Format::Protobuf || !matches!(transform, Transform::Table(_));
            is_served.then_some((format, Some(transform)))
        }
    }
}

fn transform(kind: &str, clause: &Clause<'_>) -> Option<Transform> {
    if clause.parameter("g") != META_GROUP {
        return None;
    }
    let version = match clause.parameter("v") {
        "v1" => MetaVersion::V1,
        "v1beta1" => MetaVersion::V1Beta1,
        _ => return None,
    };
    match kind {
        "Table" => Some(Transform::Table(version)),
        "PartialObjectMetadata" => Some(Transform::PartialObjectMetadata(version)),
        "PartialObjectMetadataList" => Some(Transform::PartialObjectMetadataList(version)),
        _ => None,
    }
}

fn check_fit(transform: Option<Transform>, answer: Answer) -> Result<(), ApiError> {
    let message = match (transform, answer) {
        (Some(Transform::PartialObjectMetadata(_)), Answer::List) => {
            "you requested PartialObjectMetadata, but the requested object is a list"
        }
        (
            Some(Transform::PartialObjectMetadataList(_)),
            Answer::Object | Answer::Watch | Answer::Document,
        ) => "you requested PartialObjectMetadataList, but the requested object is not a list",
        _ => return Ok(()),
    };
    Err(ApiError::new(406, "NotAcceptable", message))
}

fn nothing_accepted(answer: Answer) -> ApiError {
    match answer {
        Answer::Watch => not_acceptable(WATCHES_SERVED),
        Answer::Object | Answer::List => not_acceptable(OBJECTS_SERVED),
        Answer::Document => not_acceptable(DOCUMENTS_SERVED),
    }
}

/// 406 with the list of what would be accepted.
pub fn not_acceptable(served: &str) -> ApiError {
    let message = format!("only the following media types are accepted: {served}");
    ApiError::new(406, "NotAcceptable", message)
}

/// Whether a person reads the answer: the query says so, or the client is one that people type with.
pub fn wants_pretty(headers: &HeaderMap, query: Option<&str>) -> bool {
    let query = query.unwrap_or_default();
    if query.contains("pretty")
        && let Some((_, value)) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "pretty")
        && !value.is_empty()
    {
        return matches!(&*value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = header(headers, &USER_AGENT);
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|prefix| agent.starts_with(prefix))
}

/// The format of a request's body. Without a `Content-Type` it is JSON.
///
/// # Errors
/// 415 for any other.
pub fn request_format(headers: &HeaderMap) -> Result<Format, ApiError> {
    match content_type(headers).as_str() {
        "" | JSON => Ok(Format::Json),
        YAML => Ok(Format::Yaml),
        PROTOBUF => Ok(Format::Protobuf),
        _ => Err(ApiError::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {OBJECTS_SERVED}"
            ),
        )),
    }
}

/// The kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json`: a list of operations.
    Json,
    /// `application/merge-patch+json`: a partial object, null deletes.
    Merge,
    /// `application/strategic-merge-patch+json`: a partial object whose lists merge by key.
    StrategicMerge,
}

/// The kind of a request's patch.
///
/// # Errors
/// 415 for any other content type.
pub fn patch_type(headers: &HeaderMap) -> Result<PatchType, ApiError> {
    match content_type(headers).as_str() {
        JSON_PATCH => Ok(PatchType::Json),
        MERGE_PATCH => Ok(PatchType::Merge),
        STRATEGIC_MERGE_PATCH => Ok(PatchType::StrategicMerge),
        APPLY_PATCH => Err(ApiError::new(
            415,
            "UnsupportedMediaType",
            format!(
                "server-side apply is not supported by this server - accepted media types include: \
                 {JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_MERGE_PATCH}"
            ),
        )),
        _ => {
            Err(ApiError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
                .with_empty_details())
        }
    }
}

/// The content type without its parameters, in lower case; empty if absent.
fn content_type(headers: &HeaderMap) -> String {
    let value = header(headers, &CONTENT_TYPE);
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap_or("unreadable"))
}

#[cfg(test)]
mod tests;
