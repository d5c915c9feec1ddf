//! What `k8s-openapi` knows: the types with their names in JSON, and the kinds with their names, groups,
//! versions, paths and scopes.

use std::collections::BTreeMap;
use std::path::Path;

use syn::visit::Visit;

use crate::Failure;
use crate::rust::{self, Module};

/// The types by their name from the root of the crate's version.
pub(crate) type Definitions = BTreeMap<String, Definition>;

/// A type.
#[derive(Debug, Default)]
pub(crate) struct Definition {
    pub(crate) fields: Vec<Field>,
    /// The names in JSON by the comparable names of the fields.
    json: BTreeMap<String, String>,
    /// The associated constants of `Resource` and `ListableResource`; empty for what is not a kind.
    constants: BTreeMap<String, String>,
    cluster: bool,
}

/// A field of a type.
#[derive(Debug)]
pub(crate) struct Field {
    /// The name, made comparable.
    pub(crate) name: String,
    /// The schema says that the field is required.
    pub(crate) required: bool,
}

impl Definition {
    /// The field of this comparable name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The name in JSON of a field.
    pub(crate) fn json(&self, name: &str) -> Option<&str> {
        self.json.get(name).map(String::as_str)
    }

    /// Whether the type is a kind.
    pub(crate) fn is_kind(&self) -> bool {
        self.constants.contains_key("KIND")
    }

    /// An associated constant, such as `URL_PATH_SEGMENT`.
    pub(crate) fn constant(&self, name: &str) -> Option<&str> {
        self.constants.get(name).map(String::as_str)
    }

    /// Whether objects of the kind live outside of namespaces.
    pub(crate) fn is_cluster_scoped(&self) -> bool {
        self.cluster
    }
}

/// Reads the types of one version of Kubernetes.
pub(crate) fn read(root: &Path) -> Result<Definitions, Failure> {
    let mut definitions = Definitions::new();
    for part in ["api", "apimachinery"] {
        for mut module in rust::read_modules(&root.join(part))? {
            module.path.insert(0, part.to_owned());
            read_module(&module, &mut definitions);
        }
    }
    Ok(definitions)
}

fn read_module(module: &Module, definitions: &mut Definitions) {
    let name = |ident: &str| format!("{}::{ident}", module.path.join("::"));
    for item in &module.file.items {
        if let syn::Item::Struct(item) = item {
            let definition = definitions.entry(name(&item.ident.to_string())).or_default();
            definition.fields = item.fields.iter().filter_map(read_field).collect();
        }
        if let syn::Item::Impl(item) = item
            && let syn::Type::Path(path) = item.self_ty.as_ref()
            && let Some(ident) = path.path.get_ident()
            && let Some(definition) = definitions.get_mut(&name(&ident.to_string()))
        {
            read_impl(item, definition);
        }
    }
}

fn read_field(field: &syn::Field) -> Option<Field> {
    let name = rust::comparable(&field.ident.as_ref()?.to_string());
    let optional = matches!(&field.ty, syn::Type::Path(path)
        if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"));
    Some(Field { name, required: !optional })
}

fn read_impl(item: &syn::ItemImpl, definition: &mut Definition) {
    let implemented = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
    match implemented.map(|segment| segment.ident.to_string()).as_deref() {
        Some("Resource" | "ListableResource") => item.items.iter().for_each(|item| match item {
            syn::ImplItem::Const(constant) => {
                let value = rust::string_literal(&constant.expr).unwrap_or_default();
                definition.constants.insert(constant.ident.to_string(), value);
            }
            syn::ImplItem::Type(scope) => {
                definition.cluster = matches!(&scope.ty, syn::Type::Path(path)
                    if path.path.segments.last().is_some_and(|last| last.ident == "ClusterResourceScope"));
            }
            _ => {}
        }),
        Some("Deserialize") => JsonNames(&mut definition.json).visit_item_impl(item),
        _ => {}
    }
}

/// Collects the names from `"jsonName" => Field::Key_rust_name`.
struct JsonNames<'a>(&'a mut BTreeMap<String, String>);

impl<'ast> Visit<'ast> for JsonNames<'_> {
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let syn::Pat::Lit(syn::ExprLit { lit: syn::Lit::Str(json), .. }) = &arm.pat
            && let syn::Expr::Path(path) = arm.body.as_ref()
            && let Some(variant) = path.path.segments.last()
            && let Some(field) = variant.ident.to_string().strip_prefix("Key_")
        {
            self.0.insert(rust::comparable(field), json.value());
        }
        syn::visit::visit_arm(self, arm);
    }
}
