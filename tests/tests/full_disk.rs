//! A disk that is full, and one that fails to sync: writes are refused with the reason, everything else
//! goes on, and so do writes as soon as they can, without a restart. Nothing acknowledged is lost.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;
use watchkeep_tests::chance::Chance;
use watchkeep_tests::http::{Answer, Lines, send};
use watchkeep_tests::known::{Known, WATCH};
use watchkeep_tests::load::{self, Attempt, Load, PATH, pause, put, revision_of};
use watchkeep_tests::power::arrives_in_order;
use watchkeep_tests::power::image::Image;
use watchkeep_tests::power::interposer::{Interposed, Interposer, Syncs};
use watchkeep_tests::process::ProcessError;
use watchkeep_tests::server::{Server, ServerError};
use watchkeep_tests::tmpfs::Tmpfs;

const LOAD: Load = Load { writers: 3, objects: 4, bytes: 20_000, deletes: false, refusals: true };
/// Small, so that the log and the tables have room on a small disk.
const FLAGS: [&str; 2] = ["--write-buffer-bytes", "2Mi"];
const TMPFS_SIZE: &str = "96m";

/// How long writes may take to go on once they could.
const RESUMES_WITHIN: Duration = Duration::from_secs(20);
/// How many outcomes of a loss of power are looked at.
const OUTCOMES: u32 = 4;
/// How often the server is asked while the disk is full, and how long between.
const LOOKS: u32 = 25;
const BETWEEN: Duration = Duration::from_millis(100);

/// A disk that can be full.
enum Disk {
    /// A file takes all the room there is.
    Tmpfs(Tmpfs),
    /// The C library says so.
    Quota(Interposed),
}

impl Disk {
    fn interposed() -> Self {
        let interposer = Interposer::build().unwrap();
        Self::Quota(Interposed::new(&interposer, Image::default()).unwrap())
    }

    fn start(&mut self) -> Server {
        match self {
            Self::Quota(directory) => directory.start(&FLAGS).unwrap(),
            Self::Tmpfs(tmpfs) => {
                let directory = tmpfs.path().join("data");
                let flags = ["--backend", "rocksdb", "--data-dir", directory.to_str().unwrap()];
                Server::start_with(flags.into_iter().chain(FLAGS)).unwrap()
            }
        }
    }

    /// Takes all the room that there is now.
    fn fill(&self) {
        match self {
            Self::Quota(directory) => directory.set_quota(Some(0)).unwrap(),
            Self::Tmpfs(_) => {
                let mut filler = File::options().create(true).append(true).open(self.filler()).unwrap();
                for size in [1 << 20, 4096] {
                    while filler.write_all(&vec![1; size]).is_ok() {}
                }
            }
        }
    }

    fn free(&self) {
        match self {
            Self::Quota(directory) => directory.set_quota(None).unwrap(),
            Self::Tmpfs(_) => fs::remove_file(self.filler()).unwrap(),
        }
    }

    fn filler(&self) -> PathBuf {
        match self {
            Self::Quota(directory) => directory.data_dir(),
            Self::Tmpfs(tmpfs) => tmpfs.path().join("filler"),
        }
    }
}

/// A client that writes one object, to see whether that can be done.
struct Probe {
    address: String,
    counter: u64,
    attempts: Vec<Attempt>,
}

impl Probe {
    const NAME: &str = "writer-of-probes";

    fn new(server: &Server) -> Self {
        Self { address: server.address().to_owned(), counter: 0, attempts: Vec::new() }
    }

    /// Writes; the answer is the object's, or says why not.
    fn write(&mut self) -> Answer {
        self.counter += 1;
        let next = Some(self.counter);
        let mut answer = put(&self.address, Self::NAME, Some(0), next, 100).unwrap();
        if answer.status == 404 {
            answer = put(&self.address, Self::NAME, None, next, 100).unwrap();
        }
        let acknowledged = matches!(answer.status, 200 | 201);
        let revision = acknowledged.then(|| revision_of(&answer.json().unwrap()).unwrap());
        self.attempts.push(Attempt { name: Self::NAME.to_owned(), content: next, acknowledged, revision });
        answer
    }

    /// Writes until an answer is as awaited.
    fn write_until(&mut self, awaited: impl Fn(&Answer) -> bool) -> Answer {
        let (mut waited, step) = (Duration::ZERO, Duration::from_millis(20));
        loop {
            let answer = self.write();
            if awaited(&answer) {
                return answer;
            }
            assert!(waited < RESUMES_WITHIN, "still {answer:?}");
            pause(step);
            waited += step;
        }
    }

    fn get(&self, path: &str) -> Answer {
        send(&self.address, "GET", path, None).unwrap()
    }

    /// Reads go on: of an object, of all, and of what happened since.
    fn read_everything(&self, since: u64) {
        for path in [&*format!("{PATH}/{}", Self::NAME), PATH, "/livez"] {
            let answer = self.get(path);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        let mut watch = Lines::get(&self.address, &format!("{WATCH}{since}")).unwrap();
        assert_eq!(watch.status, 200);
        assert!(watch.next_line().unwrap().unwrap().contains("\"ADDED\""));
    }

    /// What was tried, for who knows the rest.
    fn tell(self, known: &mut Known) {
        self.attempts.into_iter().for_each(|attempt| known.remember(attempt));
    }
}

fn is_acknowledged(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 201)
}

/// A refusal of a write: a Status that says what happened.
fn assert_refused(answer: &Answer, reason: &str) {
    let status = answer.json().unwrap();
    let text = |place| status.pointer(place).and_then(Json::as_str).unwrap();
    assert_eq!((answer.status, text("/kind"), text("/status")), (500, "Status", "Failure"), "{answer:?}");
    assert!(text("/message").contains(reason), "{answer:?}");
}

/// Fills the disk under clients that write and watch, makes room again, kills the server and looks.
fn fill_and_free(mut disk: Disk) {
    let mut chance = Chance::from_environment();
    let server = disk.start();
    let mut known = Known::begin(server.address()).unwrap();
    known.burns = true;
    let since = known.newest;
    let mut watchers = vec![known.watcher(), known.watcher()];
    let address = server.address().to_owned();
    let mut probe = Probe::new(&server);
    let worked = load::run(&address, &mut known, &mut watchers, LOAD, || {
        probe.write_until(is_acknowledged);
        pause(Duration::from_millis(300));
        disk.fill();
        let refused = probe.write_until(|answer| !is_acknowledged(answer));
        assert_refused(&refused, "No space left on device");
        let mut refusals = 0;
        for _ in 0..LOOKS {
            // What the engine gives up meanwhile is no room for anybody.
            disk.fill();
            let answer = probe.write();
            if !is_acknowledged(&answer) {
                assert_refused(&answer, "No space left on device");
                refusals += 1;
            }
            probe.read_everything(since);
            pause(BETWEEN);
        }
        assert!(refusals > LOOKS / 2, "the disk was not full: {refusals} refusals");
        assert_eq!(probe.get("/readyz").status, 500, "who cannot write is not ready");
        disk.free();
        probe.write_until(is_acknowledged);
        assert_eq!(probe.get("/readyz").status, 200);
        pause(Duration::from_millis(300));
        assert_eq!(probe.write().status, 200);
        server.kill().unwrap();
    });
    worked.unwrap();
    probe.tell(&mut known);
    let server = disk.start();
    known.check(server.address(), &watchers, &mut chance).unwrap();
    assert!(watchers.iter().all(|watcher| watcher.events.len() > 10), "{watchers:?}");
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    if let Some(tmpfs) = Tmpfs::mount(TMPFS_SIZE).unwrap() {
        eprintln!("the disk is a tmpfs of {TMPFS_SIZE}");
        fill_and_free(Disk::Tmpfs(tmpfs));
    } else {
        eprintln!("the disk is full by a quota of the interposer");
        fill_and_free(Disk::interposed());
    }
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_write_loses_nothing() {
    fill_and_free(Disk::interposed());
}

#[test]
fn a_start_on_a_full_disk_says_so_and_the_next_one_finds_everything() {
    let mut chance = Chance::from_environment();
    let mut directory = Interposed::new(&Interposer::build().unwrap(), Image::default()).unwrap();
    let server = directory.start(&FLAGS).unwrap();
    let mut known = Known::begin(server.address()).unwrap();
    let mut watchers = vec![known.watcher()];
    let address = server.address().to_owned();
    let worked = load::run(&address, &mut known, &mut watchers, LOAD, || {
        pause(Duration::from_millis(400));
        server.kill().unwrap();
    });
    worked.unwrap();
    let mut refused = 0;
    for bytes in [0, 10, 100, 1000, 10_000, 100_000] {
        directory.set_quota(Some(bytes)).unwrap();
        match directory.start(&FLAGS) {
            // It serves what it has; that it takes writes again once it can is another test's.
            Ok(server) => drop(server.kill().unwrap()),
            Err(ServerError::Process(ProcessError::Ended { stderr, .. })) => {
                let last = stderr.lines().last().unwrap_or_default();
                assert!(last.starts_with("error: ") && last.contains("No space left on device"), "{stderr}");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0, "the disk was not full");
    directory.set_quota(None).unwrap();
    let server = directory.start(&FLAGS).unwrap();
    known.check(server.address(), &watchers, &mut chance).unwrap();
}

/// Has syncs fail under clients, then loses power: what a failed sync left behind may never arrive.
fn fail_syncs(load: Load, of: Syncs) {
    let interposer = Interposer::build().unwrap();
    let mut chance = Chance::from_environment();
    let mut directory = Interposed::new(&interposer, Image::default()).unwrap();
    let server = directory.start(&FLAGS).unwrap();
    let mut known = Known::begin(server.address()).unwrap();
    known.burns = true;
    let since = known.newest;
    let mut watchers = vec![known.watcher()];
    let address = server.address().to_owned();
    let mut probe = Probe::new(&server);
    let worked = load::run(&address, &mut known, &mut watchers, load, || {
        for _ in 0..3 {
            let before = revision_of(&probe.write_until(is_acknowledged).json().unwrap()).unwrap();
            directory.fail_next_sync(of).unwrap();
            if load.writers == 0 {
                assert_refused(&probe.write(), "Input/output error");
            }
            probe.read_everything(since);
            while !directory.sync_has_failed(of).unwrap() {
                probe.write();
            }
            let after = revision_of(&probe.write_until(is_acknowledged).json().unwrap()).unwrap();
            assert!(after > before + 1, "the revision of the write that failed is burnt, or was committed");
        }
        server.kill().unwrap();
    });
    worked.unwrap();
    probe.tell(&mut known);
    let disk = directory.disk(chance.draw()).unwrap();
    for _ in 0..OUTCOMES {
        let image = disk.after_power_loss(&mut chance, arrives_in_order);
        let mut directory = Interposed::new(&interposer, image).unwrap();
        let server = directory.start(&FLAGS).unwrap();
        known.clone().check(server.address(), &watchers, &mut chance).unwrap();
    }
}

#[test]
fn a_sync_that_fails_refuses_the_write_and_the_store_goes_on() {
    fail_syncs(Load { writers: 0, ..LOAD }, Syncs::Log);
}

#[test]
fn syncs_that_fail_under_many_writers_lose_nothing() {
    fail_syncs(LOAD, Syncs::All);
}
