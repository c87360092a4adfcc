//! What rustls needs to know, made once per worker from the texts of a plan.

use super::files::{self, Unusable};
use super::provider;
use super::tickets::{Sessions, StoreOnly};
use inrush_core::plan::{Identity, TlsClient, Trust};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ProducesTickets, ServerConfig};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::{Arc, OnceLock};

/// What is offered and asked for: HTTP/1.1 carries the upgrade (RFC 7301, RFC 6455 §4.1).
const ALPN: &[u8] = b"http/1.1";

/// How this worker speaks TLS to servers.
#[derive(Clone, Debug)]
pub struct Client {
    /// For a connection that is another machine to the server: it begins from nothing.
    pub(super) first: Arc<ClientConfig>,
    /// For one that has been there before: it goes on with a session if there is one.
    pub(super) again: Arc<ClientConfig>,
    /// Whether connections come again.
    pub(super) resumes: bool,
}

impl Client {
    /// `http`: what is spoken inside begins as HTTP/1.1, and that is said. `resumes`: connections
    /// come again, so that their sessions are worth keeping.
    ///
    /// # Errors
    /// When a text of the plan is not what it should be, or this system's trust cannot be read.
    pub fn new(plan: &TlsClient, http: bool, resumes: bool) -> Result<Self, Unusable> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Unusable::by)?;
        let builder = match &plan.trust {
            Trust::System => builder.with_platform_verifier().map_err(Unusable::by)?,
            Trust::Authorities(pem) => builder.with_root_certificates(files::roots(pem)?),
            Trust::Anyone => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider())))
            }
        };
        let mut config = match &plan.identity {
            Some(identity) => {
                let (chain, key) = files::identity(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(Unusable::by)?
            }
            None => builder.with_no_client_auth(),
        };
        if http {
            config.alpn_protocols = vec![ALPN.to_vec()];
        }
        config.resumption = Resumption::disabled();
        config.enable_secret_extraction = true;
        let mut first = config.clone();
        if resumes {
            let sessions: Arc<Sessions> = Arc::default();
            first.resumption = Resumption::store(Arc::new(StoreOnly(Arc::clone(&sessions))));
            config.resumption = Resumption::store(sessions);
        }
        Ok(Self { first: Arc::new(first), again: Arc::new(config), resumes })
    }
}

/// How this worker speaks TLS to clients.
#[derive(Clone, Debug)]
pub struct Server(pub(super) Arc<ServerConfig>);

impl Server {
    /// Speaks as this identity; asks clients for nothing.
    ///
    /// # Errors
    /// When certificate and key are unreadable or do not belong together.
    pub fn new(identity: &Identity) -> Result<Self, Unusable> {
        let (chain, key) = files::identity(identity)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Unusable::by)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(Unusable::by)?;
        // A client that offers no protocol is served all the same.
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_secret_extraction = true;
        config.ticketer = ticketer().map_err(Unusable::by)?;
        Ok(Self(Arc::new(config)))
    }
}

/// One key for all loops of a process, or a client that comes again would be known to the loop
/// alone that saw it before. Other processes have their own.
fn ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    static SHARED: OnceLock<Arc<dyn ProducesTickets>> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(Arc::clone(shared));
    }
    let new = super::cryptography::Ticketer::new()?;
    Ok(Arc::clone(SHARED.get_or_init(|| new)))
}

/// `--insecure`: whoever holds the key to the certificate shown is believed.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
