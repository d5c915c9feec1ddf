//! The resource table: what `k8s-openapi` knows of a kind, and the facts of `facts/resources.txt`.

use std::path::Path;

use crate::Failure;
use crate::facts;
use crate::openapi::{Definition, Definitions};

/// The verbs of a resource, in the order of discovery.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A resource. The names are those of `server-shim/src/kinds`.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) cluster_scoped: bool,
    /// The name of the type from the root of the crates.
    pub(crate) schema: String,
    pub(crate) has_status: bool,
    pub(crate) facts: ResourceFacts,
}

/// What the crates do not know of a resource.
#[derive(Debug, Default)]
pub(crate) struct ResourceFacts {
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(crate) scale: bool,
    pub(crate) finalize: bool,
    pub(crate) storage_prefix: String,
    pub(crate) storage_api_version: String,
    pub(crate) selectable_fields: Vec<String>,
    pub(crate) writes: WriteFacts,
}

/// What differs in writes.
#[derive(Debug)]
pub(crate) struct WriteFacts {
    pub(crate) create_on_update: bool,
    pub(crate) unconditional_update: bool,
    pub(crate) has_generation: bool,
    /// The variant of `NameRule`.
    pub(crate) name_rule: &'static str,
}

impl Default for WriteFacts {
    fn default() -> Self {
        Self {
            create_on_update: false,
            unconditional_update: true,
            has_generation: false,
            name_rule: "Subdomain",
        }
    }
}

/// Reads the facts and looks every resource up among the kinds.
pub(crate) fn read(facts: &Path, definitions: &Definitions) -> Result<Vec<Resource>, Failure> {
    let lines = facts::lines(&facts.join("resources.txt"))?;
    let resources = lines.iter().map(|words| {
        resource(words, definitions)
            .map_err(|error| format!("resources.txt: {}: {error}", words.join(" ")).into())
    });
    resources.collect()
}

fn resource(words: &[String], definitions: &Definitions) -> Result<Resource, Failure> {
    let [api_version, plural, facts @ ..] = words else { return Err("not a resource".into()) };
    let served = |definition: &Definition| {
        definition.constant("API_VERSION") == Some(api_version)
            && definition.constant("URL_PATH_SEGMENT") == Some(plural)
            && definition.constant("LIST_KIND").is_some()
    };
    let (name, definition) = definitions
        .iter()
        .find(|(_, definition)| served(definition))
        .ok_or("k8s-openapi has no such kind")?;
    let constant = |name| definition.constant(name).unwrap_or_default().to_owned();
    Ok(Resource {
        group: constant("GROUP"),
        version: constant("VERSION"),
        api_version: api_version.clone(),
        kind: constant("KIND"),
        list_kind: constant("LIST_KIND"),
        plural: plural.clone(),
        cluster_scoped: definition.is_cluster_scoped(),
        schema: name.clone(),
        has_status: definition.field("status").is_some(),
        facts: resource_facts(api_version, plural, facts)?,
    })
}

fn resource_facts(api_version: &str, plural: &str, words: &[String]) -> Result<ResourceFacts, Failure> {
    let mut facts = ResourceFacts {
        verbs: VERBS.map(str::to_owned).to_vec(),
        storage_prefix: format!("/{plural}/"),
        storage_api_version: api_version.to_owned(),
        ..ResourceFacts::default()
    };
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match name {
            "short" => facts.short_names = list(),
            "categories" => facts.categories = list(),
            "without" => facts.verbs.retain(|verb| verb != value),
            "scale" => facts.scale = true,
            "finalize" => facts.finalize = true,
            "stored-as" => value.clone_into(&mut facts.storage_api_version),
            "select" => facts.selectable_fields = list(),
            "create-on-update" => facts.writes.create_on_update = true,
            "needs-resource-version" => facts.writes.unconditional_update = false,
            "generation" => facts.writes.has_generation = true,
            "name" => facts.writes.name_rule = name_rule(value)?,
            _ => return Err(format!("an unknown fact: {word}").into()),
        }
    }
    Ok(facts)
}

fn name_rule(value: &str) -> Result<&'static str, Failure> {
    Ok(match value {
        "label" => "Label",
        "label-1035" => "Label1035",
        "path-segment" => "PathSegment",
        _ => return Err(format!("an unknown rule for names: {value}").into()),
    })
}
