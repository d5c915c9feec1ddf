//! The canonical form of an object: of all the spellings of one object the one that is stored.
//!
//! * The order is `kind`, `apiVersion`, `metadata`, then the fields as the table lists them; the keys of
//!   maps are sorted.
//! * What the kind does not know is dropped, and noted.
//! * Fields that are `null` are absent. In lists and maps, where something has to stand, a `null` becomes
//!   the zero value of the element.
//! * Numbers, quantities, times, durations and bytes have one spelling each.
//! * Absent fields that are always written are filled in, and zero values that are never written are left
//!   out; the rule is told in `presence.rs`.
//! * `metadata.selfLink` does not exist. `metadata.resourceVersion` stays in the value, for the request
//!   is decided by it, and is left out by [`super::encode()`].
//!
//! Decoding a canonical object changes nothing.

use serde_json::{Map, Value};

use super::MAX_DEPTH;
use super::document::{TOO_DEEP, join};
use super::findings::{Findings, MAX_FINDINGS};
use super::identity::Identity;
use super::mismatch::{Mismatch, TypeError};
use super::{presence, scalar};
use crate::kinds::field::{Field, Shape, Type};

/// Turns what a client sent into the canonical form of the kind `identity`, whose schema is `schema`.
///
/// What the object says about its own kind is replaced; [`Identity::check`] judges it.
///
/// # Errors
/// The first value that is not of the type of its field.
pub fn decode(
    schema: &'static Type,
    identity: Identity<'_>,
    object: Value,
) -> Result<(Value, Findings), TypeError> {
    let mut sent = match object {
        Value::Object(sent) => sent,
        Value::Null => Map::new(),
        other => return Err(TypeError(Box::new(Mismatch::of(&other, Shape::Object(schema))))),
    };
    sent.shift_remove("kind");
    sent.shift_remove("apiVersion");
    if let Some(Value::Object(metadata)) = sent.get_mut("metadata") {
        metadata.shift_remove("selfLink");
    }
    let mut walk = Walk { unknown: Vec::new() };
    let mut fields = walk.object(schema, sent, 0).map_err(TypeError)?;

    let mut decoded = Map::with_capacity(fields.len() + 2);
    decoded.insert("kind".to_owned(), Value::from(identity.kind));
    decoded.insert("apiVersion".to_owned(), Value::from(identity.api_version));
    if let Some(metadata) = fields.shift_remove("metadata") {
        decoded.insert("metadata".to_owned(), metadata);
    }
    let rest = fields.into_iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    decoded.extend(rest);
    Ok((Value::Object(decoded), Findings::of_unknown(walk.unknown)))
}

/// The walk through an object, and the unknown fields met on it.
struct Walk {
    /// Paths relative to the value at hand: every level puts its own step in front.
    unknown: Vec<String>,
}

/// Boxed: the error path must not make the recursion's frames larger.
type Walked<T> = Result<T, Box<Mismatch>>;

impl Walk {
    /// The canonical form of a value that is not `null`; `depth` objects and lists enclose it.
    fn value(&mut self, shape: Shape, value: Value, depth: usize) -> Walked<Option<Value>> {
        if depth > MAX_DEPTH {
            return Err(Box::new(Mismatch::Format(TOO_DEEP.to_owned())));
        }
        match (shape, value) {
            (Shape::Scalar(scalar), value) => scalar::canonical(scalar, value),
            (Shape::Object(schema), Value::Object(sent)) => {
                self.object(schema, sent, depth).map(|object| Some(Value::Object(object)))
            }
            (Shape::List(item), Value::Array(sent)) => self.list(*item, sent, depth).map(Some),
            (Shape::Map(item), Value::Object(sent)) => self.map(*item, sent, depth).map(Some),
            (shape, value) => Err(Box::new(Mismatch::of(&value, shape))),
        }
    }

    fn object(
        &mut self,
        schema: &'static Type,
        sent: Map<String, Value>,
        depth: usize,
    ) -> Walked<Map<String, Value>> {
        let mut slots: Vec<Option<Value>> = vec![None; schema.fields.len()];
        for (name, value) in sent {
            let known = schema.fields.iter().zip(&mut slots).find(|(field, _)| field.json == name);
            let Some((field, slot)) = known else {
                self.note(name);
                continue;
            };
            *slot = self.field(schema, field, value, depth)?;
        }
        let mut object = Map::new();
        for (field, slot) in schema.fields.iter().zip(slots) {
            let value = slot.filter(|value| !presence::is_left_out(field, value));
            if let Some(value) = value.or_else(|| presence::filler(field, depth + 1)) {
                object.insert(field.json.to_owned(), value);
            }
        }
        Ok(object)
    }

    fn field(
        &mut self,
        schema: &'static Type,
        field: &Field,
        value: Value,
        depth: usize,
    ) -> Walked<Option<Value>> {
        if value.is_null() {
            return Ok(None);
        }
        let noted = self.unknown.len();
        let decoded = self.value(field.shape, value, depth + 1);
        self.prefix(noted, &field.json);
        decoded.map_err(|mismatch| Box::new(mismatch.in_field(schema, field.json)))
    }

    fn list(&mut self, item: Shape, sent: Vec<Value>, depth: usize) -> Walked<Value> {
        let mut list = Vec::with_capacity(sent.len());
        for (index, value) in sent.into_iter().enumerate() {
            let noted = self.unknown.len();
            list.push(self.element(item, value, depth)?);
            self.prefix(noted, &format_args!("[{index}]"));
        }
        Ok(Value::Array(list))
    }

    fn map(&mut self, item: Shape, sent: Map<String, Value>, depth: usize) -> Walked<Value> {
        let mut map = Map::with_capacity(sent.len());
        for (key, value) in sent {
            let noted = self.unknown.len();
            let value = self.element(item, value, depth)?;
            self.prefix(noted, &key);
            map.insert(key, value);
        }
        map.sort_keys();
        Ok(Value::Object(map))
    }

    fn element(&mut self, shape: Shape, value: Value, depth: usize) -> Walked<Value> {
        let decoded = if value.is_null() { None } else { self.value(shape, value, depth + 1)? };
        Ok(decoded.unwrap_or_else(|| presence::zero_element(shape, depth + 1)))
    }

    fn note(&mut self, name: String) {
        if self.unknown.len() < MAX_FINDINGS {
            self.unknown.push(name);
        }
    }

    /// Puts `step` in front of the paths noted since there were `from` of them.
    fn prefix(&mut self, from: usize, step: &dyn std::fmt::Display) {
        for path in self.unknown.iter_mut().skip(from) {
            *path = join(step, path);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::specimen::{self, Random};
    use super::super::{FieldValidation, encode, json};
    use super::*;
    use crate::kinds::field::{ListType, PatchStrategy, Presence, Scalar};
    use crate::kinds::generated::fields::{APPS_V1_DEPLOYMENT, CORE_V1_CONFIG_MAP, CORE_V1_POD};
    use crate::kinds::table::ResourceTable;

    const CONFIG_MAP: Identity<'_> = Identity { api_version: "v1", kind: "ConfigMap" };
    const POD: Identity<'_> = Identity { api_version: "v1", kind: "Pod" };

    const fn field(json: &'static str, shape: Shape, presence: Presence) -> Field {
        Field {
            json,
            tags: &[],
            shape,
            presence,
            merge_key: None,
            patch_strategy: PatchStrategy::Default,
            list_type: ListType::Unset,
            list_map_keys: &[],
        }
    }

    /// Every scalar with every presence, and every other shape.
    static SAMPLE: Type = Type::new(
        "io.example.v1.Sample",
        &[
            field("alwaysText", Shape::Scalar(Scalar::String), Presence::Always),
            field("alwaysNumber", Shape::Scalar(Scalar::Int32), Presence::Always),
            field("alwaysList", Shape::List(&Shape::Scalar(Scalar::String)), Presence::Always),
            field("alwaysObject", Shape::Object(&PART), Presence::Always),
            field("text", Shape::Scalar(Scalar::String), Presence::OmitZero),
            field("number", Shape::Scalar(Scalar::Int64), Presence::OmitZero),
            field("flag", Shape::Scalar(Scalar::Bool), Presence::OmitZero),
            field("quantity", Shape::Scalar(Scalar::Quantity), Presence::OmitZero),
            field("list", Shape::List(&Shape::Object(&PART)), Presence::OmitZero),
            field("map", Shape::Map(&Shape::Scalar(Scalar::String)), Presence::OmitZero),
            field("optionalText", Shape::Scalar(Scalar::String), Presence::Optional),
            field("optionalFlag", Shape::Scalar(Scalar::Bool), Presence::Optional),
            field("optionalNumber", Shape::Scalar(Scalar::Int32), Presence::Optional),
            field("optionalObject", Shape::Object(&PART), Presence::Optional),
            field("time", Shape::Scalar(Scalar::Time), Presence::Optional),
            field("microTime", Shape::Scalar(Scalar::MicroTime), Presence::Optional),
            field("duration", Shape::Scalar(Scalar::Duration), Presence::Optional),
            field("float", Shape::Scalar(Scalar::Float64), Presence::Optional),
            field("any", Shape::Scalar(Scalar::Any), Presence::Optional),
        ],
    );
    static PART: Type = Type::new(
        "io.example.v1.Part",
        &[
            field("name", Shape::Scalar(Scalar::String), Presence::Always),
            field("self", Shape::Object(&PART), Presence::Optional),
        ],
    );
    const SAMPLE_ID: Identity<'_> = Identity { api_version: "example.io/v1", kind: "Sample" };

    fn bytes(schema: &'static Type, identity: Identity<'_>, sent: Value) -> String {
        let (value, _) = decode(schema, identity, sent).unwrap();
        String::from_utf8(encode(schema, &value)).unwrap()
    }

    #[track_caller]
    fn sample(sent: Value, members: &str) {
        let expected = format!(r#"{{"kind":"Sample","apiVersion":"example.io/v1",{members}}}"#);
        assert_eq!(bytes(&SAMPLE, SAMPLE_ID, sent), expected);
    }

    const FILLED: &str = r#""alwaysText":"","alwaysNumber":0,"alwaysObject":{"name":""}"#;

    #[test]
    fn fields_that_are_always_written_are_filled_and_their_empty_lists_left_out() {
        sample(json!({}), FILLED);
        sample(json!({"alwaysList": [], "alwaysText": null, "alwaysNumber": -0.0}), FILLED);
    }

    #[test]
    fn the_zero_of_a_field_that_omits_it_is_dropped() {
        let zeros = json!({"text": "", "number": 0, "flag": false, "list": [], "map": {}});
        sample(zeros, FILLED);
    }

    #[test]
    fn the_zero_of_an_optional_field_is_kept() {
        let sent =
            json!({"optionalText": "", "optionalFlag": false, "optionalNumber": 0, "optionalObject": {}});
        let kept =
            r#""optionalText":"","optionalFlag":false,"optionalNumber":0,"optionalObject":{"name":""}"#;
        sample(sent, &format!("{FILLED},{kept}"));
    }

    #[test]
    fn a_quantity_that_was_sent_is_kept_even_if_it_is_zero() {
        sample(json!({"quantity": "0Ki"}), &format!(r#"{FILLED},"quantity":"0""#));
    }

    #[test]
    fn nulls_are_dropped_except_as_elements() {
        let nulls = json!({"optionalText": null, "text": null, "list": null, "map": null, "any": null});
        sample(nulls, FILLED);
        let elements = json!({"map": {"b": null, "a": "1"}, "list": [null]});
        sample(elements, &format!(r#"{FILLED},"list":[{{"name":""}}],"map":{{"a":"1","b":""}}"#));
    }

    #[test]
    fn every_scalar_has_one_spelling() {
        let sent = json!({"time": "2026-01-01T01:00:00.5+01:00", "microTime": "2026-01-01T00:00:00.1Z",
            "duration": "90s", "float": 2.0, "quantity": 0.5, "any": {"b": 1.0, "a": null}});
        let kept = r#""quantity":"500m","time":"2026-01-01T00:00:00Z","microTime":"2026-01-01T00:00:00.100000Z","duration":"1m30s","float":2,"any":{"a":null,"b":1}"#;
        sample(sent, &format!("{FILLED},{kept}"));
    }

    #[test]
    fn kind_version_and_metadata_come_first_and_the_revision_is_not_written() {
        let sent = json!({"data": {"b": "2", "a": "1"}, "metadata": {"selfLink": "/x", "resourceVersion": "7",
            "name": "a", "creationTimestamp": null}, "apiVersion": "v0", "kind": "Other"});
        let (value, findings) = decode(&CORE_V1_CONFIG_MAP, CONFIG_MAP, sent).unwrap();
        assert!(findings.is_empty());
        assert_eq!(value["metadata"]["resourceVersion"], "7");
        assert_eq!(
            String::from_utf8(encode(&CORE_V1_CONFIG_MAP, &value)).unwrap(),
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"a":"1","b":"2"}}"#
        );
    }

    #[test]
    fn a_value_changed_after_decoding_is_written_in_the_order_of_the_table() {
        let (mut value, _) = decode(&CORE_V1_CONFIG_MAP, CONFIG_MAP, json!({"data": {"a": "1"}})).unwrap();
        value["metadata"]["uid"] = json!("u");
        value["metadata"]["name"] = json!("n");
        value["metadata"]["labels"] = json!({"b": "", "a": ""});
        value["bogus"] = json!(1);
        assert_eq!(
            String::from_utf8(encode(&CORE_V1_CONFIG_MAP, &value)).unwrap(),
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"n","uid":"u","labels":{"a":"","b":""}},"data":{"a":"1"}}"#
        );
    }

    #[test]
    fn an_unknown_field_is_dropped_and_noted_with_its_path() {
        let sent = json!({"bogus": 1, "metadata": {"name": "p", "x": {}}, "spec": {"containers": [
            {"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "1"}, "y": 1}}], "z": null}});
        let (value, findings) = decode(&CORE_V1_POD, POD, sent).unwrap();
        assert_eq!(value["spec"]["containers"][1]["resources"], json!({"limits": {"cpu": "1"}}));
        assert_eq!(
            findings.judge(FieldValidation::Warn).unwrap(),
            [
                r#"unknown field "bogus""#,
                r#"unknown field "metadata.x""#,
                r#"unknown field "spec.containers[1].resources.y""#,
                r#"unknown field "spec.z""#
            ]
        );
    }

    #[test]
    fn a_value_of_another_type_is_refused_in_the_words_clients_know() {
        let pod = |sent: Value| decode(&CORE_V1_POD, POD, sent).unwrap_err().to_string();
        assert_eq!(
            decode(&CORE_V1_CONFIG_MAP, CONFIG_MAP, json!({"data": {"a": 1}})).unwrap_err().to_string(),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        );
        assert_eq!(
            pod(json!({"spec": {"containers": [{"name": "a", "image": true}]}})),
            "json: cannot unmarshal bool into Go struct field Container.spec.containers.image of type string"
        );
        assert_eq!(
            pod(json!({"spec": {"containers": {}}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"
        );
        assert_eq!(
            pod(json!({"spec": {"priority": 4_294_967_296_i64}})),
            "json: cannot unmarshal number 4294967296 into Go struct field PodSpec.spec.priority of type int32"
        );
        assert_eq!(
            pod(json!({"metadata": {"labels": ["a"]}})),
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"
        );
        assert_eq!(pod(json!([])), "json: cannot unmarshal array into Go value of type v1.Pod");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| (0..depth).fold(json!({}), |part, _| json!({"self": part}));
        assert!(decode(&SAMPLE, SAMPLE_ID, json!({"optionalObject": nested(50)})).is_ok());
        let error = decode(&SAMPLE, SAMPLE_ID, json!({"optionalObject": nested(MAX_DEPTH)})).unwrap_err();
        assert_eq!(error.to_string(), "exceeded max depth");
    }

    /// Calls `check` with every type that is served, and with the sample of all shapes.
    fn for_every_kind(mut check: impl FnMut(&'static Type, Identity<'static>)) {
        check(&SAMPLE, SAMPLE_ID);
        let table = ResourceTable::built_in();
        assert!(table.resources().len() > 50);
        for resource in table.resources() {
            check(resource.schema, Identity { api_version: resource.api_version, kind: resource.kind });
        }
    }

    const SEEDS: std::ops::Range<u64> = 1..12;

    #[test]
    fn decoding_a_canonical_object_of_any_kind_changes_nothing() {
        for_every_kind(|schema, identity| {
            for seed in SEEDS {
                let sent = specimen::object(schema, &mut Random::new(seed));
                let (value, findings) = decode(schema, identity, sent).unwrap();
                assert!(findings.is_empty(), "{identity:?} {seed}: {findings:?}");
                let (again, _) = decode(schema, identity, value.clone()).unwrap();
                assert_eq!(again.to_string(), value.to_string(), "{identity:?} {seed}");
                let once = encode(schema, &value);
                let parsed = json::parse(&once).unwrap().value;
                let (reread, _) = decode(schema, identity, parsed).unwrap();
                assert_eq!(encode(schema, &reread), once, "{identity:?} {seed}");
            }
        });
    }

    #[test]
    fn every_spelling_of_an_object_of_any_kind_has_the_same_bytes() {
        for_every_kind(|schema, identity| {
            for seed in SEEDS {
                let mut random = Random::new(seed);
                let sent = specimen::object(schema, &mut random);
                let other = specimen::respell(schema, &sent, &mut random);
                let (expected, _) = decode(schema, identity, sent).unwrap();
                let (value, _) = decode(schema, identity, other).unwrap();
                assert_eq!(value.to_string(), expected.to_string(), "{identity:?} {seed}");
                assert_eq!(encode(schema, &value), encode(schema, &expected), "{identity:?} {seed}");
            }
        });
    }

    #[test]
    fn no_built_in_type_fills_itself_without_end() {
        for_every_kind(|schema, identity| {
            let (value, _) = decode(schema, identity, json!({})).unwrap();
            assert!(value.to_string().len() < 2_000, "{identity:?}: {value}");
        });
        let (deployment, _) = decode(&APPS_V1_DEPLOYMENT, POD, json!({})).unwrap();
        assert!(deployment["metadata"].is_object());
    }
}
