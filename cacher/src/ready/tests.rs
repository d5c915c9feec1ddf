//! What is said of a cache that is not ready, and who is woken when it is.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures_util::FutureExt as _;

use super::*;

fn environment() -> Environment {
    Environment::simulated(UNIX_EPOCH, 1)
}

/// When a client is told to come again, in seconds, and why.
fn told(ready: &Ready, environment: &Environment) -> Option<(u64, String)> {
    match ready.check(environment) {
        Ok(()) => None,
        Err(Error::Initializing { reason, retry_after }) => Some((retry_after.as_secs(), reason)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn clients_are_told_to_come_later_the_longer_it_takes() {
    let table =
        [(0, 1), (1, 1), (3, 1), (5, 1), (7, 1), (10, 1), (14, 2), (20, 3), (30, 6), (40, 11), (540, 30)];
    for (pending, retry) in table {
        assert_eq!(retry_after(Duration::from_secs(pending)), Duration::from_secs(retry), "{pending} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_counts_from_when_the_cache_was_lost_and_the_reason_is_the_last_one() {
    let environment = environment();
    let ready = Ready::new(&environment);
    environment.sleep(Duration::from_secs(14)).await;
    assert_eq!(told(&ready, &environment), Some((2, "the cache has not been filled yet".to_owned())));
    // One more failure does not begin the wait anew.
    ready.reset("the store is away".to_owned(), &environment);
    assert_eq!(told(&ready, &environment), Some((2, "the store is away".to_owned())));
    ready.set();
    ready.set();
    assert_eq!(told(&ready, &environment), None);
    environment.sleep(Duration::from_mins(1)).await;
    ready.reset("it is away again".to_owned(), &environment);
    assert_eq!(told(&ready, &environment), Some((1, "it is away again".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_the_cache_is_filled_and_not_before() {
    let environment = environment();
    let ready = Arc::new(Ready::new(&environment));
    let waiters: Vec<_> = (0..10)
        .map(|_| {
            let ready = Arc::clone(&ready);
            environment.spawn(async move { ready.wait().await })
        })
        .collect();
    // One that gives up takes nobody along.
    assert_eq!(ready.wait().now_or_never(), None);
    ready.reset("not yet".to_owned(), &environment);
    environment.sleep(Duration::from_secs(1)).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    ready.set();
    for waiter in waiters {
        waiter.await.unwrap();
    }
    ready.reset("lost".to_owned(), &environment);
    assert_eq!(ready.wait().now_or_never(), None, "it is to be waited for again");
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_never_ready_again_and_nobody_waits_for_it() {
    let environment = environment();
    let ready = Ready::new(&environment);
    ready.end();
    ready.set();
    ready.reset("lost".to_owned(), &environment);
    assert!(matches!(ready.check(&environment), Err(Error::NotReady { .. })));
    ready.wait().await;
}
