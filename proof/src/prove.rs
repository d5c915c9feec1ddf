//! Draws programs from a seed and carries them out, until one fails or there were enough. What fails is shrunk.

use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use watchkeep_storage::Environment;
use watchkeep_storage::conformance::Clock;
use watchkeep_tests::soak;

use crate::broken::Broken;
use crate::model;
use crate::step::{Step, programs};
use crate::worlds::World;

/// How long what failed is tried with less, in milliseconds.
const SHRINK_MILLIS_MAX: u32 = 20_000;
/// How many programs of a soak are drawn from one seed.
const SOAK_ROUND: u32 = 20;
/// The same, where no long one was asked for.
const SHORT_ROUND: u32 = 2;

/// How much is proven.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// How many programs are drawn.
    pub programs: u32,
    /// How long a program is at most.
    pub steps_max: usize,
    /// How often what failed is tried with less, to show as little as possible.
    pub shrinks_max: u32,
}

/// A program that fails.
#[derive(Debug)]
pub struct Failure {
    /// From which seed it was drawn.
    pub seed: u64,
    /// The promise that it shows to be broken.
    pub broken: Broken,
    /// The program, shrunk.
    pub program: Vec<Step>,
}

impl Failure {
    /// What to read, and how to see it again.
    pub fn report(&self) -> String {
        let mut report = format!("{}\n", self.broken);
        let _ = writeln!(report, "seed {}: WATCHKEEP_SEED={} replays it; shrunk to", self.seed, self.seed);
        for (number, step) in self.program.iter().enumerate() {
            let _ = writeln!(report, "  {number}: {step:?}");
        }
        report
    }
}

/// The seeds to prove with: that of `WATCHKEEP_SEED` alone, or the fixed ones and a fresh one.
///
/// # Panics
/// When the variable is no number.
#[expect(clippy::expect_used, reason = "a seed that was asked for must not be another one")]
pub fn seeds(fixed: &[u64]) -> Vec<u64> {
    if let Ok(seed) = env::var("WATCHKEEP_SEED") {
        return vec![seed.parse().expect("WATCHKEEP_SEED is a number")];
    }
    fixed.iter().copied().chain([fresh()]).collect()
}

/// A seed that nobody has tried.
pub fn fresh() -> u64 {
    Environment::system().random()
}

/// Proves with each of the seeds of [`seeds`].
///
/// # Panics
/// When a promise is broken, with the report.
pub fn prove_all<W: World>(fixed: &[u64], budget: Budget) {
    for seed in seeds(fixed) {
        eprintln!("{}: seed {seed}, {budget:?}", W::NAME);
        if let Err(failure) = prove::<W>(seed, budget) {
            panic!("{}: {}", W::NAME, failure.report());
        }
    }
}

/// Proves with fresh seeds for as long as a soak is to last.
///
/// # Panics
/// When a promise is broken, with the report.
pub fn soak<W: World>(budget: Budget) {
    let environment = Environment::system();
    let mut rounds = 0;
    // Nobody asked for a long one: it is tried out.
    let programs = if soak::is_long() { SOAK_ROUND } else { SHORT_ROUND };
    loop {
        prove_all::<W>(&[], Budget { programs, ..budget });
        rounds += 1;
        if !soak::is_long() || environment.uptime() >= soak::duration() {
            break;
        }
    }
    eprintln!("{}: {} programs", W::NAME, rounds * programs);
}

/// Draws programs from a seed, and carries each of them out on a store of its own.
///
/// # Errors
/// [`Failure`]: the first program that breaks a promise, shrunk.
pub fn prove<W: World>(seed: u64, budget: Budget) -> Result<(), Box<Failure>> {
    let defaults = Config::default();
    let config = Config {
        cases: budget.programs,
        max_shrink_iters: budget.shrinks_max,
        // `PROPTEST_MAX_SHRINK_TIME` makes it shorter or longer.
        max_shrink_time: Some(defaults.max_shrink_time).filter(|time| *time > 0).unwrap_or(SHRINK_MILLIS_MAX),
        failure_persistence: None,
        ..defaults
    };
    let mut bytes = [0; 32];
    for (byte, of_seed) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *byte = of_seed;
    }
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, chance);
    // On a real clock what failed may pass when it is tried again: what it said then is kept.
    let last = RefCell::new(None);
    let outcome = runner.run(&programs(budget.steps_max), |program| {
        carry_out::<W>(&program, seed).map(drop).map_err(|broken| {
            let said = TestCaseError::fail(broken.to_string());
            last.replace(Some(broken));
            said
        })
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(_, program)) => {
            let again = carry_out::<W>(&program, seed).err();
            let broken = again.or_else(|| last.take()).unwrap_or_else(|| {
                Broken::new("REPLAY", "it failed when it was found, and not when it was tried again")
            });
            Err(Box::new(Failure { seed, broken, program }))
        }
        Err(TestError::Abort(reason)) => {
            let broken = Broken::new("REPLAY", reason.to_string());
            Err(Box::new(Failure { seed, broken, program: Vec::new() }))
        }
    }
}

/// Carries one program out on a runtime of its own, and tells what happened.
///
/// # Errors
/// [`Broken`]: the promise that was not kept.
///
/// # Panics
/// When there is no runtime to be had.
#[expect(clippy::expect_used, reason = "no proof without a runtime")]
pub fn carry_out<W: World>(program: &[Step], seed: u64) -> Result<Vec<String>, Broken> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(W::CLOCK == Clock::Paused);
    let runtime = builder.build().expect("a runtime");
    runtime.block_on(model::run::<W>(program, seed))
}
