//! Hours of a cache, by seed, on a paused clock: writes at changing rates, watches of every manner that come, go, fall
//! behind and resume, lists, compactions, and a store whose watches break and whose lists fail. Every stream and every
//! list is held against the oracle; at the end nothing is left.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod chance;
mod hours;
mod lister;
mod reader;
mod shaky;
mod writer;

use std::time::Duration;

use watchkeep_proof::prove::{fresh, seeds};
use watchkeep_storage::Environment;
use watchkeep_tests::soak;

use self::hours::{Tally, run};

/// How long one run lasts, on its own clock.
const RUN: Duration = Duration::from_mins(90);

fn live(seed: u64, length: Duration) -> Tally {
    eprintln!("seed {seed}: WATCHKEEP_SEED={seed} replays it");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let tally = runtime.block_on(run(seed, length));
    eprintln!("seed {seed}: {tally:?}");
    tally
}

#[test]
fn hours_leave_every_stream_whole_and_nothing_behind() {
    for seed in seeds(&[1]) {
        let tally = live(seed, RUN);
        assert!(tally.is_everything(), "something did not happen: {tally:?}");
    }
}

#[test]
fn a_seed_replays_an_hour_to_the_last_revision() {
    let seed = fresh();
    let length = Duration::from_mins(10);
    assert_eq!(live(seed, length), live(seed, length));
}

#[test]
fn soak_hours() {
    let environment = Environment::system();
    loop {
        live(fresh(), if soak::is_long() { RUN * 6 } else { RUN / 9 });
        if !soak::is_long() || environment.uptime() >= soak::duration() {
            break;
        }
    }
}
