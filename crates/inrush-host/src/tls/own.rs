//! A certificate of our own making, for a server that is only there to be stormed.

use super::files::Unusable;
use inrush_core::plan::Identity;
use rcgen::{CertificateParams, KeyPair};

/// Signed by itself, for these names and addresses. Nobody trusts it: clients need `--insecure`, or
/// `--cacert` with its text.
///
/// # Errors
/// When a name cannot be in a certificate.
pub fn self_signed(names: &[String]) -> Result<Identity, Unusable> {
    let refused = |error: rcgen::Error| Unusable::Refused(error.to_string());
    let key = KeyPair::generate().map_err(refused)?;
    let params = CertificateParams::new(names).map_err(refused)?;
    let certificate = params.self_signed(&key).map_err(refused)?;
    Ok(Identity { chain: certificate.pem(), key: key.serialize_pem() })
}
