//! A wire between a client and an etcd that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Passes bytes on to a port of this machine.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: Notify,
    refuses: AtomicBool,
    accepted: AtomicUsize,
}

impl Proxy {
    /// A wire to a port.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        start(async move {
            while let Ok((client, _)) = listener.accept().await {
                state.accepted.fetch_add(1, Ordering::SeqCst);
                if !state.refuses.load(Ordering::SeqCst) {
                    start(pass_on(client, port, Arc::clone(&state)));
                }
            }
        });
        proxy
    }

    /// Where a client finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Cuts all connections that are open.
    pub(crate) fn cut(&self) {
        self.state.cut.notify_waiters();
    }

    /// Whether new connections are closed at once.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How many connections were asked for.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

async fn pass_on(mut client: TcpStream, port: u16, state: Arc<State>) {
    let cut = state.cut.notified();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        () = cut => {}
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}

/// The runtime of the test ends it.
fn start(task: impl Future<Output = ()> + Send + 'static) {
    drop(watchkeep_storage::Environment::system().spawn(task));
}
