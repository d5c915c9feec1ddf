//! One connection, one request at a time; and the ways to read an answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::error::LoadError;
use crate::target::Target;

/// How long an answer may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// How much of a refusal is shown.
const REFUSAL_BYTES: usize = 512;

/// How many watches an HTTP/2 connection has at most: what servers commonly allow.
pub(crate) const STREAMS_MAX: u32 = 100;

/// The room for what the server may send on a connection before it is read.
const WINDOW_BYTES: u32 = 4 << 20;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) accept: &'static str,
    pub(crate) gzip: bool,
    pub(crate) body: Bytes,
}

/// The media type of everything that is not said to be another.
pub(crate) const JSON: &str = "application/json";

impl<'a> Call<'a> {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, content_type: None, accept: JSON, gzip: false, body: Bytes::new() }
    }

    /// A request with a body.
    pub(crate) fn with_body(method: Method, path: &'a str, content_type: &'static str, body: Bytes) -> Self {
        Self { content_type: Some(content_type), body, ..Self::new(method, path) }
    }

    /// What a message says of it.
    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn broken(&self, source: hyper::Error) -> LoadError {
        LoadError::Http { what: self.what(), source }
    }

    fn timed_out(&self) -> LoadError {
        LoadError::TimedOut { what: self.what(), waited: ANSWER_TIMEOUT }
    }

    /// An answer that lacks something.
    pub(crate) fn lacks(&self, missing: &'static str) -> LoadError {
        LoadError::Answer { what: self.what(), missing }
    }
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A connection. Dropping it closes it, once nothing that came over it is read any more.
pub(crate) struct Connection {
    target: Arc<Target>,
    sender: Sender,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Arc<Target>) -> Result<Self, LoadError> {
        let what = || format!("connecting to {}", target.address);
        let connecting = async {
            let stream = TcpStream::connect(target.address).await.map_err(LoadError::io(what()))?;
            stream.set_nodelay(true).map_err(LoadError::io(what()))?;
            let Some((connector, name)) = &target.tls else {
                return handshake(target, TokioIo::new(stream)).await;
            };
            let stream = connector.connect(name.clone(), stream).await.map_err(LoadError::io(what()))?;
            handshake(target, TokioIo::new(stream)).await
        };
        let sender = timeout(ANSWER_TIMEOUT, connecting)
            .await
            .map_err(|_| LoadError::TimedOut { what: what(), waited: ANSWER_TIMEOUT })??;
        Ok(Self { target: Arc::clone(target), sender })
    }

    /// Another place on this connection, where it has more than one.
    pub(crate) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => {
                let sender = Sender::Http2(sender.clone());
                Some(Self { target: Arc::clone(&self.target), sender })
            }
        }
    }

    /// Whether nothing can be sent over it any more.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Sends a request, and returns its answer once the head of it is there: a success, or an error.
    pub(crate) async fn send(&mut self, call: &Call<'_>) -> Result<Response<Incoming>, LoadError> {
        let response = self.dispatch(call).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(call, response).await) }
    }

    /// Sends a request, reads its whole answer, and keeps nothing of it.
    pub(crate) async fn exchange(&mut self, call: &Call<'_>) -> Result<(), LoadError> {
        let response = self.send(call).await?;
        each_chunk(call, response.into_body(), |_| Ok(())).await
    }

    async fn dispatch(&mut self, call: &Call<'_>) -> Result<Response<Incoming>, LoadError> {
        let mut request = self.target.request(call.method.clone(), call.path);
        request = request.header(ACCEPT, HeaderValue::from_static(call.accept));
        if let Some(kind) = call.content_type {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if call.gzip {
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let request = request.body(Full::new(call.body.clone()))?;
        let answering = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        match timeout(ANSWER_TIMEOUT, answering).await {
            Ok(answer) => answer.map_err(|source| call.broken(source)),
            Err(_) => Err(call.timed_out()),
        }
    }
}

/// Agrees on the protocol, and lets the connection run beside its requests.
async fn handshake<T>(target: &Target, io: T) -> Result<Sender, LoadError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let what = || format!("connecting to {}", target.address);
    let runtime = Handle::current();
    // A connection that fails is noticed by the request that is under way on it.
    if target.http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_connection_window_size(WINDOW_BYTES).initial_stream_window_size(WINDOW_BYTES);
        let (sender, connection) = builder.handshake(io).await.map_err(LoadError::http(what()))?;
        runtime.spawn(connection);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(io).await.map_err(LoadError::http(what()))?;
        runtime.spawn(connection);
        Ok(Sender::Http1(sender))
    }
}

/// Reads a body to its end, chunk by chunk.
pub(crate) async fn each_chunk(
    call: &Call<'_>,
    mut body: Incoming,
    mut read: impl FnMut(&[u8]) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| call.broken(source))?;
            if let Some(chunk) = frame.data_ref() {
                read(chunk)?;
            }
        }
        Ok(())
    };
    timeout(ANSWER_TIMEOUT, reading).await.unwrap_or_else(|_| Err(call.timed_out()))
}

/// What a server said instead of what it was asked for.
async fn refusal(call: &Call<'_>, response: Response<Incoming>) -> LoadError {
    let status = response.status();
    let mut text = Vec::new();
    let read = each_chunk(call, response.into_body(), |chunk| {
        let room = REFUSAL_BYTES.saturating_sub(text.len()).min(chunk.len());
        text.extend_from_slice(chunk.get(..room).unwrap_or_default());
        Ok(())
    });
    match read.await {
        Ok(()) => {
            let body = String::from_utf8_lossy(&text).into_owned();
            LoadError::Refused { what: call.what(), status, body }
        }
        Err(error) => error,
    }
}
