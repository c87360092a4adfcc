//! TLS libraries' own words, which all runtimes pass on: OpenSSL, BoringSSL, GnuTLS, mbed TLS, NSS,
//! Schannel.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar {
        runtime: None,
        phrases: &[CERTIFICATES, ALERTS, HANDSHAKES],
        read: None,
        print: None,
    },
    Grammar { runtime: Some(Runtime::Openssl), phrases: &[MARKS], read: None, print: None },
];

static MARKS: &[Phrase] = &[
    mark("verify error:num="),
    mark("CONNECTED(0000"),
    mark("s_client"),
    mark("write:errno="),
    mark("read:errno="),
    mark("no peer certificate available"),
    mark("connect:errno="),
    is("no peer certificate available", Class::TlsHandshakeEof).weighs(WORDS - 1),
    is("write:errno=0", Class::TlsHandshakeEof).last(),
    doing("connect:errno", Phase::Connect, Op::Connect),
    doing("read:errno", Phase::Open, Op::Read),
];

const fn cert(text: &'static str, fault: CertificateFault) -> Phrase {
    tls(text, TlsError::Certificate(fault))
}

static CERTIFICATES: &[Phrase] = &[
    cert("self-signed certificate", CertificateFault::SelfSigned).weighs(SURE + 1),
    cert("self signed certificate", CertificateFault::SelfSigned).weighs(SURE + 1),
    cert("unable to get local issuer certificate", CertificateFault::UnknownIssuer)
        .weighs(SURE + 1),
    cert("unable to get issuer certificate", CertificateFault::UnknownIssuer).weighs(SURE + 1),
    cert("unable to verify the first certificate", CertificateFault::UnknownIssuer)
        .weighs(SURE + 1),
    cert("unable to verify leaf signature", CertificateFault::UnknownIssuer).weighs(SURE + 1),
    cert("certificate has expired", CertificateFault::Expired).weighs(SURE + 1),
    cert("certificate is not yet valid", CertificateFault::NotYetValid).weighs(SURE + 1),
    cert("certificate verify failed", CertificateFault::Other),
    cert("certificate verification failed", CertificateFault::Other),
    cert("certificate revoked", CertificateFault::Revoked),
    cert("certificate is not trusted", CertificateFault::UnknownIssuer),
    cert("certificate signed by unknown authority", CertificateFault::UnknownIssuer),
    cert("certificate issuer is unknown", CertificateFault::UnknownIssuer),
    cert("The certificate is NOT trusted", CertificateFault::UnknownIssuer),
    cert(
        "certificate chain was issued by an authority that is not trusted",
        CertificateFault::UnknownIssuer,
    ),
    cert("issued by an authority that is not trusted", CertificateFault::UnknownIssuer),
    cert("hostname mismatch", CertificateFault::WrongName),
    cert("certificate does not match", CertificateFault::WrongName),
    cert("doesn't match host", CertificateFault::WrongName),
    cert("certificate name does not match", CertificateFault::WrongName),
    cert("does not match the server certificate", CertificateFault::WrongName),
    cert("unsupported certificate purpose", CertificateFault::WrongPurpose),
    cert("ee key too small", CertificateFault::Other),
    cert("ca md too weak", CertificateFault::Other),
    cert("certificate verify error", CertificateFault::Other),
    cert("X509_V_ERR*", CertificateFault::Other),
    cert("X509 - Certificate verification failed", CertificateFault::Other),
    cert("server certificate does not match", CertificateFault::WrongName),
    cert("certificate is invalid", CertificateFault::Other),
    cert("certificate validation failed", CertificateFault::Other),
    cert("certificate expired", CertificateFault::Expired).weighs(SURE - 2),
    cert("could not be verified", CertificateFault::Other).with(&["certificate"]),
    cert("untrusted certificate", CertificateFault::UnknownIssuer),
    cert("SEC_ERROR_UNKNOWN_ISSUER", CertificateFault::UnknownIssuer),
    cert("SEC_ERROR_EXPIRED_CERTIFICATE", CertificateFault::Expired),
    cert("SSL_ERROR_BAD_CERT_DOMAIN", CertificateFault::WrongName),
    cert("MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT", CertificateFault::SelfSigned),
    cert("peer certificate cannot be authenticated", CertificateFault::UnknownIssuer),
];

static ALERTS: &[Phrase] = &[
    tls("alert protocol version", TlsError::Alert(70)).weighs(SURE + 1),
    tls("alert handshake failure", TlsError::Alert(40)),
    tls("sslv3 alert handshake failure", TlsError::Alert(40)),
    tls("ssl/tls alert handshake failure", TlsError::Alert(40)),
    tls("alert certificate required", TlsError::Alert(116)).weighs(SURE + 1).side(Side::Client),
    tls("alert unknown ca", TlsError::Alert(48)).weighs(SURE + 1),
    tls("alert bad certificate", TlsError::Alert(42)).weighs(SURE + 1),
    tls("alert certificate unknown", TlsError::Alert(46)).weighs(SURE + 1),
    tls("alert certificate expired", TlsError::Alert(45)).weighs(SURE + 2),
    tls("alert certificate revoked", TlsError::Alert(44)).weighs(SURE + 2),
    tls("alert access denied", TlsError::Alert(49)),
    tls("alert internal error", TlsError::Alert(80)),
    tls("alert unrecognized name", TlsError::Alert(112)),
    tls("alert no application protocol", TlsError::Alert(120)),
    tls("alert insufficient security", TlsError::Alert(71)),
    tls("alert decode error", TlsError::Alert(50)),
    tls("alert decrypt error", TlsError::Alert(51)),
    tls("alert illegal parameter", TlsError::Alert(47)),
    tls("alert unexpected message", TlsError::Alert(10)),
    tls("alert bad record mac", TlsError::Alert(20)),
    tls("alert user cancelled", TlsError::Alert(90)),
    tls("tlsv13 alert", TlsError::Alert(40)).weighs(SURE - 1),
    tls("tlsv1 alert", TlsError::Alert(40)).weighs(SURE - 1),
    tls("sslv3 alert", TlsError::Alert(40)).weighs(SURE - 1),
    tls("TLSV1_ALERT_PROTOCOL_VERSION", TlsError::Alert(70)).weighs(SURE + 1),
    tls("TLSV1_ALERT_UNKNOWN_CA", TlsError::Alert(48)).weighs(SURE + 1),
    tls("TLSV13_ALERT_CERTIFICATE_REQUIRED", TlsError::Alert(116))
        .weighs(SURE + 1)
        .side(Side::Client),
    tls("SSLV3_ALERT_HANDSHAKE_FAILURE", TlsError::Alert(40)).weighs(SURE + 1),
    tls("SSLV3_ALERT_CERTIFICATE_UNKNOWN", TlsError::Alert(46)).weighs(SURE + 1),
    tls("SSLV3_ALERT_BAD_CERTIFICATE", TlsError::Alert(42)).weighs(SURE + 1),
    tls("TLSV1_ALERT*", TlsError::Alert(40)),
    tls("TLSV13_ALERT*", TlsError::Alert(40)),
    tls("A TLS fatal alert has been received", TlsError::Alert(40)).weighs(SURE - 1),
    tls("A TLS packet with unexpected length was received", TlsError::NotTls),
    tls("An unexpected TLS packet was received", TlsError::NotTls),
    tls("SSL_ERROR_HANDSHAKE_FAILURE_ALERT", TlsError::Alert(40)),
    tls("fatal alert message was received", TlsError::Alert(40)).weighs(SURE - 1),
    tls("received fatal alert", TlsError::Alert(40)).weighs(SURE - 3),
    tls("fatal alert:", TlsError::Alert(40)).weighs(WORDS).without(&["received fatal alert"]),
    tls("fatal alert", TlsError::Alert(40)).weighs(WORDS - 1).with(&["tls", "ssl", "schannel"]),
    tls("A fatal alert was received from the remote endpoint", TlsError::Alert(40)),
];

static HANDSHAKES: &[Phrase] = &[
    tls("unsupported protocol", TlsError::Incompatible).with(&["ssl routines", "ssl", "tls"]),
    tls("UNSUPPORTED_PROTOCOL", TlsError::Incompatible),
    tls("no protocols available", TlsError::Incompatible),
    tls("NO_PROTOCOLS_AVAILABLE", TlsError::Incompatible),
    tls("no shared cipher", TlsError::Incompatible),
    tls("NO_SHARED_CIPHER", TlsError::Incompatible),
    tls("version too low", TlsError::Incompatible),
    tls("unsupported version", TlsError::Incompatible).with(&["ssl", "tls"]),
    tls("dh key too small", TlsError::Incompatible),
    tls("unsafe legacy renegotiation disabled", TlsError::Incompatible),
    tls("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", TlsError::Incompatible),
    tls("no suitable signature algorithm", TlsError::Incompatible),
    tls("wrong signature type", TlsError::Incompatible),
    tls("no suitable key share", TlsError::Incompatible),
    tls("decryption failed or bad record mac", TlsError::BadRecord),
    tls("bad record mac", TlsError::BadRecord).weighs(SURE - 1),
    tls("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", TlsError::BadRecord),
    tls("peer did not return a certificate", TlsError::NoCertificate).side(Side::Client),
    tls("No required SSL certificate was sent", TlsError::NoCertificate).side(Side::Client),
    tls("SSL_ERROR_UNSUPPORTED_VERSION", TlsError::Incompatible),
    tls("SSL_ERROR_NO_CYPHER_OVERLAP", TlsError::Incompatible),
    tls("inappropriate fallback", TlsError::Incompatible),
    tls("tlsv1 unrecognized name", TlsError::Alert(112)),
    tls("ssl handshake failed", TlsError::Alert(40))
        .weighs(WORDS - 8)
        .without(&["timed out", "timeout"]),
    tls("tls handshake failed", TlsError::Alert(40)).weighs(WORDS - 8),
    tls("ssl handshake failure", TlsError::Alert(40)).weighs(WORDS - 6),
    tls("SSL_do_handshake() failed", TlsError::Alert(40)).weighs(WORDS - 8),
    tls("handshake_failure", TlsError::Alert(40)).weighs(WORDS + 1),
    is("wrong version number", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .weighs(SURE + 1)
        .side(Side::Client),
    is("WRONG_VERSION_NUMBER", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .weighs(SURE + 1)
        .side(Side::Client),
    is("packet length too long", Class::ProtocolMismatch).in_(Phase::Tls).side(Side::Client),
    is("record layer failure", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client)
        .weighs(WORDS),
    is("RECORD_LAYER_FAILURE", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client)
        .weighs(WORDS),
    is("unknown protocol", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .with(&["ssl", "tls"])
        .side(Side::Client),
    is("UNKNOWN_PROTOCOL", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .with(&["ssl:"])
        .side(Side::Client),
    is("http request", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .with(&["ssl routines", "ssl_accept", "ssl: http_request"])
        .side(Side::Client)
        .weighs(SURE + 1),
    is("HTTP_REQUEST", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .with(&["[ssl: http_request", "routines:http_request"])
        .side(Side::Client)
        .weighs(SURE + 1),
    is("https proxy request", Class::ProtocolMismatch).in_(Phase::Tls).with(&["ssl routines"]),
    is("bad packet length", Class::ProtocolMismatch).in_(Phase::Tls),
    is("SSL_ERROR_RX_RECORD_TOO_LONG", Class::ProtocolMismatch).in_(Phase::Tls).side(Side::Client),
    is("plain HTTP request was sent to HTTPS port", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client),
    is("speaking plain HTTP to an SSL-enabled server port", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client),
    is("An HTTP request was sent to an HTTPS port", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client),
    is("Client sent an HTTP request to an HTTPS server", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client),
    is("unexpected eof while reading", Class::TlsHandshakeEof)
        .with(&["ssl_connect", "handshake", "ssl routines"])
        .without(&["ssl_read", "ssl_write"]),
    is("SSL_ERROR_SYSCALL", Class::TlsHandshakeEof).weighs(WORDS - 2),
    is("SSL_ERROR_ZERO_RETURN", Class::TlsHandshakeEof).weighs(WORDS - 2),
    is("The TLS connection was non-properly terminated", Class::TlsHandshakeEof).weighs(SURE - 1),
    is("connection closed during SSL handshake", Class::TlsHandshakeEof).last(),
    is("closed connection in SSL handshake", Class::TlsHandshakeEof).last(),
    is("peer closed connection in SSL handshake", Class::TlsHandshakeEof).last(),
    is("Connection closed during SSL handshake", Class::TlsHandshakeEof).last(),
    is("connection reset during handshake", Class::TlsHandshakeEof).last(),
    is("EOF during handshake", Class::TlsHandshakeEof).last(),
    is("during TLS handshake", Class::TlsHandshakeEof)
        .weighs(WORDS)
        .with(&["closed", "eof", "reset"]),
    is("TLS handshake timeout", Class::TlsHandshakeTimeout).last(),
    is("TLS handshake timed out", Class::TlsHandshakeTimeout).last(),
    is("SSL handshake timed out", Class::TlsHandshakeTimeout).last(),
    is("SSL handshake timeout", Class::TlsHandshakeTimeout).last(),
    is("Timeout during SSL handshake", Class::TlsHandshakeTimeout).last(),
    is("Timeout during TLS handshake", Class::TlsHandshakeTimeout).last(),
    is("timed out during SSL handshake", Class::TlsHandshakeTimeout).last(),
    is("handshake timed out", Class::TlsHandshakeTimeout)
        .with(&["ssl", "tls"])
        .without(&["websocket"])
        .last(),
    is("SSL connect timeout", Class::TlsHandshakeTimeout).last(),
    is("TLS negotiation timed out", Class::TlsHandshakeTimeout).last(),
];
