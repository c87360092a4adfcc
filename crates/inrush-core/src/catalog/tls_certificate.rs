//! A certificate was not accepted: the server's by us, or ours by the server.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{
    CertificateFault as Fault, Class, Outcome, ProtocolError, TlsError, alert_name,
    is_about_certificates,
};
use crate::tally::Row;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) static CAUSE: Cause = Cause {
    id: "tls-certificate",
    culprit: Culprit::Server,
    what: "The server's certificate was not accepted",
    unsure: None,
    same_as: &[
        "Go \"x509: certificate signed by unknown authority\", \"remote error: tls: bad certificate\"",
        "Node \"SELF_SIGNED_CERT_IN_CHAIN\", \"CERT_HAS_EXPIRED\", \"ERR_TLS_CERT_ALTNAME_INVALID\"",
        "Java \"PKIX path building failed: unable to find valid certification path\"",
        "Python \"CERTIFICATE_VERIFY_FAILED\", \"TLSV13_ALERT_CERTIFICATE_REQUIRED\"",
        "Rust \"invalid peer certificate: UnknownIssuer\"",
        "curl \"(60) SSL certificate problem: certificate has expired\"",
    ],
    scenario: Scenario::Repro {
        name: "tls-certificate",
        says: "A server shows a certificate that nobody trusted has signed",
        class: Class::TlsCertInvalid,
    },
    texts: Texts {
        what: "A certificate was not accepted",
        decide: "openssl s_client -connect HOST:PORT -servername HOST -showcerts </dev/null",
        remedy: "renew it, serve the whole chain, or trust its authority",
        command: "openssl s_client -connect HOST:PORT -servername HOST </dev/null | openssl \
               x509 -noout -subject -issuer -dates -ext subjectAltName",
        shows_up: &[
            shows(Class::TlsCertInvalid, Where::Anywhere, Confidence::Likely),
            shows(Class::TlsAlert, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let theirs = pool.take(|row| fault(row).is_some());
    let ours = pool.take(|row| refusal(case, row).is_some());
    Claim::join(
        theirs.map(|claim| not_trusted(case, claim)),
        ours.map(|claim| not_shown(case, claim)),
    )
}

/// What TLS 1.2 has for a client without the certificate it was asked for (RFC 5246 §7.4.6).
const HANDSHAKE_FAILURE: u8 = 40;
/// What TLS 1.3 has for it (RFC 8446 §4.4.2.4).
const CERTIFICATE_REQUIRED: u8 = 116;

/// What our verifier said; `Some(None)` when there was nothing to be verified.
fn fault(row: &Row) -> Option<Option<Fault>> {
    match row.key.signature.outcome {
        Outcome::Tls(TlsError::Certificate(fault)) => Some(Some(fault)),
        Outcome::Tls(TlsError::NoCertificate) => Some(None),
        _ => None,
    }
}

/// How the server refused our certificate, or that we have none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// By this alert; whether it had asked for a certificate.
    Alert(u8, bool),
    /// By HTTP, as web servers do that ask for one and go on without.
    Status(u16),
}

fn refusal(case: &Case<'_>, row: &Row) -> Option<Refusal> {
    match row.key.signature.outcome {
        Outcome::Tls(TlsError::CertificateWanted(alert)) => Some(Refusal::Alert(alert, true)),
        Outcome::Tls(TlsError::Alert(alert)) if is_about_certificates(alert) => {
            Some(Refusal::Alert(alert, alert == CERTIFICATE_REQUIRED))
        }
        Outcome::Protocol(ProtocolError::Status(status)) if status < 500 => {
            let secret = seen::target(case, row).is_some_and(|target| target.tls.is_some());
            let spoken = row.examples.iter().any(|example| speaks_of_one(&example.last_words));
            (secret && spoken).then_some(Refusal::Status(status))
        }
        _ => None,
    }
}

/// nginx "No required SSL certificate was sent", "The SSL certificate error"; others "client
/// certificate".
fn speaks_of_one(words: &[u8]) -> bool {
    let text = words.to_ascii_lowercase();
    let has = |needle: &[u8]| text.windows(needle.len()).any(|part| part == needle);
    has(b"ssl certificate") || has(b"client certificate")
}

fn not_trusted(case: &Case<'_>, claim: Claim) -> Claim {
    let mut faults: BTreeMap<Option<Fault>, u64> = BTreeMap::new();
    for row in &claim.rows {
        *faults.entry(fault(row).flatten()).or_default() += row.count;
    }
    let name = |fault: &Option<Fault>| fault.map_or("none was shown", Fault::name);
    let list: Vec<String> =
        faults.iter().map(|(fault, n)| format!("{} ({})", name(fault), count(*n))).collect();
    let most = faults.iter().max_by_key(|(_, n)| **n).and_then(|(fault, _)| *fault);
    if most.is_none() {
        return none_shown(claim.says(format!("the verifier said: {}", list.join(", "))));
    }
    let address = seen::first_address(case, &claim.rows);
    let name = name_of(case, &claim.rows);
    let mut claim =
        claim.sure(Confidence::Proven).says(format!("the verifier said: {}", list.join(", ")));
    if let Some(words) = seen::last_words(&claim.rows) {
        claim = claim.says(format!("in its words: \"{}\"", words::shown(&words)));
    }
    let show = format!(
        "openssl s_client -connect {}:{} -servername {name} -showcerts </dev/null | \
         openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
        words::ip(address),
        words::port(address)
    );
    let save = format!(
        "openssl s_client -connect {}:{} </dev/null | openssl x509 > CERT.pem",
        words::ip(address),
        words::port(address)
    );
    let claim = claim.remedy("client-host", "see what it shows: names, dates, issuer", show);
    let claim = match most.unwrap_or(Fault::Other) {
        Fault::Expired | Fault::NotYetValid => claim
            .remedy("server-host", "renew it", "certbot renew && systemctl reload SERVICE")
            .remedy("client-host", "make sure that this clock is right", "timedatectl"),
        Fault::WrongName => claim.remedy(
            "run",
            "if another name is meant, ask for that one",
            words::again(case.plan, "--sni NAME"),
        ),
        Fault::SelfSigned => claim
            .remedy("client-host", "if it is the right one, keep it in a file", save)
            .remedy("run", "and trust it", words::again(case.plan, "--cacert CERT.pem")),
        _ => claim.remedy(
            "run",
            "trust its authority; a server also has to send its intermediate certificates",
            words::again(case.plan, "--cacert CA.pem"),
        ),
    };
    claim.remedy(
        "run",
        "if only the load matters, verify nothing",
        words::again(case.plan, "--insecure"),
    )
}

/// A server without a certificate: whether we verify one changes nothing.
fn none_shown(claim: Claim) -> Claim {
    claim.sure(Confidence::Proven).what("The server showed no certificate").remedy(
        "server-host",
        "give it one, and its key",
        "grep -rnE 'ssl_certificate|certFile|SSLCertificateFile' /etc SOURCE",
    )
}

fn not_shown(case: &Case<'_>, claim: Claim) -> Claim {
    let mut refusals: BTreeMap<Refusal, u64> = BTreeMap::new();
    for row in &claim.rows {
        if let Some(refusal) = refusal(case, row) {
            *refusals.entry(refusal).or_default() += row.count;
        }
    }
    let list: Vec<String> =
        refusals.iter().map(|(refusal, n)| refusal.told(&count(*n))).collect();
    let shown = case.plan.tls.identity.is_some();
    let asked = refusals.keys().all(|refusal| !matches!(refusal, Refusal::Alert(_, false)));
    // An alert that names no reason is only likely to mean the certificate.
    let named = |refusal: &Refusal| !matches!(refusal, Refusal::Alert(HANDSHAKE_FAILURE, _));
    let certain = (shown || asked) && refusals.keys().all(named);
    let (what, evidence) = match (shown, asked) {
        (true, _) => (
            "The server did not accept our certificate",
            "we showed the certificate of --cert",
        ),
        (false, true) => (
            "The server asks for a client certificate, and we have none",
            "no certificate was given with --cert",
        ),
        (false, false) => (
            "The server refused us by an alert that speaks of certificates or access",
            "it had not asked for a certificate of ours when it said so",
        ),
    };
    let address = seen::first_address(case, &claim.rows);
    let ask = format!(
        "openssl s_client -connect {}:{} </dev/null | grep -A5 'Acceptable client certificate'",
        words::ip(address),
        words::port(address)
    );
    let mut claim = claim
        .sure(if certain { Confidence::Proven } else { Confidence::Likely })
        .what(what)
        .blames(Culprit::Client)
        .says(format!("it sent {}", list.join(", ")))
        .says(evidence);
    if let Some(said) = seen::last_words(&claim.rows) {
        claim = claim.says(format!("in its words: \"{}\"", words::shown(&said)));
    }
    if !shown && !asked {
        claim = claim.remedy(
            "server-host",
            "its log says why: a list of names or addresses, or a certificate after all",
            "journalctl -u SERVICE --since -10min | grep -iE 'tls|ssl|certificate|denied'",
        );
    }
    claim.remedy("client-host", "see which authorities it accepts", ask).remedy(
        "run",
        "show a certificate that one of them has signed",
        words::again(case.plan, "--cert CLIENT.pem --key CLIENT.key"),
    )
}

impl Refusal {
    fn told(self, count: &str) -> String {
        match self {
            Self::Alert(alert, _) => {
                format!("the alert {} ({alert}, {count})", alert_name(alert))
            }
            Self::Status(status) => format!("the status {status} ({count})"),
        }
    }
}

/// The name that was asked for.
fn name_of(case: &Case<'_>, rows: &[Row]) -> String {
    let target = rows.first().and_then(|row| case.plan.targets.get(usize::from(row.key.target)));
    target.and_then(|target| target.tls.clone()).unwrap_or_else(|| "NAME".into())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Phase};

    fn seen(phase: Phase, error: TlsError) -> Seen {
        Seen::new(phase, Op::Decode, Outcome::Tls(error)).heard()
    }

    #[test]
    fn the_verifiers_reason_is_told_and_what_helps_fits_it() {
        let check = |fault, reason: &str, command: &str| {
            let seen = seen(Phase::Tls, TlsError::Certificate(fault)).words(b"invalid: \x1bx");
            let found =
                Lab::wss().book(7, seen).expect(&[("tls-certificate", 7, Confidence::Proven)]);
            assert!(found[0].because[0].text.contains(reason), "{:?}", found[0].because);
            assert!(found[0].because[1].text.contains("\\x1b"));
            assert_eq!(found[0].culprit, Culprit::Server);
            let commands: Vec<_> =
                found[0].remedy.iter().filter_map(|r| r.command.as_deref()).collect();
            assert!(commands.concat().contains(command), "{commands:?}");
            assert!(commands[0].contains("-servername localhost"), "{commands:?}");
        };
        check(Fault::UnknownIssuer, "unknown issuer (7)", "--cacert CA.pem");
        check(Fault::SelfSigned, "signed by itself (7)", "| openssl x509 > CERT.pem");
        check(Fault::Expired, "expired (7)", "certbot renew");
        check(Fault::WrongName, "for another name (7)", "--sni NAME");
    }

    #[test]
    fn a_certificate_that_we_lack_is_ours_to_bring() {
        let lab = Lab::wss().book(9, seen(Phase::Tls, TlsError::CertificateWanted(40)));
        let found = lab.expect(&[("tls-certificate", 9, Confidence::Likely)]);
        assert!(found[0].because[0].text.contains("handshake_failure (40, 9)"));
        let lab = Lab::wss().book(9, seen(Phase::Open, TlsError::CertificateWanted(42)));
        let found = lab.expect(&[("tls-certificate", 9, Confidence::Proven)]);
        assert!(found[0].because[0].text.contains("bad_certificate (42, 9)"));
        // TLS 1.3 tells it after the hand-shake, RFC 8446 §4.4.2.4.
        for phase in [Phase::Tls, Phase::Upgrade, Phase::Open] {
            let lab = Lab::wss().book(9, seen(phase, TlsError::Alert(116)));
            let found = lab.expect(&[("tls-certificate", 9, Confidence::Proven)]);
            assert_eq!(found[0].culprit, Culprit::Client);
            assert!(found[0].what.contains("asks for a client certificate"));
            assert!(found[0].because[0].text.contains("certificate_required (116, 9)"));
        }
    }

    /// Alert 49 (RFC 8446 §6.2) may be about an address or a name as well.
    #[test]
    fn what_was_not_asked_for_is_not_said_to_be_missing() {
        let lab = Lab::wss().book(9, seen(Phase::Tls, TlsError::Alert(49)));
        let found = lab.expect(&[("tls-certificate", 9, Confidence::Likely)]);
        assert!(found[0].what.contains("certificates or access"), "{}", found[0].what);
        assert!(found[0].because[1].text.contains("had not asked"), "{:?}", found[0].because);
        assert!(found[0].because[0].text.contains("access_denied (49, 9)"));
    }

    #[test]
    fn a_web_server_asks_for_it_in_words() {
        let check = |words: &[u8], cause, confidence| {
            let outcome = Outcome::Protocol(ProtocolError::Status(400));
            let seen = Seen::new(Phase::Upgrade, Op::Decode, outcome).words(words);
            Lab::wss().book(9, seen).expect(&[(cause, 9, confidence)])
        };
        let nginx = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<html><head><title>400 \
            No required SSL certificate was sent</title></head>";
        let found = check(nginx, "tls-certificate", Confidence::Proven);
        assert!(found[0].what.contains("asks for a client certificate"), "{}", found[0].what);
        assert!(found[0].because[0].text.contains("the status 400 (9)"));
        assert!(found[0].because[2].text.contains("No required SSL certificate"));
        let other = b"HTTP/1.1 400 Bad Request\r\n\r\nhttps";
        check(other, "server-rejected-upgrade", Confidence::Proven);
    }

    #[test]
    fn a_server_without_a_certificate() {
        let lab = Lab::wss().book(9, seen(Phase::Tls, TlsError::NoCertificate));
        let found = lab.expect(&[("tls-certificate", 9, Confidence::Proven)]);
        assert!(found[0].what.contains("showed no certificate"), "{}", found[0].what);
        let commands = found[0].remedy.iter().filter_map(|r| r.command.as_deref());
        assert!(commands.clone().all(|it| !it.contains("--insecure")), "{:?}", found[0].remedy);
    }
}
