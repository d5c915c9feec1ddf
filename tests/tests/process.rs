//! The server as a process: what it refuses to start with, what it leaves behind, how it ends, and what
//! that is to kubectls that watch.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use watchkeep_tests::etcd::Etcd;
use watchkeep_tests::fixture::config_map;
use watchkeep_tests::kubectl::Watch;
use watchkeep_tests::process::Output;
use watchkeep_tests::scope::Scope;
use watchkeep_tests::server::{Server, backend, run_to_end};

/// One line on stderr that begins with `error: `, nothing on stdout, and status 1.
fn assert_refused(output: &Output, reason: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert_eq!(output.stdout, "", "{output:#?}");
    let line = output.stderr.strip_suffix('\n').unwrap();
    assert!(line.starts_with("error: ") && !line.contains('\n'), "{output:#?}");
    assert!(line.contains(reason), "{output:#?}");
}

#[test]
fn the_kubeconfig_is_the_owners_alone() {
    let server = Server::start().unwrap();
    let mode = fs::metadata(server.kubeconfig()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let content = fs::read_to_string(server.kubeconfig()).unwrap();
    assert!(content.contains(server.url()), "{content}");
}

#[test]
fn an_address_open_to_other_machines_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let path = kubeconfig.to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = run_to_end(["--listen", address, "--kubeconfig", path]).unwrap();
        assert_refused(&output, "--allow-anonymous-network-access");
        assert!(!kubeconfig.exists());
    }
}

#[test]
fn a_port_in_use_is_told_and_the_kubeconfig_stays_as_it_was() {
    let server = Server::start().unwrap();
    let before = fs::read_to_string(server.kubeconfig()).unwrap();
    let path = server.kubeconfig().to_str().unwrap();
    let output =
        run_to_end(["--backend", "memory", "--listen", server.address(), "--kubeconfig", path]).unwrap();
    assert_refused(&output, server.address());
    assert_eq!(fs::read_to_string(server.kubeconfig()).unwrap(), before);
}

#[test]
fn a_kubeconfig_that_cannot_be_written_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    // A file where a folder would have to be: root may not write there either.
    fs::write(folder.path().join("file"), "").unwrap();
    let kubeconfig = folder.path().join("file/kubeconfig");
    let path = kubeconfig.to_str().unwrap();
    let output =
        run_to_end(["--backend", "memory", "--listen", "127.0.0.1:0", "--kubeconfig", path]).unwrap();
    assert_refused(&output, path);
}

#[test]
fn sigterm_ends_watches_and_then_the_server_without_an_error() {
    let server = Server::start().unwrap();
    let kubectls = Scope::of_each_on(&server, "sigterm");
    let watches: Vec<_> = kubectls.iter().map(watch_one).collect();

    let status = server.stop().unwrap();
    assert_eq!(status.code(), Some(0));
    for (kubectl, watch) in kubectls.iter().zip(watches) {
        // The end of the stream is the end of `get --watch`, and no failure.
        let output = watch.finish().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(0), ""), "{output:#?}");
        assert_eq!(output.stderr, "", "kubectl {}", kubectl.version());
    }
}

/// A watch that has listed an object and seen it change: it is under way.
fn watch_one(kubectl: &Scope) -> Watch {
    kubectl.ok_with("create -f -", &config_map("one", &[]));
    let watch = kubectl.start("get cm --watch -o name");
    assert_eq!(watch.next_line().unwrap(), "configmap/one");
    kubectl.ok("label cm one a=b");
    assert_eq!(watch.next_line().unwrap(), "configmap/one");
    watch
}

#[test]
fn a_kubectl_that_waits_goes_on_when_the_server_comes_back() {
    let server = Server::start().unwrap();
    let kubectls = Scope::of_each_on(&server, "restart");
    let start = |kubectl: &Scope| {
        kubectl.ok_with("create -f -", &config_map("one", &[]));
        let waiting = kubectl.start("wait --for=delete cm/one --timeout=60s -v=6");
        // It says nothing until it is done; its log tells when the watch has been answered.
        let answered = waiting.log_line_with("watch=true").unwrap();
        assert!(answered.contains("200 OK"), "{answered}");
        waiting
    };
    let waiting: Vec<_> = kubectls.iter().map(start).collect();

    let _server = server.restart().unwrap();
    if backend() == "memory" {
        // Its store is a new one, without the objects: the old revision is too old to go on from, kubectl
        // lists again and finds nothing.
    } else {
        // The watch goes on from the old revision and sees what happens now.
        for kubectl in &kubectls {
            kubectl.ok("delete cm one");
        }
    }
    for waiting in waiting {
        let waited = waiting.finish().unwrap();
        assert!(waited.status.success(), "{waited:#?}");
        assert!(waited.stdout.contains("configmap/one condition met"), "{waited:#?}");
    }
}

#[test]
fn revisions_of_a_later_server_are_greater() {
    let revision = |server: &Server, test| {
        let kubectl = Scope::of_newest_on(server, test);
        kubectl.ok_with("create -f -", &config_map("one", &[]));
        kubectl.field("cm/one", "{.metadata.resourceVersion}").parse::<u64>().unwrap()
    };
    // A new store begins at its clock. etcd counts: there the later server has the same cluster.
    let etcd = (backend() == "etcd3").then(|| Etcd::start().unwrap());
    let start = || match &etcd {
        Some(etcd) => Server::start_with(["--backend", "etcd3", "--etcd-servers", etcd.url()]).unwrap(),
        None => Server::start().unwrap(),
    };
    let first = start();
    let before = revision(&first, "before");
    first.stop().unwrap();
    let second = start();
    assert!(revision(&second, "after") > before);
}
