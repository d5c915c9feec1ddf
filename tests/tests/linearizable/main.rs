//! Concurrent clients of a server see one thing after the other, over HTTP, whatever happens to the server: it is
//! killed and started again, halted, its disk is full, its etcd halts or dies. Their watches go on where they were.
//! `watchkeep_proof::linear` says what is checked, and `WATCHKEEP_SEED` replays the chances of a run, though not
//! its timing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "real processes run on real time")]

mod clients;
mod wire;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use watchkeep_proof::linear::{Scope, Summary, check};
use watchkeep_proof::prove::{fresh, seeds};
use watchkeep_tests::chance::Chance;
use watchkeep_tests::etcd::Etcd;
use watchkeep_tests::load::pause;
use watchkeep_tests::power::image::Image;
use watchkeep_tests::power::interposer::{Interposed, Interposer};
use watchkeep_tests::server::Server;
use watchkeep_tests::soak;

use self::clients::{Manner, Watcher, Writer};
use self::wire::{NAMESPACES, Wire};

const WRITERS: usize = 8;
/// How often something happens to the server.
const HARMS: u32 = 8;
/// Within which it happens.
const UP_TO_MILLIS: usize = 250;
/// For how long a process is halted, and a disk full.
const HALT: Duration = Duration::from_millis(150);
/// So much history that who reads keeps up, and who naps does not always.
const HISTORY: [&str; 2] = ["--history-bytes", "512Ki"];

/// A server, and what can happen to it.
trait World {
    fn address(&self) -> String;

    /// Lets something happen, and waits until the server serves again.
    fn harm(&mut self, chance: &mut Chance);
}

struct Memory(Server);

impl World for Memory {
    fn address(&self) -> String {
        self.0.address().to_owned()
    }

    fn harm(&mut self, _: &mut Chance) {
        halted(&self.0);
    }
}

/// A store on a disk that can be full. The server is only away while it is started again.
struct Rocks {
    disk: Interposed,
    server: Option<Server>,
}

impl Rocks {
    const FLAGS: [&str; 4] = [HISTORY[0], HISTORY[1], "--write-buffer-bytes", "2Mi"];

    fn start() -> Self {
        let mut disk = Interposed::new(&Interposer::build().unwrap(), Image::default()).unwrap();
        let server = Some(disk.start(&Self::FLAGS).unwrap());
        Self { disk, server }
    }
}

impl World for Rocks {
    fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_owned()
    }

    fn harm(&mut self, chance: &mut Chance) {
        match chance.up_to(4) {
            0 => halted(self.server.as_ref().unwrap()),
            1 => {
                self.disk.set_quota(Some(0)).unwrap();
                pause(HALT);
                self.disk.set_quota(None).unwrap();
            }
            _ => {
                self.server.take().unwrap().kill().unwrap();
                self.server = Some(self.disk.start(&Self::FLAGS).unwrap());
            }
        }
    }
}

struct OnEtcd {
    server: Option<Server>,
    etcd: Etcd,
}

impl OnEtcd {
    fn start() -> Self {
        let etcd = Etcd::start().unwrap();
        Self { server: Some(Self::serve(&etcd)), etcd }
    }

    fn serve(etcd: &Etcd) -> Server {
        Server::start_with(["--backend", "etcd3", "--etcd-servers", etcd.url()]).unwrap()
    }
}

impl World for OnEtcd {
    fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_owned()
    }

    fn harm(&mut self, chance: &mut Chance) {
        match chance.up_to(3) {
            0 => {
                self.server.take().unwrap().kill().unwrap();
                self.server = Some(Self::serve(&self.etcd));
            }
            1 => halted(self.server.as_ref().unwrap()),
            2 => {
                self.etcd.halt().unwrap();
                pause(HALT);
                self.etcd.go_on().unwrap();
            }
            _ => self.etcd.restart().unwrap(),
        }
    }
}

/// Halts a server for a moment.
fn halted(server: &Server) {
    let id = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    pause(HALT);
    kill_process(id, Signal::CONT).unwrap();
}

/// Tells everybody to stop where the test fails, so that it does not wait for them.
struct GiveUp<'a>(&'a AtomicBool);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// Lets clients loose on a server while things happen to it, and checks what they were told.
fn hold(seed: u64, mut world: impl World) -> Summary {
    eprintln!("WATCHKEEP_SEED={seed}");
    let (wire, over, failed) = (Wire::default(), AtomicBool::new(false), AtomicBool::new(false));
    wire.moved_to(&world.address());
    let mut chance = Chance::new(seed);
    let watchers = [
        (Scope::All, Manner::Faithful),
        (Scope::All, Manner::Slow),
        (Scope::All, Manner::Fickle),
        (Scope::Under(format!("{}/", NAMESPACES[0])), Manner::Forgetful),
        (Scope::All, Manner::Streaming),
    ];
    let writer = |client, seed| Writer {
        wire: &wire,
        client,
        chance: Chance::new(seed),
        known: BTreeMap::new(),
        reached: 0,
    };
    let worked: Result<Vec<()>, String> = thread::scope(|scope| {
        let _give_up = (GiveUp(&failed), GiveUp(&over));
        let (ready, witness) = mpsc::channel();
        let mut ready = Some(ready);
        let mut clients = Vec::new();
        for (number, (of, manner)) in watchers.into_iter().enumerate() {
            let chance = Chance::new(chance.draw());
            let watcher =
                Watcher { wire: &wire, client: WRITERS + number, chance, scope: of, manner, session: None };
            let ready = ready.take();
            let failed = &failed;
            clients.push(scope.spawn(move || watcher.follow(ready, failed)));
        }
        // Before anything is written, somebody watches.
        witness.recv().unwrap();
        let mut writers = Vec::new();
        for client in 0..WRITERS {
            let (writer, over) = (writer(client, chance.draw()), &over);
            writers.push(scope.spawn(move || writer.work(over)));
        }
        for _ in 0..HARMS {
            pause(Duration::from_millis(50 + chance.up_to(UP_TO_MILLIS) as u64));
            world.harm(&mut chance);
            wire.moved_to(&world.address());
        }
        pause(HALT);
        over.store(true, Ordering::SeqCst);
        let join = |client: thread::ScopedJoinHandle<'_, _>| {
            client.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        let mut worked: Vec<Result<(), String>> = writers.into_iter().map(join).collect();
        worked.extend(NAMESPACES.map(|namespace| writer(WRITERS, 0).end(namespace)));
        worked.extend(clients.into_iter().map(join));
        worked.into_iter().collect()
    });
    worked.unwrap_or_else(|reason| panic!("WATCHKEEP_SEED={seed}: {reason}"));
    let summary = check(&wire.recorder.history());
    let summary = summary.unwrap_or_else(|violation| panic!("WATCHKEEP_SEED={seed}: {violation}"));
    eprintln!("{summary:?}");
    assert_eq!(summary.searched.undecided, 0, "WATCHKEEP_SEED={seed}");
    summary
}

/// A long run with fresh seeds where one was asked for; otherwise a fixed one and a fresh one. Returns how many
/// writes were of unknown outcome.
fn hold_all<W: World>(start: impl Fn() -> W) -> usize {
    let mut summaries = Vec::new();
    if soak::is_long() {
        let begin = Instant::now();
        loop {
            summaries.push(hold(fresh(), start()));
            if begin.elapsed() >= soak::duration() {
                break;
            }
        }
    } else {
        summaries.extend(seeds(&[1]).into_iter().map(|seed| hold(seed, start())));
    }
    let sum = |of: fn(&Summary) -> usize| summaries.iter().map(of).sum::<usize>();
    let (commits, refused) = (sum(|summary| summary.commits), sum(|summary| summary.refused));
    assert!(commits > 50 && refused > 50, "too little to tell: {commits} commits, {refused} refusals");
    assert!(sum(|summary| summary.events) > commits, "too few events to tell");
    sum(|summary| summary.unknown)
}

#[test]
fn a_soak_of_clients_of_a_server_that_halts_sees_one_thing_after_the_other() {
    hold_all(|| Memory(Server::start_with(["--backend", "memory"].into_iter().chain(HISTORY)).unwrap()));
}

#[test]
fn a_soak_of_clients_of_a_server_that_is_killed_sees_one_thing_after_the_other() {
    assert!(hold_all(Rocks::start) > 0, "nothing was cut off");
}

#[test]
fn a_soak_of_clients_of_a_server_whose_etcd_is_killed_sees_one_thing_after_the_other() {
    assert!(hold_all(OnEtcd::start) > 0, "nothing was cut off");
}
