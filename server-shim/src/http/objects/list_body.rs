//! Lists as bodies: streamed from the cursor, in chunks, with a bounded amount in memory.

use std::{iter, vec};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode};
use watchkeep_storage::{Cursor, ListPage, StatusFor};

use super::target::Target;
use super::view::{ListMetadata, ListWriter, View};
use crate::codec::protobuf;
use crate::http::error::ApiError;
use crate::http::negotiate::{Format, Negotiated};
use crate::http::response::{self, Body, BoxError};

/// How many bytes of a list are gathered before they are sent. A list that fits goes out whole.
const CHUNK_BYTES: usize = 128 << 10;

/// How many objects are encoded as protobuf before other tasks get their turn.
const ENCODED_AT_ONCE: usize = 16;

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
    if negotiated.format == Format::Protobuf {
        return respond_in_protobuf(&target, cursor, &metadata, view).await;
    }
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

/// Answers with a list in protobuf. Its length comes before it, so all of its objects are gathered first: as they are
/// kept for others, and as they are sent.
async fn respond_in_protobuf(
    target: &Target,
    mut cursor: Box<dyn Cursor>,
    metadata: &ListMetadata,
    view: View,
) -> Result<Response<Body>, ApiError> {
    let mut messages = Vec::new();
    loop {
        let batch = cursor.next().await.map_err(|error| target.error(&error, StatusFor::List))?;
        if batch.is_empty() {
            break;
        }
        for records in batch.chunks(ENCODED_AT_ONCE) {
            for record in records {
                messages.push(view.message(target, record, record.revision)?);
            }
            tokio::task::yield_now().await;
        }
    }
    let begin = view.begin_list(target, metadata, &messages);
    let mut list = Some(MessageList { chunk: begin, messages: messages.into_iter() });
    let media_type = Format::Protobuf.media_type();
    let first = MessageList::next(&mut list);
    if list.is_none() {
        return Ok(response::with_type(
            StatusCode::OK,
            media_type,
            response::full(first.unwrap_or_default()),
        ));
    }
    let chunks = first.into_iter().chain(iter::from_fn(move || MessageList::next(&mut list)));
    let frames = stream::iter(chunks.map(|chunk| Ok::<_, BoxError>(Frame::data(Bytes::from(chunk)))));
    let body = StreamBody::new(frames).boxed_unsync();
    let mut response = response::with_type(StatusCode::OK, media_type, body);
    response.extensions_mut().insert(crate::http::gzip::Large);
    Ok(response)
}

/// A list in protobuf on its way out.
struct MessageList {
    /// What comes next: at first the beginning of the list.
    chunk: Vec<u8>,
    messages: vec::IntoIter<Bytes>,
}

impl MessageList {
    /// The next chunk; `None` stays behind after the last.
    fn next(list: &mut Option<Self>) -> Option<Vec<u8>> {
        let Self { mut chunk, mut messages } = list.take()?;
        while chunk.len() < CHUNK_BYTES {
            let Some(message) = messages.next() else {
                chunk.extend_from_slice(protobuf::END);
                return Some(chunk);
            };
            protobuf::write_item(&message, &mut chunk);
        }
        *list = Some(Self { chunk: Vec::new(), messages });
        Some(chunk)
    }
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
