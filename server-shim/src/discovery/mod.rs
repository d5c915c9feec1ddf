//! What the server serves, as clients look it up before anything else: pure documents, without HTTP.
//!
//! Promises: every document is a function of the resource table and of the server's address, made once
//! per table, so that a swap of the table shows in the next answer; each has a digest that changes when
//! its bytes do.

mod aggregated;
mod document;
mod legacy;
mod openapi;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub use self::aggregated::AggregatedVersion;
pub use self::document::Document;
pub use self::openapi::v3_url;
use crate::kinds::table::{GroupVersion, ResourceTable};

/// All documents of a table.
pub struct Documents {
    table: Arc<ResourceTable>,
    /// `/`.
    pub root: Document,
    /// `/api`.
    pub api: Document,
    /// `/apis`.
    pub apis: Document,
    /// `/apis/GROUP`, by the group's name.
    pub groups: HashMap<String, Document>,
    /// `/api/v1` and `/apis/GROUP/VERSION`, by `apiVersion`.
    pub versions: HashMap<String, Document>,
    aggregated_v2: Aggregated,
    aggregated_v2beta1: Aggregated,
    /// `/openapi/v2` as JSON.
    pub openapi_v2: Document,
    /// `/openapi/v3`.
    pub openapi_v3_index: Document,
    /// `/openapi/v3/PATH`, by the path, such as `apis/apps/v1`.
    pub openapi_v3: HashMap<String, Document>,
}

/// Everything below `/api` and below `/apis`, in one document each.
struct Aggregated {
    api: Document,
    apis: Document,
}

/// Which of the two aggregated documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// `/api`: the core group.
    Core,
    /// `/apis`: all others.
    Named,
}

impl Documents {
    /// The documents of a table that is served at an address.
    pub fn new(table: Arc<ResourceTable>, address: SocketAddr) -> Self {
        let versions = table.groups().iter().flat_map(|group| &group.versions);
        let openapi_v3: HashMap<_, _> = openapi::v3(&table).collect();
        Self {
            root: Document::new(&legacy::root(&table)),
            api: Document::new(&legacy::api_versions(&table, address)),
            apis: Document::new(&legacy::group_list(&table)),
            groups: legacy::named_groups(&table)
                .map(|group| (group.name.to_owned(), Document::new(&legacy::group(group))))
                .collect(),
            versions: versions
                .map(|known| (known.api_version.to_owned(), Document::new(&legacy::resource_list(known))))
                .collect(),
            aggregated_v2: Aggregated::new(&table, AggregatedVersion::V2),
            aggregated_v2beta1: Aggregated::new(&table, AggregatedVersion::V2Beta1),
            openapi_v2: Document::new(&openapi::v2()),
            openapi_v3_index: Document::new(&openapi::v3_index(&openapi_v3)),
            openapi_v3,
            table,
        }
    }

    /// Everything below `/api` or `/apis`, in this version of the document.
    pub fn aggregated(&self, version: AggregatedVersion, half: Half) -> &Document {
        let documents = match version {
            AggregatedVersion::V2 => &self.aggregated_v2,
            AggregatedVersion::V2Beta1 => &self.aggregated_v2beta1,
        };
        match half {
            Half::Core => &documents.api,
            Half::Named => &documents.apis,
        }
    }
}

impl Aggregated {
    fn new(table: &ResourceTable, version: AggregatedVersion) -> Self {
        let (core, named): (Vec<_>, Vec<_>) = table.groups().iter().partition(|group| group.name.is_empty());
        Self {
            api: Document::new(&aggregated::group_list(version, &core)),
            apis: Document::new(&aggregated::group_list(version, &named)),
        }
    }
}

/// The documents of the table that is served now.
pub struct Discovery {
    address: SocketAddr,
    current: ArcSwapOption<Documents>,
}

impl Discovery {
    /// Discovery of a server at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, current: ArcSwapOption::empty() }
    }

    /// The documents of this table: the ones made for it before, if it is still the same.
    pub fn documents(&self, table: &Arc<ResourceTable>) -> Arc<Documents> {
        if let Some(current) = self.current.load_full()
            && Arc::ptr_eq(&current.table, table)
        {
            return current;
        }
        let documents = Arc::new(Documents::new(Arc::clone(table), self.address));
        self.current.store(Some(Arc::clone(&documents)));
        documents
    }
}

/// The path of a version, such as `/api/v1` or `/apis/apps/v1`.
fn path_of(known: &GroupVersion) -> String {
    let base = if known.api_version == known.version { "/api" } else { "/apis" };
    format!("{base}/{}", known.api_version)
}

#[cfg(test)]
mod tests;
