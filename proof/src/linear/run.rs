//! Lets concurrent clients loose on the store of a world, round by round, and checks what they were told.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::{Builder, Runtime};
use watchkeep_storage::conformance::Clock;
use watchkeep_storage::{Environment, ResourcePrefix};
use watchkeep_tests::soak;

use super::clients::{Clients, Load};
use super::{Summary, check};
use crate::objects::{RESOURCES, schema};
use crate::prove::{fresh, seeds};
use crate::worlds::World;

/// How many threads the clients of a real store share.
const THREADS: usize = 3;

/// A run of clients.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What they do in a round.
    pub load: Load,
    /// How often.
    pub rounds: usize,
    /// What happens to the store.
    pub harm: Harm,
}

/// What happens to a store while clients use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing.
    None,
    /// After each round it is closed and opened again; or the round is cut short in the middle of everything,
    /// and the store is killed.
    Ends,
    /// [`World::disturb`], in the middle of each round.
    Disturbed,
}

/// Runs with the seeds of [`seeds`], and shows what came of each.
///
/// # Panics
/// When a promise is broken, with the seed and what shows it.
pub fn hold_all<W: World>(fixed: &[u64], plan: Plan) -> Vec<Summary> {
    seeds(fixed).into_iter().map(|seed| hold::<W>(seed, plan)).collect()
}

/// Runs with fresh seeds for as long as a soak is to last.
///
/// # Panics
/// As [`hold_all`].
pub fn soak<W: World>(plan: Plan) {
    let environment = Environment::system();
    loop {
        hold::<W>(fresh(), plan);
        if environment.uptime() >= soak::duration() {
            return;
        }
    }
}

/// Runs with one seed.
///
/// # Panics
/// As [`hold_all`].
pub fn hold<W: World>(seed: u64, plan: Plan) -> Summary {
    let clients = tell::<W>(seed, plan);
    let history =
        clients.unwrap_or_else(|reason| panic!("{}: WATCHKEEP_SEED={seed}: {reason}", W::NAME)).history();
    match check(&history) {
        Ok(summary) => {
            eprintln!("{}: seed {seed}: {summary:?}", W::NAME);
            assert_eq!(summary.searched.undecided, 0, "{}: WATCHKEEP_SEED={seed}", W::NAME);
            summary
        }
        Err(violation) => panic!("{}: WATCHKEEP_SEED={seed}: {violation}", W::NAME),
    }
}

/// What the clients of a seed were told.
///
/// # Errors
/// What no client may be told.
pub fn tell<W: World>(seed: u64, plan: Plan) -> Result<Clients, String> {
    runtime(W::CLOCK).map_err(|error| error.to_string())?.block_on(async {
        let mut world = W::open(seed).await;
        let mut chance = StdRng::seed_from_u64(seed);
        let mut clients = Clients::new(chance.random(), plan.load);
        for round in 1..=plan.rounds {
            let cut = plan.harm == Harm::Ends && chance.random();
            let when = Duration::from_millis(chance.random_range(5..150));
            let worked = work(&mut world, &mut clients, plan.harm, cut, when).await;
            worked.map_err(|reason| format!("round {round}: {reason}"))?;
            match plan.harm {
                Harm::Ends if cut => drop(world.crash().await),
                Harm::Ends => drop(world.restart().await),
                Harm::None | Harm::Disturbed => {}
            }
        }
        Ok(clients)
    })
}

async fn work<W: World>(
    world: &mut W,
    clients: &mut Clients,
    harm: Harm,
    cut: bool,
    when: Duration,
) -> Result<(), String> {
    let prefix = RESOURCES.first().copied().unwrap_or_default();
    let prefix = ResourcePrefix::new(prefix).map_err(|error| error.to_string())?;
    let store = world.backend().resource(prefix, schema()).await.map_err(|error| error.to_string())?;
    let environment = world.environment().clone();
    let disturbing = async {
        if harm == Harm::Disturbed {
            environment.sleep(when).await;
            world.disturb().await;
        }
    };
    let cut = cut.then_some(when);
    let (worked, ()) = tokio::join!(clients.round(store, &environment, cut), disturbing);
    worked
}

fn runtime(clock: Clock) -> std::io::Result<Runtime> {
    match clock {
        Clock::Paused => Builder::new_current_thread().enable_all().start_paused(true).build(),
        Clock::System => Builder::new_multi_thread().worker_threads(THREADS).enable_all().build(),
    }
}
