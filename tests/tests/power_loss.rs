//! A server whose machine loses power while it is written to: what it has acknowledged is there, and
//! nothing that anybody saw is taken back.
//!
//! `watchkeep_tests::power` says how power is lost here.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use watchkeep_tests::chance::{Chance, number};
use watchkeep_tests::known::Known;
use watchkeep_tests::load::{self, Load, Watcher, pause};
use watchkeep_tests::power::arrives_in_order;
use watchkeep_tests::power::disk::Disk;
use watchkeep_tests::power::image::Image;
use watchkeep_tests::power::interposer::{Interposed, Interposer};
use watchkeep_tests::power::journal::Record;
use watchkeep_tests::server::Server;
use watchkeep_tests::soak;

/// How often the power is lost, and how often in a soak; `WATCHKEEP_POWER_LOSSES` says otherwise.
const LOSSES: u64 = 24;
const SOAK_LOSSES: u64 = 500;
/// History is read from the beginning for as many losses, and then from where they were.
const LOSSES_REMEMBERED: u64 = 5;

const SMALL: Load = Load { writers: 4, objects: 5, bytes: 6000, deletes: true, refusals: false };
/// Large enough that memory is flushed, logs are switched and files are compacted all the time.
const LARGE: Load = Load { bytes: 120_000, ..SMALL };
const SMALL_BUFFERS: &[&str] = &["--write-buffer-bytes", "1Mi", "--history-bytes", "1Gi"];

/// How often the engine did, while clients were at work, what a loss of power could hurt.
#[derive(Debug, Default)]
struct Seen {
    /// Switches to another log.
    logs: usize,
    /// Tables that were written.
    tables: usize,
    /// Tables that were given up, because others took their content.
    compacted: usize,
}

impl Seen {
    fn count(&mut self, journal: Vec<Record>) {
        for record in journal {
            let (Record::Open { path, .. } | Record::Unlink(path)) = &record else { continue };
            let extension = Path::new(path).extension().and_then(OsStr::to_str);
            match (extension, &record) {
                (Some("log"), Record::Open { create: true, .. }) => self.logs += 1,
                (Some("sst"), Record::Open { create: true, .. }) => self.tables += 1,
                (Some("sst"), Record::Unlink(_)) => self.compacted += 1,
                _ => {}
            }
        }
    }
}

/// A store that loses power again and again.
struct Losses {
    interposer: Interposer,
    chance: Chance,
    flags: &'static [&'static str],
    load: Load,
    /// For how long clients are at work at most.
    load_millis: usize,
    syncs: bool,
    seen: Seen,
}

impl Losses {
    fn new(load: Load, flags: &'static [&'static str], salt: u64) -> Self {
        let seed = Chance::from_environment().draw() ^ salt;
        let (interposer, chance) = (Interposer::build().unwrap(), Chance::new(seed));
        Self { interposer, chance, flags, load, load_millis: 400, syncs: true, seen: Seen::default() }
    }

    fn start(&self, image: Image) -> Result<(Interposed, Server), String> {
        let mut directory = Interposed::new(&self.interposer, image).unwrap();
        if !self.syncs {
            directory.ignore_log_syncs().unwrap();
        }
        let server = directory.start(self.flags).map_err(|error| error.to_string())?;
        Ok((directory, server))
    }

    /// Has the clients at work for a while, and ends the server under them: mostly in the middle of
    /// something, and at times as it ends by itself, which may leave no more to chance than a kill.
    fn work(
        &mut self,
        directory: &Interposed,
        server: Server,
        known: &mut Known,
        watchers: &mut [Watcher],
    ) -> Result<(), String> {
        // One in four losses comes soon after the start.
        let longest = if self.chance.one_in(4) { 30 } else { self.load_millis };
        let during = Duration::from_millis(self.chance.up_to(longest) as u64);
        let address = server.address().to_owned();
        let before = directory.journal().unwrap().len();
        let politely = self.chance.one_in(6);
        load::run(&address, known, watchers, self.load, || {
            pause(during);
            if politely {
                assert_eq!(server.stop().unwrap().code(), Some(0));
            } else {
                server.kill().unwrap();
            }
        })?;
        self.seen.count(directory.journal().unwrap().split_off(before));
        Ok(())
    }

    /// What the disk holds after a loss now; and, once in three times, after another one at any moment of
    /// the recovery from it.
    fn lose(&mut self, directory: &Interposed) -> Result<Image, String> {
        let disk = directory.disk(self.chance.draw()).unwrap();
        let image = disk.after_power_loss(&mut self.chance, arrives_in_order);
        if !self.chance.one_in(3) {
            return Ok(image);
        }
        let (recovering, server) = self.start(image)?;
        server.kill().unwrap();
        Ok(self.cut(&recovering))
    }

    /// What the disk holds when the power goes at any moment between the start and the end of a server.
    fn cut(&mut self, directory: &Interposed) -> Image {
        let mut records = directory.journal().unwrap();
        records.truncate(self.chance.up_to(records.len()));
        let mut disk = Disk::new(directory.before(), self.chance.draw());
        disk.replay(&records).unwrap();
        disk.after_power_loss(&mut self.chance, arrives_in_order)
    }

    /// Loses power so many times; tells the broken promise, if one is.
    fn run(&mut self, losses: u64) -> Result<Known, String> {
        let (mut directory, mut server) = self.start(Image::default())?;
        let mut known = Known::begin(server.address())?;
        let mut watchers = vec![known.watcher(), known.watcher()];
        for loss in 1..=losses {
            let worked = self.work(&directory, server, &mut known, &mut watchers);
            worked.map_err(|reason| format!("before loss {loss}: {reason}"))?;
            let started = self.lose(&directory).and_then(|image| self.start(image));
            (directory, server) =
                started.map_err(|reason| format!("at the start after loss {loss}: {reason}"))?;
            let checked = known.check(server.address(), &watchers, &mut self.chance);
            checked.map_err(|reason| format!("after loss {loss}: {reason}\n{}", server.log_so_far()))?;
            if loss % LOSSES_REMEMBERED == 0 {
                known.forget(&mut watchers);
            }
        }
        eprintln!("{} acknowledged writes, {losses} losses, {:?}", known.acknowledged, self.seen);
        Ok(known)
    }
}

fn losses() -> u64 {
    number("WATCHKEEP_POWER_LOSSES", if soak::is_long() { SOAK_LOSSES } else { LOSSES })
}

#[test]
fn every_acknowledged_write_survives_a_soak_of_power_losses() {
    let mut test = Losses::new(SMALL, &[], 1);
    let known = test.run(losses()).unwrap();
    assert!(known.acknowledged > 100, "too few writes to tell: {}", known.acknowledged);
}

#[test]
fn a_soak_of_power_losses_between_flushes_and_compactions_loses_nothing() {
    let mut test = Losses::new(LARGE, SMALL_BUFFERS, 2);
    test.load_millis = 1200;
    test.run(losses() / 2).unwrap();
    let Seen { logs, tables, compacted } = test.seen;
    assert!(logs > 4 && tables > 8 && compacted > 4, "too little happened to tell: {:?}", test.seen);
}

#[test]
fn a_store_whose_first_start_was_cut_off_anywhere_opens_and_keeps_what_it_acknowledges() {
    let mut test = Losses::new(SMALL, &[], 4);
    let (first, server) = test.start(Image::default()).unwrap();
    server.kill().unwrap();
    for _ in 0..losses() / 3 {
        let image = test.cut(&first);
        let paths: Vec<_> = image.0.keys().cloned().collect();
        let (directory, server) = test.start(image).unwrap();
        let mut known = Known::begin(server.address()).unwrap();
        // It writes; and that is there after the next loss.
        known.check(server.address(), &[], &mut test.chance).unwrap();
        server.kill().unwrap();
        let disk = directory.disk(test.chance.draw()).unwrap();
        let image = disk.after_power_loss(&mut test.chance, arrives_in_order);
        let (_directory, server) = test.start(image).unwrap();
        let checked = known.check(server.address(), &[], &mut test.chance);
        checked.map_err(|reason| format!("{reason}, after a first start that left {paths:?}")).unwrap();
    }
}

#[test]
fn the_journal_tells_every_byte_that_lies_there() {
    let mut test = Losses::new(LARGE, SMALL_BUFFERS, 5);
    let (directory, server) = test.start(Image::default()).unwrap();
    let mut known = Known::begin(server.address()).unwrap();
    let address = server.address().to_owned();
    let load = Load { refusals: true, ..test.load };
    let worked = load::run(&address, &mut known, &mut [], load, || {
        pause(Duration::from_millis(500));
        assert_eq!(server.stop().unwrap().code(), Some(0));
    });
    worked.unwrap();
    let journaled = directory.disk(test.chance.draw()).unwrap().live();
    let differences = journaled.differences(&Image::read(&directory.path()).unwrap());
    assert!(differences.is_empty(), "{differences:?}");
    assert!(known.acknowledged > 0);
}

#[test]
fn a_store_that_does_not_sync_is_caught() {
    let mut test = Losses::new(SMALL, &[], 3);
    test.syncs = false;
    let broken = test.run(8).unwrap_err();
    // By what clients see, or by the store itself, where bytes are left that were not to be the last.
    let lost = [
        "lost",
        "can only be",
        "was seen",
        "an acknowledged write is damaged",
        "writes are missing",
        "meta data are gone",
    ];
    assert!(lost.iter().any(|words| broken.contains(words)), "{broken}");
}
