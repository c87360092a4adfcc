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

pub use config::{Client, Server};
pub use files::{Unusable, check_identity, check_trust, is_name};
pub(crate) use layer::Layer;
pub use own::self_signed;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as cryptography;

/// Whose cryptography is used.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(cryptography::default_provider())
}
