//! TLS in a plan: texts of files that were read and checked before, so that a worker needs none.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Whom a client trusts, and who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsClient {
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// Shown to a server that asks for a certificate.
    pub identity: Option<Identity>,
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Those that this system trusts.
    #[default]
    System,
    /// Those that these authorities have signed (PEM).
    Authorities(String),
    /// All: nothing is verified.
    Anyone,
}

/// A certificate with its chain, and the key to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its own certificate first (PEM).
    pub chain: String,
    /// The private key (PEM: PKCS #8, PKCS #1 or SEC 1).
    pub key: String,
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain).finish_non_exhaustive()
    }
}
