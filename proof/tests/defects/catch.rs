//! What catches a defect. Each instrument switches it on, has to find a broken promise, and prints which.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use tokio::time::Instant;
use watchkeep_proof::Broken;
use watchkeep_proof::prove::{Budget, carry_out, prove};
use watchkeep_proof::step::programs;
use watchkeep_proof::worlds::World;
use watchkeep_storage::conformance::{self, Harness};
use watchkeep_storage::defect::Defect;
use watchkeep_storage::failpoint::{Point, Scenario};

/// From which seed programs are drawn, so that the table tells what everybody sees.
const SEED: u64 = 1;

/// How many programs are tried, of how many steps at most, and how often one that fails with less.
const PROGRAMS: u32 = 300;
const STEPS_MAX: usize = 80;
const SHRINKS_MAX: u32 = 100;

/// Programs drawn by chance meet it; one of these promises is reported as broken, by a program with as little in
/// it as possible.
pub(crate) fn by_the_model<W: World>(defect: Defect, promises: &[&str]) {
    let (_scenario, begin) = (seeded(defect, &[]), Instant::now());
    let budget = Budget { programs: PROGRAMS, steps_max: STEPS_MAX, shrinks_max: SHRINKS_MAX };
    let failure = prove::<W>(SEED, budget).expect_err("nothing was found");
    eprintln!("{}", failure.report());
    caught::<W>(defect, begin, failure.program.len(), &failure.broken, promises);
}

/// As [`by_the_model`], by the first program that fails: for stores that have to be waited for, with actions at
/// points that widen what the defect leaves open.
pub(crate) fn by_the_model_once<W: World>(defect: Defect, points: &[(Point, &str)], promises: &[&str]) {
    let (_scenario, begin) = (seeded(defect, points), Instant::now());
    let mut runner = TestRunner::deterministic();
    let mut draw = || programs(STEPS_MAX).new_tree(&mut runner).unwrap().current();
    let found = (0..PROGRAMS).find_map(|_| {
        let program = draw();
        let broken = carry_out::<W>(&program, SEED).err()?;
        Some((program.len(), broken))
    });
    let (steps, broken) = found.expect("nothing was found");
    caught::<W>(defect, begin, steps, &broken, promises);
}

fn seeded(defect: Defect, points: &[(Point, &str)]) -> Scenario {
    let scenario = Scenario::begin();
    for (point, action) in points {
        scenario.set(*point, action);
    }
    scenario.seed(defect);
    scenario
}

fn caught<W: World>(defect: Defect, begin: Instant, steps: usize, broken: &Broken, promises: &[&str]) {
    eprintln!("{defect:?}: the model on {}, {steps} steps, {:.1?}: {broken}", W::NAME, begin.elapsed());
    assert!(promises.contains(&broken.promise), "{} is not of {promises:?}", broken.promise);
}

/// A test of the suite fails.
pub(crate) fn by_conformance<H: Harness>(
    defect: Defect,
    harness: &H,
    name: &str,
    test: impl AsyncFnOnce(&H),
) {
    let _scenario = seeded(defect, &[]);
    let outcome = catch_unwind(AssertUnwindSafe(|| conformance::run(name, harness, test)));
    assert!(outcome.is_err(), "{name} passed");
    eprintln!("{defect:?}: conformance, {name}");
}

/// A scenario finds nothing in the store as it is, and with the defect that a promise is broken.
pub(crate) fn by_a_scenario(
    defect: Defect,
    promise: &str,
    scene: &impl AsyncFn(&Scenario) -> Result<(), Broken>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scenario = Scenario::begin();
    runtime.block_on(scene(&scenario)).expect("the store as it is");
    drop(scenario);
    let (scenario, begin) = (seeded(defect, &[]), Instant::now());
    let broken = runtime.block_on(scene(&scenario)).expect_err("nothing was found");
    eprintln!("{defect:?}: a scenario, {:.1?}: {broken}", begin.elapsed());
    assert_eq!(broken.promise, promise);
}

/// [`Broken`], unless something is so.
pub(crate) fn expect(is_so: bool, promise: &'static str, what: impl Into<String>) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(Broken::new(promise, what)) }
}
