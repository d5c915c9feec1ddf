//! Reading Rust sources: the files below a directory with the module that each one holds, and the
//! absolute name of a path written in such a module.

use std::path::{Path, PathBuf};

use crate::Failure;

/// A parsed file and the path of its module from the directory that was read, such as
/// `["api", "core", "v1"]`.
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    pub(crate) file: syn::File,
}

/// Reads the `.rs` files below `root`, in the order of their paths. Versions of the API that are not
/// generally available are passed over: none of them is served.
pub(crate) fn read_modules(root: &Path) -> Result<Vec<Module>, Failure> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    files.iter().map(|file| read_module(root, file)).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.contains("alpha") && !name.contains("beta") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// A file that is not a `mod.rs` counts as a part of its directory: `k8s-openapi` has one file per type
/// and re-exports all of them from the module above.
fn read_module(root: &Path, file: &Path) -> Result<Module, Failure> {
    let parsed = syn::parse_file(&std::fs::read_to_string(file)?)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let directory = file.parent().unwrap_or(root).strip_prefix(root)?;
    let path = directory.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Ok(Module { path, file: parsed })
}

/// The name of a type from the root of its crate, such as `api::core::v1::Pod`, for `path` as it is
/// written in `module`.
pub(crate) fn absolute(module: &[String], path: &syn::Path) -> String {
    let mut absolute = module.to_vec();
    for segment in &path.segments {
        match segment.ident.to_string().as_str() {
            "super" => {
                absolute.pop();
            }
            name => absolute.push(name.to_owned()),
        }
    }
    absolute.join("::")
}

/// The arguments in angle brackets of the last segment that are types.
pub(crate) fn generic_arguments(path: &syn::Path) -> Vec<&syn::Type> {
    match path.segments.last().map(|segment| &segment.arguments) {
        Some(syn::PathArguments::AngleBracketed(arguments)) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                syn::GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The name of a field, comparable between the two crates, which disagree on keywords (`r#type`,
/// `type_`) and on where an abbreviation is cut (`cid_rs`, `cidrs`).
pub(crate) fn comparable(ident: &str) -> String {
    ident.trim_start_matches("r#").replace('_', "").to_lowercase()
}

/// The text of a doc attribute, or none.
pub(crate) fn doc(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    if !pair.path.is_ident("doc") {
        return None;
    }
    string_literal(&pair.value)
}

/// The value of a string literal, or none.
pub(crate) fn string_literal(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
