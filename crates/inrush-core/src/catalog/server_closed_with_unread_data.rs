//! The server closed while bytes of ours lay unread: its kernel answers with RST (RFC 2525 §2.17),
//! and what it had not sent yet is lost.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::{Class, Outcome};
use crate::plan::{Ending, Expect};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-closed-with-unread-data",
    culprit: Culprit::Server,
    what: "The server closed while bytes we had sent lay unread, so its kernel answered with RST",
    unsure: Some("a middlebox that forgot the connection sends RST too, mostly after idle time"),
    same_as: &[
        "Go \"read: connection reset by peer\", \"write: connection reset by peer\"",
        "Node \"read ECONNRESET\", \"write EPIPE\"",
        "Java \"java.net.SocketException: Connection reset\"",
        "Python \"ConnectionResetError: [Errno 104] Connection reset by peer\"",
        "Rust \"Connection reset by peer (os error 104)\"",
    ],
    scenario: Scenario::Repro {
        name: "read-reset-after-response",
        says: "A server closes right after the first bytes came, without reading them",
        class: Class::ResetOnRead,
    },
    texts: Texts {
        what: "The peer closed while data of ours lay unread: its kernel answers with RST",
        decide: "nstat -az TcpExtTCPAbortOnClose        on the peer",
        remedy: "let the peer read to the end before it closes",
        command: "strace -f -e trace=read,recvfrom,close -p PID",
        shows_up: &[
            shows(Class::ResetOnRead, Where::Anywhere, Confidence::Likely),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Likely),
        ],
    },
    recognise,
};

/// What the counters of this namespace say, when the target is in it. They never prove: everybody's
/// connections count (ARCHITECTURE §5).
pub(super) struct Support {
    pub(super) unread: bool,
    pub(super) abortive: bool,
}

/// The server ended it by RST, and no FIN came first.
pub(super) fn reset(row: &Row) -> bool {
    let outcome = row.key.signature.outcome;
    let errno = matches!(outcome, Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE));
    errno && !row.key.fin_seen
}

/// Which of the two counters rose by as much as connections were reset, and only that one.
pub(super) fn support(case: &Case<'_>, pool: &Pool) -> Support {
    let rows = || pool.rows().iter().filter(|row| reset(row));
    let local = rows().all(|row| seen::is_local(case, row));
    let resets: u64 = rows().map(|row| row.count).sum();
    let enough = |name| {
        local && case.facts.counter("TcpExt", name).is_some_and(|rise| rise >= resets - resets / 10)
    };
    // Over loopback our own closes are counted too: --close rst as thrown away, and those with
    // pushes or replies that nobody read here as unread.
    let reads_all = matches!(case.plan.messages.expect, Expect::Echo | Expect::Reply);
    let unread = reads_all && enough("TCPAbortOnClose");
    let abortive = case.plan.close != Ending::Rst && enough("TCPAbortOnData");
    Support { unread: unread && !abortive, abortive: abortive && !unread }
}

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let source = Source::Counter("TcpExt".into(), "TCPAbortOnClose".into());
    let support = support(case, pool);
    let claim = pool.take(reset)?;
    let address = seen::first_address(case, &claim.rows);
    let port = words::port(address);
    let looked = claim.rows.iter().any(|row| seen::looks(row).next().is_some());
    let n = count(claim.count());
    let how = if looked { " (tcp_info)" } else { "" };
    let claim = claim
        .sure(Confidence::Likely)
        .says(format!("no FIN came before the RST on {n} of {n}{how}"));
    let claim = if support.unread {
        claim.cites(case.facts, &source, |_| {
            let rise = count(case.facts.rise(&source).unwrap_or(0));
            format!("{rise} closes of this host left bytes unread (TCPAbortOnClose)")
        })
    } else {
        claim.or(&["server-closed-abortively"]).decided_by(
            "nstat -az TcpExtTCPAbortOnClose TcpExtTCPAbortOnData   # on the server, before and \
 after; unread data is the first",
        )
    };
    let claim = claim
        .remedy(
            "server",
            "read to EOF before close, or shutdown(SHUT_WR) and then read; no SO_LINGER 0",
            "grep -rnE 'Close\\(|close\\(|SetLinger|SO_LINGER' SOURCE",
        )
        .root_remedy(
            "server-host",
            "see who sends each RST, and why (reason and process)",
            format!("perf trace -a -e tcp:tcp_send_reset --filter 'sport == {port}' sleep 10"),
        )
        .remedy(
            "run",
            "see whether it depends on what we send",
            words::again(case.plan, "--expect push"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Phase};

    #[test]
    fn counters_that_our_own_closes_raise_support_nothing() {
        let check = |counter, ending, expect| {
            let errno = Outcome::Errno(Errno::ECONNRESET);
            let seen = Seen::new(Phase::Open, Op::Read, errno).heard();
            let mut lab = Lab::ws().book(50, seen).listener(1, 1).counter("TcpExt", counter, 1_000);
            (lab.plan.close, lab.plan.messages.expect) = (ending, expect);
            let cause = "server-closed-with-unread-data";
            let found = lab.expect(&[(cause, 50, Confidence::Likely)]);
            let cited = found[0].because.iter().any(|line| line.fact.is_some());
            assert_eq!(found[0].alternatives.is_empty(), cited);
            cited
        };
        assert!(!check("TCPAbortOnData", Ending::Rst, Expect::Echo));
        assert!(!check("TCPAbortOnClose", Ending::Fin, Expect::Push));
        assert!(!check("TCPAbortOnClose", Ending::Fin, Expect::None));
        assert!(check("TCPAbortOnClose", Ending::Fin, Expect::Echo));
    }

    #[test]
    fn a_reset_without_a_fin_in_any_phase_is_one_cause() {
        let seen = |phase, op, errno| Seen::new(phase, op, Outcome::Errno(errno));
        let lab = Lab::ws()
            .remote()
            .opened(32)
            .book(20, seen(Phase::Upgrade, Op::Read, Errno::ECONNRESET))
            .book(7, seen(Phase::Open, Op::Read, Errno::ECONNRESET).heard())
            .book(5, seen(Phase::Open, Op::Write, Errno::EPIPE).heard());
        let found = lab.expect(&[("server-closed-with-unread-data", 32, Confidence::Likely)]);
        assert_eq!(found[0].alternatives, ["server-closed-abortively"]);
        assert_eq!(found[0].classes[&Class::ResetOnRead], 27);
    }
}
