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

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| reason(row).is_some())?;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for row in &claim.rows {
        *reasons.entry(reason(row).unwrap_or_default()).or_default() += row.count;
    }
    let list: Vec<String> =
        reasons.iter().map(|(reason, n)| format!("{reason} ({})", count(*n))).collect();
    let later = claim.rows.iter().all(|row| seen::phase(row) != Phase::Tls);
    let address = seen::first_address(case, &claim.rows);
    let (ip, port) = (words::ip(address), words::port(address));
    let mut claim = claim.sure(Confidence::Proven).says(list.join(", "));
    if later {
        claim = claim.what("The peer ended TLS by an alert, after the hand-shake");
    }
    if let Some(words) = seen::last_words(&claim.rows) {
        claim = claim.says(format!("in its words: \"{}\"", words::shown(&words)));
    }
    let claim = claim
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
        .remedy(
            "server-host",
            "its log names the reason",
            "journalctl -u SERVICE --since -10min | grep -iE 'tls|ssl|handshake'",
        );
    Some(claim)
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
}
