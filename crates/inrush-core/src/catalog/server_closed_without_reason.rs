//! The server's FIN came and nothing was announced: that much is certain, the reason is not.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Outcome, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-closed-without-reason",
    culprit: Culprit::Server,
    what: "The server closed these connections in order (FIN) without saying why",
    unsure: Some("a proxy or load balancer in between closes in the same way"),
    same_as: &[
        "Go \"unexpected EOF\", \"websocket: close 1006 (abnormal closure)\"",
        "Go \"write: broken pipe\", for a write after the close",
        "Node \"socket hang up\", \"other side closed\"",
        "Java \"Unexpected end of file from server\", \"java.io.EOFException\"",
        "Python \"Remote end closed connection without response\", \"no close frame received\"",
        "Rust \"Connection reset without closing handshake\", \"failed to fill whole buffer\"",
    ],
    scenario: Scenario::Repro {
        name: "write-broken-pipe",
        says: "A server closes each connection as soon as it has accepted it",
        class: Class::EofUnexpected,
    },
    texts: Texts {
        what: "The peer closed the connection without a word: a limit, a time-out of idle \
               ones, or an error it did not tell",
        decide: "journalctl -u SERVICE -n 100        at the time of the close",
        remedy: "look for idle limits on both sides and on the way, and handle the close",
        command: "grep -rniE 'idle|keep_?alive|timeout' CONFIG",
        shows_up: &[
            shows(Class::EofUnexpected, Where::Anywhere, Confidence::Likely),
            shows(Class::BrokenPipe, Where::Anywhere, Confidence::Likely),
            shows(Class::WsCloseAbnormal, Where::Anywhere, Confidence::Likely),
            shows(Class::EofCleanClose, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| closed(row) || closing(row))?;
    let address = seen::first_address(case, &claim.rows);
    let n = count(claim.count());
    let age = seen::median_age(&claim.rows).unwrap_or_default();
    let announced = match seen::last_words(&claim.rows) {
        None => ", nothing was announced before",
        Some(_) => "",
    };
    let mut claim = claim
        .sure(Confidence::Proven)
        .says(format!("its FIN came on {n} of {n}{announced}"))
        .says(format!("half of them were not older than {}", words::time(age)));
    if let Some(address) = address
        && case.facts.after(&Source::Probe(address)) == Some(0)
    {
        claim = claim.cites(case.facts, &Source::Probe(address), |_| {
            format!("{address} still answered right after: its process lives")
        });
    }
    if let Some(said) = seen::last_words(&claim.rows) {
        let said = words::shown(&said);
        claim = claim.says(format!("its last words: \"{said}\""));
    }
    let claim = claim
        .remedy(
            "server-host",
            "its log at that moment: a handler that returned, a panic it recovered from, a limit",
            "journalctl -u SERVICE --since -10min | grep -iE 'panic|error|close|timeout' | tail",
        )
        .remedy(
            "server",
            "say why: send a Close frame with a code and a reason before close()",
            "grep -rnE 'Close\\(|close\\(' SOURCE",
        )
        .remedy(
            "run",
            "see whether it depends on the load",
            words::again_with(case.plan, 1, "-d 30s"),
        );
    Some(claim)
}

/// FIN alone, or a RST that came after one (FAILURES §0.4).
fn closed(row: &Row) -> bool {
    let eof = matches!(row.key.signature.outcome, Outcome::Eof { .. });
    eof || (seen::peer_closed(row) && row.key.fin_seen)
}

/// We gave up waiting while its FIN was on the way.
fn closing(row: &Row) -> bool {
    let waited = seen::deadline(row) || row.key.signature.outcome == Outcome::NotServed;
    waited && row.key.peer == Peer::Closing
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Phase};

    #[test]
    fn fin_and_whatever_followed_it_are_one_cause() {
        let errno = |op, errno| Seen::new(Phase::Upgrade, op, Outcome::Errno(errno)).fin();
        let eof = Seen::new(Phase::Upgrade, Op::Read, Outcome::Eof { mid_message: true });
        let clean = Seen::new(Phase::Open, Op::Read, Outcome::Eof { mid_message: false });
        let lab = Lab::tcp()
            .opened(10)
            .book(60, eof.aged(1))
            .book(25, errno(Op::Read, Errno::ECONNRESET).aged(1))
            .book(15, errno(Op::Write, Errno::EPIPE).aged(1))
            .book(10, clean.heard());
        let found = lab.expect(&[("server-closed-without-reason", 110, Confidence::Proven)]);
        assert_eq!(found[0].classes[&Class::EofCleanClose], 10);
    }
}
