//! Tables: what `kubectl get` prints, column by column.
//!
//! [`columns`] and [`cells`] know which columns a resource has and what an object shows in them;
//! [`TableWriter`] puts rows into answers. A resource without a table of its own shows the name and the
//! time of creation.
//!
//! Everything here is a function of its arguments, the present included, because ages are counted at
//! the time of the request. Objects may have any shape: what is absent, null or of another type shows as
//! nothing, and every row has as many cells as there are columns.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::resource::Resource;

/// A row of cells, from anything that is a JSON scalar.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(serde_json::Value::from($cell)),*] };
}

mod admission;
mod age;
mod autoscaling;
mod batch;
mod column;
mod events;
mod fields;
mod flowcontrol;
mod format;
mod networking;
mod nodes;
mod plain;
mod pod_status;
mod pods;
mod policy;
mod rbac;
mod render;
mod services;
mod storage;
#[cfg(test)]
mod testing;
mod workloads;

use column::{CREATED_AT, NAME};
use fields::Fields;

pub use column::{Column, ColumnType};
pub use render::{IncludeObject, InvalidIncludeObject, TableMetadata, TableVersion, TableWriter};

/// How the objects of a resource become rows.
pub struct Table {
    columns: &'static [Column],
    cells: fn(Fields<'_>, Timestamp) -> Vec<Value>,
}

/// The columns of a resource.
pub fn columns(resource: &Resource) -> &'static [Column] {
    Table::of(resource).columns()
}

/// The cells of an object of a resource, one for each of its [`columns`].
pub fn cells(resource: &Resource, object: &Value, now: SystemTime) -> Vec<Value> {
    Table::of(resource).cells(object, now)
}

impl Table {
    /// The table of a resource. It is found by name: who writes many rows keeps it.
    pub fn of(resource: &Resource) -> &'static Self {
        built_in(resource.group, resource.plural).unwrap_or(&NAME_AND_CREATION)
    }

    /// The columns.
    pub fn columns(&self) -> &'static [Column] {
        self.columns
    }

    /// The cells of an object, one for each column.
    pub fn cells(&self, object: &Value, now: SystemTime) -> Vec<Value> {
        (self.cells)(Fields::new(object), age::instant(now))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// What a column of times shows for an object that was never stored. Clients know it as no time.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// For resources without a table of their own.
static NAME_AND_CREATION: Table = Table {
    columns: &[NAME, CREATED_AT],
    cells: |object, _| cells![object.name(), object.at("metadata.creationTimestamp").text_or(ZERO_TIME)],
};

/// The table of a built-in resource. Those whose table is a name and a creation time are not listed.
fn built_in(group: &str, plural: &str) -> Option<&'static Table> {
    Some(match (group, plural) {
        ("", "configmaps") => &plain::CONFIG_MAPS,
        ("", "endpoints") => &services::ENDPOINTS,
        ("", "events") => &events::CORE,
        ("", "namespaces") => &plain::NAMESPACES,
        ("", "nodes") => &nodes::NODES,
        ("", "persistentvolumeclaims") => &storage::CLAIMS,
        ("", "persistentvolumes") => &storage::VOLUMES,
        ("", "pods") => &pods::PODS,
        ("", "podtemplates") => &pods::POD_TEMPLATES,
        ("", "replicationcontrollers") => &workloads::REPLICATION_CONTROLLERS,
        ("", "resourcequotas") => &policy::RESOURCE_QUOTAS,
        ("", "secrets") => &plain::SECRETS,
        ("", "services") => &services::SERVICES,
        ("admissionregistration.k8s.io", plural) => return admission::table(plural),
        ("apps", "controllerrevisions") => &workloads::CONTROLLER_REVISIONS,
        ("apps", "daemonsets") => &workloads::DAEMON_SETS,
        ("apps", "deployments") => &workloads::DEPLOYMENTS,
        ("apps", "replicasets") => &workloads::REPLICA_SETS,
        ("apps", "statefulsets") => &workloads::STATEFUL_SETS,
        ("autoscaling", "horizontalpodautoscalers") => &autoscaling::AUTOSCALERS,
        ("batch", "cronjobs") => &batch::CRON_JOBS,
        ("batch", "jobs") => &batch::JOBS,
        ("certificates.k8s.io", "certificatesigningrequests") => &plain::SIGNING_REQUESTS,
        ("coordination.k8s.io", "leases") => &plain::LEASES,
        ("discovery.k8s.io", "endpointslices") => &services::ENDPOINT_SLICES,
        ("events.k8s.io", "events") => &events::EVENTS,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => &flowcontrol::FLOW_SCHEMAS,
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => &flowcontrol::PRIORITY_LEVELS,
        ("networking.k8s.io", plural) => return networking::table(plural),
        ("node.k8s.io", "runtimeclasses") => &nodes::RUNTIME_CLASSES,
        ("policy", "poddisruptionbudgets") => &policy::DISRUPTION_BUDGETS,
        ("rbac.authorization.k8s.io", "clusterrolebindings" | "rolebindings") => &rbac::BINDINGS,
        ("", "serviceaccounts") | ("resource.k8s.io", "deviceclasses" | "resourceclaimtemplates") => {
            &plain::NAME_AND_AGE
        }
        ("resource.k8s.io", "resourceclaims") => &plain::RESOURCE_CLAIMS,
        ("resource.k8s.io", "resourceslices") => &nodes::RESOURCE_SLICES,
        ("scheduling.k8s.io", "priorityclasses") => &policy::PRIORITY_CLASSES,
        ("storage.k8s.io", plural) => return storage::table(plural),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
