//! Concurrent clients of the etcd3 backend see one thing after the other, also while its etcd halts, or is killed
//! and started again.

use watchkeep_proof::linear::clients::Load;
use watchkeep_proof::linear::run::{Harm, Plan, hold_all, soak};
use watchkeep_proof::worlds::{Cached, EtcdWorld};

const LOAD: Load = Load { writers: 8, keys: 6, operations: 40, faults: true };
const PLAN: Plan = Plan { load: LOAD, rounds: 4, harm: Harm::Disturbed };

#[test]
fn concurrent_clients_see_one_thing_after_the_other() {
    for summary in hold_all::<EtcdWorld>(&[1], PLAN) {
        assert!(summary.commits > 100 && summary.refused > 20, "too little to tell: {summary:?}");
        assert!(summary.settled > 0 && summary.settled < summary.unknown, "{summary:?}");
        assert!(summary.sessions > 5 && summary.events > summary.commits, "{summary:?}");
    }
}

#[test]
fn concurrent_clients_see_one_thing_after_the_other_through_the_cache() {
    hold_all::<Cached<EtcdWorld>>(&[1], PLAN);
}

#[test]
fn soak_histories_through_the_cache() {
    soak::<Cached<EtcdWorld>>(PLAN);
}

#[test]
fn soak_histories() {
    soak::<EtcdWorld>(PLAN);
}
