//! Ten thousand watches are open on one server, each on a connection of its own, and each sees what happens.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use watchkeep_tests::http::{Lines, send};
use watchkeep_tests::server::Server;

const WATCHES: usize = 10_000;
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// The resident memory of a process in KiB.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[test]
fn ten_thousand_watches_see_a_change() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = WATCHES as u64 + 500;
    assert!(limit.maximum.is_none_or(|maximum| maximum >= wanted), "ulimit -Hn has to be {wanted} at least");
    let current = limit.current.map(|current| current.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();

    let server = Server::start_with(["--backend", "memory", "--max-connections", "10100"]).unwrap();
    let address = server.address();
    let list = send(address, "GET", PATH, None).unwrap().json().unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let before = resident(server.id());
    let path = format!("{PATH}?watch=1&resourceVersion={revision}");
    let mut watches: Vec<_> = (0..WATCHES).map(|_| Lines::get(address, &path).unwrap()).collect();
    assert!(watches.iter().all(|watch| watch.status == 200));
    let each = (resident(server.id()) - before) * 1024 / WATCHES as u64;
    eprintln!("{WATCHES} watches on HTTP/1.1, {each} bytes of resident memory each");

    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "seen-by-all"}});
    assert_eq!(send(address, "POST", PATH, Some(&object)).unwrap().status, 201);
    for (number, watch) in watches.iter_mut().enumerate() {
        let line = watch.next_line().unwrap().unwrap();
        assert!(line.contains("\"ADDED\"") && line.contains("seen-by-all"), "watch {number}: {line}");
    }
}
