//! Concurrent clients of the memory backend see one thing after the other, and a seed replays them exactly.

use watchkeep_proof::linear::clients::Load;
use watchkeep_proof::linear::run::{Harm, Plan, hold_all, soak, tell};
use watchkeep_proof::worlds::{Cached, MemoryWorld};

const LOAD: Load = Load { writers: 10, keys: 5, operations: 60, faults: false };
const PLAN: Plan = Plan { load: LOAD, rounds: 3, harm: Harm::None };

#[test]
fn concurrent_clients_see_one_thing_after_the_other() {
    for summary in hold_all::<MemoryWorld>(&[1, 2, 3, 4, 5, 6, 7, 8], PLAN) {
        assert!(summary.commits > 300 && summary.refused > 50, "too little to tell: {summary:?}");
        assert!(summary.settled > 0 && summary.settled < summary.unknown, "{summary:?}");
        assert!(summary.sessions > 10 && summary.events > summary.commits, "{summary:?}");
    }
}

#[test]
fn a_seed_replays_what_clients_were_told() {
    let told = |seed| format!("{:?}", tell::<MemoryWorld>(seed, PLAN).unwrap().history());
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}

#[test]
fn concurrent_clients_see_one_thing_after_the_other_through_the_cache() {
    hold_all::<Cached<MemoryWorld>>(&[1, 2], PLAN);
}

#[test]
fn soak_histories_through_the_cache() {
    soak::<Cached<MemoryWorld>>(PLAN);
}

#[test]
fn soak_histories() {
    soak::<MemoryWorld>(PLAN);
}
