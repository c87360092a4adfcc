//! Certificates and keys as people keep them: texts in PEM, checked before a load begins.

use inrush_core::plan::{Identity, Trust};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fmt;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// Why a text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No certificate is in it.
    NoCertificate,
    /// No private key is in it.
    NoKey,
    /// What is in it cannot be read.
    Unreadable(String),
    /// The certificate's time is over, since this day.
    Expired(String),
    /// The certificate's time begins on this day.
    NotYetValid(String),
    /// The key does not belong to the certificate.
    Mismatch,
    /// rustls says so.
    Refused(String),
}

impl Unusable {
    pub(super) fn by(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(_) => Self::Mismatch,
            other => Self::Refused(other.to_string()),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate in it (PEM)"),
            Self::NoKey => f.write_str("there is no private key in it (PEM, not encrypted)"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::Expired(when) => write!(f, "the certificate expired on {when}"),
            Self::NotYetValid(when) => write!(f, "the certificate is not valid before {when}"),
            Self::Mismatch => f.write_str("the key does not belong to the certificate"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unusable {}

/// Whether these are authorities' certificates.
///
/// # Errors
/// What is wrong with the text.
pub fn check_trust(pem: &str) -> Result<(), Unusable> {
    roots(pem).map(drop)
}

/// Whether this system has authorities that it trusts.
///
/// # Errors
/// What keeps them from being used.
pub fn check_system_trust() -> Result<(), Unusable> {
    super::config::verifier(&Trust::System).map(drop)
}

/// Whether this certificate is valid now and the key belongs to it.
///
/// # Errors
/// What is wrong with them. Of `NoCertificate`, `Unreadable`, `Expired` and `NotYetValid` the
/// certificate is meant, of `NoKey` the key.
pub fn check_identity(identity: &Identity) -> Result<(), Unusable> {
    let (chain, _) = self::identity(identity)?;
    let own = chain.first().ok_or(Unusable::NoCertificate)?;
    let (_, own) =
        X509Certificate::from_der(own).map_err(|why| Unusable::Unreadable(why.to_string()))?;
    let (validity, now) = (own.validity(), ASN1Time::now());
    if validity.not_after < now {
        return Err(Unusable::Expired(validity.not_after.to_string()));
    }
    if validity.not_before > now {
        return Err(Unusable::NotYetValid(validity.not_before.to_string()));
    }
    super::Server::new(identity, true).map(drop)
}

/// Whether this can be asked for: a DNS name or an address.
pub fn is_name(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}

/// The certificates of a text, and as authorities.
pub(super) fn roots(pem: &str) -> Result<(Vec<CertificateDer<'static>>, RootCertStore), Unusable> {
    let (certificates, mut roots) = (certificates(pem)?, RootCertStore::empty());
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(Unusable::by)?;
    }
    Ok((certificates, roots))
}

pub(super) fn identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unusable> {
    let key =
        PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|_| Unusable::NoKey)?;
    Ok((certificates(&identity.chain)?, key))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|why| Unusable::Unreadable(why.to_string()))?;
    if all.is_empty() { Err(Unusable::NoCertificate) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::super::own::self_signed;
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let good = self_signed(&["localhost".into()]).unwrap();
        let other = self_signed(&["localhost".into()]).unwrap();
        let check = |chain: &str, key: &str, expected: Result<(), Unusable>| {
            let identity = Identity { chain: chain.into(), key: key.into() };
            assert_eq!(check_identity(&identity), expected);
        };
        check(&good.chain, &good.key, Ok(()));
        check(&good.chain, &other.key, Err(Unusable::Mismatch));
        check("", &good.key, Err(Unusable::NoCertificate));
        check(&good.chain, "", Err(Unusable::NoKey));
        check(&good.chain, &good.chain, Err(Unusable::NoKey));
        assert_eq!(check_trust(&good.chain), Ok(()));
        assert_eq!(check_trust("nothing"), Err(Unusable::NoCertificate));
        let cut = &good.chain[..good.chain.len() / 2];
        assert!(matches!(check_trust(cut), Err(Unusable::Unreadable(_) | Unusable::NoCertificate)));
    }

    #[test]
    fn a_certificate_whose_time_is_over_is_not_shown_to_anybody() {
        let check = |from: (i32, u8), to: (i32, u8), expected: fn(&Unusable) -> bool| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
            params.not_after = rcgen::date_time_ymd(to.0, to.1, 1);
            let chain = params.self_signed(&key).unwrap().pem();
            let identity = Identity { chain, key: key.serialize_pem() };
            let why = check_identity(&identity).unwrap_err();
            assert!(expected(&why), "{why:?}");
        };
        check(
            (2001, 1),
            (2002, 2),
            |why| matches!(why, Unusable::Expired(day) if day.contains("2002")),
        );
        check((2901, 1), (2902, 2), |why| matches!(why, Unusable::NotYetValid(_)));
    }

    #[test]
    fn names() {
        for good in ["localhost", "example.com", "10.0.0.5", "::1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "x..y", "-"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
