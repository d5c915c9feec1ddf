//! How many requests are under way at once.
//!
//! Promises: a request has its place until its body is sent or given up; watches, which stay, take no
//! places from the others; who finds no place is told at once to come again, instead of waiting in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::response::{self, Body, BoxError};

/// When a client that was sent away is to come again, in seconds: the reference's.
const RETRY_SECONDS: u64 = 1;

/// The places for requests.
pub(super) struct Places(Arc<Semaphore>);

impl Places {
    pub(super) fn new(number: u32) -> Self {
        Self(Arc::new(Semaphore::new(number as usize)))
    }

    /// Takes a place if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Place)
    }
}

/// The place of one request.
pub(super) struct Place(OwnedSemaphorePermit);

impl Place {
    /// The response, whose body keeps the place until it is dropped.
    pub(super) fn held_by(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| Held { body, _place: self.0 }.boxed_unsync())
    }
}

/// For a request that found no place.
pub(super) fn too_many() -> Response<Body> {
    let mut response =
        response::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later.\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_the_body_is_gone() {
        let places = Places::new(1);
        let held = places.take().unwrap().held_by(response::json(StatusCode::OK, "{}\n"));
        assert_eq!(held.body().size_hint().exact(), Some(3), "the length stays known");
        assert!(places.take().is_none());
        drop(held);
        assert!(places.take().is_some());
    }
}
