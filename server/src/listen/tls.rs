//! TLS by rustls with ring: versions 1.2 and 1.3, HTTP/2 and HTTP/1.1.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ConfigError;

/// Loads a certificate chain and its key from PEM files.
///
/// # Errors
/// When a file can't be read, or key and certificate do not fit.
pub fn load(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, ConfigError> {
    let bad =
        |path: &Path, detail: String| ConfigError::Certificate { path: path.to_owned(), detail };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|e| bad(chain, e.to_string()))?;
    if certificates.is_empty() {
        return Err(bad(chain, "it holds no certificate".to_owned()));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| bad(key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(chain, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key_der)
        .map_err(|e| bad(chain, e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
