//! `check` passes what a store leaves, however it ends, and tells every kind of damage, with its place.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod disk;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::{ColumnFamily, DB};
use tempfile::TempDir;
use watchkeep_storage::rocksdb::{CheckReport, OpenError, check};
use watchkeep_storage::{Backend as _, ResourcePrefix, Revision};

use crate::disk::{engine_files, files, flip, folder, killed, open, put, with_engine, write};

/// A store with a bit of everything, and the revisions that tests refer to.
struct Sample {
    directory: TempDir,
    /// Of `a`, oldest first.
    a: [Revision; 3],
    /// The creation and the deletion of `gone`.
    gone: [Revision; 2],
    big: Revision,
    expiring: Revision,
    deadline: [u8; 8],
}

impl Sample {
    async fn new() -> Self {
        let directory = folder();
        let (backend, pods) = open(directory.path()).await;
        put(&pods, "first", 10).await;
        let revision = put(&pods, "first", 20).await;
        pods.compact(revision).await.unwrap();
        let a = [put(&pods, "a", 10).await, put(&pods, "a", 5000).await, put(&pods, "a", 30).await];
        let big = put(&pods, "big", 100_000).await;
        let expiring = write(&pods, "expiring", Some(10), Some(Duration::from_hours(1))).await.revision;
        let gone = [put(&pods, "gone", 10).await, write(&pods, "gone", None, None).await.revision];
        let others = backend.resource(ResourcePrefix::new("/others").unwrap(), Arc::default()).await.unwrap();
        put(&others, "x", 10).await;
        drop((pods, others));
        backend.close().await.unwrap();
        let mut deadline = [0; 8];
        with_engine(directory.path(), |db| {
            let (key, _) =
                db.iterator_cf(cf(db, "deadlines"), rocksdb::IteratorMode::Start).next().unwrap().unwrap();
            deadline.copy_from_slice(&key[..8]);
        });
        Self { directory, a, gone, big, expiring, deadline }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn cf<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).unwrap()
}

fn at(revision: Revision) -> Vec<u8> {
    [&0_u32.to_be_bytes()[..], &revision.get().to_be_bytes()].concat()
}

fn latest(name: &str) -> Vec<u8> {
    [&0_u32.to_be_bytes()[..], b"ns/", name.as_bytes()].concat()
}

/// Changes the bytes of an entry.
fn change(db: &DB, family: &str, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let mut value = db.get_cf(cf(db, family), key).unwrap().unwrap();
    change(&mut value);
    db.put_cf(cf(db, family), key, value).unwrap();
}

fn look(directory: &Path) -> CheckReport {
    check(directory).unwrap()
}

#[tokio::test]
async fn a_clean_store_passes_and_is_told_in_one_line() {
    let sample = Sample::new().await;
    let before = files(sample.path());
    let report = look(sample.path());
    assert!(report.is_well(), "{report}");
    assert_eq!((report.resources, report.objects, report.events), (2, 5, 8));
    let line = report.to_string();
    let want = [
        format!("{}: format ", sample.path().display()),
        format!(", revision {}, 2 resources, 5 objects, 8 events of history since ", report.revision),
        " MiB, no errors".to_owned(),
    ];
    assert!(want.iter().all(|part| line.contains(part)) && !line.contains('\n'), "{line}");
    assert!(files(sample.path()) == before, "it has changed nothing");
}

#[tokio::test]
async fn a_killed_store_passes_and_is_left_alone() {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    let mut images = vec![killed(directory.path())];
    for at in 0..40 {
        let name = format!("a-{}", at % 7);
        if at > 6 && at % 5 == 4 {
            write(&pods, &name, None, None).await.revision
        } else {
            put(&pods, &name, at * 200).await
        };
        if at % 13 == 12 {
            images.push(killed(directory.path()));
            pods.compact(pods.current_revision().await.unwrap()).await.unwrap();
            images.push(killed(directory.path()));
        }
    }
    for image in &images {
        let before = files(image.path());
        let report = look(image.path());
        assert!(report.is_well(), "{report}");
        assert!(files(image.path()) == before, "it has changed nothing");
        // And again after what the store itself makes of it.
        let (again, pods) = open(image.path()).await;
        put(&pods, "after", 10).await;
        let second = killed(image.path());
        let report = look(second.path());
        assert!(report.is_well(), "{report}");
        again.close().await.unwrap();
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn a_store_in_use_is_refused_as_by_the_server_and_what_is_none_is_told() {
    let directory = folder();
    let (backend, pods) = open(directory.path()).await;
    let refused = check(directory.path()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    put(&pods, "goes-on", 1).await;
    drop(pods);
    backend.close().await.unwrap();
    assert!(look(directory.path()).is_well());
    let empty = folder();
    assert!(matches!(check(empty.path()), Err(OpenError::NoStore(_))));
    assert!(matches!(check(&empty.path().join("nowhere")), Err(OpenError::NoStore(_))));
    assert!(files(empty.path()).is_empty());
}

/// What is done to a store, the key and the revision that the problem is about, and what is said.
type Case = (
    &'static str,
    Box<dyn Fn(&Sample, &DB)>,
    Option<&'static str>,
    fn(&Sample) -> Option<Revision>,
    &'static str,
);

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn cases() -> Vec<Case> {
    fn case(
        name: &'static str,
        key: Option<&'static str>,
        revision: fn(&Sample) -> Option<Revision>,
        fault: &'static str,
        damage: impl Fn(&Sample, &DB) + 'static,
    ) -> Case {
        (name, Box::new(damage), key, revision, fault)
    }
    let none: fn(&Sample) -> Option<Revision> = |_| None;
    vec![
        case("a cut latest entry", Some("/pods/ns/a"), none, "cut off", |_, db| {
            change(db, "latest", &latest("a"), |value| value.truncate(10));
        }),
        case(
            "a lost value",
            Some("/pods/ns/big"),
            |s| Some(s.big),
            "its value is missing",
            |s, db| {
                db.delete_cf(cf(db, "versions"), at(s.big)).unwrap();
            },
        ),
        case(
            "a lost replaced value",
            Some("/pods/ns/a"),
            |s| Some(s.a[1]),
            "its value is missing",
            |s, db| {
                db.delete_cf(cf(db, "versions"), at(s.a[1])).unwrap();
            },
        ),
        case(
            "an orphaned value",
            Some("/pods/"),
            |s| Some(s.gone[1]),
            "belongs neither",
            |s, db| {
                let value = db.get_cf(cf(db, "versions"), at(s.a[0])).unwrap().unwrap();
                db.put_cf(cf(db, "versions"), at(s.gone[1]), value).unwrap();
            },
        ),
        case(
            "other bytes in latest",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "other bytes",
            |_, db| {
                change(db, "latest", &latest("a"), |value| {
                    let at = value.len() - 5;
                    value[at] ^= 1;
                });
            },
        ),
        case(
            "another header of a large one",
            Some("/pods/ns/big"),
            |s| Some(s.big),
            "other bytes",
            |_, db| {
                change(db, "latest", &latest("big"), |value| *value.last_mut().unwrap() ^= 1);
            },
        ),
        case(
            "a value that is no JSON",
            Some("/pods/"),
            |s| Some(s.a[1]),
            "not an object",
            |s, db| {
                change(db, "versions", &at(s.a[1]), |value| *value.last_mut().unwrap() = b'x');
            },
        ),
        case(
            "a header with other labels",
            Some("/pods/"),
            |s| Some(s.a[0]),
            "another namespace",
            |s, db| {
                change(db, "versions", &at(s.a[0]), |value| {
                    let label = value.windows(3).position(|part| part == b"app").unwrap();
                    value[label] = b'b';
                });
            },
        ),
        case(
            "a header with another layout",
            Some("/pods/"),
            |s| Some(s.a[0]),
            "another layout",
            |s, db| {
                change(db, "versions", &at(s.a[0]), |value| value[11] ^= 1);
            },
        ),
        case(
            "a cut event",
            Some("/pods/"),
            |s| Some(s.a[1]),
            "its event is cut off",
            |s, db| {
                change(db, "history", &at(s.a[1]), |value| value.truncate(12));
            },
        ),
        case(
            "a broken chain",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "which made no object",
            |s, db| {
                change(db, "history", &at(s.a[2]), |value| {
                    value[..8].copy_from_slice(&s.gone[0].get().to_be_bytes());
                });
            },
        ),
        case(
            "another length of what was replaced",
            Some("/pods/ns/a"),
            |s| Some(s.a[0]),
            "bytes, and the event",
            |s, db| {
                change(db, "history", &at(s.a[1]), |value| value[12] ^= 1);
            },
        ),
        case(
            "a lost event",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "no event made the latest",
            |s, db| {
                db.delete_cf(cf(db, "history"), at(s.a[2])).unwrap();
            },
        ),
        case(
            "a lost object",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "not the latest state",
            |_, db| {
                db.delete_cf(cf(db, "latest"), latest("a")).unwrap();
            },
        ),
        case(
            "a deleted object that is there",
            Some("/pods/ns/gone"),
            |s| Some(s.gone[1]),
            "this event is newer",
            |s, db| {
                let mut entry = db.get_cf(cf(db, "latest"), latest("a")).unwrap().unwrap();
                entry[..8].copy_from_slice(&s.gone[0].get().to_be_bytes());
                db.put_cf(cf(db, "latest"), latest("gone"), entry).unwrap();
            },
        ),
        case(
            "an older latest state",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "this event is newer",
            |s, db| {
                change(db, "latest", &latest("a"), |value| {
                    value[..8].copy_from_slice(&s.a[0].get().to_be_bytes());
                });
            },
        ),
        case(
            "a lost deadline",
            Some("/pods/ns/expiring"),
            |s| Some(s.expiring),
            "deadlines does not say so",
            |s, db| {
                let key = [&s.deadline[..], &at(s.expiring)].concat();
                db.delete_cf(cf(db, "deadlines"), key).unwrap();
            },
        ),
        case(
            "a deadline of nothing",
            Some("/pods/ns/a"),
            |s| Some(s.a[2]),
            "is that of no object",
            |s, db| {
                let key = [&s.deadline[..], &at(s.a[2])].concat();
                db.put_cf(cf(db, "deadlines"), key, "ns/a").unwrap();
            },
        ),
        case("a cut deadline", None, none, "cut off", |_, db| {
            db.put_cf(cf(db, "deadlines"), "x", "ns/a").unwrap();
        }),
        case("other counts", Some("/pods/"), none, "meta counts 5 objects, and there are 4", |_, db| {
            change(db, "meta", b"counters\0\0\0\0", |value| value[7] += 1);
        }),
        case("another size of history", Some("/pods/"), none, "bytes of history", |_, db| {
            change(db, "meta", b"counters\0\0\0\0", |value| value[31] ^= 1);
        }),
        case(
            "another beginning of history",
            Some("/pods/ns/a"),
            |s| Some(s.a[0]),
            "history begins after",
            |s, db| {
                change(db, "meta", b"counters\0\0\0\0", |value| {
                    value[32..].copy_from_slice(&s.a[0].get().to_be_bytes());
                });
            },
        ),
        case(
            "a revision above the reserved ones",
            None,
            |s| Some(Revision::new(s.a[0].get() + (1 << 40))),
            "the last that was issued",
            |s, db| {
                let above = (s.a[0].get() + (1 << 40)).to_be_bytes();
                db.put_cf(cf(db, "meta"), "closed", above).unwrap();
                db.put_cf(cf(db, "meta"), "revision", above).unwrap();
            },
        ),
        case(
            "a revision in a gap",
            Some("/pods/ns/a"),
            |s| Some(s.a[1]),
            "in the gap",
            |s, db| {
                let key = [b"gap", &s.a[2].get().to_be_bytes()[..]].concat();
                db.put_cf(cf(db, "meta"), key, s.a[0].get().to_be_bytes()).unwrap();
            },
        ),
        case(
            "a mark of no time",
            None,
            |_| Some(Revision::new(7)),
            "a mark there",
            |_, db| {
                let key = [b"mark", &7_u64.to_be_bytes()[..]].concat();
                db.put_cf(cf(db, "meta"), key, [0; 24]).unwrap();
            },
        ),
        case(
            "a compaction that did not happen",
            None,
            |s| Some(Revision::new(s.a[0].get() + (1 << 19))),
            "the compacted one",
            |s, db| {
                db.put_cf(cf(db, "meta"), "compacted", (s.a[0].get() + (1 << 19)).to_be_bytes()).unwrap();
            },
        ),
        case("an unknown entry", None, none, "makes no sense: what", |_, db| {
            db.put_cf(cf(db, "meta"), "what", "ever").unwrap();
        }),
        case("a resource of no number", None, none, "latest has a key of no resource", |_, db| {
            db.put_cf(cf(db, "latest"), b"\0\0\0\x09ns/a", "x").unwrap();
        }),
        case("a key that is no text", Some("/pods/"), none, "no text", |_, db| {
            db.put_cf(cf(db, "latest"), b"\0\0\0\0ns/\xff", "x").unwrap();
        }),
    ]
}

#[tokio::test]
async fn what_does_not_fit_together_is_told_with_its_key_and_revision() {
    let sample = Sample::new().await;
    for (name, damage, key, revision, fault) in cases() {
        let image = killed(sample.path());
        with_engine(image.path(), |db| damage(&sample, db));
        let before = files(image.path());
        let report = look(image.path());
        assert!(files(image.path()) == before, "{name}: it has changed nothing");
        let revision = revision(&sample);
        let told = report.problems.iter().any(|problem| {
            problem.key.as_ref().map(watchkeep_storage::Key::as_str) == key
                && problem.revision == revision
                && problem.fault.contains(fault)
        });
        assert!(told, "{name}: {key:?} {revision:?} {fault} is not in:\n{report}");
        assert!(!report.to_string().contains("no errors"));
    }
}

#[tokio::test]
async fn damaged_files_are_told_by_their_names() {
    let sample = Sample::new().await;
    let tables = engine_files(sample.path(), "sst");
    assert!(tables.len() >= 4, "{tables:?}");
    for table in &tables {
        let image = killed(sample.path());
        let file = image.path().join(table.strip_prefix(sample.path()).unwrap());
        // The first block holds data.
        flip(&file, 20);
        let report = look(image.path());
        let name = file.file_name().unwrap().to_str().unwrap();
        let told = report.problems.iter().any(|problem| {
            problem.file.as_ref().is_some_and(|told| told.ends_with(name))
                && problem.fault.contains("checksum")
        });
        assert!(told, "{name} is not in:\n{report}");
    }
}

#[tokio::test]
async fn two_damaged_files_are_both_told() {
    let sample = Sample::new().await;
    let tables = engine_files(sample.path(), "sst");
    for table in &tables {
        flip(table, 20);
    }
    let report = look(sample.path());
    let told = |table: &std::path::PathBuf| {
        report.problems.iter().any(|problem| problem.file.as_ref() == Some(table))
    };
    assert!(tables.iter().all(told), "{tables:?} are not all in:\n{report}");
}

#[tokio::test]
async fn a_damaged_log_is_told_by_its_name() {
    let directory = folder();
    let (_backend, pods) = open(directory.path()).await;
    for at in 0..20 {
        put(&pods, &format!("a-{at}"), 500).await;
    }
    let image = killed(directory.path());
    let logs = engine_files(image.path(), "log");
    let log = logs.last().unwrap();
    flip(log, std::fs::read(log).unwrap().len() / 2);
    let report = look(image.path());
    assert_eq!(report.problems.len(), 1, "{report}");
    assert_eq!(report.problems[0].file.as_ref(), Some(log));
    assert!(report.to_string().contains("an acknowledged write is damaged at byte"), "{report}");
}
