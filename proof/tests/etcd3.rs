//! The etcd3 backend keeps the contract in every program that is drawn, also when its etcd is killed meanwhile.

use watchkeep_proof::prove::{Budget, prove_all, soak};
use watchkeep_proof::worlds::{Cached, EtcdWorld};

const BUDGET: Budget = Budget { programs: 16, steps_max: 60, shrinks_max: 100 };

#[test]
fn every_program_is_answered_as_the_oracle_says() {
    prove_all::<EtcdWorld>(&[1], BUDGET);
}

#[test]
fn every_program_is_answered_as_the_oracle_says_through_the_cache() {
    prove_all::<Cached<EtcdWorld>>(&[1], BUDGET);
}

#[test]
fn soak_programs_through_the_cache() {
    soak::<Cached<EtcdWorld>>(BUDGET);
}

#[test]
fn soak_programs() {
    soak::<EtcdWorld>(BUDGET);
}
