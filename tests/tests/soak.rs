//! Many kubectls at once for a long time: a watcher sees every change of each of them, in order.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use watchkeep_tests::fixture::config_map;
use watchkeep_tests::scope::Scope;
use watchkeep_tests::soak;

/// How many write at once.
const WRITERS: usize = 3;

/// The name that ends the watch.
const END: &str = "end";

/// An event as the watcher prints it.
#[derive(Debug)]
struct Event {
    kind: String,
    name: String,
    value: String,
    revision: u64,
}

impl Event {
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let &[kind, name, value, revision] = &words[..] else { panic!("{line:?}") };
        let revision = revision.parse().unwrap();
        Self { kind: kind.to_owned(), name: name.to_owned(), value: value.to_owned(), revision }
    }
}

/// Creates, changes twice and deletes one object, again and again. Returns how often.
fn write(kubectl: &Scope, name: &str, over: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !over.load(Ordering::Relaxed) {
        kubectl.ok_with("create -f -", &config_map(name, &[("value", &format!("{rounds}-0"))]));
        for change in 1..=2 {
            kubectl.ok(&format!(r#"patch cm {name} -p '{{"data":{{"value":"{rounds}-{change}"}}}}'"#));
        }
        kubectl.ok(&format!("delete cm {name}"));
        rounds += 1;
    }
    rounds
}

/// What a watcher has to see of a writer.
fn expected(rounds: usize) -> Vec<String> {
    let round = |round| {
        ["ADDED 0", "MODIFIED 1", "MODIFIED 2", "DELETED 2"].map(|event| {
            let (kind, change) = event.split_once(' ').unwrap();
            format!("{kind} {round}-{change}")
        })
    };
    (0..rounds).flat_map(round).collect()
}

#[test]
fn a_soak_of_writing_kubectls_is_seen_whole_and_in_order() {
    let kubectl = Scope::of_newest("soak");
    kubectl.ok_with("create -f -", &config_map("begin", &[("value", "0")]));
    let watch = kubectl.start(
        r#"get cm --watch --output-watch-events -o jsonpath='{.type} {.object.metadata.name} {.object.data.value} {.object.metadata.resourceVersion}{"\n"}'"#,
    );
    assert_eq!(Event::parse(&watch.next_line().unwrap()).name, "begin");

    let over = AtomicBool::new(false);
    // Says when a writer has failed, so that the others need not go on for hours.
    let (alive, ended) = mpsc::channel::<()>();
    let rounds: Vec<usize> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (kubectl, alive, over) = (kubectl.fork(), alive.clone(), &over);
                scope.spawn(move || {
                    let rounds = write(&kubectl, &format!("writer-{writer}"), over);
                    drop(alive);
                    rounds
                })
            })
            .collect();
        drop(alive);
        let reason = ended.recv_timeout(soak::duration());
        over.store(true, Ordering::Relaxed);
        assert_eq!(reason, Err(RecvTimeoutError::Timeout), "the writers ended early");
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    kubectl.ok_with("create -f -", &config_map(END, &[("value", "0")]));

    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    let mut revision = 0;
    loop {
        let event = Event::parse(&watch.next_line().unwrap());
        assert!(event.revision > revision, "{event:?} came after revision {revision}");
        revision = event.revision;
        if event.name == END {
            break;
        }
        seen.entry(event.name).or_default().push(format!("{} {}", event.kind, event.value));
    }
    for (writer, &rounds) in rounds.iter().enumerate() {
        assert!(rounds > 0);
        assert_eq!(seen.remove(&format!("writer-{writer}")).unwrap_or_default(), expected(rounds));
    }
    assert!(seen.is_empty(), "{seen:?}");
    let log = kubectl.server_log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}
