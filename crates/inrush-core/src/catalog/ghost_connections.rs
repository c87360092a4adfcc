//! Our kernel says ESTABLISHED, the server's kernel has no such connection: a SYN-cookie ACK that
//! was dropped for a full queue, or a hand-shake the server gave up (FAILURES §0.1).

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, accept_queue_overflow, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::{Class, Outcome, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "ghost-connections",
    culprit: Culprit::Server,
    what: "connect() succeeded here, but the server's kernel has no such connection: its accept \
           queue was full when our last ACK came",
    unsure: None,
    same_as: &[
        "Go \"read tcp 10.0.0.1:50812->10.0.0.5:8080: i/o timeout\" on a connection just dialled",
        "Node \"Opening handshake has timed out\"",
        "Java \"java.net.SocketTimeoutException: Read timed out\"",
        "Python \"timed out during opening handshake\"",
        "Rust \"Connection reset by peer (os error 104)\" on the first write",
    ],
    scenario: Scenario::Repro {
        name: "ghost-connections",
        says: "A hundred connections at once meet a listener with a backlog of 8",
        class: Class::ConnectedNotServed,
    },
    texts: Texts {
        what: "connect() succeeded, but the server's kernel has no such connection",
        decide: "ss -tn 'sport = :PORT'; nstat -az TcpExtListenOverflows        on the server",
        remedy: "lengthen the server's backlog and accept faster",
        command: "sysctl net.core.somaxconn=65535",
        shows_up: &[
            shows(Class::ConnectedNotServed, Where::Anywhere, Confidence::Possible),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let absent = pool.take(no_entry).map(|claim| {
        let n = count(claim.count());
        claim.sure(Confidence::Proven).says(format!(
            "{n} were ESTABLISHED here and unknown to the server's kernel (sock_diag)"
        ))
    });
    let reset = pool.take(|row| reset_by_nobody(case, row)).map(|claim| {
        let address = seen::first_address(case, &claim.rows);
        let own = address.is_some_and(|at| accept_queue_overflow::drops(case, at).is_some());
        claim.sure(if own { Confidence::Proven } else { Confidence::Likely }).says(
            "reset at the first data, none of which was acknowledged, while the queue overflowed",
        )
    });
    let unacked = pool.take(never_acknowledged).map(|claim| {
        claim
            .sure(Confidence::Likely)
            .says("our data were sent again and again and never acknowledged")
            .or(&["peer-vanished"])
    });
    let claim = Claim::join(Claim::join(absent, reset), unacked)?;
    let address = seen::first_address(case, &claim.rows);
    let cookies = Source::Counter("TcpExt".into(), "TCPReqQFullDoCookies".into());
    let overflows = Source::Counter("TcpExt".into(), "ListenOverflows".into());
    let claim = claim
        .cites(case.facts, &cookies, |_| {
            let n = case.facts.rise(&cookies).unwrap_or(0);
            format!("{} SYN cookies were sent for a full queue", count(n))
        })
        .cites(case.facts, &overflows, |_| {
            let n = case.facts.rise(&overflows).unwrap_or(0);
            format!("accept queues of this host overflowed {} times", count(n))
        });
    let claim = accept_queue_overflow::longer_backlog(case, claim, address)
        .remedy(
            "server-host",
            "watch the queue fill while the run starts: Recv-Q against Send-Q",
            format!("watch -n 0.2 \"{}\"", words::queue_command(address)),
        )
        .remedy("run", "open more slowly", words::again(case.plan, "-r 500/s"));
    Some(claim)
}

fn no_entry(row: &Row) -> bool {
    let outcome = row.key.signature.outcome;
    let waited = seen::deadline(row) || outcome == Outcome::NotServed;
    row.key.peer == Peer::Absent && !row.key.heard && waited
}

/// After a RST the entry is gone in any case: here only data that were never acknowledged, while
/// the queue is known to have overflowed, tell a ghost from a server that closed.
fn reset_by_nobody(case: &Case<'_>, row: &Row) -> bool {
    let reset =
        matches!(row.key.signature.outcome, Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE));
    let quiet = !row.key.heard && !row.key.fin_seen && row.key.peer == Peer::Absent;
    let address = seen::address(case, row);
    let overflowed = address.is_some_and(|at| accept_queue_overflow::drops(case, at).is_some())
        || accept_queue_overflow::overflows(case).is_some();
    let nothing_taken = seen::mostly(row, |look| look.bytes_acked <= 1);
    seen::established(row) && reset && quiet && overflowed && row.key.spoke && nothing_taken
}

/// The same, seen from elsewhere: no ACK for our data (FAILURES §5 row 11).
fn never_acknowledged(row: &Row) -> bool {
    let unacked = row.unacked * 2 > row.count && row.retransmitted * 2 > row.count;
    seen::deadline(row) && seen::nobody_known(row) && row.key.spoke && unacked
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Phase};

    #[test]
    fn a_burst_into_a_short_queue_is_told_apart() {
        let waited = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
        let look = Look { bytes_acked: 1, peer: Peer::Absent, ..Look::default() };
        let reset = Seen::new(Phase::Upgrade, Op::Read, Outcome::Errno(Errno::ECONNRESET));
        let lost = Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws()
            .opened(9)
            .book(60, waited.clone().peer(Peer::Absent))
            .book(20, reset.look(look))
            .book(6, lost)
            .book(5, waited.peer(Peer::Queued))
            .fact(Source::ListenerDrops(Lab::target()), 0, 173)
            .counter("TcpExt", "TCPReqQFullDoCookies", 82);
        lab.expect(&[
            ("ghost-connections", 80, Confidence::Proven),
            ("accept-queue-overflow", 6, Confidence::Proven),
            ("server-not-accepting", 5, Confidence::Likely),
        ]);
    }

    #[test]
    fn an_idle_ghost_is_proven_by_the_look() {
        let seen = Seen::new(Phase::Open, Op::Look, Outcome::NotServed).peer(Peer::Absent);
        let lab = Lab::tcp().opened(100).book(82, seen);
        lab.expect(&[("ghost-connections", 82, Confidence::Proven)]);
    }

    #[test]
    fn elsewhere_unacknowledged_data_point_to_it() {
        let look = Look { unacked: 1, total_retrans: 5, peer: Peer::NotLocal, ..Look::default() };
        let seen = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut).look(look);
        let lab = Lab::ws().remote().opened(500).book(40, seen);
        lab.expect(&[("ghost-connections", 40, Confidence::Likely)]);
    }
}
