//! TLS between a socket and its swarm: what is read is decrypted, what is written is encrypted, and
//! neither side knows. rustls does the cryptography; this keeps its sessions by slot.

mod config;
mod files;
mod layer;
mod own;
mod reason;
mod records;
mod session;
mod tickets;
mod verifier;

pub use config::{Client, Server};
pub use files::{Unusable, check_identity, check_system_trust, check_trust, is_name};
pub(crate) use layer::Layer;
pub use own::self_signed;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as cryptography;

/// Whose cryptography is used, and what is offered first: AES-128 with SHA-256, as browsers and Go
/// do. SHA-384 has no instruction of its own and costs an eighth of a hand-shake.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = cryptography::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite.suite()));
    Arc::new(provider)
}

fn is_first(suite: CipherSuite) -> bool {
    use CipherSuite as C;
    matches!(
        suite,
        C::TLS13_AES_128_GCM_SHA256
            | C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | C::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}
