//! Backups and the look through a store, with the built binary: made while it serves, restored by moving a
//! directory.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use watchkeep_tests::http::send;
use watchkeep_tests::server::{Server, check};
use watchkeep_tests::tmpfs::Tmpfs;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn start(directory: &Path, checkpoints: &Path) -> Server {
    let flags = ["--backend", "rocksdb", "--data-dir", directory.to_str().unwrap(), "--checkpoint-dir"];
    Server::start_with(flags.into_iter().chain([checkpoints.to_str().unwrap()])).unwrap()
}

fn create(server: &Server, name: &str) -> u64 {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let answer = send(server.address(), "POST", PATH, Some(&object)).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    revision(&answer.json().unwrap())
}

fn revision(object: &Json) -> u64 {
    object.pointer("/metadata/resourceVersion").and_then(Json::as_str).unwrap().parse().unwrap()
}

fn status(server: &Server, name: &str) -> u16 {
    send(server.address(), "GET", &format!("{PATH}/{name}"), None).unwrap().status
}

#[test]
fn a_checkpoint_is_a_store_to_go_on_with() {
    let folder = TempDir::with_prefix("watchkeep-checkpoint-").unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let server = start(&data, &backups);
    create(&server, "before");
    let answer = send(server.address(), "POST", "/checkpoints", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = answer.json().unwrap();
    let path = made.get("path").and_then(Json::as_str).unwrap();
    let held = made.get("revision").and_then(Json::as_str).unwrap();
    assert_eq!(Path::new(path), backups.join(held));
    let after = create(&server, "after");
    assert_eq!(server.stop().unwrap().code(), Some(0));
    // Restore: out of the way, and the backup in its place.
    fs::rename(&data, folder.path().join("broken")).unwrap();
    fs::rename(path, &data).unwrap();
    let server = start(&data, &backups);
    assert_eq!((status(&server, "before"), status(&server, "after")), (200, 404));
    assert!(create(&server, "new") > after, "no revision is issued again");
    let seen = format!("{PATH}?watch=true&resourceVersion={after}&timeoutSeconds=1");
    let stream = send(server.address(), "GET", &seen, None).unwrap();
    assert!(stream.status == 410 || stream.body.contains("\"code\":410"), "{stream:?}");
    assert_eq!(server.stop().unwrap().code(), Some(0));
}

#[test]
fn a_full_place_for_backups_is_told_and_left_empty_and_the_server_goes_on() {
    let Some(small) = Tmpfs::mount("2m").unwrap() else {
        eprintln!("NOT CHECKED: this machine lets nobody mount a small disk");
        return;
    };
    let folder = TempDir::with_prefix("watchkeep-checkpoint-").unwrap();
    let server = start(&folder.path().join("data"), small.path());
    for number in 0..4 {
        let text: String =
            (0..600_000_u32).map(|at| char::from(b'a' + (at.wrapping_mul(at + number) % 23) as u8)).collect();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": number.to_string()}, "data": {"a": text}});
        assert_eq!(send(server.address(), "POST", PATH, Some(&object)).unwrap().status, 201);
    }
    let answer = send(server.address(), "POST", "/checkpoints", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.body.contains(small.path().to_str().unwrap()), "{}", answer.body);
    assert_eq!(fs::read_dir(small.path()).unwrap().count(), 0, "nothing is left");
    create(&server, "goes-on");
    assert_eq!(server.stop().unwrap().code(), Some(0));
}

#[test]
fn a_store_is_looked_through_when_its_server_has_stopped() {
    let folder = TempDir::with_prefix("watchkeep-checkpoint-").unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let server = start(&data, &backups);
    create(&server, "a");
    let output = check(&data).unwrap();
    let line = output.stderr.strip_suffix('\n').unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(line.starts_with("error: ") && line.contains("in use") && !line.contains('\n'), "{output:#?}");
    server.kill().unwrap();
    let output = check(&data).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    let line = output.stdout.strip_suffix('\n').unwrap();
    assert!(line.starts_with(data.to_str().unwrap()) && line.ends_with("no errors"), "{output:#?}");
    let files = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let log = files.filter(|path| path.extension().is_some_and(|own| own == "log")).max().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
    fs::write(&log, bytes).unwrap();
    let output = check(&data).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(output.stdout.starts_with(log.to_str().unwrap()), "{output:#?}");
    let output = check(&folder.path().join("nothing")).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(output.stderr.contains("holds no store"), "{output:#?}");
}
