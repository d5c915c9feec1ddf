//! A server behind TLS, which lets in who has a certificate: the generator shows its own, and checks that of the
//! server.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser as _;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use watchkeep_load::LoadError;
use watchkeep_load::cli::Cli;
use watchkeep_tests::server::Server;

/// A server, TLS in front of it, and the files for its clients.
struct Guarded {
    _server: Server,
    url: String,
    files: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let server = Server::start_with(["--backend", "memory"]).unwrap();
        let files = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["server", "client"].map(|name| {
            let certified = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            fs::write(files.path().join(format!("{name}.crt")), certified.cert.pem()).unwrap();
            fs::write(files.path().join(format!("{name}.key")), certified.signing_key.serialize_pem())
                .unwrap();
            certified
        });
        let acceptor = TlsAcceptor::from(Arc::new(config(&ours, &theirs)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        Handle::current().spawn(guard(listener, acceptor, server.address().to_owned()));
        Self { _server: server, url, files }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What the generator reports with these flags.
    async fn run(&self, flags: &[&str]) -> Result<Json, LoadError> {
        let arguments =
            ["watchkeep-bench", "list", "--objects", "5", "--lists", "2", "--json", "--server", &self.url];
        let files = [("--cert", "client.crt"), ("--key", "client.key")];
        let files = files.map(|(flag, file)| [flag.to_owned(), self.file(file).display().to_string()]);
        let arguments =
            arguments.iter().chain(flags).map(|&text| text.to_owned()).chain(files.into_iter().flatten());
        let mut out = Vec::new();
        watchkeep_load::run(Cli::parse_from(arguments), &mut out).await?;
        Ok(serde_json::from_slice(&out).unwrap())
    }
}

/// The server's side of TLS, for one client.
fn config(ours: &CertifiedKey<KeyPair>, theirs: &CertifiedKey<KeyPair>) -> ServerConfig {
    let mut clients = RootCertStore::empty();
    clients.add(theirs.cert.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
        .build()
        .unwrap();
    let key = PrivateKeyDer::try_from(ours.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier);
    let mut config = config.with_single_cert(vec![ours.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Takes TLS off, for as long as the test runs.
async fn guard(listener: TcpListener, acceptor: TlsAcceptor, server: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        Handle::current().spawn(async move {
            let Ok(mut outside) = acceptor.accept(stream).await else { return };
            let mut inside = TcpStream::connect(server).await.unwrap();
            // A client that leaves without a farewell is no error.
            _ = copy_bidirectional(&mut outside, &mut inside).await;
        });
    }
}

// The end of the server is awaited on a thread, while others still close connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_tls_is_measured_in_both_protocols() {
    let guarded = Guarded::start().await;
    let authority = guarded.file("server.crt");
    for protocol in [&[][..], &["--http2"]] {
        let flags = [&["--cacert", authority.to_str().unwrap(), "--token", "secret"], protocol].concat();
        let report = guarded.run(&flags).await.unwrap();
        assert_eq!(report["measured"][0]["objects"], 10, "{report}");
        assert_eq!(report["measured"][0]["server_cpu_ns_per_byte"], Json::Null, "its process is not known");
    }
}

// The end of the server is awaited on a thread, while others still close connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let guarded = Guarded::start().await;
    let other = guarded.file("client.crt");
    let refused = guarded.run(&["--cacert", other.to_str().unwrap()]).await.unwrap_err();
    assert!(matches!(refused, LoadError::Io { .. }), "{refused}");
    let unchecked = guarded.run(&[]).await.unwrap_err();
    assert!(matches!(unchecked, LoadError::Usage(_)), "{unchecked}");
}
