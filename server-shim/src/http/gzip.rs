//! Compression of large answers, for clients that ask for it.
//!
//! Promises: a body is compressed piece by piece as it is read, so that neither a copy of it nor a long
//! stretch of work comes about; a body whose length is not known beforehand, as that of a watch, stays
//! as it is, unless it is marked as [`Large`].

use std::io::Write as _;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, VARY};
use hyper::{HeaderMap, Response};

use super::response::{Body, BoxError};

/// Shorter answers cost more to compress than to send: the reference's bound, in bytes.
const SHORTEST: u64 = 128 << 10;
/// How much is compressed at once, in bytes.
const PIECE: usize = 64 << 10;

/// Marks a response, among its extensions, as worth compressing although its length is not known yet:
/// a list that is made while it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Large;

/// Compresses the response, for a client that reads gzip, if it is worth it.
pub fn compress(mut response: Response<Body>) -> Response<Body> {
    let is_large = response.extensions().get::<Large>().is_some()
        || response.body().size_hint().exact().is_some_and(|length| length > SHORTEST);
    if !is_large || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response.map(|body| GzipBody::new(body).boxed_unsync())
}

/// Whether the client of a request with these headers reads gzip.
pub fn is_read(request: &HeaderMap) -> bool {
    let lines = request.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = parameters.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// A body that is compressed while it is read.
struct GzipBody {
    inner: Body,
    /// What was read and is not compressed yet.
    waiting: Bytes,
    /// Gone once the end is written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl GzipBody {
    fn new(inner: Body) -> Self {
        let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        Self { inner, waiting: Bytes::new(), encoder }
    }
}

impl hyper::body::Body for GzipBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            if this.waiting.has_remaining() {
                let piece = this.waiting.split_to(PIECE.min(this.waiting.len()));
                encoder.write_all(&piece)?;
                if !encoder.get_ref().is_empty() {
                    let written = mem::take(encoder.get_mut());
                    return Poll::Ready(Some(Ok(Frame::data(written.into()))));
                }
                continue;
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => this.waiting = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let Some(encoder) = this.encoder.take() else { return Poll::Ready(None) };
                    let end = encoder.finish()?;
                    return Poll::Ready(Some(Ok(Frame::data(end.into()))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use hyper::StatusCode;

    use super::*;
    use crate::http::response;

    fn answer(accept_encoding: &str, length: usize) -> (Response<Body>, Vec<u8>) {
        let text: Vec<u8> =
            (0..length).map(|index| b'a' + u8::try_from(index * index % 23).unwrap()).collect();
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, accept_encoding.parse().unwrap())]);
        let plain = response::json(StatusCode::OK, text.clone());
        (if is_read(&headers) { compress(plain) } else { plain }, text)
    }

    #[tokio::test]
    async fn a_large_answer_comes_back_as_it_was() {
        let (response, text) = answer("deflate, gzip;q=0.5", 300_000);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        let compressed = response.into_body().collect().await.unwrap().to_bytes();
        assert!(compressed.len() < text.len() / 2);
        let mut read = Vec::new();
        GzDecoder::new(compressed.as_ref()).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn small_answers_and_other_clients_get_plain_bytes() {
        for (accept_encoding, length) in
            [("gzip", 128 << 10), ("identity", 300_000), ("gzip;q=0", 300_000), ("br", 300_000)]
        {
            let (response, _) = answer(accept_encoding, length);
            assert!(!response.headers().contains_key(CONTENT_ENCODING), "{accept_encoding} {length}");
        }
        assert!(answer("gzip", (128 << 10) + 1).0.headers().contains_key(CONTENT_ENCODING));
    }
}
