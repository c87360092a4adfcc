//! What TLS said when it ended a connection, in the protocol's own terms. Which library said it is
//! the host's business.

use serde::{Deserialize, Serialize};

/// Why there is no secure connection (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsError {
    /// The peer's alert, by its number (RFC 8446 §6).
    Alert(u8),
    /// We did not accept its certificate.
    Certificate(CertificateFault),
    /// It asked for a certificate, we had none, and it ended TLS by this alert, which does not
    /// say so (before TLS 1.3, handshake_failure).
    CertificateWanted(u8),
    /// No common version, cipher suite, group or signature: we ended it.
    Incompatible,
    /// What came is no TLS record.
    NotTls,
    /// Our own first message came back.
    Echoed,
    /// A record that does not decrypt: bytes were lost or changed on the way.
    BadRecord,
    /// A message that RFC 8446 or RFC 5246 does not allow there.
    Violation,
    /// The peer showed no certificate although it was asked for one.
    NoCertificate,
    /// No fault of the peer's: our key may encrypt no more records, and TLS 1.2 has no other
    /// (RFC 9325 §4.4, RFC 8446 §5.5).
    KeyWornOut,
    /// No fault of the peer's: what this worker keeps of unfinished records is at its bound.
    NoRoom,
}

/// What is wrong with a certificate, as its verifier said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// No trusted authority has signed it, or an intermediate certificate was not sent.
    UnknownIssuer,
    /// It has signed itself, and is not among those that are trusted.
    SelfSigned,
    /// Its time is over.
    Expired,
    /// Its time has not come: often the clock of one side is wrong.
    NotYetValid,
    /// It is for other names.
    WrongName,
    /// It was revoked.
    Revoked,
    /// It may not be used for this.
    WrongPurpose,
    /// A signature does not fit.
    BadSignature,
    /// Anything else.
    Other,
}

impl CertificateFault {
    /// `unknown issuer`, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown issuer",
            Self::SelfSigned => "signed by itself",
            Self::Expired => "expired",
            Self::NotYetValid => "not valid yet",
            Self::WrongName => "for another name",
            Self::Revoked => "revoked",
            Self::WrongPurpose => "not for this purpose",
            Self::BadSignature => "bad signature",
            Self::Other => "not acceptable",
        }
    }
}

/// The alert's name as RFC 8446 §6 writes it.
pub const fn alert_name(number: u8) -> &'static str {
    match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown",
    }
}

/// Alerts that speak of certificates: of ours, because they come from the peer.
pub const fn is_about_certificates(alert: u8) -> bool {
    matches!(alert, 42..=46 | 48 | 49 | 113 | 116)
}
