//! What a store tells of itself while it runs: the names, units and descriptions of its metrics.
//!
//! They go to the recorder of the `metrics` facade that is there when the store is opened; without one they
//! cost next to nothing. A request counts once for each member that it was sent to.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use super::client::Method;

const REQUESTS: &str = "watchkeep_etcd_requests_total";
const FAILED_REQUESTS: &str = "watchkeep_etcd_failed_requests_total";
const REQUEST_SECONDS: &str = "watchkeep_etcd_request_seconds";
const WATCH_RESUMPTIONS: &str = "watchkeep_etcd_watch_resumptions_total";
const READY: &str = "watchkeep_etcd_ready";

/// Upper bounds of the buckets of each histogram, for a recorder that wants them: from a member on the same
/// machine to one that is about to be given up.
pub const HISTOGRAM_BUCKETS: [(&str, &[f64]); 1] =
    [(REQUEST_SECONDS, &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])];

/// The metrics of a store.
pub(super) struct Telemetry {
    methods: [(Counter, Counter, Histogram); Method::ALL.len()],
    resumptions: Counter,
    ready: Gauge,
}

impl Telemetry {
    /// The metrics of a store that is being opened, at the recorder that is there.
    pub(super) fn new() -> Self {
        describe();
        Self {
            methods: Method::ALL.map(|method| {
                let name = method.name();
                (
                    counter!(REQUESTS, "method" => name),
                    counter!(FAILED_REQUESTS, "method" => name),
                    histogram!(REQUEST_SECONDS, "method" => name),
                )
            }),
            resumptions: counter!(WATCH_RESUMPTIONS),
            ready: gauge!(READY),
        }
    }

    /// A request is sent.
    pub(super) fn sent(&self, method: Method) {
        if let Some((requests, _, _)) = self.methods.get(method as usize) {
            requests.increment(1);
        }
    }

    /// A request has ended.
    pub(super) fn ended(&self, method: Method, succeeded: bool, seconds: f64) {
        if let Some((_, failed, duration)) = self.methods.get(method as usize) {
            duration.record(seconds);
            failed.increment(u64::from(!succeeded));
        }
    }

    /// A watch goes on after its connection was cut.
    pub(super) fn resumed(&self) {
        self.resumptions.increment(1);
    }

    /// Whether the cluster serves.
    pub(super) fn ready(&self, ready: bool) {
        self.ready.set(f64::from(u8::from(ready)));
    }
}

fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Requests that were sent to etcd, by method.");
    describe_counter!(
        FAILED_REQUESTS,
        Unit::Count,
        "Requests that ended with an error, by method; also refusals, such as those of compacted revisions."
    );
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "How long etcd took to answer, by method.");
    describe_counter!(
        WATCH_RESUMPTIONS,
        Unit::Count,
        "Watches that went on by themselves after their connection was cut."
    );
    describe_gauge!(READY, Unit::Count, "1 while the cluster serves, 0 otherwise.");
}
