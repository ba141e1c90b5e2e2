//! Certificates: given, or made for this start.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Failure;

/// With the certificates and the key of two files.
pub(crate) fn from_files(certificates: &str, key: &str) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("--tls: the certificates in {certificates} cannot be read: {error}"))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("--tls: the key in {key} cannot be read: {error}"))?;
    acceptor(chain, key)
}

/// With a certificate that is made for an address of this machine; says in which file it is.
pub(crate) fn made(address: IpAddr, file: Option<String>) -> Result<(TlsAcceptor, String), Failure> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.is_unspecified() && !names.contains(&address.to_string()) {
        names.push(address.to_string());
    }
    let made = rcgen::generate_simple_self_signed(names)?;
    let file = file.unwrap_or_else(|| {
        let name = format!("api_receiver-{}.pem", std::process::id());
        std::env::temp_dir().join(name).display().to_string()
    });
    std::fs::write(&file, made.cert.pem())
        .map_err(|error| format!("the certificate cannot be written to {file}: {error}"))?;
    let key = PrivateKeyDer::try_from(made.key_pair.serialize_der())?;
    Ok((acceptor(vec![made.cert.der().clone()], key)?, file))
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor, Failure> {
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
