//! PATCH of an object, in the three formats.

use parking_lot::Mutex;
use serde_json::Value as Json;
use watchkeep_storage::Record;

use super::body::{self, Sent};
use super::create::Written;
use super::strategy::{self, Part};
use super::target::Target;
use super::update::{self, Demands, Wanted};
use crate::codec::patch::{Patch, PatchClass, PatchError, Undecodable};
use crate::codec::{FieldValidation, Findings, TypeError};
use crate::http::error::{ApiError, Cause, Details};
use crate::http::invalid::{FieldError, invalid_object};
use crate::http::params::WriteParams;

/// Patches an object.
///
/// A patch that names no resourceVersion is applied to whatever is stored, again if somebody else was
/// faster; one that names a stale one is a conflict.
///
/// # Errors
/// As the wire protocol says for PATCH.
pub(super) async fn run(
    target: &Target,
    patch: &Patch,
    part: Part,
    params: WriteParams,
) -> Result<Written, ApiError> {
    // The warnings of the last round.
    let warnings = Mutex::new(Vec::new());
    let demands = Demands::none(part, params.dry_run);
    let wanted = |stored: Option<&Record>| {
        let sent = apply(target, patch, stored, params.field_validation)?;
        *warnings.lock() = sent.warnings;
        Ok(Wanted { object: sent.object, resource_version: sent.resource_version })
    };
    let (record, created) = update::modify(target, demands, wanted).await?;
    Ok(Written { record, created, warnings: warnings.into_inner() })
}

fn apply(
    target: &Target,
    patch: &Patch,
    stored: Option<&Record>,
    validation: FieldValidation,
) -> Result<Sent, ApiError> {
    let Some(stored) = stored else {
        return Err(ApiError::internal("a patch was applied to a missing object"));
    };
    // A patch is written for what its client sees.
    let mut before = target.shown_tree(stored)?;
    before.set_revision(stored.revision);
    let uid = before.meta_text("uid").to_owned();
    let patched =
        patch.apply(target.resource.schema, before.into_tree()).map_err(|error| patch_error(&error))?;
    body::check_identity(target, &patched, &[])?;
    let (tree, warnings) = decode(target, patch, patched, validation).map_err(|error| patch_error(&error))?;
    let sent = body::sent(target, tree, warnings)?;
    update::check_name(target, &sent.object)?;
    strategy::check_namespace(&target.resource, &sent.object, target.namespace.as_deref())?;
    let new_uid = sent.object.meta_text("uid");
    if !new_uid.is_empty() && new_uid != uid {
        let error = FieldError::invalid("metadata.uid", new_uid, "field is immutable");
        return Err(invalid_object(&target.resource, &target.name, vec![error]));
    }
    Ok(sent)
}

/// The patched tree in the canonical form of the target's kind, and what the client is to be warned of.
fn decode(
    target: &Target,
    patch: &Patch,
    patched: Json,
    validation: FieldValidation,
) -> Result<(Json, Vec<String>), PatchError> {
    let shown = patched.clone();
    let refused = |cause: Undecodable| patch.undecodable_result(&shown, &cause);
    let (tree, findings): (Json, Findings) =
        crate::codec::decode(target.resource.schema, body::identity(target), patched)
            .map_err(|error: TypeError| refused(Undecodable::Type(error)))?;
    let findings = findings.with_duplicates(patch.duplicates());
    let warnings = findings.judge(validation).map_err(|strict| refused(Undecodable::Strict(strict)))?;
    Ok((tree, warnings))
}

/// What a client is told of a patch that cannot be applied.
pub(super) fn patch_error(error: &PatchError) -> ApiError {
    let message = error.to_string();
    match error.class() {
        PatchClass::BadRequest => ApiError::bad_request(message),
        PatchClass::TooLarge => ApiError::new(413, "RequestEntityTooLarge", message),
        PatchClass::Rejected => {
            // Why is not told: that would tell of the object, which may be a secret.
            tracing::debug!("a patch does not fit its object");
            ApiError::new(422, "Invalid", message).with_empty_details()
        }
        PatchClass::Invalid => {
            let cause = Cause {
                reason: "FieldValueInvalid".into(),
                message: error.cause().unwrap_or_default(),
                field: "patch".to_owned(),
            };
            ApiError::new(422, "Invalid", message).with(Details { causes: vec![cause], ..Details::default() })
        }
        PatchClass::Failure => ApiError::new(500, "", message),
    }
}

/// Patches a tree that is no stored object: a scale.
pub(super) fn apply_to(
    patch: &Patch,
    schema: &'static crate::kinds::field::Type,
    tree: Json,
) -> Result<Json, ApiError> {
    patch.apply(schema, tree).map_err(|error| patch_error(&error))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::codec::patch::PatchFormat;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_says_nothing_of_the_object_that_a_patch_does_not_fit() {
        let body = br#"[{"op": "test", "path": "/data/password", "value": "c2VjcmV0"}]"#;
        let patch = Patch::parse(PatchFormat::Json, body).unwrap();
        let table = crate::kinds::table::ResourceTable::built_in();
        let schema = table.resource("", "v1", "secrets").unwrap().schema;
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let error = tracing::subscriber::with_default(subscriber, || {
            apply_to(&patch, schema, serde_json::json!({"data": {"password": "aHVudGVyMg=="}})).unwrap_err()
        });
        assert_eq!(error.code, 422);
        let logged = String::from_utf8(log.0.lock().clone()).unwrap();
        assert!(logged.contains("a patch does not fit"), "{logged}");
        for secret in ["password", "c2VjcmV0", "aHVudGVyMg=="] {
            assert!(!logged.contains(secret), "{logged}");
        }
    }
}
