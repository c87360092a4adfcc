//! The server threw the connection away: SO_LINGER 0, so that its kernel sent RST without a word.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, server_closed_with_unread_data, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-closed-abortively",
    culprit: Culprit::Server,
    what: "The server threw these connections away (SO_LINGER 0): its kernel answered with RST",
    unsure: None,
    same_as: &[
        "Go \"read: connection reset by peer\"",
        "Node \"read ECONNRESET\"",
        "Java \"java.net.SocketException: Connection reset\"",
        "Python \"ConnectionResetError: [Errno 104] Connection reset by peer\"",
        "Rust \"Connection reset by peer (os error 104)\"",
    ],
    scenario: Scenario::Repro {
        name: "abortive-close",
        says: "A server reads the request and closes with SO_LINGER 0",
        class: Class::ResetOnRead,
    },
    texts: Texts {
        what: "The peer threw the connection away (SO_LINGER 0): its kernel answers with RST",
        decide: "strace -f -e trace=setsockopt,close -p PID        on the peer: SO_LINGER",
        remedy: "close in order: shutdown(), then close()",
        command: "grep -rn 'SO_LINGER\\|SetLinger\\|setSoLinger' SOURCE",
        shows_up: &[
            shows(Class::ResetOnRead, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let source = Source::Counter("TcpExt".into(), "TCPAbortOnData".into());
    let support = server_closed_with_unread_data::support(case, pool);
    let claim = support.abortive.then(|| pool.take(server_closed_with_unread_data::reset));
    let claim = claim.flatten()?;
    let address = seen::first_address(case, &claim.rows);
    let n = count(claim.count());
    let claim = claim
        .sure(Confidence::Likely)
        .says(format!("no FIN came before the RST on {n} of {n} (tcp_info)"))
        .cites(case.facts, &source, |_| {
            let rise = count(case.facts.rise(&source).unwrap_or(0));
            format!("{rise} closes of this host threw the connection away (TCPAbortOnData)")
        })
        .remedy(
            "server",
            "close in order: no SO_LINGER 0 (Go SetLinger(0), Java setSoLinger(true, 0))",
            "grep -rnE 'SetLinger|SO_LINGER|setSoLinger|resetAndDestroy' SOURCE",
        )
        .root_remedy(
            "server-host",
            "see who sends each RST, and why (reason and process)",
            format!(
                "perf trace -a -e tcp:tcp_send_reset --filter 'sport == {}' sleep 10",
                words::port(address)
            ),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn the_kernels_counters_tell_abort_from_unread_data() {
        let check = |on_close, on_data, cause: &str, alternatives: &[&str]| {
            let seen = Seen::new(Phase::Upgrade, Op::Read, Outcome::Errno(Errno::ECONNRESET));
            let lab = Lab::ws().book(100, seen).listener(1, 1);
            let lab = lab.counter("TcpExt", "TCPAbortOnClose", on_close);
            let lab = lab.counter("TcpExt", "TCPAbortOnData", on_data);
            let found = lab.expect(&[(cause, 100, Confidence::Likely)]);
            assert_eq!(found[0].alternatives, alternatives);
        };
        let unread = "server-closed-with-unread-data";
        check(0, 100, "server-closed-abortively", &[]);
        check(100, 0, unread, &[]);
        check(0, 0, unread, &["server-closed-abortively"]);
        check(100, 100, unread, &["server-closed-abortively"]);
    }
}
