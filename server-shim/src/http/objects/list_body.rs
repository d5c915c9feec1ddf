//! Lists as bodies: streamed from the cursor, in chunks, with a bounded amount in memory.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode};
use watchkeep_storage::{Cursor, ListPage, StatusFor};

use super::target::Target;
use super::view::{ListMetadata, ListWriter, View};
use crate::http::error::ApiError;
use crate::http::negotiate::{Format, Negotiated};
use crate::http::response::{self, Body, BoxError};

/// How many bytes of a list are gathered before they are sent. A list that fits goes out whole.
const CHUNK_BYTES: usize = 128 << 10;

/// Answers with a list.
///
/// # Errors
/// Those of the first chunk. Later ones break the body off, so that the client cannot take a part for the
/// whole.
pub(super) async fn respond(
    target: Target,
    page: ListPage,
    shard_selector: Option<&str>,
    view: View,
    negotiated: &Negotiated,
) -> Result<Response<Body>, ApiError> {
    let ListPage { revision, continue_token, remaining, cursor } = page;
    let shard_selector = shard_selector.map(str::to_owned);
    let metadata = ListMetadata { revision, continue_token, remaining, shard_selector };
    let writer = ListWriter::new(view, &target, &metadata);
    let mut list = ListStream { target, cursor, writer, done: false };
    let mut first = list.chunk().await?;
    if negotiated.pretty || negotiated.format != Format::Json {
        // These notations are made from the whole. A store in memory never waits, so others would.
        while !list.done {
            tokio::task::yield_now().await;
            first.extend(list.chunk().await?);
        }
    }
    if list.done {
        return Ok(response::rendered(StatusCode::OK, first.into(), negotiated));
    }
    let first = stream::iter([Ok(Frame::data(Bytes::from(first)))]);
    let rest = stream::unfold(Some(list), next);
    let body = StreamBody::new(stream::StreamExt::chain(first, rest)).boxed_unsync();
    let mut response = response::with_type(StatusCode::OK, Format::Json.media_type(), body);
    response.extensions_mut().insert(crate::http::gzip::Large);
    Ok(response)
}

/// A list on its way out.
struct ListStream {
    target: Target,
    cursor: Box<dyn Cursor>,
    writer: ListWriter,
    done: bool,
}

impl ListStream {
    /// The next chunk; sets `done` with the last.
    async fn chunk(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut chunk = self.writer.head();
        while chunk.len() < CHUNK_BYTES {
            let batch = self.cursor.next().await;
            let batch = batch.map_err(|error| self.target.error(&error, StatusFor::List))?;
            if batch.is_empty() {
                self.writer.tail(&mut chunk);
                self.done = true;
                break;
            }
            for record in &batch {
                self.writer.item(&self.target, record, &mut chunk)?;
            }
        }
        Ok(chunk)
    }
}

async fn next(list: Option<ListStream>) -> Option<(Result<Frame<Bytes>, BoxError>, Option<ListStream>)> {
    let mut list = list.filter(|list| !list.done)?;
    match list.chunk().await {
        Ok(chunk) => Some((Ok(Frame::data(chunk.into())), Some(list))),
        Err(error) => {
            tracing::warn!(%error, resource = list.target.resource.plural, "a list broke off");
            Some((Err(error.into()), None))
        }
    }
}
