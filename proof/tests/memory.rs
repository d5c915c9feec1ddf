//! The memory backend keeps the contract in every program that is drawn, and a seed replays exactly.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use watchkeep_proof::prove::{Budget, carry_out, prove_all, soak};
use watchkeep_proof::step::programs;
use watchkeep_proof::worlds::{Cached, MemoryWorld};

const BUDGET: Budget = Budget { programs: 300, steps_max: 80, shrinks_max: 4_000 };

#[test]
fn every_program_is_answered_as_the_oracle_says() {
    prove_all::<MemoryWorld>(&[1, 2], BUDGET);
}

#[test]
fn a_seed_replays_a_program_to_the_last_revision() {
    let mut runner = TestRunner::deterministic();
    for seed in 0..20 {
        let program = programs(80).new_tree(&mut runner).unwrap().current();
        let run = || carry_out::<MemoryWorld>(&program, seed).unwrap();
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn every_program_is_answered_as_the_oracle_says_through_the_cache() {
    prove_all::<Cached<MemoryWorld>>(&[1], BUDGET);
}

#[test]
fn soak_programs_through_the_cache() {
    soak::<Cached<MemoryWorld>>(BUDGET);
}

#[test]
fn soak_programs() {
    soak::<MemoryWorld>(BUDGET);
}
