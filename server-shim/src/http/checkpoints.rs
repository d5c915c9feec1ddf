//! `POST /checkpoints`: a backup of the store, while it serves.
//!
//! The server knows no engine: whoever starts it says how a checkpoint is made, if it can be. One is made
//! at a time, and goes on when its client goes away.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as HttpBody;
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};
use watchkeep_storage::{BoxFuture, Environment, Revision};

use super::error::{ApiError, Details};
use super::negotiate::Negotiated;
use super::response::{self, Body, BoxError};
use crate::app::App;

/// A checkpoint that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its directory.
    pub path: PathBuf,
    /// The last revision that it holds.
    pub revision: Revision,
}

/// Why none was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There is one of this revision.
    Exists(String),
    /// It could not be written.
    Internal(String),
}

/// How one is made.
pub type MakeCheckpoint = Box<dyn Fn() -> BoxFuture<'static, Result<Made, Failed>> + Send + Sync>;

/// Makes checkpoints, one at a time.
pub struct Checkpoints {
    make: MakeCheckpoint,
    free: Arc<Semaphore>,
}

/// The body of the answer.
#[derive(Serialize)]
struct Answer {
    path: String,
    revision: String,
}

/// How much of a body is read, in bytes.
const BODY_BYTES_MAX: usize = 3 << 20;

/// When to come again while another one is being made, in seconds.
const RETRY_SECONDS: u64 = 1;

impl Checkpoints {
    /// Checkpoints that are made like this.
    pub fn new(make: MakeCheckpoint) -> Self {
        Self { make, free: Arc::new(Semaphore::new(1)) }
    }

    /// Makes a checkpoint.
    async fn make(&self, environment: &Environment) -> Result<Made, ApiError> {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            let details = Details { retry_after_seconds: RETRY_SECONDS, ..Details::default() };
            let message = "a checkpoint is being made, please try again later";
            return Err(ApiError::new(429, "TooManyRequests", message).with(details));
        };
        let (sender, receiver) = oneshot::channel();
        let making = (self.make)();
        environment.spawn(async move {
            let made = making.await;
            drop(permit);
            // Whoever has gone away does not wait for it.
            let _ = sender.send(made);
        });
        let made = receiver.await.unwrap_or_else(|_| Err(Failed::Internal("it broke off".to_owned())));
        made.map_err(|failed| match failed {
            Failed::Exists(message) => ApiError::new(409, "AlreadyExists", message),
            Failed::Internal(message) => ApiError::internal(message),
        })
    }
}

/// Answers a request for a checkpoint.
///
/// Its body says nothing, whatever it is.
pub(super) async fn answer<B: HttpBody>(app: &App, body: B, negotiated: &Negotiated) -> Response<Body>
where
    B::Error: Into<BoxError>,
{
    // What is longer is cut off with the connection.
    let _ = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let Some(checkpoints) = &app.checkpoints else {
        let message =
            "this server makes no checkpoints: start it with --checkpoint-dir and --backend rocksdb";
        return response::error(&ApiError::new(404, "NotFound", message), negotiated);
    };
    match checkpoints.make(&app.environment).await {
        Ok(Made { path, revision }) => {
            tracing::info!(path = %path.display(), %revision, "a checkpoint was made");
            let path = path.to_string_lossy().into_owned();
            let answer = Answer { path, revision: revision.to_string() };
            let mut json = serde_json::to_vec(&answer).unwrap_or_default();
            json.push(b'\n');
            response::rendered(StatusCode::CREATED, json.into(), negotiated)
        }
        Err(failure) => {
            tracing::warn!(%failure, "no checkpoint was made");
            response::error(&failure, negotiated)
        }
    }
}
