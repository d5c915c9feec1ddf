//! Concurrent clients of the RocksDB backend see one thing after the other, also when it is closed, or killed in
//! the middle of everything, and opened again.

use watchkeep_proof::linear::clients::Load;
use watchkeep_proof::linear::run::{Harm, Plan, hold_all, soak};
use watchkeep_proof::worlds::{Cached, RocksWorld};

const LOAD: Load = Load { writers: 12, keys: 6, operations: 60, faults: false };
const PLAN: Plan = Plan { load: LOAD, rounds: 6, harm: Harm::Ends };

#[test]
fn concurrent_clients_see_one_thing_after_the_other() {
    for summary in hold_all::<RocksWorld>(&[1, 2, 3], PLAN) {
        assert!(summary.commits > 100 && summary.refused > 50, "too little to tell: {summary:?}");
        assert!(summary.settled > 0 && summary.settled < summary.unknown, "{summary:?}");
        assert!(summary.sessions > 10 && summary.events > summary.commits, "{summary:?}");
    }
}

#[test]
fn concurrent_clients_see_one_thing_after_the_other_through_the_cache() {
    hold_all::<Cached<RocksWorld>>(&[1], PLAN);
}

#[test]
fn soak_histories_through_the_cache() {
    soak::<Cached<RocksWorld>>(PLAN);
}

#[test]
fn soak_histories() {
    soak::<RocksWorld>(PLAN);
}
