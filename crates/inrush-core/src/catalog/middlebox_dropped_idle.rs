//! The way to the server forgot the connection and drops its packets; both ends still have it.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, peer_vanished, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Peer, Phase};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "middlebox-dropped-idle",
    culprit: Culprit::Network,
    what: "What lies between dropped the connection in silence: both ends still have it",
    unsure: Some("a cable or a route that broke looks the same; then all connections are hit"),
    same_as: &[
        "Go \"read: connection timed out\", on the first use after idle time",
        "Node \"read ETIMEDOUT\", in a pooled connection",
        "Java \"java.net.SocketException: Connection timed out\"",
        "Python \"keepalive ping timeout; no close frame received\"",
        "Rust \"Connection timed out (os error 110)\"",
    ],
    scenario: Scenario::Repro {
        name: "middlebox-dropped-idle",
        says: "What lies between forgets a connection and drops its packets",
        class: Class::IoTimeout,
    },
    texts: Texts {
        what: "A NAT, firewall or load balancer on the way forgot the idle connection and \
               drops what belongs to it",
        decide: "inrush run ws://HOST:PORT/PATH -c 100 -d 10m --ping-interval 25s        \
               against the same without pings",
        remedy: "ping more often than the shortest idle limit on the way (25 s is safe nearly \
               everywhere)",
        command: "sysctl net.ipv4.tcp_keepalive_time=60",
        shows_up: &[
            shows(Class::KeepaliveTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::IoTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::WsCloseAbnormal, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(dropped)?;
    let n = count(claim.count());
    let quiet = claim.rows.iter().flat_map(seen::looks).map(|look| look.last_ack_recv_ms).max();
    let claim = claim.sure(Confidence::Proven).says(format!(
        "our data were sent again and not acknowledged, and the server still has {n} of {n} \
         (sock_diag)"
    ));
    let claim = match quiet {
        Some(ms @ 1..) => {
            let ms = count(ms.into());
            claim.says(format!("the last ACK came up to {ms} ms before"))
        }
        _ => claim,
    };
    let port = words::port(seen::first_address(case, &claim.rows));
    let claim = claim
        .remedy(
            "run",
            "keep them warm: traffic more often than the idle time-out on the way",
            words::again(case.plan, "-m 1/10s"),
        )
        .root_remedy(
            "client-host",
            "let the kernel do it (the program must set SO_KEEPALIVE)",
            "sysctl -w net.ipv4.tcp_keepalive_time=60 net.ipv4.tcp_keepalive_intvl=15",
        )
        .remedy(
            "server-host",
            "still ESTAB there: the path lost it",
            format!("ss -tno 'sport = :{port}' | head"),
        );
    Some(claim)
}

/// Nothing we say arrives, and the server's side is as it was.
fn dropped(row: &Row) -> bool {
    let held = matches!(row.key.peer, Peer::Accepted { .. });
    let silent = peer_vanished::kernel_gave_up(row)
        || (seen::deadline(row) && seen::mostly(row, |look| look.unacked > 0));
    // What was never in use was never idle: in a hand-shake it is a queue that drops.
    let in_use = matches!(seen::phase(row), Phase::Open | Phase::Close);
    held && in_use
        && seen::established(row)
        && silent
        && seen::mostly(row, |look| look.total_retrans > 0 && look.rwnd_limited_percent < 50)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Look, Op, Outcome};

    #[test]
    fn what_both_ends_still_have_was_dropped_between_them() {
        let check = |peer, cause: &str, sure| {
            let gone = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::ETIMEDOUT)).heard();
            let look = Look { peer, total_retrans: 3, last_ack_recv_ms: 900, ..Look::default() };
            Lab::tcp().opened(5).book(5, gone.look(look)).expect(&[(cause, 5, sure)]);
        };
        let held = Peer::Accepted { unread: false };
        check(held, "middlebox-dropped-idle", Confidence::Proven);
        check(Peer::Absent, "peer-vanished", Confidence::Proven);
        // A request that a full queue dropped: its connection was never in use.
        let waited = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
        let look = Look { peer: held, total_retrans: 3, unacked: 1, ..Look::default() };
        let found = Lab::ws().opened(5).book(5, waited.look(look)).diagnoses();
        assert_ne!(found[0].cause, "middlebox-dropped-idle");
    }
}
