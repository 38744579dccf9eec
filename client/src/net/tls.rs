//! Whom to trust.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::NetError;

/// Longest file of certificate authorities in bytes.
const MAX_PEM: u64 = 16 << 20;

/// The authorities in the PEM file `file` and no others; without it the system's, or where a system has none, Mozilla's.
pub(super) fn config(file: Option<&Path>) -> Result<TlsConfig, NetError> {
    let roots = match file {
        Some(path) => RootCerts::new_with_certs(&from_file(path)?),
        None => system(),
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn system() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    if certificates.is_empty() {
        RootCerts::WebPki
    } else {
        RootCerts::new_with_certs(&certificates)
    }
}

fn from_file(path: &Path) -> Result<Vec<Certificate<'static>>, NetError> {
    let wrong = |reason: String| NetError::Authorities { path: path.display().to_string(), reason };
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|f| f.take(MAX_PEM).read_to_end(&mut pem))
        .map_err(|e| wrong(e.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        Err(wrong("no certificate in it".into()))
    } else {
        Ok(certificates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_certificates_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(file.path(), bad).unwrap();
            assert!(
                matches!(config(Some(file.path())), Err(NetError::Authorities { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            config(Some(Path::new("/nonexistent"))),
            Err(NetError::Authorities { .. })
        ));
    }
}
