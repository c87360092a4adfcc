//! rustls's errors in the core's terms.

use super::verifier::SelfSigned;
use inrush_core::failure::{CertificateFault as Fault, TlsError, is_about_certificates};
use rustls::{CertificateError, Error};

/// What TLS 1.2 says when it has no better word (RFC 5246 §7.2.2).
const HANDSHAKE_FAILURE: u8 = 40;
/// This one says so itself (RFC 8446 §6.2).
const CERTIFICATE_REQUIRED: u8 = 116;

/// A fatal alert of the peer. `wanted`: it had asked for a certificate, and we had none.
pub(super) const fn alert(alert: u8, wanted: bool) -> TlsError {
    let about = alert == HANDSHAKE_FAILURE || is_about_certificates(alert);
    match wanted && about && alert != CERTIFICATE_REQUIRED {
        true => TlsError::CertificateWanted(alert),
        false => TlsError::Alert(alert),
    }
}

/// First bytes of a TLS record: change_cipher_spec, alert, handshake, application_data (RFC 8446
/// §5.1), then a version that begins with 3.
pub(super) fn is_record(wire: &[u8]) -> bool {
    matches!(wire, [0x14..=0x17, 0x03, ..] | [0x14..=0x17] | [])
}

/// Why TLS ended. `wire` is what was read when it did; `shaking`: before hands were shaken.
pub(super) fn reason(error: &Error, wire: &[u8], shaking: bool) -> TlsError {
    match error {
        Error::AlertReceived(alert) => TlsError::Alert((*alert).into()),
        Error::InvalidCertificate(why) => TlsError::Certificate(fault(why)),
        Error::NoCertificatesPresented => TlsError::NoCertificate,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsError::Incompatible,
        Error::DecryptError => TlsError::BadRecord,
        Error::InvalidMessage(_) if shaking && !is_record(wire) => TlsError::NotTls,
        // A client's first message (type 1), which only a client sends.
        Error::InappropriateHandshakeMessage { .. } if shaking && wire.get(5) == Some(&1) => {
            TlsError::Echoed
        }
        _ => TlsError::Violation,
    }
}

fn fault(error: &CertificateError) -> Fault {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => Fault::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => Fault::NotYetValid,
        E::Revoked => Fault::Revoked,
        E::UnknownIssuer => Fault::UnknownIssuer,
        E::BadSignature => Fault::BadSignature,
        E::NotValidForName | E::NotValidForNameContext { .. } => Fault::WrongName,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Fault::WrongPurpose,
        E::Other(other) if other.0.is::<SelfSigned>() => Fault::SelfSigned,
        _ => Fault::Other,
    }
}

/// What the verifier said of a certificate, in its own words; else what was on the wire.
pub(super) fn words(error: &Error, wire: &[u8]) -> Vec<u8> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(why)) => why.to_string().into_bytes(),
        Error::InvalidCertificate(why) => why.to_string().into_bytes(),
        Error::PeerIncompatible(_) | Error::PeerMisbehaved(_) => error.to_string().into_bytes(),
        Error::InvalidMessage(_) => wire.to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, InvalidMessage};

    #[test]
    fn each_reason_is_kept() {
        let check = |error: Error, wire: &[u8], expected| {
            assert_eq!(reason(&error, wire, true), expected, "{error}");
        };
        check(Error::AlertReceived(AlertDescription::UnknownCA), b"", TlsError::Alert(48));
        check(Error::AlertReceived(AlertDescription::Unknown(200)), b"", TlsError::Alert(200));
        let invalid = || Error::InvalidMessage(InvalidMessage::InvalidContentType);
        check(invalid(), b"HTTP/1.1 400", TlsError::NotTls);
        check(invalid(), b"\x16\x03\x03\x00\x01", TlsError::Violation);
        assert_eq!(reason(&invalid(), b"HTTP/1.1 400", false), TlsError::Violation);
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(words(&expired, b"x"), b"Expired");
        check(expired, b"", TlsError::Certificate(Fault::Expired));
        check(Error::DecryptError, b"", TlsError::BadRecord);
    }
}
