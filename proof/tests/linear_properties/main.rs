//! What a store may have done is accepted, and nearly any one wrong answer is refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod generate;
mod mutate;

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;
use watchkeep_proof::linear::{check, check_keys};
use watchkeep_proof::prove;

use self::generate::{Size, history};
use self::mutate::{FAULTS, mutate};

const SMALL: Size = Size { operations: 120, clients: 8, keys: 4, cut_off: 10 };
const SEEDS: u64 = 40;

/// The seeds of a run: always the same ones, and as many that nobody has tried; or that of `WATCHKEEP_SEED`.
fn seeds() -> Vec<u64> {
    let fixed: Vec<u64> = (1..=SEEDS).collect();
    match &prove::seeds(&fixed)[..] {
        [seed] => vec![*seed],
        [fixed @ .., fresh] => {
            fixed.iter().copied().chain((0..SEEDS).map(|number| fresh.wrapping_add(number))).collect()
        }
        [] => fixed,
    }
}

#[test]
fn what_one_thing_after_the_other_may_have_been_is_accepted() {
    let mut totals = (0, 0, 0);
    for seed in seeds() {
        let history = history(seed, SMALL);
        let summary =
            check(&history).unwrap_or_else(|violation| panic!("WATCHKEEP_SEED={seed}: {violation}"));
        assert_eq!(summary.searched.undecided, 0, "WATCHKEEP_SEED={seed}");
        let alone =
            check_keys(&history).unwrap_or_else(|violation| panic!("WATCHKEEP_SEED={seed}: {violation}"));
        assert_eq!(alone.undecided, 0, "WATCHKEEP_SEED={seed}");
        totals = (totals.0 + summary.unknown, totals.1 + summary.settled, totals.2 + alone.places);
    }
    eprintln!("{} unknown outcomes, {} of them settled; {} places searched", totals.0, totals.1, totals.2);
    assert!(totals.1 > 0 && totals.1 < totals.0);
}

#[test]
fn nearly_any_wrong_answer_is_refused() {
    let mut caught: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    let mut by_search = (0, 0);
    for seed in seeds() {
        for fault in FAULTS {
            let mut history = history(seed, SMALL);
            if !mutate(&mut history, fault, &mut StdRng::seed_from_u64(seed)) {
                continue;
            }
            let refused = check(&history).is_err();
            let (tried, found) = caught.entry(fault).or_default();
            *tried += 1;
            *found += u32::from(refused);
            by_search = (by_search.0 + 1, by_search.1 + u32::from(check_keys(&history).is_err()));
        }
    }
    for (fault, (tried, found)) in &caught {
        eprintln!("{fault:?}: {found} of {tried} refused");
    }
    let (tried, found) = caught.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    eprintln!(
        "altogether {found} of {tried}; by the search of single keys alone {} of {}",
        by_search.1, by_search.0
    );
    assert!(std::env::var_os("WATCHKEEP_SEED").is_some() || found * 100 >= tried * 90, "{found} of {tried}");
}

#[test]
fn thousands_of_operations_on_a_key_take_no_time() {
    for size in [
        Size { operations: 5000, clients: 16, keys: 1, cut_off: 0 },
        Size { operations: 5000, clients: 16, keys: 1, cut_off: 2 },
        Size { operations: 10_000, clients: 16, keys: 8, cut_off: 2 },
    ] {
        let history = history(1, size);
        let begin = Instant::now();
        let summary = check(&history).unwrap();
        let (both, begin) = (begin.elapsed(), Instant::now());
        let alone = check_keys(&history).unwrap();
        let alone_took = begin.elapsed();
        eprintln!("{size:?}: {both:?} {summary:?}; the search with nothing settled {alone_took:?} {alone:?}");
        assert_eq!((summary.searched.undecided, alone.undecided), (0, 0));
        assert!(summary.searched.places <= summary.commits, "what is settled leaves nothing to choose");
        assert!(alone.places <= summary.operations * 2, "and what is not, not much");
    }
}
