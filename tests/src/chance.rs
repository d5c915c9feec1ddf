//! Chance with a seed, so that what a test met can be met again.

use std::env;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use crate::soak;

/// The seed of a run that nobody asked to be long.
const SEED: u64 = 1;

/// A sequence of numbers that a seed gives (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of `WATCHKEEP_SEED`, or of a fixed seed, or in a long run of a fresh one; prints which.
    pub fn from_environment() -> Self {
        let seed = number("WATCHKEEP_SEED", if soak::is_long() { fresh() } else { SEED });
        eprintln!("WATCHKEEP_SEED={seed}");
        Self(seed)
    }

    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero up to and with `most`.
    pub fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.draw() % (most as u64).saturating_add(1)).unwrap_or(most)
    }

    /// What is true once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.up_to(times.saturating_sub(1)) == 0
    }
}

fn fresh() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A number of the environment.
///
/// # Panics
/// When it is none: what was asked for must not be left out.
pub fn number(variable: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{variable}={text:?}"));
    env::var(variable).map_or(default, parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_within_its_bounds() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..100).map(|_| chance.up_to(9)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let drawn = draw(7);
        assert!((0..=9).all(|number| drawn.contains(&number)) && drawn.iter().all(|number| *number <= 9));
        assert!(Chance::new(0).one_in(1));
    }
}
