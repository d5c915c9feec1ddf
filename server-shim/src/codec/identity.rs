//! Which kind an object says it is, and the messages for a body that is not of the kind it should be.

use serde_json::Value;

/// A kind in a version of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `version` or `group/version`.
    pub api_version: &'a str,
    /// Such as `ConfigMap`.
    pub kind: &'a str,
}

/// Where the reference keeps the registry of its kinds; clients see this name in the message.
const REGISTRY: &str = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";

impl<'a> Identity<'a> {
    fn group(&self) -> &'a str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn version(&self) -> &'a str {
        self.api_version.split_once('/').map_or(self.api_version, |(_, version)| version)
    }

    /// Checks that `object` is of this kind. Where it does not say, it is.
    ///
    /// `is_served` tells whether a kind other than this one exists here.
    ///
    /// # Errors
    /// The whole message of a `BadRequest`.
    pub fn check(
        &self,
        object: &Value,
        body: &[u8],
        is_served: impl FnOnce(&Identity<'_>) -> bool,
    ) -> Result<(), String> {
        let sent = self.sent(object).map_err(|detail| unrecognized(self.kind, &detail, body))?;
        if sent == *self {
            return Ok(());
        }
        if !is_served(&sent) {
            let (kind, version) = (sent.kind, sent.api_version);
            let cause =
                format!(r#"no kind "{kind}" is registered for version "{version}" in scheme "{REGISTRY}""#);
            return Err(sent.cannot_be_handled(self.kind, &cause));
        }
        if sent.kind == self.kind {
            let (sent, expected) = (sent.api_version, self.api_version);
            return Err(format!(
                "the API version in the data ({sent}) does not match the expected API version ({expected})"
            ));
        }
        let (from, to) = (format!("{}.{}", sent.version(), sent.kind), self.internal_name());
        let cause = format!("converting ({from}) to ({to}): unknown conversion");
        Err(sent.cannot_be_handled(self.kind, &cause))
    }

    /// What the object says it is, completed by this identity.
    fn sent<'o>(&self, object: &'o Value) -> Result<Identity<'o>, String>
    where
        'a: 'o,
    {
        if !object.is_object() && !object.is_null() {
            let found = json_kind(object);
            return Err(interpretation(&format!(
                "json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \
                 \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
            )));
        }
        let api_version = text_field(object, "apiVersion")?;
        let kind = text_field(object, "kind")?;
        if api_version.split('/').count() > 2 {
            return Err(format!("unexpected GroupVersion string: {api_version}"));
        }
        Ok(Identity {
            api_version: if matches!(api_version, "" | "/") { self.api_version } else { api_version },
            kind: if kind.is_empty() { self.kind } else { kind },
        })
    }

    /// The name of the version-independent form of the kind, such as `core.ConfigMap`.
    fn internal_name(&self) -> String {
        let package = match self.group().split('.').next() {
            // Events moved to a group of their own, their internal form did not.
            None | Some("" | "events") => "core",
            Some(package) => package,
        };
        format!("{package}.{}", self.kind)
    }

    /// The message for an object that says it is of this kind and cannot be taken as `expected`.
    pub fn cannot_be_handled(&self, expected: &str, cause: &str) -> String {
        let (kind, version) = (self.kind, self.version());
        format!(r#"{kind} in version "{version}" cannot be handled as a {expected}: {cause}"#)
    }

    /// The message for an object of this kind that cannot be decoded, for a [`super::TypeError`] or a
    /// strict decoding error.
    pub fn undecodable(&self, cause: &dyn std::fmt::Display) -> String {
        self.cannot_be_handled(self.kind, &cause.to_string())
    }
}

fn text_field<'o>(object: &'o Value, name: &str) -> Result<&'o str, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            let found = json_kind(other);
            let cause = format!("json: cannot unmarshal {found} into Go struct field .{name} of type string");
            Err(interpretation(&cause))
        }
    }
}

/// The word that error messages use for the kind of a value.
pub(super) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The detail of [`unrecognized`] for a body whose kind cannot be read, in particular because it is
/// [malformed](super::Malformed) JSON.
pub fn interpretation(cause: &str) -> String {
    format!("couldn't get version/kind; json parse error: {cause}")
}

/// The message for a body that cannot be read at all.
///
/// `detail` is [`interpretation`] of the error of malformed JSON, or the error of malformed YAML itself.
pub fn unrecognized(kind: &str, detail: &str, body: &[u8]) -> String {
    format!("the object provided is unrecognized (must be of type {kind}): {detail} ({})", excerpt(body))
}

/// The beginning of a body: as text where it looks like JSON, otherwise in hexadecimal.
fn excerpt(body: &[u8]) -> String {
    const LENGTH: usize = 30;
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    let start = body.get(..LENGTH).unwrap_or(body);
    let text = if start.starts_with(b"{") {
        String::from_utf8_lossy(start).into_owned()
    } else {
        hexadecimal(start)
    };
    if body.len() > LENGTH { format!("{text} ...") } else { text }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::json;
    use super::*;

    const CONFIG_MAP: Identity<'_> = Identity { api_version: "v1", kind: "ConfigMap" };
    const ROLE: Identity<'_> = Identity { api_version: "rbac.authorization.k8s.io/v1", kind: "Role" };

    /// What the server under test serves beside the expected kind.
    fn served(identity: &Identity<'_>) -> bool {
        matches!(
            (identity.api_version, identity.kind),
            ("v1", "Secret") | ("autoscaling/v1" | "autoscaling/v2", "HorizontalPodAutoscaler")
        )
    }

    fn message(expected: Identity<'_>, object: &Value) -> String {
        expected.check(object, object.to_string().as_bytes(), served).unwrap_err()
    }

    #[test]
    fn an_object_that_does_not_say_what_it_is_is_what_it_should_be() {
        for object in
            [json!({}), json!(null), json!({"kind": "ConfigMap"}), json!({"apiVersion": "v1", "kind": null})]
        {
            assert_eq!(CONFIG_MAP.check(&object, b"", served), Ok(()), "{object}");
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let secret = json!({"kind": "Secret", "apiVersion": "v1"});
        assert_eq!(
            message(CONFIG_MAP, &secret),
            "Secret in version \"v1\" cannot be handled as a ConfigMap: \
             converting (v1.Secret) to (core.ConfigMap): unknown conversion"
        );
        assert!(
            message(ROLE, &secret).ends_with("converting (v1.Secret) to (rbac.Role): unknown conversion")
        );
    }

    #[test]
    fn a_version_that_does_not_exist_is_refused() {
        assert_eq!(
            message(CONFIG_MAP, &json!({"kind": "ConfigMap", "apiVersion": "v2"})),
            "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered \
             for version \"v2\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\""
        );
    }

    #[test]
    fn another_version_of_the_kind_is_refused() {
        let expected = Identity { api_version: "autoscaling/v2", kind: "HorizontalPodAutoscaler" };
        assert_eq!(
            message(expected, &json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1"})),
            "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
        );
    }

    #[test]
    fn a_body_that_is_no_object_is_unrecognized() {
        assert_eq!(
            message(CONFIG_MAP, &json!([])),
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json \
             parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \
             \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } (5b5d)"
        );
        assert!(
            message(CONFIG_MAP, &json!({"apiVersion": 1}))
                .contains("json: cannot unmarshal number into Go struct field .apiVersion of type string")
        );
        assert!(
            message(CONFIG_MAP, &json!({"apiVersion": "a/b/c"}))
                .contains("unexpected GroupVersion string: a/b/c")
        );
    }

    #[test]
    fn malformed_json_is_told_with_an_excerpt() {
        let told = |body: &[u8]| {
            let error = json::parse(body).unwrap_err();
            unrecognized("ConfigMap", &interpretation(&error.0), body)
        };
        assert_eq!(
            told(b"{bad"),
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json \
             parse error: invalid character 'b' looking for beginning of object key string ({bad)"
        );
        assert_eq!(
            told(b""),
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json \
             parse error: unexpected end of JSON input (<empty>)"
        );
        assert!(told(&[b'{'; 40]).ends_with(&format!("({} ...)", "{".repeat(30))));
    }
}
