//! `/metrics`: what the process measures, in the text format of Prometheus.

use hyper::{Response, StatusCode};

use super::response::{self, Body};
use crate::telemetry::Metrics;

/// The version of the format is that which every collector reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request for the metrics.
pub fn answer(metrics: &Metrics) -> Response<Body> {
    response::with_type(StatusCode::OK, CONTENT_TYPE, response::full(metrics.render()))
}
