//! Leases: what makes keys expire. Keys that are written within a short span share one.
//!
//! A lease is granted for longer than the time-to-live, by a *window* in which further keys can share it and
//! by a *margin* in which the transaction has to be answered. A commit that was acknowledged was done within
//! the margin, so its key lives for its time-to-live at least; one that takes longer is a time-out, with an
//! unknown outcome and without a promise. \[TTL-LOWER-BOUND\]
//!
//! The keys of a lease expire together, by one commit.

use std::time::Duration;

use tokio::sync::Mutex;

use super::Shared;
use super::client::Method;
use super::proto::{LeaseGrantRequest, LeaseGrantResponse};
use super::status::CallError;
use crate::defect::{self, Defect};
use crate::failpoint::{self, Point};

/// The longest window.
const WINDOW_MAX: Duration = Duration::from_mins(1);

/// Window and margin as a part of the time-to-live: one twentieth.
const PARTS: u32 = 20;

/// The shortest margin. It is what a short time-to-live is exceeded by.
const MARGIN_MIN: Duration = Duration::from_secs(1);

/// How many keys share a lease at most: they go in one transaction, which holds up others.
const KEYS_MAX: u32 = 1000;

/// What etcd grants at most, in seconds.
const GRANT_MAX: u64 = 9_000_000_000;

/// The newest lease.
#[derive(Default)]
pub(super) struct Leases(Mutex<Option<Lease>>);

/// A lease for a key, and how long its transaction may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) id: i64,
    pub(super) within: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    id: i64,
    /// The uptime before which it does not end.
    until: Duration,
    keys: u32,
}

/// What is asked for a time-to-live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    ttl: Duration,
    margin: Duration,
    window: Duration,
}

impl Plan {
    fn new(ttl: Duration, request_timeout: Duration) -> Self {
        let part = ttl / PARTS;
        let margin = part.min(request_timeout).max(MARGIN_MIN);
        // Leases are granted in seconds: a shorter window would be none.
        let window = Duration::from_secs(part.min(WINDOW_MAX).as_secs());
        Self { ttl, margin, window }
    }

    /// For how many seconds to grant.
    fn seconds(self) -> i64 {
        if defect::on(Defect::EtcdLeaseRoundedDown) {
            return i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        }
        let wanted = self.ttl.saturating_add(self.margin + self.window);
        let whole = wanted.as_secs().saturating_add(u64::from(wanted.subsec_nanos() > 0));
        i64::try_from(whole.min(GRANT_MAX)).unwrap_or(i64::MAX)
    }

    /// Whether a lease does at uptime `now`: it does not end early, and not late.
    fn fits(self, lease: &Lease, now: Duration) -> bool {
        let early = now.saturating_add(self.ttl + self.margin);
        // The second that the grant was rounded up by.
        let late = early.saturating_add(self.window + Duration::from_secs(1));
        (early..=late).contains(&lease.until) && lease.keys < KEYS_MAX
    }

    /// How long the transaction may take that attaches a key at uptime `now`.
    fn within(self, lease: &Lease, now: Duration, request_timeout: Duration) -> Duration {
        if defect::on(Defect::EtcdLeaseRoundedDown) {
            return request_timeout;
        }
        lease.until.saturating_sub(now.saturating_add(self.ttl)).min(request_timeout)
    }
}

impl Leases {
    /// A lease for a key: the newest if it does, otherwise one that is granted.
    pub(super) async fn attach(&self, shared: &Shared, ttl: Duration) -> Result<Attached, CallError> {
        let timeout = shared.options.request_timeout;
        let plan = Plan::new(ttl, timeout);
        let attached = |lease: &Lease| {
            let within = plan.within(lease, shared.environment.uptime(), timeout);
            Attached { id: lease.id, within }
        };
        if plan.window.is_zero() {
            return Ok(attached(&grant(shared, plan).await?));
        }
        // Held while one is granted: who waits will share it.
        let mut newest = self.0.lock().await;
        let now = shared.environment.uptime();
        let lease = match newest.take().filter(|lease| plan.fits(lease, now)) {
            Some(lease) => lease,
            None => grant(shared, plan).await?,
        };
        *newest = Some(Lease { keys: lease.keys + 1, ..lease });
        Ok(attached(&lease))
    }

    /// A lease is not there any more.
    pub(super) async fn forget(&self, id: i64) {
        let mut newest = self.0.lock().await;
        if newest.is_some_and(|lease| lease.id == id) {
            *newest = None;
        }
    }
}

async fn grant(shared: &Shared, plan: Plan) -> Result<Lease, CallError> {
    failpoint::passed(Point::EtcdLease).map_err(CallError::Failed)?;
    let request = LeaseGrantRequest { ttl: plan.seconds() };
    // etcd counts from a later moment than this one.
    let asked = shared.environment.uptime();
    let granted: LeaseGrantResponse = shared.client.call(Method::LeaseGrant, request).await?;
    let lasts = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or_default());
    Ok(Lease { id: granted.id, until: asked.saturating_add(lasts), keys: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_window_is_a_twentieth_and_a_minute_at_most() {
        for (ttl, window, margin, granted) in
            [(3600, 60, 10, 3670), (1000, 50, 10, 1060), (100, 5, 5, 110), (19, 0, 1, 20), (3, 0, 1, 4)]
        {
            let plan = Plan::new(seconds(ttl), TIMEOUT);
            assert_eq!((plan.window, plan.margin), (seconds(window), seconds(margin)), "{ttl}");
            assert_eq!(plan.seconds(), granted, "{ttl}");
        }
    }

    #[test]
    fn a_lease_is_shared_while_no_key_would_expire_early_or_late() {
        let plan = Plan::new(seconds(1000), TIMEOUT);
        let lease = |until, keys| Lease { id: 1, until: seconds(until), keys };
        assert!(plan.fits(&lease(1060, 0), seconds(0)));
        assert!(plan.fits(&lease(1060, 1), seconds(50)));
        assert!(!plan.fits(&lease(1060, 1), seconds(51)), "a key would expire early");
        assert!(!plan.fits(&lease(1062, 0), seconds(0)), "a key would expire late");
        assert!(!plan.fits(&lease(1060, KEYS_MAX), seconds(0)), "too many keys go at once");
    }

    #[test]
    fn a_transaction_that_is_answered_in_time_leaves_the_key_its_time() {
        let plan = Plan::new(seconds(3), TIMEOUT);
        let lease = Lease { id: 1, until: seconds(14), keys: 0 };
        let (now, ttl) = (Duration::from_millis(10_200), plan.ttl);
        assert!(now + plan.within(&lease, now, TIMEOUT) + ttl <= lease.until);
    }
}
