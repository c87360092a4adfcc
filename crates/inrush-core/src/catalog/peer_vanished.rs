//! The connection was fine, then the other end or the path to it fell silent: not even its kernel
//! answers.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::failure::{Class, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "peer-vanished",
    culprit: Culprit::Network,
    what: "The other end, or the way to it, vanished: not even its kernel acknowledges any more",
    unsure: Some("a middlebox that forgot the connection drops in silence too"),
    same_as: &[
        "Go \"read: connection timed out\", \"read: no route to host\"",
        "Node \"read ETIMEDOUT\"",
        "Java \"java.net.SocketException: Connection timed out\"",
        "Python \"keepalive ping timeout; no close frame received\"",
        "Rust \"Connection timed out (os error 110)\"",
    ],
    scenario: Scenario::Repro {
        name: "peer-vanished",
        says: "The link to the server goes away while connections are open",
        class: Class::IoTimeout,
    },
    texts: Texts {
        what: "The other end, or the way to it, vanished without a word",
        decide: "ping ADDRESS; ss -tnoi 'dport = :PORT'        (retransmits, lastack)",
        remedy: "find what broke between the two, and ping more often than it forgets",
        command: "mtr -T -P PORT ADDRESS",
        shows_up: &[
            shows(Class::KeepaliveTimeout, Where::Anywhere, Confidence::Likely),
            shows(Class::IoTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let kernel = pool.take(|row| seen::established(row) && kernel_gave_up(row));
    let kernel = kernel.map(|claim| {
        claim
            .sure(Confidence::Proven)
            .says("our kernel gave up after its retransmissions: nothing was acknowledged")
    });
    let ours = pool.take(unacknowledged).map(|claim| {
        let unacked: u64 = claim.rows.iter().map(|row| row.unacked).sum();
        let (unacked, n) = (count(unacked), count(claim.count()));
        claim.sure(Confidence::Likely).says(format!(
            "our data were sent again and not acknowledged on {unacked} of {n} (tcpi_unacked > 0)"
        ))
    });
    let claim = Claim::join(kernel, ours)?;
    let quiet = claim.rows.iter().flat_map(seen::looks).map(|look| look.last_ack_recv_ms).max();
    let claim = match quiet {
        Some(ms @ 1..) => {
            claim.says(format!("the last ACK came up to {} ms before", count(ms.into())))
        }
        _ => claim,
    };
    let address = seen::first_address(case, &claim.rows);
    let (ip, port) = (words::ip(address), words::port(address));
    let claim = claim
        .remedy(
            "client-host",
            "is the host still there?",
            format!("ping -c 3 {ip}; nc -vz {ip} {port}"),
        )
        .remedy(
            "server-host",
            "still ESTAB there: the path lost it; gone: the host restarted",
            format!("ss -tno 'sport = :{port}' | head; uptime"),
        )
        .remedy(
            "run",
            "if idle ones vanish, keep them warm and compare",
            words::again(case.plan, "-m 1/10s"),
        );
    Some(claim)
}

/// ICMP that came meanwhile replaces ETIMEDOUT in the end (FAILURES 11e).
pub(super) fn kernel_gave_up(row: &Row) -> bool {
    matches!(
        seen::errno(row),
        Some(Errno::ETIMEDOUT | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EHOSTDOWN)
    )
}

fn unacknowledged(row: &Row) -> bool {
    let unacked = row.unacked * 2 > row.count && row.retransmitted * 2 > row.count;
    let accepted = matches!(row.key.peer, Peer::Accepted { .. });
    let lost_entry = row.key.peer == Peer::Absent && row.key.heard;
    seen::deadline(row) && !accepted && (unacked || lost_entry)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Outcome, Phase};

    #[test]
    fn silence_of_the_other_kernel_is_told_from_silence_of_the_program() {
        let kernel = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::ETIMEDOUT)).heard();
        let lab = Lab::ws().remote().opened(50).book(50, kernel);
        lab.expect(&[("peer-vanished", 50, Confidence::Proven)]);
        let check = |unacked, cause, confidence| {
            let look = Look {
                unacked,
                total_retrans: 4,
                last_ack_recv_ms: 9_000,
                peer: Peer::NotLocal,
                ..Look::default()
            };
            let ours = Seen::new(Phase::Open, Op::Deadline, Outcome::TimedOut).heard();
            let lab = Lab::ws().remote().opened(50).book(50, ours.look(look));
            lab.expect(&[(cause, 50, confidence)]);
        };
        check(2, "peer-vanished", Confidence::Likely);
        check(0, "server-not-answering", Confidence::Likely);
    }
}
