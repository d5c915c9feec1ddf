//! A server on the disk that is killed while it is written to: what it has acknowledged is there, and its
//! revisions go on above everything that anybody has seen.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use watchkeep_tests::http::send;
use watchkeep_tests::server::{Server, run_to_end};

/// How often the server is killed; `WATCHKEEP_KILLS` asks for more.
const KILLS: u32 = 20;
/// How many write at once, each its own objects.
const WRITERS: usize = 4;
const OBJECTS: u64 = 5;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn start(directory: &Path) -> Server {
    let directory = directory.to_str().unwrap();
    Server::start_with(["--backend", "rocksdb", "--data-dir", directory]).unwrap()
}

/// The text at a place in an object.
fn text<'a>(object: &'a Json, place: &str) -> &'a str {
    object.pointer(place).and_then(Json::as_str).unwrap()
}

fn revision(object: &Json) -> u64 {
    text(object, "/metadata/resourceVersion").parse().unwrap()
}

/// The name of an object, and the counter that it holds.
fn content(object: &Json) -> (String, u64) {
    (text(object, "/metadata/name").to_owned(), text(object, "/data/counter").parse().unwrap())
}

/// What the writers know: per object the last counter that was acknowledged, and the last that was tried.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, u64>,
    tried: BTreeMap<String, u64>,
    /// The revision of every acknowledged write, with what it wrote.
    revisions: BTreeMap<u64, (String, u64)>,
}

/// What one writer did: the object, the counter, and the revision if it was acknowledged.
type Written = (String, u64, Option<u64>);

/// Writes until the server is gone.
fn write(address: &str, writer: usize, mut next: u64, over: &AtomicBool) -> Vec<Written> {
    let mut written = Vec::new();
    while !over.load(Ordering::Relaxed) {
        next += 1;
        let name = format!("writer-{writer}-{}", next % OBJECTS);
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
            "data": {"counter": next.to_string(), "filler": "x".repeat(usize::try_from(next % 3).unwrap() * 4000)},
        });
        let mut answer = send(address, "PUT", &format!("{PATH}/{name}"), Some(&object));
        if answer.as_ref().is_ok_and(|answer| answer.status == 404) {
            answer = send(address, "POST", PATH, Some(&object));
        }
        match answer {
            Ok(answer) if matches!(answer.status, 200 | 201) => {
                written.push((name, next, Some(revision(&answer.json().unwrap()))));
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => {
                written.push((name, next, None));
                return written;
            }
        }
    }
    written
}

/// Lets the writers write for a while and kills the server under them.
fn write_and_kill(server: Server, known: &mut Known, pause: Duration) {
    let address = server.address().to_owned();
    let over = AtomicBool::new(false);
    let (_alive, never): (_, Receiver<()>) = mpsc::channel();
    let written: Vec<Written> = thread::scope(|scope| {
        let next = known.tried.values().max().copied().unwrap_or_default();
        let (address, over) = (&address, &over);
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(address, writer, next, over))).collect();
        assert!(never.recv_timeout(pause).is_err());
        server.kill().unwrap();
        over.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let newest = known.revisions.keys().next_back().copied().unwrap_or_default();
    for (name, counter, revision) in written {
        if let Some(revision) = revision {
            assert!(revision > newest, "{revision} is not above {newest}, which was seen before the kill");
            let twice = known.revisions.insert(revision, (name.clone(), counter));
            assert!(twice.is_none(), "{revision} was issued twice: {twice:?}");
            known.acknowledged.insert(name.clone(), counter);
        }
        known.tried.insert(name, counter);
    }
}

/// Everything acknowledged is there, or was replaced by a later write of the same writer.
fn check_state(address: &str, known: &Known) {
    let list = send(address, "GET", PATH, None).unwrap().json().unwrap();
    let items = list.get("items").and_then(Json::as_array).unwrap();
    // What every namespace has from the beginning holds no counter.
    let ours = items.iter().filter(|object| object.pointer("/data/counter").is_some());
    let found: BTreeMap<String, u64> = ours.map(content).collect();
    for (name, acknowledged) in &known.acknowledged {
        let found = found.get(name).unwrap_or_else(|| panic!("{name} is lost"));
        let tried = known.tried.get(name).unwrap();
        assert!(found >= acknowledged && found <= tried, "{name}: {acknowledged} <= {found} <= {tried}");
    }
}

/// A watch from before the first write shows every acknowledged one, once and in order.
fn check_history(address: &str, before: u64, known: &Known) {
    let path = format!("{PATH}?watch=true&resourceVersion={before}&timeoutSeconds=1");
    let stream = send(address, "GET", &path, None).unwrap();
    assert_eq!(stream.status, 200, "{}", stream.body);
    let mut last = before;
    let mut missing: BTreeSet<u64> = known.revisions.keys().copied().collect();
    for line in stream.body.lines() {
        let event: Json = serde_json::from_str(line).unwrap();
        assert!(matches!(text(&event, "/type"), "ADDED" | "MODIFIED"), "{event}");
        let object = event.get("object").unwrap();
        let revision = revision(object);
        assert!(revision > last, "{revision} came after {last}");
        last = revision;
        if missing.remove(&revision) {
            assert_eq!(known.revisions.get(&revision), Some(&content(object)));
        }
    }
    assert!(missing.is_empty(), "acknowledged and not shown: {missing:?}");
}

/// The next of a sequence of numbers that a seed gives.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn every_acknowledged_write_survives_every_kill() {
    let directory = TempDir::with_prefix("watchkeep-crash-").unwrap();
    let mut seed = number("WATCHKEEP_SEED", u64::from(std::process::id()));
    eprintln!("WATCHKEEP_SEED={seed}");
    let mut known = Known::default();
    let mut server = start(directory.path());
    let before = revision(&send(server.address(), "GET", PATH, None).unwrap().json().unwrap());
    for kill in 1..=number("WATCHKEEP_KILLS", KILLS.into()) {
        write_and_kill(server, &mut known, Duration::from_millis(30 + draw(&mut seed) % 300));
        server = start(directory.path());
        check_state(server.address(), &known);
        if kill % 5 == 0 {
            check_history(server.address(), before, &known);
        }
    }
    assert!(known.revisions.len() > 100, "too few writes to tell: {}", known.revisions.len());
    eprintln!("{} acknowledged writes", known.revisions.len());
    assert_eq!(server.stop().unwrap().code(), Some(0));
}

#[test]
fn a_directory_in_use_is_told_in_one_line() {
    let directory = TempDir::with_prefix("watchkeep-crash-").unwrap();
    let server = start(directory.path());
    let path = directory.path().to_str().unwrap();
    let kubeconfig = server.folder().join("other");
    let flags = ["--listen", "127.0.0.1:0", "--backend", "rocksdb", "--data-dir", path, "--kubeconfig"];
    let output = run_to_end(flags.iter().map(std::ffi::OsStr::new).chain([kubeconfig.as_os_str()])).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    let line = output.stderr.strip_suffix('\n').unwrap();
    assert!(line.starts_with("error: ") && line.contains(path) && !line.contains('\n'), "{output:#?}");
    assert_eq!(server.stop().unwrap().code(), Some(0));
    let again = start(directory.path());
    assert_eq!(again.stop().unwrap().code(), Some(0));
}
