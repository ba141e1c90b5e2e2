//! Encryption of a connection: by a certificate that is checked, or by any.

use std::path::Path;
use std::sync::Arc;

use injixo_core::{Error, ErrorKind, Result};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::stream::Encryption;
use crate::config::{Connection, Tls};

/// What a connection asks for.
pub(super) fn encryption(connection: &Connection) -> Result<Encryption> {
    Ok(match connection.tls {
        Tls::Prefer => Encryption::IfOffered(unchecked()?),
        Tls::Require => Encryption::Demanded(checked(connection.ca_file.as_deref())?),
        Tls::Off => Encryption::Off,
    })
}

/// Certificates of these authorities and of those in `ca_file`, for the host.
fn checked(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        let wrong = || {
            let message = "connection.ca_file holds no certificates, or cannot be read: name a file in PEM format";
            Error::new(ErrorKind::ConfigInvalid, message).with("file", file.display())
        };
        let certificates = CertificateDer::pem_file_iter(file).map_err(|_| wrong())?;
        for certificate in certificates {
            roots.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
        }
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Any certificate: who listens cannot read along, who stands in between can.
fn unchecked() -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
    let any = Arc::new(AnyCertificate(provider()));
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

type Checked<T> = std::result::Result<T, tokio_rustls::rustls::Error>;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Checked<ServerCertVerified> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Checked<HandshakeSignatureValid> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Checked<HandshakeSignatureValid> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
