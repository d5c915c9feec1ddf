//! A server on the disk that is killed while it is written to and watched: what it has acknowledged is
//! there, its revisions go on above everything that anybody has seen, and watches go on where they were.
//!
//! What the system has of a killed process stays: `power_loss` asks what is on the disk.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use watchkeep_tests::chance::{Chance, number};
use watchkeep_tests::known::Known;
use watchkeep_tests::load::{self, Load, pause};
use watchkeep_tests::server::Server;
use watchkeep_tests::soak;

/// How often the server is killed, and how often in a soak; `WATCHKEEP_KILLS` says otherwise.
const KILLS: u64 = 20;
const SOAK_KILLS: u64 = 1000;
/// History is read from the beginning for as many kills, and then from where they were.
const KILLS_REMEMBERED: u64 = 5;

const LOAD: Load = Load { writers: 4, objects: 5, bytes: 8000, deletes: true, refusals: false };

fn start(directory: &Path) -> Server {
    let directory = directory.to_str().unwrap();
    Server::start_with(["--backend", "rocksdb", "--data-dir", directory]).unwrap()
}

#[test]
fn every_acknowledged_write_survives_a_soak_of_kills_and_watches_go_on() {
    let directory = TempDir::with_prefix("watchkeep-crash-").unwrap();
    let mut chance = Chance::from_environment();
    let mut server = start(directory.path());
    let mut known = Known::begin(server.address()).unwrap();
    let mut watchers = vec![known.watcher(), known.watcher(), known.watcher()];
    for kill in 1..=number("WATCHKEEP_KILLS", if soak::is_long() { SOAK_KILLS } else { KILLS }) {
        let during = Duration::from_millis(30 + chance.up_to(300) as u64);
        let address = server.address().to_owned();
        let worked = load::run(&address, &mut known, &mut watchers, LOAD, || {
            pause(during);
            server.kill().unwrap();
        });
        worked.map_err(|reason| format!("before kill {kill}: {reason}")).unwrap();
        server = start(directory.path());
        let checked = known.check(server.address(), &watchers, &mut chance);
        checked.map_err(|reason| format!("after kill {kill}: {reason}")).unwrap();
        if kill % KILLS_REMEMBERED == 0 {
            known.forget(&mut watchers);
        }
    }
    assert!(known.acknowledged > 100, "too few writes to tell: {}", known.acknowledged);
    eprintln!("{} acknowledged writes", known.acknowledged);
    assert_eq!(server.stop().unwrap().code(), Some(0));
}
