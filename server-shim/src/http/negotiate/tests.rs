//! What clients send in `Accept` and `Content-Type`, and what they get.

use hyper::header::ACCEPT;

use super::*;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                     application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

fn with(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

/// The representation in words, or the message of the refusal.
fn words(accept: &str, target: Answer) -> String {
    match negotiate(&with(ACCEPT, accept), None, target) {
        Ok(Negotiated { format, transform: None, .. }) => format!("{format:?}"),
        Ok(Negotiated { format, transform: Some(transform), .. }) => format!("{format:?} {transform:?}"),
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

#[test]
fn the_most_wanted_representation_that_is_served_is_chosen() {
    let cases = [
        ("", "Json"),
        ("*/*", "Json"),
        ("application/json", "Json"),
        ("application/yaml", "Yaml"),
        ("application/json;q=0.5,application/yaml", "Yaml"),
        ("application/vnd.kubernetes.protobuf", "Protobuf"),
        ("application/vnd.kubernetes.protobuf,application/json", "Protobuf"),
        ("application/vnd.kubernetes.protobuf;q=0.1, */*", "Json"),
        ("application/vnd.kubernetes.protobuf;stream=watch", "Protobuf"),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            "Protobuf PartialObjectMetadataList(V1)",
        ),
        ("application/cbor,application/yaml;q=0.1", "Yaml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", "Json"),
        ("application/json;stream=watch", "Json"),
        ("application/json;stream=other,application/yaml", "Yaml"),
        (TABLE, "Json Table(V1)"),
        ("application/json;g=meta.k8s.io;v=v1beta1;as=Table", "Json Table(V1Beta1)"),
        ("application/yaml;as=Table;v=v1;g=meta.k8s.io", "Yaml Table(V1)"),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", "Json"),
        ("application/json;as=Table;v=v1;g=other,application/json", "Json"),
        ("application/json;as=Nope;v=v1;g=meta.k8s.io,application/yaml", "Yaml"),
        (
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,\
             application/json;as=Table;v=v1;g=meta.k8s.io",
            "Json Table(V1)",
        ),
    ];
    for (accept, expected) in cases {
        assert_eq!(words(accept, Answer::List), expected, "{accept}");
    }
}

#[test]
fn what_is_not_served_is_refused_with_what_is() {
    let objects = "406 only the following media types are accepted: application/json, application/yaml, \
                   application/vnd.kubernetes.protobuf";
    let watches = "406 only the following media types are accepted: application/json;stream=watch, \
                   application/vnd.kubernetes.protobuf;stream=watch";
    let refused = [
        "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
        "application/cbor",
        "application/*",
        "text/html",
        "application/json;q=0",
        "application/json;as=Nope;v=v1;g=meta.k8s.io",
    ];
    for accept in refused {
        assert_eq!(words(accept, Answer::Object), objects, "{accept}");
        assert_eq!(words(accept, Answer::Watch), watches, "{accept}");
    }
    assert_eq!(words("application/yaml", Answer::Watch), watches);
    let documents = "406 only the following media types are accepted: application/json, application/yaml";
    assert_eq!(words("application/vnd.kubernetes.protobuf", Answer::Document), documents);
    assert_eq!(words("application/vnd.kubernetes.protobuf,application/json", Answer::Document), "Json");
    assert_eq!(words("application/yaml,application/json;q=0.1", Answer::Watch), "Json");
}

#[test]
fn metadata_of_a_list_has_a_kind_of_its_own() {
    let one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let list = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    assert_eq!(words(one, Answer::Object), "Json PartialObjectMetadata(V1)");
    assert_eq!(words(one, Answer::Watch), "Json PartialObjectMetadata(V1)");
    assert_eq!(words(list, Answer::List), "Json PartialObjectMetadataList(V1)");
    assert!(words(one, Answer::List).starts_with("406 you requested PartialObjectMetadata, but"));
    assert!(words(list, Answer::Object).starts_with("406 you requested PartialObjectMetadataList, but"));
}

#[test]
fn a_status_is_never_refused() {
    let format = |accept| negotiate_status(&with(ACCEPT, accept), None).format;
    assert_eq!(format("application/vnd.kubernetes.protobuf"), Format::Protobuf);
    assert_eq!(format("application/cbor"), Format::Json);
    assert_eq!(format("application/yaml"), Format::Yaml);
    assert_eq!(format(TABLE), Format::Json);
}

#[test]
fn people_get_indented_answers() {
    let pretty = |agent: &str, query| wants_pretty(&with(USER_AGENT, agent), query);
    assert!(pretty("curl/8.5.0", None) && pretty("Mozilla/5.0 (X11)", None) && pretty("Wget/1", Some("a=b")));
    assert!(!pretty("kubectl/v1.33.0", None) && !pretty("libcurl", None));
    assert!(pretty("kubectl", Some("limit=5&pretty=true")) && pretty("kubectl", Some("pretty=1")));
    assert!(!pretty("curl", Some("pretty=false")) && pretty("curl", Some("pretty=")));
    let watch = negotiate(&with(USER_AGENT, "curl"), None, Answer::Watch).unwrap();
    assert!(!watch.pretty, "the events of a watch are lines");
}

#[test]
fn a_body_without_a_content_type_is_json() {
    let format =
        |value| request_format(&with(CONTENT_TYPE, value)).map_err(|error| (error.code, error.message));
    assert_eq!(request_format(&HeaderMap::new()).unwrap(), Format::Json);
    assert_eq!(format("application/json; charset=utf-8"), Ok(Format::Json));
    assert_eq!(format("Application/YAML"), Ok(Format::Yaml));
    let refusal = "the body of the request was in an unknown format - accepted media types include: \
                   application/json, application/yaml, application/vnd.kubernetes.protobuf";
    assert_eq!(format("application/vnd.kubernetes.protobuf"), Ok(Format::Protobuf));
    for other in ["application/cbor", "text/plain"] {
        assert_eq!(format(other), Err((415, refusal.to_owned())), "{other}");
    }
}

#[test]
fn the_content_type_of_a_patch_names_its_kind() {
    let kind = |value| patch_type(&with(CONTENT_TYPE, value)).map_err(|error| (error.code, error.message));
    assert_eq!(kind("application/json-patch+json"), Ok(PatchType::Json));
    assert_eq!(kind("application/merge-patch+json;charset=utf-8"), Ok(PatchType::Merge));
    assert_eq!(kind("application/strategic-merge-patch+json"), Ok(PatchType::StrategicMerge));
    let (code, message) = kind("application/apply-patch+yaml").unwrap_err();
    assert!(code == 415 && message.starts_with("server-side apply is not supported"), "{message}");
    assert!(message.ends_with("application/strategic-merge-patch+json"), "{message}");
    for other in ["application/json", "application/apply-patch+cbor", ""] {
        assert_eq!(kind(other), Err((415, "415: Unsupported Media Type".to_owned())), "{other}");
    }
}
