//! Patches: three ways to describe a change, parsed once and applied as often as a write is retried.

mod error;
mod json_patch;
mod merge;
mod strategic;
mod strategic_list;
mod strategic_order;
#[cfg(test)]
mod strategic_tests;

use serde_json::Value;

pub use error::{PatchClass, PatchError};

use super::TypeError;
use super::document::{Document, Malformed};
use super::identity::json_kind;
use super::json;
use crate::kinds::field::Type;

/// What the content type of a patch says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFormat {
    /// `application/json-patch+json`: a list of operations.
    Json,
    /// `application/merge-patch+json`: an object with the fields to set, and `null` for those to remove.
    Merge,
    /// `application/strategic-merge-patch+json`: the same, and lists are merged as the kind's schema says.
    Strategic,
}

/// A parsed patch.
#[derive(Clone, Debug)]
pub struct Patch {
    content: Content,
    duplicates: Vec<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Json(json_patch::JsonPatch),
    Merge(Value),
    Strategic(Value),
}

impl Patch {
    /// Parses the body of a patch.
    ///
    /// # Errors
    /// The body is no patch of this format.
    pub fn parse(format: PatchFormat, body: &[u8]) -> Result<Self, PatchError> {
        let Document { value, duplicates } =
            json::parse(body).map_err(|Malformed(cause)| PatchError::BadRequest(prefixed(format, &cause)))?;
        let content = match format {
            PatchFormat::Json => Content::Json(json_patch::JsonPatch::decode(value)?),
            PatchFormat::Merge => Content::Merge(object(format, value)?),
            PatchFormat::Strategic => Content::Strategic(object(format, value)?),
        };
        // The paths of a list of operations say nothing about the object.
        let duplicates = if format == PatchFormat::Json { Vec::new() } else { duplicates };
        Ok(Self { content, duplicates })
    }

    /// Keys that the patch holds twice, for the findings of field validation.
    pub fn duplicates(&self) -> &[String] {
        &self.duplicates
    }

    /// The object that results from `target`, an object of the type `schema`. Not canonical: it may hold
    /// anything that the patch puts there, and [`super::decode`] has to judge it.
    ///
    /// # Errors
    /// The patch does not fit the object.
    pub fn apply(&self, schema: &'static Type, target: Value) -> Result<Value, PatchError> {
        match &self.content {
            Content::Json(patch) => patch.apply(target),
            Content::Merge(patch) => Ok(merge::apply(target, patch)),
            Content::Strategic(patch) => strategic::apply(schema, target, patch),
        }
    }

    /// The error for a result that is no object of the kind: `cause` is a [`TypeError`] or the text of a
    /// strict decoding error.
    pub fn undecodable_result(&self, result: &Value, cause: &Undecodable) -> PatchError {
        let value = match &self.content {
            Content::Json(_) | Content::Merge(_) => result.to_string(),
            Content::Strategic(patch) => error::go_text(patch),
        };
        PatchError::Undecodable { value, cause: cause.to_string() }
    }
}

/// Why the result of a patch is no object of the kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A value is not of the type of its field.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Strict field validation found something; the text is that of [`super::Findings::judge`].
    #[error("{0}")]
    Strict(String),
}

fn object(format: PatchFormat, value: Value) -> Result<Value, PatchError> {
    match value {
        Value::Object(_) => Ok(value),
        // As an empty object: there is nothing to change.
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        other => {
            let found = json_kind(&other);
            let cause =
                format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
            Err(PatchError::BadRequest(prefixed(format, &cause)))
        }
    }
}

/// Only strategic merge patches report their parser's error bare.
fn prefixed(format: PatchFormat, cause: &str) -> String {
    match format {
        PatchFormat::Json | PatchFormat::Merge => format!("error decoding patch: {cause}"),
        PatchFormat::Strategic => cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(format: PatchFormat, body: &str) -> String {
        let error = Patch::parse(format, body.as_bytes()).unwrap_err();
        assert_eq!(error.class(), PatchClass::BadRequest);
        error.to_string()
    }

    #[test]
    fn a_body_that_is_no_patch_is_refused_in_the_words_clients_know() {
        assert_eq!(
            refused(PatchFormat::Merge, "not json"),
            "error decoding patch: invalid character 'o' in literal null (expecting 'u')"
        );
        assert_eq!(
            refused(PatchFormat::Merge, "[]"),
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        );
        assert_eq!(
            refused(PatchFormat::Json, "{}"),
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        );
        assert_eq!(refused(PatchFormat::Strategic, ""), "unexpected end of JSON input");
    }

    #[test]
    fn keys_sent_twice_are_reported() {
        let patch = Patch::parse(PatchFormat::Merge, br#"{"data":{"a":"1","a":"2"}}"#).unwrap();
        assert_eq!(patch.duplicates(), ["data.a"]);
    }

    #[test]
    fn an_undecodable_result_is_shown_in_the_message() {
        let patch = Patch::parse(PatchFormat::Merge, br#"{"bogus":3}"#).unwrap();
        let result = serde_json::json!({"bogus": 3});
        let cause = Undecodable::Strict("strict decoding error: unknown field \"bogus\"".to_owned());
        let error = patch.undecodable_result(&result, &cause);
        assert_eq!(error.class(), PatchClass::Invalid);
        assert_eq!(
            error.to_string(),
            " \"\" is invalid: patch: Invalid value: \"{\\\"bogus\\\":3}\": \
             strict decoding error: unknown field \"bogus\""
        );
        assert_eq!(
            error.cause().unwrap(),
            "Invalid value: \"{\\\"bogus\\\":3}\": strict decoding error: unknown field \"bogus\""
        );
    }
}
