//! The listener and its connections, from the first to the last.
//!
//! Promises: at most so many connections at once, others wait to be accepted; a connection that asks
//! nothing, or does not read what it asked for, is closed; when `App::draining` is cancelled nothing more is accepted, what is being
//! answered is finished within the grace, and [`Server::serve`] returns.

mod write_timeout;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::write_timeout::WriteTimeout;
use crate::app::App;
use crate::http::service::{Service, ServiceOptions};
use crate::telemetry::Metrics;

/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: u32 = 256 << 10;
/// For how long a connection may stay without a request: longer than clients keep an idle connection
/// (Go 90 s), so that it is them who close it and no request meets a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// How many requests one HTTP/2 connection may have under way. Each watch is one; clients that reach the
/// limit queue.
const STREAMS_MAX: u32 = 1000;
/// How often a quiet HTTP/2 connection is asked for a sign of life, and how long that may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to wait when a connection cannot be accepted, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For how long bytes may wait for a peer to read at all, unless told otherwise.
pub const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// How to listen.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many connections may be open at once.
    pub max_connections: u32,
    /// How long requests under way may take once the server is to stop.
    pub shutdown_grace: Duration,
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    options: ServerOptions,
    write_timeout: Duration,
    service: ServiceOptions,
    metrics: Metrics,
    app: Arc<App>,
}

impl Server {
    /// Begins to listen, for everybody and with the usual bounds. Connections queue until
    /// [`Server::serve`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(options: ServerOptions, app: Arc<App>) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let local_addr = listener.local_addr()?;
        let (service, metrics) = (ServiceOptions::default(), Metrics::default());
        Ok(Self { listener, local_addr, options, write_timeout: WRITE_TIMEOUT, service, metrics, app })
    }

    /// The server with another bound on how long bytes may wait for a peer to read at all.
    #[must_use]
    pub fn write_timeout(mut self, bound: Duration) -> Self {
        self.write_timeout = bound;
        self
    }

    /// The server that answers these requests.
    #[must_use]
    pub fn answering(mut self, options: ServiceOptions) -> Self {
        self.service = options;
        self
    }

    /// The server that shows these metrics.
    #[must_use]
    pub fn showing(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Where it listens, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `App::draining` is cancelled and everything under way is answered, or the grace is
    /// over.
    pub async fn serve(self) {
        let Self { listener, local_addr, options, write_timeout, service, metrics, app } = self;
        let connections = Arc::new(Connections {
            service: Service::new(Arc::clone(&app), local_addr, service, metrics),
            write_timeout,
            protocols: protocols(),
            draining: app.draining.clone(),
            cut: CancellationToken::new(),
        });
        let room = Arc::new(Semaphore::new(options.max_connections as usize));
        tokio::select! {
            () = app.draining.cancelled() => {}
            () = accept(&listener, &app, &connections, &room) => {}
        }
        drop(listener);
        // All room is free again when the last connection is gone.
        let all = room.acquire_many(options.max_connections);
        if tokio::time::timeout(options.shutdown_grace, all).await.is_err() {
            let open = (options.max_connections as usize).saturating_sub(room.available_permits());
            tracing::warn!(open, "the grace is over: connections are cut");
            connections.cut.cancel();
            // Fails only if the semaphore were closed, which nobody does.
            let _ = room.acquire_many(options.max_connections).await;
        }
    }
}

/// Accepts connections; never returns.
async fn accept(listener: &TcpListener, app: &App, connections: &Arc<Connections>, room: &Arc<Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                app.environment.spawn(Arc::clone(connections).serve(stream, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                app.environment.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2, told apart by how a connection begins.
fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// What all connections share.
struct Connections {
    service: Service,
    write_timeout: Duration,
    protocols: auto::Builder<TokioExecutor>,
    /// The server is to stop.
    draining: CancellationToken,
    /// The grace is over.
    cut: CancellationToken,
}

impl Connections {
    /// Serves one connection to its end, and then gives its room back.
    async fn serve(self: Arc<Self>, stream: TcpStream, _room: OwnedSemaphorePermit) {
        // Events of a watch are to leave when they happen.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            let connections = Arc::clone(&self);
            async move { Ok::<_, Infallible>(connections.service.answer(request).await) }
        });
        let stream = TokioIo::new(WriteTimeout::new(stream, self.write_timeout));
        let mut connection = pin!(self.protocols.serve_connection(stream, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.cut_short(&asked) => return,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            // Clients go away in many ways; none is the server's fault.
            tracing::debug!(error, "a connection ended early");
        }
    }

    /// Returns when a connection has asked nothing for too long. Once it has, the protocols' own timers
    /// watch over it.
    async fn cut_short(&self, asked: &AtomicBool) {
        tokio::time::sleep(IDLE_TIMEOUT).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
