//! The query parameters of reads and writes, parsed and validated as the reference does.

use std::time::Duration;

use watchkeep_storage::selector::{FieldSelector, LabelSelector, ShardSelector};
use watchkeep_storage::{ListOptions, Predicate, WatchOptions};

use super::error::ApiError;
use super::invalid::{FieldError, invalid_options};
use crate::codec::duration;
use crate::codec::findings::FieldValidation;
use crate::kinds::resource::Resource;

/// The longest that a request other than a watch may take: as the reference's.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// The longest that a watch may last, whatever its client says: far beyond any that is meant, and short
/// enough to be added to the time.
const WATCH_TIMEOUT_MAX: Duration = Duration::from_hours(365 * 24);

/// The longest `fieldManager`, in bytes.
const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// The parameters of a query, decoded, in their order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes the query of a URL. Never fails: what is not decodable is taken as it stands. Bounded by
    /// the 64 KiB that a URL may have.
    pub fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a boolean parameter is set: present, and neither `0` nor `false`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "0" | "false"))
    }

    /// A number; `None` if absent or empty.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
    }

    /// How long a request other than a watch may take: what the client says, at most
    /// [`REQUEST_TIMEOUT_MAX`].
    ///
    /// # Errors
    /// 400 for what is no duration.
    pub fn request_timeout(&self) -> Result<Duration, ApiError> {
        let Some(text) = self.get("timeout").filter(|text| !text.is_empty()) else {
            return Ok(REQUEST_TIMEOUT_MAX);
        };
        let timeout = duration::read(text).map_err(|error| {
            ApiError::bad_request(format!("invalid timeout specified in the request URL - {error}"))
        })?;
        Ok(if timeout.is_zero() { REQUEST_TIMEOUT_MAX } else { timeout.min(REQUEST_TIMEOUT_MAX) })
    }

    /// The shard selector, as the client has sent it; an empty one is none.
    pub fn shard_selector(&self) -> Option<&str> {
        self.get("shardSelector").filter(|text| !text.is_empty())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// The parameters of a list or a watch.
#[derive(Clone, Debug)]
pub struct ReadParams {
    /// Whether it is a watch.
    pub watch: bool,
    /// How long a watch is to last; more than zero, and bounded.
    pub timeout: Option<Duration>,
    resource_version: String,
    resource_version_match: String,
    limit: i64,
    continue_token: String,
    send_initial_events: Option<bool>,
    allow_bookmarks: bool,
    predicate: Predicate,
}

impl ReadParams {
    /// Parses and validates the parameters of a list or a watch.
    ///
    /// # Errors
    /// 400 and 422 as the wire protocol says.
    pub fn parse(query: &Query, resource: &Resource, watch: bool) -> Result<Self, ApiError> {
        let send_initial_events = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
        let timeout = query.number("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
        let params = Self {
            watch,
            timeout: timeout
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds).min(WATCH_TIMEOUT_MAX)),
            resource_version: query.text("resourceVersion").to_owned(),
            resource_version_match: query.text("resourceVersionMatch").to_owned(),
            limit: query.number("limit")?.unwrap_or(0),
            continue_token: query.text("continue").to_owned(),
            send_initial_events,
            allow_bookmarks: query.flag("allowWatchBookmarks"),
            predicate: predicate(query, resource)?,
        };
        let errors = if watch { params.check_watch() } else { params.check_list() };
        if errors.is_empty() { Ok(params) } else { Err(invalid_options("ListOptions", errors)) }
    }

    /// The options of a list.
    pub fn list_options(&self) -> ListOptions {
        ListOptions {
            resource_version: self.resource_version.clone(),
            resource_version_match: self.resource_version_match.clone(),
            limit: self.limit,
            continue_token: self.continue_token.clone(),
            predicate: self.predicate.clone(),
        }
    }

    /// The options of a watch.
    ///
    /// A watch without a start is a watch from the most recent state, as the reference's request handler
    /// rewrites it; at `0` it is one from any state.
    pub fn watch_options(&self) -> WatchOptions {
        let unset = matches!(self.resource_version.as_str(), "" | "0");
        let initial = self.send_initial_events.or_else(|| unset.then_some(true));
        WatchOptions {
            resource_version: self.resource_version.clone(),
            send_initial_events: initial,
            allow_bookmarks: self.allow_bookmarks,
            predicate: self.predicate.clone(),
        }
    }

    /// Whether the client understands bookmarks.
    pub fn allow_bookmarks(&self) -> bool {
        self.allow_bookmarks
    }

    /// Pins the list or watch to one name, beside what the client selects: the old form of a watch on one
    /// object.
    ///
    /// # Errors
    /// 400 for a name with which the selector gets too long.
    pub fn pin_name(&mut self, name: &str) -> Result<(), ApiError> {
        let selector = format!("{},metadata.name={}", self.predicate.fields, escaped(name));
        self.predicate.fields =
            FieldSelector::parse(&selector).map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(())
    }

    fn check_list(&self) -> Vec<FieldError> {
        const MATCH: &str = "resourceVersionMatch";
        let mut errors = Vec::new();
        if self.send_initial_events.is_some() {
            let detail = "sendInitialEvents is forbidden for list";
            errors.push(FieldError::forbidden("sendInitialEvents", detail));
        }
        let matching = self.resource_version_match.as_str();
        if matching.is_empty() {
            return errors;
        }
        if self.resource_version.is_empty() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        if !self.continue_token.is_empty() {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let supported = ["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported(MATCH, &format!("{matching:?}"), &supported));
        }
        if matching == "Exact" && self.resource_version == "0" {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        errors
    }

    fn check_watch(&self) -> Vec<FieldError> {
        const MATCH: &str = "resourceVersionMatch";
        let mut errors = Vec::new();
        let matching = self.resource_version_match.as_str();
        if self.send_initial_events.is_some() && matching != "NotOlderThan" {
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        if matching.is_empty() {
            return errors;
        }
        if self.send_initial_events.is_none() {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        if matching != "NotOlderThan" {
            errors.push(FieldError::not_supported(MATCH, &format!("{matching:?}"), &["NotOlderThan"]));
        }
        if !self.continue_token.is_empty() {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        errors
    }
}

/// A text as the value of a term in a field selector: what is an operator there gets a backslash.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | ',' | '=') {
            value.push('\\');
        }
        value.push(character);
    }
    value
}

/// The selectors of a request.
fn predicate(query: &Query, resource: &Resource) -> Result<Predicate, ApiError> {
    let labels = LabelSelector::parse(query.text("labelSelector"))
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let fields = FieldSelector::parse(query.text("fieldSelector"))
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    for field in fields.fields() {
        let known = matches!(field, "metadata.name" | "metadata.namespace");
        if !known && !resource.selectable_fields.contains(&field) {
            let extra = !resource.selectable_fields.is_empty();
            return Err(ApiError::bad_request(unsupported_field(field, extra)));
        }
    }
    let predicate = Predicate::new(labels, fields);
    let Some(shard) = query.shard_selector() else { return Ok(predicate) };
    let shard = ShardSelector::parse(shard).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(predicate.with_shard(shard))
}

fn unsupported_field(field: &str, resource_has_more: bool) -> String {
    if resource_has_more {
        return format!("field label not supported: {field}");
    }
    format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
}

/// The parameters that all writes share.
#[derive(Clone, Copy, Debug)]
pub struct WriteParams {
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// What happens to unknown and duplicate fields.
    pub field_validation: FieldValidation,
}

impl WriteParams {
    /// Parses and validates the parameters of a write; `kind` is that of its options, such as
    /// `CreateOptions`.
    ///
    /// # Errors
    /// 422 as the wire protocol says.
    pub fn parse(query: &Query, kind: &str) -> Result<Self, ApiError> {
        let mut errors = Vec::new();
        let dry_run = query.all("dryRun");
        if dry_run.iter().any(|value| *value != "All") {
            let values: Vec<_> = dry_run.iter().map(|value| format!("{value:?}")).collect();
            let value = format!("[{}]", values.join(" "));
            errors.push(FieldError::not_supported("dryRun", &value, &["All"]));
        }
        if query.text("fieldManager").len() > FIELD_MANAGER_BYTES_MAX {
            errors.push(FieldError::too_long("fieldManager", FIELD_MANAGER_BYTES_MAX));
        }
        if kind == "PatchOptions" && query.get("force").is_some() {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
        let text = query.text("fieldValidation");
        let field_validation = FieldValidation::parse(text);
        if field_validation.is_none() {
            let supported = ["", "Ignore", "Strict", "Warn"];
            errors.push(FieldError::not_supported("fieldValidation", &format!("{text:?}"), &supported));
        }
        match field_validation {
            Some(field_validation) if errors.is_empty() => {
                Ok(Self { dry_run: !dry_run.is_empty(), field_validation })
            }
            _ => Err(invalid_options(kind, errors)),
        }
    }
}

/// Takes any bytes as a query and parses everything that requests read from one.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let query = Query::parse(Some(&text));
    let table = crate::kinds::table::ResourceTable::built_in();
    for resource in table.resources().iter().take(8) {
        for watch in [false, true] {
            if let Ok(params) = ReadParams::parse(&query, resource, watch) {
                let (_, _) = (params.list_options(), params.watch_options());
            }
        }
    }
    for kind in ["CreateOptions", "PatchOptions"] {
        let _ = WriteParams::parse(&query, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::table::ResourceTable;

    fn read(query: &str, watch: bool) -> Result<ReadParams, ApiError> {
        let table = ResourceTable::built_in();
        ReadParams::parse(&Query::parse(Some(query)), table.resource("", "v1", "pods").unwrap(), watch)
    }

    #[test]
    fn a_watch_without_a_start_begins_with_the_current_state() {
        for (query, initial) in [
            ("", Some(true)),
            ("resourceVersion=0", Some(true)),
            ("resourceVersion=7", None),
            ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Some(false)),
        ] {
            assert_eq!(read(query, true).unwrap().watch_options().send_initial_events, initial, "{query}");
        }
    }

    #[test]
    fn parameters_that_contradict_each_other_are_all_told() {
        let error = read("resourceVersionMatch=Exact&sendInitialEvents=true", true).unwrap_err();
        assert_eq!(
            error.message,
            "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]"
        );
    }

    #[test]
    fn a_flag_is_set_unless_it_says_no() {
        for (query, set) in [
            ("watch=banana", true),
            ("watch=", true),
            ("watch", true),
            ("watch=0", false),
            ("watch=false", false),
            ("", false),
        ] {
            assert_eq!(Query::parse(Some(query)).flag("watch"), set, "{query}");
        }
    }

    #[test]
    fn no_query_makes_the_parser_panic() {
        let words = [
            "labelSelector=",
            "fieldSelector=",
            "&",
            "%",
            "limit=",
            "watch",
            "=",
            "a in (b",
            "!",
            "\u{0}",
            "continue=",
            "9",
        ];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..8 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push_str(words[usize::try_from(state % words.len() as u64).unwrap()]);
            }
            fuzz(text.as_bytes());
        }
    }
}
