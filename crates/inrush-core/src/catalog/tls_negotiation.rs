//! Both sides speak TLS and could not agree, or one of them broke it off.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Outcome, Phase, TlsError, alert_name};
use crate::tally::Row;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub(super) static CAUSE: Cause = Cause {
    id: "tls-negotiation",
    culprit: Culprit::Server,
    what: "The TLS hand-shake ended without an agreement",
    unsure: Some("a middlebox that ends TLS in the server's place looks the same"),
    same_as: &[
        "Go \"tls: protocol version not supported\", \"remote error: tls: handshake failure\"",
        "Node \"EPROTO ... tlsv1 alert protocol version\", \"ERR_SSL_NO_CIPHER_MATCH\"",
        "Java \"javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure\"",
        "Python \"[SSL: TLSV1_ALERT_PROTOCOL_VERSION]\"",
        "Rust \"received fatal alert: HandshakeFailure\", \"peer is incompatible\"",
        "curl \"(35) error:0A000410:SSL routines::sslv3 alert handshake failure\"",
    ],
    scenario: Scenario::Repro {
        name: "tls-negotiation",
        says: "A server that speaks no version of TLS that we speak",
        class: Class::TlsAlert,
    },
    texts: Texts {
        what: "The TLS hand-shake ended without an agreement",
        decide: "openssl s_client -connect HOST:PORT -tls1_2; openssl s_client -connect \
               HOST:PORT -tls1_3",
        remedy: "give both sides a version and a cipher suite in common",
        command: "nmap --script ssl-enum-ciphers -p PORT HOST",
        shows_up: &[
            shows(Class::TlsAlert, Where::Anywhere, Confidence::Likely),
            shows(Class::TlsHandshakeEof, Where::Anywhere, Confidence::Likely),
        ],
    },
    recognise,
};

/// The alert of a server that has no such name (RFC 6066 §3).
const UNRECOGNIZED_NAME: u8 = 112;
const LOG: &str = "journalctl -u SERVICE --since -10min | grep -iE 'tls|ssl|handshake'";

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| reason(row).is_some())?;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for row in &claim.rows {
        *reasons.entry(reason(row).unwrap_or_default()).or_default() += row.count;
    }
    let list: Vec<String> =
        reasons.iter().map(|(reason, n)| format!("{reason} ({})", count(*n))).collect();
    let later = claim.rows.iter().all(|row| seen::phase(row) != Phase::Tls);
    let all = |like: fn(TlsError) -> bool| {
        claim.rows.iter().all(|row| tls_error(row).is_some_and(like))
    };
    let alerts = all(|error| matches!(error, TlsError::Alert(_)));
    let refused = all(is_refused);
    let bytes = all(|error| error == TlsError::NotTls);
    let name = all(|error| error == TlsError::Alert(UNRECOGNIZED_NAME));
    let address = seen::first_address(case, &claim.rows);
    let mut claim = claim.sure(Confidence::Proven).says(list.join(", "));
    if refused {
        claim = claim.what("Records came that TLS does not allow there: we ended it");
    } else if later {
        claim = claim.what(match alerts {
            true => "The peer ended TLS by an alert, after the hand-shake",
            false => "TLS was ended after the hand-shake",
        });
    }
    if let Some(words) = seen::last_words(&claim.rows) {
        let shown = words::shown(&words);
        claim = claim.says(match bytes {
            true => format!("the bytes there: {} \"{shown}\"", words::hex(&words)),
            false => format!("in its words: \"{shown}\""),
        });
    }
    if name {
        claim = claim.remedy(
            "run",
            "it knows no such name: ask for one that it has",
            words::again(case.plan, "--sni NAME"),
        );
    }
    Some(match refused {
        true => helped_refused(claim, address),
        false => helped(claim, address),
    })
}

/// Both tell what they speak.
fn helped(claim: Claim, address: Option<SocketAddr>) -> Claim {
    let (ip, port) = (words::ip(address), words::port(address));
    claim
        .remedy(
            "client-host",
            "see which versions and ciphers it speaks; inrush speaks TLS 1.2 and 1.3",
            format!("nmap --script ssl-enum-ciphers -p {port} {ip}"),
        )
        .remedy(
            "client-host",
            "try one version alone",
            format!("openssl s_client -connect {ip}:{port} -tls1_2 -brief </dev/null"),
        )
        .remedy("server-host", "its log names the reason", LOG)
}

/// The records themselves are wrong, whatever was agreed on.
fn helped_refused(claim: Claim, address: Option<SocketAddr>) -> Claim {
    let (ip, port) = (words::ip(address), words::port(address));
    claim
        .root_remedy(
            "client-host",
            "see what is on the wire, and whether the server's host sends the same",
            format!("tcpdump -i any -w tls.pcap host {ip} and port {port}"),
        )
        .remedy(
            "server-host",
            "look for a second writer on the socket below TLS, or a proxy that changes bytes",
            LOG,
        )
}

fn tls_error(row: &Row) -> Option<TlsError> {
    match row.key.signature.outcome {
        Outcome::Tls(error) => Some(error),
        _ => None,
    }
}

/// What we refused of what came.
const fn is_refused(error: TlsError) -> bool {
    matches!(error, TlsError::BadRecord | TlsError::Violation | TlsError::NotTls)
}

fn reason(row: &Row) -> Option<String> {
    match row.key.signature.outcome {
        Outcome::Tls(TlsError::Alert(alert)) => {
            Some(format!("it sent the alert {} ({alert})", alert_name(alert)))
        }
        Outcome::Tls(TlsError::Incompatible) => {
            Some("what it offered is nothing that we speak: we ended it".into())
        }
        Outcome::Tls(TlsError::BadRecord) => Some("a record could not be decrypted".into()),
        Outcome::Tls(TlsError::Violation) => Some("a message that TLS does not allow there".into()),
        Outcome::Tls(TlsError::NotTls) if seen::phase(row) != Phase::Tls => {
            Some("plain text, or other bytes that are no TLS, after the hand-shake".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::Op;

    #[test]
    fn alerts_are_named() {
        let check = |phase, error, text: &str| {
            let seen = Seen::new(phase, Op::Decode, Outcome::Tls(error)).heard();
            let lab = Lab::wss().book(7, seen);
            let found = lab.expect(&[("tls-negotiation", 7, Confidence::Proven)]);
            assert!(found[0].because[0].text.contains(text), "{:?}", found[0].because);
        };
        check(Phase::Tls, TlsError::Alert(70), "protocol_version (70) (7)");
        check(Phase::Tls, TlsError::Alert(40), "handshake_failure (40)");
        check(Phase::Open, TlsError::Alert(80), "internal_error (80)");
        check(Phase::Tls, TlsError::Incompatible, "nothing that we speak");
        check(Phase::Open, TlsError::BadRecord, "decrypted");
    }

    #[test]
    fn who_ended_it_is_told_and_what_helps_fits_it() {
        let check = |errors: &[TlsError], what: &str, command: &str| {
            let lab = errors.iter().fold(Lab::wss(), |lab, error| {
                let seen = Seen::new(Phase::Open, Op::Decode, Outcome::Tls(*error));
                lab.book(3, seen.words(b"HTTP/1.1 \x1b"))
            });
            let failed = 3 * errors.len() as u64;
            let found = lab.expect(&[("tls-negotiation", failed, Confidence::Proven)]);
            assert!(found[0].what.contains(what), "{}", found[0].what);
            let first = found[0].remedy[0].command.as_deref().unwrap();
            assert!(first.contains(command), "{first}");
            assert!(found[0].because[1].text.contains("HTTP/1.1 \\x1b"), "{:?}", found[0].because);
        };
        use TlsError::{Alert, BadRecord, NotTls, Violation};
        check(&[Alert(80)], "The peer ended TLS by an alert, after", "nmap");
        check(&[Alert(112)], "by an alert", "--sni NAME");
        check(&[BadRecord], "we ended it", "tcpdump");
        check(&[Violation, NotTls], "we ended it", "tcpdump");
        check(&[Alert(80), Violation], "was ended after the hand-shake", "nmap");
    }
}
