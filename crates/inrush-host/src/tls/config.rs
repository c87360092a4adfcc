//! What rustls needs to know, made once per worker from the texts of a plan.

use super::files::{self, Unusable};
use super::provider;
use super::tickets::{Sessions, StoreOnly};
use super::verifier::{Anyone, NothingToShow, Verifier};
use inrush_core::plan::{Identity, TlsClient, Trust};
use rustls::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::server::{ProducesTickets, ServerConfig};
use rustls_platform_verifier::Verifier as PlatformVerifier;
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
    /// Without a certificate of our own: whether one is asked for.
    pub(super) nothing: Arc<NothingToShow>,
    /// Whether connections come again.
    pub(super) resumes: bool,
}

impl Client {
    /// `resumes`: connections come again, so that their sessions are worth keeping. For one target
    /// over which no HTTP is spoken; others are made [`Self::of_target`].
    ///
    /// # Errors
    /// When a text of the plan is not what it should be, or this system's trust cannot be read.
    pub fn new(plan: &TlsClient, resumes: bool) -> Result<Self, Unusable> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Unusable::by)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier(&plan.trust)?);
        let nothing: Arc<NothingToShow> = Arc::default();
        let mut config = match &plan.identity {
            Some(identity) => {
                let (chain, key) = files::identity(identity)?;
                builder.with_client_auth_cert(chain, key).map_err(Unusable::by)?
            }
            None => builder.with_client_cert_resolver(nothing.clone()),
        };
        config.enable_secret_extraction = true;
        Ok(Self::with(config, nothing, resumes))
    }

    /// The same for another target. `http`: what is spoken inside begins as HTTP/1.1, and that is
    /// said. Its sessions are its own: a server of the same name at another port knows nothing of
    /// them.
    #[must_use]
    pub fn of_target(&self, http: bool) -> Self {
        let mut config = ClientConfig::clone(&self.first);
        config.alpn_protocols = alpn(http);
        Self::with(config, Arc::clone(&self.nothing), self.resumes)
    }

    fn with(mut config: ClientConfig, nothing: Arc<NothingToShow>, resumes: bool) -> Self {
        config.resumption = Resumption::disabled();
        let mut first = config.clone();
        if resumes {
            let sessions: Arc<Sessions> = Arc::default();
            first.resumption = Resumption::store(Arc::new(StoreOnly(Arc::clone(&sessions))));
            config.resumption = Resumption::store(sessions);
        }
        Self { first: Arc::new(first), again: Arc::new(config), nothing, resumes }
    }
}

fn alpn(http: bool) -> Vec<Vec<u8>> {
    if http { vec![ALPN.to_vec()] } else { Vec::new() }
}

pub(super) fn verifier(trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>, Unusable> {
    let (authorities, trusted): (Arc<dyn ServerCertVerifier>, _) = match trust {
        Trust::Anyone => return Ok(Arc::new(Anyone(provider()))),
        Trust::System => {
            (Arc::new(PlatformVerifier::new(provider()).map_err(Unusable::by)?), Vec::new())
        }
        Trust::Authorities(pem) => {
            let (trusted, roots) = files::roots(pem)?;
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
            let verifier = builder.build().map_err(|why| Unusable::Refused(why.to_string()))?;
            (verifier, trusted)
        }
    };
    Ok(Arc::new(Verifier { authorities, trusted }))
}

/// How this worker speaks TLS to clients.
#[derive(Clone, Debug)]
pub struct Server(pub(super) Arc<ServerConfig>);

impl Server {
    /// Speaks as this identity; asks clients for nothing. `http`: HTTP/1.1 may be spoken inside, so
    /// that clients who offer other protocols alone are refused.
    ///
    /// # Errors
    /// When certificate and key are unreadable or do not belong together.
    pub fn new(identity: &Identity, http: bool) -> Result<Self, Unusable> {
        let (chain, key) = files::identity(identity)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Unusable::by)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(Unusable::by)?;
        // A client that offers no protocol is served all the same.
        config.alpn_protocols = alpn(http);
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
