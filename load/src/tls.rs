//! TLS: who vouches for the server, and what it is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::cli::Common;
use crate::error::LoadError;

/// The client's side, for the protocol that is spoken.
pub(crate) fn client(flags: &Common) -> Result<ClientConfig, LoadError> {
    let Some(authorities) = &flags.cacert else {
        return Err(LoadError::Usage("https:// needs --cacert".to_owned()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match (&flags.cert, &flags.key) {
        (Some(certificate), Some(key)) => {
            let key_read = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
            config.with_client_auth_cert(certificates(certificate)?, key_read)?
        }
        _ => config.with_no_client_auth(),
    };
    let protocol: &[u8] = if flags.http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// All certificates of a file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &rustls::pki_types::pem::Error) -> LoadError {
    LoadError::Usage(format!("{}: {error}", file.display()))
}
