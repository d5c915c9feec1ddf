//! `list`: asks for whole lists, in one answer or in pages, and counts what comes.

use std::sync::Arc;

use form_urlencoded::Serializer;
use hyper::Method;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::ListOptions;
use crate::connection::{Call, Connection, JSON, each_chunk};
use crate::counting::{Body, Counting};
use crate::crew::{Turns, all};
use crate::error::LoadError;
use crate::fill;
use crate::latency::{Latencies, Percentiles};
use crate::meter::{Cost, Memory, Meter};
use crate::numbers::{float, rate, show};
use crate::objects::Objects;
use crate::report::{Cells, Figures, Report};
use crate::target::Target;

/// What kubectl get asks for.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// What a client asks for that needs no more than metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/// What `list` tells.
#[derive(Debug, Serialize)]
struct ListFigures {
    lists: u64,
    requests: u64,
    objects: u64,
    bytes: u64,
    objects_per_second: f64,
    server_cpu_ms_per_list: Option<f64>,
    server_cpu_us_per_request: Option<f64>,
    server_cpu_ns_per_object: Option<f64>,
    server_cpu_ns_per_byte: Option<f64>,
    latency: Percentiles,
    cost: Cost,
    memory: Option<Memory>,
}

/// What was counted.
#[derive(Debug)]
struct Counted {
    lists: u64,
    requests: u64,
    objects: u64,
    bytes: u64,
    latencies: Latencies,
}

/// What is asked, but for the page.
#[derive(Clone, Debug)]
struct Question {
    path: String,
    accept: &'static str,
    gzip: bool,
    limit: Option<u32>,
    field_selector: Option<String>,
    resource_version: Option<String>,
}

/// What the clients share.
struct Listing {
    target: Arc<Target>,
    question: Question,
    turns: Turns,
    counted: Mutex<Counted>,
}

/// Fills, lists once, and then counts.
pub(crate) async fn run(
    target: &Arc<Target>,
    meter: &Meter,
    options: &ListOptions,
    report: &mut Report,
) -> Result<(), LoadError> {
    if options.objects > 0 {
        fill::ensure(target, &Objects::new(options.resource, options.objects, options.shape)).await?;
    }
    let question = Question::new(options);
    // The first list may fill a cache, and grows buffers on both sides.
    count(target, &question, 1, 1).await?;
    let work = meter.begin()?;
    let counted = count(target, &question, options.clients, options.lists).await?;
    let cost = work.cost()?;
    report.add(question.label(options), &ListFigures::new(&counted, cost, meter.memory()))
}

async fn count(
    target: &Arc<Target>,
    question: &Question,
    clients: u32,
    lists: u32,
) -> Result<Counted, LoadError> {
    let counted = Counted { lists: 0, requests: 0, objects: 0, bytes: 0, latencies: Latencies::new() };
    let listing = Arc::new(Listing {
        target: Arc::clone(target),
        question: question.clone(),
        turns: Turns::new(lists),
        counted: Mutex::new(counted),
    });
    let mut crew = JoinSet::new();
    for _ in 0..clients {
        let listing = Arc::clone(&listing);
        crew.spawn(async move { listing.list().await });
    }
    all(crew).await?;
    let counted = Arc::into_inner(listing).map(|listing| listing.counted.into_inner());
    counted.ok_or_else(|| LoadError::Usage("a client has not ended".to_owned()))
}

impl Question {
    fn new(options: &ListOptions) -> Self {
        let accept = if options.table {
            TABLE
        } else if options.metadata {
            METADATA
        } else {
            JSON
        };
        Self {
            path: options.resource.collection(options.namespace.as_deref()),
            accept,
            gzip: options.gzip,
            limit: options.limit,
            field_selector: options.field_selector.clone(),
            resource_version: options.resource_version.clone(),
        }
    }

    /// The path of a page: the first one, or what a token continues, which brings its own revision.
    fn page(&self, token: Option<&str>) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        if let Some(selector) = &self.field_selector {
            query.append_pair("fieldSelector", selector);
        }
        match (token, &self.resource_version) {
            (Some(token), _) => _ = query.append_pair("continue", token),
            (None, Some(version)) => _ = query.append_pair("resourceVersion", version),
            (None, None) => {}
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// What was asked, for a reader.
    fn label(&self, options: &ListOptions) -> String {
        let mut label = options.resource.plural().to_owned();
        let limit = self.limit.map(|limit| format!("pages of {limit}"));
        let version = self.resource_version.as_ref().map(|version| format!("rv {version}"));
        let flags = [(options.table, "table"), (options.metadata, "metadata"), (options.gzip, "gzip")];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
        let chosen = [limit, version, options.namespace.clone(), self.field_selector.clone()];
        for part in chosen.into_iter().flatten().chain(flags) {
            label.push_str(", ");
            label.push_str(&part);
        }
        label
    }
}

impl Listing {
    async fn list(&self) -> Result<(), LoadError> {
        let mut connection = Connection::open(&self.target).await?;
        while self.turns.take().is_some() {
            let asked = Instant::now();
            let mut token = None;
            loop {
                let page = self.page(&mut connection, token.as_deref()).await?;
                token = page.metadata("continue").filter(|token| !token.is_empty()).map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
            let mut counted = self.counted.lock();
            counted.lists += 1;
            counted.latencies.record(asked.elapsed());
        }
        Ok(())
    }

    async fn page(&self, connection: &mut Connection, token: Option<&str>) -> Result<Counting, LoadError> {
        let path = self.question.page(token);
        let call =
            Call { accept: self.question.accept, gzip: self.question.gzip, ..Call::new(Method::GET, &path) };
        let response = connection.send(&call).await?;
        let compressed = response.headers().contains_key(hyper::header::CONTENT_ENCODING);
        let (mut body, mut bytes) = (Body::new(compressed), 0);
        let broken = |_| call.lacks("the body cannot be decompressed");
        let read = each_chunk(&call, response.into_body(), |chunk| {
            bytes += chunk.len() as u64;
            body.feed(chunk).map_err(broken)
        });
        read.await?;
        let page = body.finish().map_err(broken)?;
        let mut counted = self.counted.lock();
        counted.requests += 1;
        counted.objects += page.objects;
        counted.bytes += bytes;
        Ok(page)
    }
}

impl ListFigures {
    fn new(counted: &Counted, cost: Cost, memory: Option<Memory>) -> Self {
        Self {
            lists: counted.lists,
            requests: counted.requests,
            objects: counted.objects,
            bytes: counted.bytes,
            objects_per_second: rate(counted.objects, cost.seconds),
            server_cpu_ms_per_list: cost.micros_each(counted.lists).map(|micros| micros / 1_000.0),
            server_cpu_us_per_request: cost.micros_each(counted.requests),
            server_cpu_ns_per_object: cost.nanos_each(counted.objects),
            server_cpu_ns_per_byte: cost.nanos_each(counted.bytes),
            latency: counted.latencies.percentiles(),
            cost,
            memory,
        }
    }
}

impl Figures for ListFigures {
    fn cells(&self) -> Cells {
        let each = (self.lists > 0).then(|| float(self.objects) / float(self.lists));
        let mut cells = vec![
            ("lists".to_owned(), self.lists.to_string()),
            ("requests".to_owned(), self.requests.to_string()),
            ("objects in a list".to_owned(), show(each)),
            ("bytes".to_owned(), self.bytes.to_string()),
            ("objects/s".to_owned(), show(Some(self.objects_per_second))),
            ("server CPU per list, ms".to_owned(), show(self.server_cpu_ms_per_list)),
            ("server CPU per request, us".to_owned(), show(self.server_cpu_us_per_request)),
            ("server CPU per object, ns".to_owned(), show(self.server_cpu_ns_per_object)),
            ("server CPU per byte, ns".to_owned(), show(self.server_cpu_ns_per_byte)),
        ];
        self.latency.tell("list", &mut cells);
        self.cost.tell(&mut cells);
        Memory::tell(self.memory, "", &mut cells);
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            path: "/api/v1/pods".to_owned(),
            accept: JSON,
            gzip: false,
            limit: Some(500),
            field_selector: Some("spec.nodeName=node-1".to_owned()),
            resource_version: Some("0".to_owned()),
        }
    }

    #[test]
    fn only_the_first_page_asks_for_a_revision() {
        let first = "/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Dnode-1&resourceVersion=0";
        assert_eq!(question().page(None), first);
        let next = "/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Dnode-1&continue=a%2Bb";
        assert_eq!(question().page(Some("a+b")), next);
    }

    #[test]
    fn a_list_of_everything_has_no_query() {
        let question = Question { limit: None, field_selector: None, resource_version: None, ..question() };
        assert_eq!(question.page(None), "/api/v1/pods");
    }
}
