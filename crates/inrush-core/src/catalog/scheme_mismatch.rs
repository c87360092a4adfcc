//! The port speaks TLS and we did not, or we did and it does not.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Outcome, Phase, TlsError};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "scheme-mismatch",
    culprit: Culprit::Server,
    what: "The server speaks TLS on this port and was spoken to in plain text",
    unsure: None,
    same_as: &[
        "Go \"malformed HTTP response \\\"\\x15\\x03\\x01\\x00\\x02\\x02\\x16\\\"\"",
        "Go server \"http: TLS handshake error: first record does not look like a TLS handshake\"",
        "Node \"Parse Error: Expected HTTP/\"",
        "nginx \"The plain HTTP request was sent to HTTPS port\"",
        "curl \"(1) Received HTTP/0.9 when not allowed\"",
    ],
    scenario: Scenario::Repro {
        name: "scheme-mismatch",
        says: "An upgrade request in plain text goes to a TLS port",
        class: Class::WsHandshakeMalformed,
    },
    texts: Texts {
        what: "One side speaks TLS and the other does not",
        decide: "curl -v telnet://HOST:PORT; openssl s_client -connect HOST:PORT",
        remedy: "use the scheme that the port speaks: https and wss, or http and ws",
        command: "openssl s_client -connect HOST:PORT </dev/null",
        shows_up: &[
            shows(Class::ProtocolMismatch, Where::Anywhere, Confidence::Likely),
            shows(Class::WsHandshakeMalformed, Where::Anywhere, Confidence::Possible),
            shows(Class::TlsHandshakeEof, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let plain = |row: &Row| seen::target(case, row).is_none_or(|target| target.tls.is_none());
    let we_not = pool.take(|row| row.key.heard && plain(row) && speaks_tls(row));
    let it_not = pool.take(|row| {
        // After the hand-shake it speaks TLS, whatever else it says.
        matches!(row.key.signature.outcome, Outcome::Tls(TlsError::NotTls | TlsError::Echoed))
            && seen::phase(row) == Phase::Tls
    });
    Claim::join(we_not.map(|claim| plainly(case, claim)), it_not.map(|claim| secretly(case, claim)))
}

/// We spoke in plain text.
fn plainly(case: &Case<'_>, claim: Claim) -> Claim {
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    let text = format!("it answered {} \"{}\"", words::hex(&said), words::shown(&said));
    let address = seen::first_address(case, &claim.rows);
    let (ip, port) = (words::ip(address), words::port(address));
    claim
        .sure(Confidence::Proven)
        .says(text)
        .remedy(
            "client-host",
            "make sure: a certificate is shown when the port speaks TLS",
            format!("openssl s_client -connect {ip}:{port} -brief </dev/null"),
        )
        .remedy("run", "speak TLS to it", words::other_scheme(case.plan))
        .remedy(
            "server-host",
            "or find the port on which the server speaks plain text, and storm that one",
            "ss -ltnp",
        )
}

/// We spoke TLS.
fn secretly(case: &Case<'_>, claim: Claim) -> Claim {
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    let echoed = Outcome::Tls(TlsError::Echoed);
    let text = match claim.rows.iter().all(|row| row.key.signature.outcome == echoed) {
        true => "it sent our own first message back: it echoes what it hears".into(),
        false => format!("it answered {} \"{}\"", words::hex(&said), words::shown(&said)),
    };
    let address = seen::first_address(case, &claim.rows);
    claim
        .sure(Confidence::Proven)
        .what("The server speaks no TLS on this port and was spoken to in TLS")
        .says(text)
        .remedy("run", "speak plain text to it", words::other_scheme(case.plan))
        .remedy(
            "server-host",
            "or see which program has that port, and where TLS is spoken",
            words::queue_command(address),
        )
}

/// A TLS record (RFC 8446 §5.1), or a web server's words for the same mistake.
fn speaks_tls(row: &Row) -> bool {
    let examples = || row.examples.iter().map(|example| example.last_words.as_slice());
    let spoken = examples().filter(|words| !words.is_empty()).count();
    let tls = examples().filter(|words| is_tls(words)).count();
    tls > 0 && tls * 2 >= spoken
}

fn is_tls(words: &[u8]) -> bool {
    match words {
        [0x14..=0x17, 0x03, 0..=4, ..] => true,
        _ if words.starts_with(b"HTTP/1.") => {
            let text = words.to_ascii_lowercase();
            let has = |needle: &[u8]| text.windows(needle.len()).any(|part| part == needle);
            text.get(9..12) == Some(b"400") && (has(b"https") || has(b"ssl") || has(b"tls"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, ProtocolError};

    #[test]
    fn tls_is_known_by_its_bytes_or_by_the_servers_words() {
        let check = |error, words: &[u8], cause| {
            let seen = Seen::new(Phase::Upgrade, Op::Decode, Outcome::Protocol(error));
            let lab = Lab::ws().book(9, seen.words(words));
            let found = lab.diagnoses();
            assert_eq!((found[0].cause.as_str(), found[0].count), (cause, 9), "{words:?}");
        };
        use ProtocolError::{NotHttp, Status};
        check(NotHttp, b"\x15\x03\x01\x00\x02\x02\x16", "scheme-mismatch");
        let go = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.";
        check(Status(400), go, "scheme-mismatch");
        check(NotHttp, b"SSH-2.0-OpenSSH_9.2\r\n", "not-a-websocket-server");
        check(Status(400), b"HTTP/1.1 400 Bad Request\r\n\r\n", "server-rejected-upgrade");
        check(
            Status(302),
            b"HTTP/1.1 302 Found\r\nLocation: https://x/",
            "server-rejected-upgrade",
        );
    }

    #[test]
    fn what_is_said_through_tls_was_not_spoken_to_in_plain_text() {
        let error = Outcome::Protocol(ProtocolError::Status(400));
        let seen = Seen::new(Phase::Upgrade, Op::Decode, error).heard();
        let lab = Lab::wss().book(9, seen.words(b"HTTP/1.1 400 Bad Request\r\n\r\nhttps only"));
        lab.expect(&[("server-rejected-upgrade", 9, Confidence::Proven)]);
    }

    #[test]
    fn an_alert_before_the_end_is_enough() {
        let eof = Seen::new(Phase::Upgrade, Op::Read, Outcome::Eof { mid_message: true });
        let lab = Lab::ws().book(9, eof.words(b"\x15\x03\x03\x00\x02"));
        let found = lab.expect(&[("scheme-mismatch", 9, Confidence::Proven)]);
        assert!(found[0].because[0].text.contains("15 03 03 00 02"));
    }

    #[test]
    fn plain_text_on_the_other_side_is_known_by_its_bytes() {
        let not_tls = Outcome::Tls(TlsError::NotTls);
        let seen = Seen::new(Phase::Tls, Op::Decode, not_tls).words(b"HTTP/1.1 400 Bad Request");
        let found = Lab::wss().book(9, seen).expect(&[("scheme-mismatch", 9, Confidence::Proven)]);
        assert!(found[0].what.contains("speaks no TLS"), "{}", found[0].what);
        assert!(found[0].because[0].text.contains("HTTP/1.1 400"));
        let command = found[0].remedy[0].command.as_deref().unwrap();
        assert!(command.starts_with("inrush run ws://127.0.0.1:8080/ "), "{command}");
        let seen = Seen::new(Phase::Tls, Op::Decode, Outcome::Tls(TlsError::Echoed)).heard();
        let found = Lab::wss().book(9, seen).expect(&[("scheme-mismatch", 9, Confidence::Proven)]);
        assert!(found[0].because[0].text.contains("our own first message"));
    }
}
