//! What does an event cost on its way from the cache into the bodies of the watches that show it?
//!
//! One writer and 1,000 watches of one resource, in this process and without sockets: each row writes some
//! objects, and then reads the bodies of all watches until they have nothing more. What is counted is the
//! CPU time of that reading, for each event that was delivered.
//!
//! A text names the rows to run; `--two` lets two threads read at the same time.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use rustix::time::{ClockId, clock_gettime};
use watchkeep_server::app::App;
use watchkeep_server::cached::WatchCache;
use watchkeep_server::http::objects::handle;
use watchkeep_server::http::response::Body;
use watchkeep_server::http::route::{Route, parse};
use watchkeep_storage::Environment;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};

const WATCHES: usize = 1_000;
/// How many events are measured in a row, however many of them come at once.
const EVENTS: usize = 320;

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const JSON: &str = "application/json";

/// One row: what is written, where it is watched, and how.
struct Row {
    name: &'static str,
    written: &'static str,
    watched: &'static str,
    accept: &'static str,
    object: fn(usize, usize) -> String,
    bytes: usize,
}

const ROWS: [Row; 7] = [
    Row::whole("configmaps of 1.6 KB", "/api/v1/namespaces/default/configmaps", config_map, 1_600),
    Row::whole("configmaps of 4 KB", "/api/v1/namespaces/default/configmaps", config_map, 4_000),
    Row::whole("pods of 8 KB", "/api/v1/namespaces/default/pods", pod, 8_000),
    Row::whole("configmaps of 100 KB", "/api/v1/namespaces/default/configmaps", config_map, 100_000),
    Row {
        accept: METADATA,
        ..Row::whole("metadata of pods of 8 KB", "/api/v1/namespaces/default/pods", pod, 8_000)
    },
    Row {
        watched: "/apis/events.k8s.io/v1/namespaces/default/events",
        ..Row::whole("converted events of 1 KB", "/api/v1/namespaces/default/events", event, 1_000)
    },
    Row {
        watched: "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
        ..Row::whole(
            "converted autoscalers of 2 KB",
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            autoscaler,
            2_000,
        )
    },
];

impl Row {
    const fn whole(
        name: &'static str,
        path: &'static str,
        object: fn(usize, usize) -> String,
        bytes: usize,
    ) -> Self {
        Self { name, written: path, watched: path, accept: JSON, object, bytes }
    }
}

fn config_map(n: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes.saturating_sub(250));
    format!(r#"{{"metadata":{{"name":"c-{n}","labels":{{"app":"a-{n}"}}}},"data":{{"text":"{text}"}}}}"#)
}

fn pod(n: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes.saturating_sub(900) / 2);
    let containers: Vec<_> = (0..2)
        .map(|container| {
            format!(
                r#"{{"name":"c-{container}","image":"registry.example/app:{n}","env":[{{"name":"E","value":"{text}"}}]}}"#
            )
        })
        .collect();
    let containers = containers.join(",");
    format!(
        r#"{{"metadata":{{"name":"p-{n}","labels":{{"app":"a-{n}","tier":"front"}},"annotations":{{"checksum/config":"{n:064}"}}}},"spec":{{"nodeName":"n-{n}","containers":[{containers}]}}}}"#
    )
}

fn event(n: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes.saturating_sub(600));
    format!(
        r#"{{"metadata":{{"name":"e-{n}"}},"involvedObject":{{"kind":"Pod","namespace":"default","name":"p-{n}"}},"reason":"Scheduled","message":"{text}","type":"Normal","count":1,"source":{{"component":"scheduler"}},"firstTimestamp":"2026-01-01T00:00:00Z","lastTimestamp":"2026-01-01T00:00:00Z"}}"#
    )
}

fn autoscaler(n: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes.saturating_sub(700));
    format!(
        r#"{{"metadata":{{"name":"h-{n}","annotations":{{"about":"{text}"}}}},"spec":{{"scaleTargetRef":{{"apiVersion":"apps/v1","kind":"Deployment","name":"d-{n}"}},"minReplicas":1,"maxReplicas":9,"metrics":[{{"type":"Resource","resource":{{"name":"cpu","target":{{"type":"Utilization","averageUtilization":70}}}}}},{{"type":"Resource","resource":{{"name":"memory","target":{{"type":"AverageValue","averageValue":"1Gi"}}}}}}]}}}}"#
    )
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(u64::try_from(time.tv_sec).expect("not negative"), nanos)
}

/// A server in this process.
async fn start() -> Arc<App> {
    let environment = Environment::system();
    let memory = Arc::new(MemoryBackend::new(MemoryOptions::default(), environment.clone()));
    let flags = WatchCache { sizes: vec!["events#1".parse().expect("a size")], ..WatchCache::default() };
    let backend = flags.over(memory, &environment);
    let app = App::new(&*backend, environment, Duration::from_hours(1)).await.expect("memory opens");
    let app = Arc::new(app);
    watchkeep_server::bootstrap::run(&app).await.expect("an empty store");
    // The caches go with their backend.
    std::mem::forget(backend);
    app
}

/// Sends a request, which has to be answered with this status.
async fn send(
    app: &Arc<App>,
    method: Method,
    path: &str,
    accept: &str,
    body: String,
    want: StatusCode,
) -> Body {
    let uri = path.parse().expect("a legal path");
    let Route::Object(route) = parse(&app.table.load_full(), &method, &uri) else { panic!("{path}") };
    let request = Request::builder().method(method).uri(uri).header(ACCEPT, accept);
    let request = request.header(CONTENT_TYPE, JSON).body(Full::new(Bytes::from(body))).expect("a request");
    let response = handle(Arc::clone(app), route, request).await;
    assert_eq!(response.status(), want, "{path}");
    response.into_body()
}

/// Takes what a body has, and tells how many bytes these are.
fn discard(body: &mut Body) -> usize {
    let mut bytes = 0;
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = Pin::new(&mut *body).poll_frame(&mut context) {
        bytes += frame.expect("no error").into_data().expect("data").len();
    }
    bytes
}

async fn measure(app: &Arc<App>, row: &Row, names: &mut usize, at_once: usize, threads: usize) {
    let path =
        format!("{}?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", row.watched);
    let mut bodies = Vec::new();
    for _ in 0..WATCHES {
        bodies.push(send(app, Method::GET, &path, row.accept, String::new(), StatusCode::OK).await);
    }
    for body in &mut bodies {
        assert_eq!(discard(body), 0, "nothing has happened yet");
    }
    let (mut took, mut bytes, mut written) = (Duration::ZERO, 0, 0);
    while written < EVENTS {
        for _ in 0..at_once {
            let object = (row.object)(*names, row.bytes);
            *names += 1;
            send(app, Method::POST, row.written, JSON, object, StatusCode::CREATED).await;
            written += 1;
        }
        let share = bodies.len().div_ceil(threads);
        let before = cpu();
        bytes += std::thread::scope(|scope| {
            let parts = bodies.chunks_mut(share);
            let read = |part: &mut [Body]| part.iter_mut().map(discard).sum::<usize>();
            if threads == 1 {
                return parts.map(read).sum::<usize>();
            }
            let readers: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
            readers.into_iter().map(|reader| reader.join().expect("no panic")).sum()
        });
        took += cpu().saturating_sub(before);
    }
    let delivered = written * WATCHES;
    let each = took / u32::try_from(delivered).expect("a bench has fewer events");
    println!("{:<34} {at_once:>3} at once {each:>10.2?} an event, {} bytes", row.name, bytes / delivered);
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let threads = if arguments.iter().any(|argument| argument == "--two") { 2 } else { 1 };
    let asked: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Reading is not bounded by the turns of a task.
    runtime.block_on(tokio::task::coop::unconstrained(async {
        let app = start().await;
        let mut names = 0;
        for row in ROWS {
            if asked.is_empty() || asked.iter().any(|word| row.name.contains(word.as_str())) {
                for at_once in [1, 16] {
                    measure(&app, &row, &mut names, at_once, threads).await;
                }
            }
        }
    }));
}
