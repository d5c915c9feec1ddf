//! A server whose etcd halts, or is killed and comes back, alone or as one of three: requests are answered in time,
//! with a status that says to come again, and watches go on without a gap. One whose etcd is away from the
//! beginning says so and ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "real processes run on real time")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use watchkeep_tests::etcd::{Cluster, Etcd};
use watchkeep_tests::http::{Answer, Lines, send};
use watchkeep_tests::load::pause;
use watchkeep_tests::server::{Server, run_to_end};

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// What a request may take while etcd does not answer: docs/etcd.md says 10 seconds, and a busy machine is slow.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// How long until the server notices that etcd has gone, or is back.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(100);

fn serve(urls: &str) -> Server {
    Server::start_with(["--backend", "etcd3", "--etcd-servers", urls]).unwrap()
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

/// Whether a request that failed was answered in time, and as one to be tried again.
fn says_to_come_again(answer: &Answer, took: Duration) {
    let status = answer.json().unwrap();
    assert_eq!((answer.status, &status["reason"]), (500, &json!("ServerTimeout")), "{answer:?}");
    assert!(answer.retry_after.is_some(), "{answer:?}");
    assert!(took < ANSWERED_WITHIN, "after {took:?}");
}

#[test]
fn requests_to_a_halted_etcd_are_answered_and_told_to_come_again() {
    let etcd = Etcd::start().unwrap();
    let server = serve(etcd.url());
    let before = names(&server);
    let mut watch = watch(&server);
    assert_eq!(create(&server, "before").status, 201);
    etcd.halt().unwrap();
    let object = format!("{PATH}/before");
    for ask in [&|| create(&server, "during"), &|| send(server.address(), "GET", &object, None).unwrap()]
        as [&dyn Fn() -> Answer; 2]
    {
        let begin = Instant::now();
        says_to_come_again(&ask(), begin.elapsed());
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
    let server = serve(etcd.url());
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

#[test]
fn a_server_goes_on_when_the_leader_of_three_members_dies() {
    let mut cluster = Cluster::start(3).unwrap();
    let server = serve(&cluster.urls().join(","));
    let before = names(&server);
    let mut watch = watch(&server);
    let mut refused = Vec::new();
    let mut create_some = |when: &str| {
        for at in 0..20 {
            let (name, begin) = (format!("{when}-{at}"), Instant::now());
            let answer = create(&server, &name);
            if answer.status != 201 {
                says_to_come_again(&answer, begin.elapsed());
                refused.push(format!("{name} after {:?}", begin.elapsed()));
                create_in_the_end(&server, &name);
            }
        }
    };
    create_some("before");
    let leader = cluster.leader().unwrap();
    cluster.members()[leader].kill().unwrap();
    create_some("without");
    cluster.members()[leader].start_again().unwrap();
    create_some("after");
    eprintln!("refused: {refused:?}");
    create_in_the_end(&server, "last");
    let seen = added_up_to(&mut watch, "last");
    assert_eq!(seen.len(), 61, "each once: {seen:?}");
    assert_eq!(before.into_iter().chain(seen).collect::<BTreeSet<_>>(), names(&server), "none is left out");
    wait_until_ready(&server, true);
}

#[test]
fn a_server_without_an_etcd_says_whom_it_asked_and_ends() {
    let gone = [Etcd::start().unwrap(), Etcd::start().unwrap()];
    let [one, other] = gone.each_ref().map(|etcd| etcd.url().to_owned());
    drop(gone);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let servers = format!("{one},{other}");
    let flags = ["--backend", "etcd3", "--etcd-servers", &servers, "--listen", "127.0.0.1:0", "--kubeconfig"];
    let flags = flags.into_iter().map(OsString::from).chain([kubeconfig.clone().into_os_string()]);
    let output = run_to_end(flags).unwrap();
    let last = output.stderr.lines().last().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_str()), (Some(1), ""), "{}", output.stderr);
    assert!(last.starts_with(&format!("error: no etcd answers at {one}, {other}: ")), "{last}");
    assert!(last.contains("Connection refused") && last.contains("--etcd-servers"), "{last}");
    assert!(!kubeconfig.exists(), "nobody is told of a server that is not there");
}
