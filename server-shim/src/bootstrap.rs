//! What every cluster has from its first moment on. Made at start, idempotently.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::objects;
use crate::namespaces;

/// The namespaces of every cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The address under which pods of a cluster would find the server, as the reference gives it by default.
const SERVICE_IP: &str = "10.96.0.1";

/// Makes what is missing, and goes on with what was under way.
///
/// # Errors
/// Those of the store.
pub async fn run(app: &Arc<App>) -> Result<(), ApiError> {
    for name in NAMESPACES {
        ensure(app, "namespaces", None, json!({ "metadata": { "name": name } })).await?;
    }
    ensure(app, "services", Some("default"), kubernetes_service()).await?;
    namespaces::resume(app).await
}

fn kubernetes_service() -> Json {
    json!({
        "metadata": {
            "name": "kubernetes",
            "labels": { "component": "apiserver", "provider": "kubernetes" },
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": SERVICE_IP,
            "clusterIPs": [SERVICE_IP],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [{ "name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443 }],
        },
    })
}

async fn ensure(app: &Arc<App>, plural: &str, namespace: Option<&str>, object: Json) -> Result<(), ApiError> {
    let table = app.table.load_full();
    let Some(resource) = table.resource("", "v1", plural) else { return Ok(()) };
    match objects::create_object(app, resource, namespace, object).await {
        Ok(()) => Ok(()),
        Err(error) if error.reason == "AlreadyExists" => Ok(()),
        Err(error) => Err(error),
    }
}
