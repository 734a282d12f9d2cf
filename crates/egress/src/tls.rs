//! One TLS configuration for the process: the `ring` provider, the machine's certificate authorities.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;

use crate::error::BuildError;

/// Builds the client side of TLS 1.2 and 1.3.
///
/// Trusted are the authorities of the machine (or of `SSL_CERT_FILE` and `SSL_CERT_DIR`, for a CRM behind a
/// private authority); where there are none, as in an image without a bundle, Mozilla's list that is compiled
/// in.
pub(crate) fn client_config() -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        tracing::debug!("no certificate authorities on this machine, using the compiled-in ones");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
