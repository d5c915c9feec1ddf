//! The built generator against the built server: every command runs small, and its report holds what was done.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value as Json;
use watchkeep_tests::process::Process;
use watchkeep_tests::server::{self, Server};

/// How long one run may take.
const RUN_TIMEOUT: Duration = Duration::from_mins(2);

/// What the generator prints for these arguments.
fn output(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchkeep-bench"));
    let output = Process::start(command.args(arguments)).unwrap().output(RUN_TIMEOUT).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.stderr);
    output.stdout
}

/// The report of a run against a server of the test.
fn report(server: &Server, arguments: &[&str]) -> Json {
    let pid = server.id().to_string();
    let common = ["--json", "--server", server.url(), "--pid", &pid];
    serde_json::from_str(&output(&[arguments, &common].concat())).unwrap()
}

/// The only measurement of a report, whose server has used CPU time and memory.
fn measured(server: &Server, arguments: &[&str]) -> Json {
    let report = report(server, arguments);
    assert_eq!(report["about"]["processes"][0], "watchkeep", "{report}");
    assert_eq!(report["measured"].as_array().unwrap().len(), 1, "{report}");
    let measured = report["measured"][0].clone();
    assert!(measured["cost"]["server_cpu_seconds"].as_f64().unwrap() > 0.0, "{measured}");
    assert!(measured["cost"]["own_cpu_seconds"].as_f64().unwrap() > 0.0, "{measured}");
    measured
}

#[test]
fn lists_count_every_object_in_every_form() {
    let server = Server::start_with(["--backend", "memory"]).unwrap();
    let shape = ["--kind", "pods", "--bytes", "2000", "--namespaces", "3", "--nodes", "7"];
    let filled = measured(&server, &[&["fill", "--objects", "70"], &shape[..]].concat());
    assert_eq!((&filled["created"], &filled["existing"]), (&70.into(), &0.into()));
    assert_eq!(filled["latency"]["count"], 70);
    assert!(filled["memory"]["rss_bytes"].as_u64().unwrap() > 0);
    let again = measured(&server, &[&["fill", "--objects", "71"], &shape[..]].concat());
    assert_eq!((&again["created"], &again["existing"]), (&1.into(), &70.into()));

    for (form, objects, requests) in [
        (&["--clients", "2"][..], 71, 1),
        (&["--limit", "20"], 71, 4),
        (&["--limit", "20", "--resource-version", "0", "--table"], 71, 4),
        (&["--table", "--gzip"], 71, 1),
        (&["--metadata"], 71, 1),
        (&["--gzip", "--http2"], 71, 1),
        (&["--namespace", "bench-2"], 23, 1),
        (&["--field-selector", "spec.nodeName=node-0"], 11, 1),
    ] {
        let lists = measured(&server, &[&["list", "--kind", "pods", "--lists", "3"], form].concat());
        assert_eq!(lists["objects"], 3 * objects, "{form:?}: {lists}");
        assert_eq!(lists["requests"], 3 * requests, "{form:?}: {lists}");
        assert_eq!(lists["latency"]["count"], 3, "{form:?}: {lists}");
        assert!(lists["bytes"].as_u64().unwrap() > 100 * objects, "{form:?}: {lists}");
        assert!(lists["server_cpu_ns_per_byte"].as_f64().unwrap() > 0.0, "{form:?}: {lists}");
    }
}

#[test]
fn every_watch_is_told_of_every_write_that_it_selects() {
    let server = Server::start_with(["--backend", "memory"]).unwrap();
    let watch =
        ["watch", "--kind", "pods", "--objects", "10", "--nodes", "5", "--rate", "200", "--seconds", "1"];
    for (flags, watchers, expected) in [
        (&["--watchers", "20"][..], 20, 200 * 20),
        (&["--watchers", "110", "--http2", "--write", "put"], 110, 200 * 110),
        // Two of five nodes are watched, by one watch each.
        (&["--watchers", "2", "--field-selector", "spec.nodeName=node-{n}"], 2, 200 * 2 / 5),
        (&["--watchers", "3", "--field-selector", "spec.nodeName=other-{n}"], 3, 0),
    ] {
        let seen = measured(&server, &[&watch[..], flags].concat());
        assert_eq!((&seen["written"], &seen["failed"]), (&200.into(), &0.into()), "{flags:?}: {seen}");
        assert_eq!(seen["watchers"], watchers, "{flags:?}: {seen}");
        assert_eq!(seen["expected"], expected, "{flags:?}: {seen}");
        assert_eq!(seen["delivered"], expected, "{flags:?}: {seen}");
        assert_eq!(seen["delivery"]["count"], expected, "{flags:?}: {seen}");
        assert_eq!(seen["acknowledgement"]["count"], 200, "{flags:?}: {seen}");
        assert_eq!(seen["ended"], 0, "{flags:?}: {seen}");
        // The writes are due over a second, whatever the machine does.
        assert!(seen["cost"]["seconds"].as_f64().unwrap() >= 1.0, "{flags:?}: {seen}");
    }
}

#[test]
fn every_kind_of_write_is_acknowledged_and_counted() {
    let server = Server::start_with(["--backend", "memory"]).unwrap();
    for (kind, writes) in [("put", 30), ("patch", 30), ("status", 30), ("create-delete", 60)] {
        let arguments =
            ["write", "--resource", "pods", "--objects", "10", "--writes", "30", "--writers", "1,4"];
        let report = report(&server, &[&arguments[..], &["--kind", kind]].concat());
        for (measured, writers) in report["measured"].as_array().unwrap().iter().zip([1, 4]) {
            assert_eq!(measured["writers"], writers, "{kind}: {measured}");
            assert_eq!(measured["writes"], writes, "{kind}: {measured}");
            assert!(measured["server_cpu_us_per_write"].as_f64().unwrap() > 0.0, "{kind}: {measured}");
        }
    }
    let left = measured(&server, &["list", "--resource", "pods", "--lists", "1"]);
    assert_eq!(left["objects"], 10, "what was created was deleted");
}

#[test]
fn a_server_that_it_starts_ends_with_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let binary = server::binary().unwrap();
    let place = ["--start", binary.to_str().unwrap(), "--dir", folder.path().to_str().unwrap()];
    let work = ["list", "--objects", "20", "--lists", "2", "--serve-flag=--watch-cache=false"];
    let printed = output(&[&work[..], &place, &["--json"]].concat());
    let report: Json = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["about"]["backend"], "memory");
    assert_eq!(report["measured"][0]["objects"], 40);
    let pid = report["about"]["pids"][0].as_u64().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server lives on");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "its directory is left");

    let table = output(&[&work[..], &place].concat());
    assert!(table.contains("server CPU per object, ns"), "{table}");
}
