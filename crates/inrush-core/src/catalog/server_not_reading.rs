//! The server's program does not read: its window is closed and our data wait here.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::explain::Printed;
use crate::failure::{Class, Outcome, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-not-reading",
    culprit: Culprit::Server,
    what: "The server's program does not read: its receive window is closed, our data wait here",
    unsure: None,
    same_as: &[
        "Go \"write tcp 10.0.0.1:50812->10.0.0.5:8080: i/o timeout\"",
        "Node: bufferedAmount grows, then 'read ETIMEDOUT'",
        "Java \"java.net.SocketTimeoutException: Read timed out\"",
        "Python \"TimeoutError: [Errno 110] Connection timed out\" in send",
        "Rust \"Resource temporarily unavailable (os error 11)\" on write",
    ],
    scenario: Scenario::Repro {
        name: "server-not-reading",
        says: "A server accepts, answers the upgrade and reads no more",
        class: Class::IoTimeout,
    },
    texts: Texts {
        what: "The peer does not read: its window is closed and the data wait here",
        decide: "ss -tnoi 'dport = :PORT'        (rwnd_limited, Send-Q)",
        remedy: "let the peer's program read, or send it less",
        command: "ss -tnm 'sport = :PORT'        on the peer (Recv-Q)",
        shows_up: &[shows(Class::IoTimeout, Where::Phase(Printed::Write), Confidence::Likely)],
    },
    recognise,
};

/// From this share of the busy time on, in percent, the closed window is the reason.
const CLOSED: u8 = 20;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(closed_window)?;
    let looks = claim.rows.iter().flat_map(seen::looks);
    let most = looks.map(|look| look.rwnd_limited_percent).max().unwrap_or(0);
    let unread = claim.rows.iter().any(|row| row.key.peer == Peer::Accepted { unread: true });
    let mut claim = claim.sure(Confidence::Proven).says(format!(
        "its window was closed for up to {most} % of the time we had data (tcpi_rwnd_limited)"
    ));
    if unread {
        claim = claim.says("our bytes lie unread in its receive queue (sock_diag)");
    }
    let address = seen::first_address(case, &claim.rows);
    let pid = words::server_pid(case.facts);
    let claim = claim
        .remedy(
            "server-host",
            "Recv-Q that does not fall: the program has it and does not read",
            format!("ss -tn 'sport = :{}' | sort -rnk2 | head", words::port(address)),
        )
        .remedy(
            "server-host",
            "see where it stands: blocked in a write, a lock, or out of CPU",
            format!("top -H -n 1 -b -p {pid} | head -n 20; cat /proc/{pid}/stack"),
        )
        .remedy(
            "run",
            "send less, and see from where on it keeps up",
            words::again(case.plan, "-m 1/10s"),
        );
    Some(claim)
}

fn closed_window(row: &Row) -> bool {
    let timed_out =
        matches!(row.key.signature.outcome, Outcome::TimedOut | Outcome::Errno(Errno::ETIMEDOUT));
    // In the accept queue the window closes too, but nobody could have read.
    let accepted = !matches!(row.key.peer, Peer::Queued | Peer::Absent | Peer::HalfOpen);
    let closed = seen::mostly(row, |look| look.rwnd_limited_percent >= CLOSED);
    seen::established(row) && timed_out && row.key.spoke && accepted && closed
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Phase};

    #[test]
    fn a_closed_window_is_proven_by_our_own_socket() {
        let look = |percent, peer| Look { rwnd_limited_percent: percent, peer, ..Look::default() };
        let seen = Seen::new(Phase::Open, Op::Deadline, Outcome::TimedOut).heard();
        let unread = Peer::Accepted { unread: true };
        let lab = Lab::ws().opened(50).book(50, seen.clone().look(look(92, unread)));
        lab.expect(&[("server-not-reading", 50, Confidence::Proven)]);
        let lab = Lab::ws().opened(50).book(50, seen.look(look(0, unread)));
        lab.expect(&[("server-not-answering", 50, Confidence::Proven)]);
    }
}
