//! The RocksDB backend keeps the contract in every program that is drawn, over restarts and crashes.

use watchkeep_proof::prove::{Budget, prove_all, soak};
use watchkeep_proof::worlds::{Cached, RocksWorld};

const BUDGET: Budget = Budget { programs: 60, steps_max: 80, shrinks_max: 300 };

#[test]
fn every_program_is_answered_as_the_oracle_says() {
    prove_all::<RocksWorld>(&[1], BUDGET);
}

#[test]
fn every_program_is_answered_as_the_oracle_says_through_the_cache() {
    prove_all::<Cached<RocksWorld>>(&[1], BUDGET);
}

#[test]
fn soak_programs_through_the_cache() {
    soak::<Cached<RocksWorld>>(BUDGET);
}

#[test]
fn soak_programs() {
    soak::<RocksWorld>(BUDGET);
}
