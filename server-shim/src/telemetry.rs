//! Metrics in the text format of Prometheus: the recorder, and what `GET /metrics` shows of it.
//!
//! The libraries measure through the `metrics` facade and install nothing. Whoever owns the process makes a
//! recorder here, installs it before the store is opened, and gives the other half to the server. A server
//! without one shows an empty page.

use std::time::Duration;

pub use metrics_exporter_prometheus::PrometheusRecorder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use watchkeep_storage::Environment;

/// How often measurements are gathered when nobody asks for them: until then each one takes some memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What was recorded, for `GET /metrics`. Clones show the same.
#[derive(Clone, Default)]
pub struct Metrics(Option<PrometheusHandle>);

/// A recorder with the buckets of every histogram, and what shows what it records.
///
/// # Errors
/// When a histogram has no buckets.
pub fn recorder() -> Result<(PrometheusRecorder, Metrics), BuildError> {
    let builder = with_buckets(PrometheusBuilder::new(), watchkeep_cacher::HISTOGRAM_BUCKETS)?;
    let builder = with_buckets(builder, crate::http::objects::HISTOGRAM_BUCKETS)?;
    #[cfg(feature = "rocksdb")]
    let builder = with_buckets(builder, watchkeep_storage::rocksdb::HISTOGRAM_BUCKETS)?;
    #[cfg(feature = "etcd3")]
    let builder = with_buckets(builder, watchkeep_storage::etcd3::HISTOGRAM_BUCKETS)?;
    let recorder = builder.build_recorder();
    let metrics = Metrics(Some(recorder.handle()));
    Ok((recorder, metrics))
}

fn with_buckets<const N: usize>(
    builder: PrometheusBuilder,
    histograms: [(&str, &[f64]); N],
) -> Result<PrometheusBuilder, BuildError> {
    histograms.into_iter().try_fold(builder, |builder, (name, buckets)| {
        builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
    })
}

impl Metrics {
    /// Everything, in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.0.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// Gathers what was measured, again and again, so that it stays bounded also when nobody asks.
    pub async fn upkeep(self, environment: Environment) {
        let Some(handle) = self.0 else { return };
        loop {
            environment.sleep(UPKEEP_INTERVAL).await;
            handle.run_upkeep();
        }
    }
}
