//! A server whose etcd halts, or is killed and comes back: requests are answered in time, with a status that says
//! to come again, and watches go on without a gap.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "real processes run on real time")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use watchkeep_tests::etcd::Etcd;
use watchkeep_tests::http::{Answer, Lines, send};
use watchkeep_tests::load::pause;
use watchkeep_tests::server::Server;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// What a request may take while etcd does not answer: docs/etcd.md says 10 seconds, and a busy machine is slow.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// How long until the server notices that etcd has gone, or is back.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(100);

fn serve(etcd: &Etcd) -> Server {
    Server::start_with(["--backend", "etcd3", "--etcd-servers", etcd.url()]).unwrap()
}

fn create(server: &Server, name: &str) -> Answer {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}});
    send(server.address(), "POST", PATH, Some(&object)).unwrap()
}

/// Tries until the object is there.
fn create_in_the_end(server: &Server, name: &str) {
    let deadline = Instant::now() + NOTICED_WITHIN;
    loop {
        let answer = create(server, name);
        // A try whose outcome was unknown may have created it.
        if [201, 409].contains(&answer.status) {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        pause(BETWEEN);
    }
}

fn wait_until_ready(server: &Server, ready: bool) {
    let deadline = Instant::now() + NOTICED_WITHIN;
    loop {
        let answer = send(server.address(), "GET", "/readyz", None).unwrap();
        if (answer.status == 200) == ready {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        pause(BETWEEN);
    }
}

/// A watch from a moment on.
fn watch(server: &Server) -> Lines {
    let list = send(server.address(), "GET", PATH, None).unwrap().json().unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let lines =
        Lines::get(server.address(), &format!("{PATH}?watch=true&resourceVersion={revision}")).unwrap();
    assert_eq!(lines.status, 200);
    lines
}

/// The names that a watch shows as added, up to one.
fn added_up_to(watch: &mut Lines, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != last) {
        let line = watch.next_line().unwrap().expect("the watch goes on");
        let event: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(event["type"], "ADDED", "{line}");
        names.push(event["object"]["metadata"]["name"].as_str().unwrap().to_owned());
    }
    names
}

fn names(server: &Server) -> BTreeSet<String> {
    let list = send(server.address(), "GET", PATH, None).unwrap().json().unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn requests_to_a_halted_etcd_are_answered_and_told_to_come_again() {
    let etcd = Etcd::start().unwrap();
    let server = serve(&etcd);
    let before = names(&server);
    let mut watch = watch(&server);
    assert_eq!(create(&server, "before").status, 201);
    etcd.halt().unwrap();
    let object = format!("{PATH}/before");
    for ask in [&|| create(&server, "during"), &|| send(server.address(), "GET", &object, None).unwrap()]
        as [&dyn Fn() -> Answer; 2]
    {
        let begin = Instant::now();
        let answer = ask();
        let took = begin.elapsed();
        let status = answer.json().unwrap();
        assert_eq!((answer.status, &status["reason"]), (500, &json!("ServerTimeout")), "{answer:?}");
        assert!(answer.retry_after.is_some(), "{answer:?}");
        assert!(took < ANSWERED_WITHIN, "after {took:?}");
    }
    wait_until_ready(&server, false);
    etcd.go_on().unwrap();
    wait_until_ready(&server, true);
    create_in_the_end(&server, "after");
    let seen = added_up_to(&mut watch, "after");
    assert_eq!(seen.len(), seen.iter().collect::<BTreeSet<_>>().len(), "each once: {seen:?}");
    let all = before.into_iter().chain(seen).collect::<BTreeSet<_>>();
    assert_eq!(all, names(&server), "none is left out");
}

#[test]
fn a_watch_goes_on_over_a_restart_of_etcd() {
    let mut etcd = Etcd::start().unwrap();
    let server = serve(&etcd);
    let mut watch = watch(&server);
    create_in_the_end(&server, "before");
    assert_eq!(added_up_to(&mut watch, "before"), ["before"]);
    etcd.restart().unwrap();
    create_in_the_end(&server, "after");
    assert_eq!(added_up_to(&mut watch, "after"), ["after"]);
    wait_until_ready(&server, true);
    drop(etcd);
    wait_until_ready(&server, false);
}
