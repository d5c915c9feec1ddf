//! The members of the cluster: connections, deadlines, and who is asked.
//!
//! Promises: every call ends within its deadline. A request that may have had an effect is sent once; one
//! that was never sent, or has no effects, is tried at the next member.
//!
//! One member is asked for everything, and the next when it fails: so revisions seldom go back from one read
//! to the next, and a member that is away costs one failed try and not every n-th request. Requests and
//! watches have connections of their own. On that of the watches the window of a stream is small, so that
//! a watch that is not read is held back at etcd, and that of the connection so large that thousands of such
//! watches leave room for the others.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use hyper::http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::OpenError;
use super::options::EtcdOptions;
use super::proto::{WatchAsk, WatchCreateRequest, WatchRequest, WatchResponse};
use super::status::{CallError, may_pass, was_not_sent};
use super::telemetry::Telemetry;
use crate::environment::Environment;
use crate::error::Error;

/// The largest response in bytes. Pages are chosen to stay far below ([`super::pages`]).
const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// How many bytes of a response may be under way on the connection of requests.
const REQUEST_WINDOW_BYTES: u32 = 4 << 20;

/// How many bytes etcd may send on a watch that is not read, and on all watches together.
const WATCH_WINDOW_BYTES: u32 = 256 << 10;
const WATCH_CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// After how much silence the operating system asks whether the other side is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// How often a request without effects is tried where there is one member.
const TRIES_MIN: usize = 2;

/// The pause before another try.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How many requests may wait to be sent on a watch: its creation, and asks for progress.
const WATCH_REQUESTS_MAX: usize = 4;

/// A method of etcd's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Range,
    Txn,
    Compact,
    LeaseGrant,
    Watch,
    Status,
}

impl Method {
    pub(super) const ALL: [Self; 6] =
        [Self::Range, Self::Txn, Self::Compact, Self::LeaseGrant, Self::Watch, Self::Status];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Range => "Range",
            Self::Txn => "Txn",
            Self::Compact => "Compact",
            Self::LeaseGrant => "LeaseGrant",
            Self::Watch => "Watch",
            Self::Status => "Status",
        }
    }

    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Range => "/etcdserverpb.KV/Range",
            Self::Txn => "/etcdserverpb.KV/Txn",
            Self::Compact => "/etcdserverpb.KV/Compact",
            Self::LeaseGrant => "/etcdserverpb.Lease/LeaseGrant",
            Self::Watch => "/etcdserverpb.Watch/Watch",
            Self::Status => "/etcdserverpb.Maintenance/Status",
        })
    }

    /// Whether a request that may have arrived can be sent again.
    fn has_no_effects(self) -> bool {
        match self {
            // A lease that nobody knows of expires.
            Self::Range | Self::LeaseGrant | Self::Watch | Self::Status => true,
            Self::Txn | Self::Compact => false,
        }
    }
}

/// The cluster.
pub(super) struct Client {
    members: Vec<Member>,
    /// Who is asked, counted on. Relaxed: any member will do.
    asked: AtomicUsize,
    request_timeout: Duration,
    environment: Environment,
    pub(super) telemetry: Telemetry,
}

#[derive(Clone)]
struct Member {
    requests: Channel,
    watches: Channel,
}

/// An open watch: what is asked on it, and what comes.
pub(super) struct WatchStream {
    /// Who was asked, for [`Client::pass_on`].
    pub(super) asked: usize,
    pub(super) asks: mpsc::Sender<WatchRequest>,
    pub(super) responses: Streaming<WatchResponse>,
}

impl Client {
    /// A client of the cluster. Connections are made when they are needed.
    pub(super) fn new(options: &EtcdOptions, environment: &Environment) -> Result<Self, OpenError> {
        let tls = Tls::read(options)?;
        let member = |server: &String| -> Result<Member, OpenError> {
            let endpoint = endpoint(server, options, tls.as_ref(), environment)?;
            let requests = endpoint.clone().initial_stream_window_size(REQUEST_WINDOW_BYTES);
            let watches = endpoint.initial_stream_window_size(WATCH_WINDOW_BYTES);
            Ok(Member {
                requests: requests.initial_connection_window_size(REQUEST_WINDOW_BYTES * 4).connect_lazy(),
                watches: watches.initial_connection_window_size(WATCH_CONNECTION_WINDOW_BYTES).connect_lazy(),
            })
        };
        let members = options.servers.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(OpenError::NoServers);
        }
        let first = usize::try_from(environment.random() >> 32).unwrap_or_default() % members.len();
        Ok(Self {
            members,
            asked: AtomicUsize::new(first),
            request_timeout: options.request_timeout,
            environment: environment.clone(),
            telemetry: Telemetry::new(),
        })
    }

    /// A call with the deadline of all requests.
    pub(super) async fn call<Q, A>(&self, method: Method, request: Q) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.call_within(method, request, self.request_timeout).await
    }

    /// A call with a deadline of its own.
    pub(super) async fn call_within<Q, A>(
        &self,
        method: Method,
        request: Q,
        within: Duration,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let once = |member: Member, _, within| {
            let mut request = Request::new(request.clone());
            request.set_timeout(within);
            async move {
                let mut grpc = grpc(member.requests).await?;
                let answer = grpc.unary(request, method.path(), ProstCodec::<Q, A>::default()).await;
                answer.map(tonic::Response::into_inner)
            }
        };
        self.try_members(method, within, once).await
    }

    /// Opens a watch. Its deadline is that of the first response's headers; what follows has none.
    pub(super) async fn watch(&self, create: WatchCreateRequest) -> Result<WatchStream, CallError> {
        let once = |member: Member, asked, _| {
            let (asks, mut requests) = mpsc::channel(WATCH_REQUESTS_MAX);
            // There is room: nothing else was sent yet.
            let _ = asks.try_send(WatchRequest { ask: Some(WatchAsk::Create(create.clone())) });
            let mut request = Request::new(stream::poll_fn(move |context| requests.poll_recv(context)));
            // A member that is cut off from the others says so instead of staying silent.
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
            async move {
                let mut grpc = grpc(member.watches).await?;
                let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
                let responses = grpc.streaming(request, Method::Watch.path(), codec).await?.into_inner();
                Ok(WatchStream { asked, asks, responses })
            }
        };
        self.try_members(Method::Watch, self.request_timeout, once).await
    }

    /// Who was asked does not serve: the next call asks another. Who notices at the same time moves on once.
    pub(super) fn pass_on(&self, asked: usize) {
        let next = asked.wrapping_add(1);
        let _ = self.asked.compare_exchange(asked, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn try_members<A, F: Future<Output = Result<A, Status>>>(
        &self,
        method: Method,
        within: Duration,
        once: impl Fn(Member, usize, Duration) -> F,
    ) -> Result<A, CallError> {
        let tries = self.members.len().max(TRIES_MIN);
        let end = self.environment.uptime().saturating_add(within);
        for tried in 1.. {
            let left = end.saturating_sub(self.environment.uptime());
            // One silent member must not use up the time of all.
            let within = if self.members.len() > 1 && method.has_no_effects() { left / 2 } else { left };
            let asked = self.asked.load(Ordering::Relaxed);
            let Some(member) = self.members.get(asked % self.members.len()) else { break };
            let status = match self.measured(method, within, once(member.clone(), asked, within)).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let failed =
                was_not_sent(&status) || may_pass(&status) || status.code() == tonic::Code::Cancelled;
            if failed {
                self.pass_on(asked);
            }
            let again = was_not_sent(&status) || method.has_no_effects() && failed;
            let left = end.saturating_sub(self.environment.uptime());
            if !again || tried >= tries || left <= RETRY_PAUSE {
                return Err(status.into());
            }
            self.environment.sleep(RETRY_PAUSE).await;
        }
        Err(CallError::Failed(Error::Internal { reason: "there is no member to ask".to_owned() }))
    }

    async fn measured<A>(
        &self,
        method: Method,
        within: Duration,
        call: impl Future<Output = Result<A, Status>>,
    ) -> Result<A, Status> {
        let start = self.environment.uptime();
        self.telemetry.sent(method);
        let answer = tokio::time::timeout(within, call).await.unwrap_or_else(|_| {
            Err(Status::cancelled(format!("{} was not answered within {within:?}", method.name())))
        });
        let took = self.environment.uptime().saturating_sub(start);
        self.telemetry.ended(method, answer.is_ok(), took.as_secs_f64());
        answer
    }
}

/// A client over a connection that is there.
async fn grpc(channel: Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(RESPONSE_BYTES_MAX);
    grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    Ok(grpc)
}

fn endpoint(
    server: &str,
    options: &EtcdOptions,
    tls: Option<&ClientTlsConfig>,
    environment: &Environment,
) -> Result<Endpoint, OpenError> {
    let bad_url = |reason: String| OpenError::Server { server: server.to_owned(), reason };
    let endpoint = Endpoint::from_shared(server.to_owned()).map_err(|error| bad_url(error.to_string()))?;
    let endpoint = match (endpoint.uri().scheme_str(), tls) {
        (Some("http"), _) => endpoint,
        (Some("https"), Some(tls)) => {
            endpoint.tls_config(tls.clone()).map_err(|error| OpenError::Tls(error.to_string()))?
        }
        (Some("https"), None) => return Err(OpenError::NoCertificates { server: server.to_owned() }),
        _ => return Err(bad_url("it begins neither with http:// nor with https://".to_owned())),
    };
    Ok(endpoint
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(TCP_KEEPALIVE))
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        // etcd ends connections that ask while nothing is under way.
        .keep_alive_while_idle(false)
        .executor(Tasks(environment.clone())))
}

/// Starts the tasks of connections where all tasks are started.
#[derive(Clone)]
struct Tasks(Environment);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        drop(self.0.spawn(task));
    }
}

/// The certificates, read from their files.
struct Tls;

impl Tls {
    fn read(options: &EtcdOptions) -> Result<Option<ClientTlsConfig>, OpenError> {
        let read = |path: &std::path::Path| {
            fs::read(path).map_err(|error| OpenError::File { file: path.to_owned(), error })
        };
        let Some(ca) = &options.ca_file else { return Ok(None) };
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        match (&options.cert_file, &options.key_file) {
            (None, None) => Ok(Some(tls)),
            (Some(cert), Some(key)) => Ok(Some(tls.identity(Identity::from_pem(read(cert)?, read(key)?)))),
            _ => Err(OpenError::HalfAnIdentity),
        }
    }
}
