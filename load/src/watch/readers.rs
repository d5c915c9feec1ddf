//! The watches: each reads what comes as soon as it comes.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::delivery::Delivered;
use super::plan::Plan;
use crate::connection::{Call, Connection, STREAMS_MAX};
use crate::error::LoadError;
use crate::events::Lines;
use crate::target::Target;

/// The open watches. Dropping them ends them.
pub(crate) struct Readers {
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Opens all watches of a plan, one after the other.
    pub(crate) async fn open(
        target: &Arc<Target>,
        plan: &Plan,
        revision: &str,
        delivered: &Arc<Delivered>,
    ) -> Result<Self, LoadError> {
        let mut tasks = JoinSet::new();
        let mut shared = None;
        for (path, number) in plan.paths(revision).zip(0..) {
            let mut connection = place(target, &mut shared, number).await?;
            let response = connection.send(&Call::new(Method::GET, &path)).await?;
            let delivered = Arc::clone(delivered);
            tasks.spawn(async move {
                // It is closed when nobody has it any more.
                let _connection = connection;
                read(response.into_body(), &delivered).await;
                delivered.end();
            });
        }
        Ok(Self { _tasks: tasks })
    }
}

/// A connection of its own, or a place on one that has more.
async fn place(
    target: &Arc<Target>,
    shared: &mut Option<Connection>,
    number: u32,
) -> Result<Connection, LoadError> {
    if !number.is_multiple_of(STREAMS_MAX)
        && let Some(place) = shared.as_ref().and_then(Connection::share)
    {
        return Ok(place);
    }
    let connection = Connection::open(target).await?;
    *shared = connection.share();
    Ok(connection)
}

/// Reads a watch until it ends.
async fn read(mut body: Incoming, delivered: &Delivered) {
    let mut lines = Lines::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(chunk) = frame.data_ref() else { continue };
        let at = Instant::now();
        delivered.read(chunk.len());
        lines.feed(chunk, |line| delivered.event(line, at));
    }
}
