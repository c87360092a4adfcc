//! The server's kernel has no such connection any more: it was restarted, or the connection was
//! moved to another machine, and whatever we send is answered with RST.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, server_closed_with_unread_data, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-lost-state",
    culprit: Culprit::Server,
    what: "The server's kernel no longer knew these connections, and answered our bytes with RST",
    unsure: Some("a middlebox that forgot the connection answers in the same way"),
    same_as: &[
        "Go \"read: connection reset by peer\", at the first bytes after a pause",
        "Node \"read ECONNRESET\"",
        "Java \"java.net.SocketException: Connection reset\"",
        "Python \"ConnectionResetError: [Errno 104] Connection reset by peer\"",
        "Rust \"Connection reset by peer (os error 104)\"",
    ],
    scenario: Scenario::Repro {
        name: "server-lost-state",
        says: "A server's kernel forgets a connection, and answers its next bytes with RST",
        class: Class::ResetOnRead,
    },
    texts: Texts {
        what: "The server host restarted or failed over and no longer knows the connection",
        decide: "uptime; journalctl --list-boots | tail -n 2        on the server",
        remedy: "connect again after a reset; ping, so that it is noticed early",
        command: "journalctl -k -b | head",
        shows_up: &[
            shows(Class::ResetOnRead, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let resets: u64 = pool.rows().iter().filter(|row| lost(case, row)).map(|row| row.count).sum();
    let moved = |group, name| case.facts.counter(group, name);
    // Whoever closes with a RST is counted as one who aborts; who has no socket is not.
    let nobody_aborted = ["TCPAbortOnClose", "TCPAbortOnData"]
        .iter()
        .all(|name| moved("TcpExt", name) == Some(0));
    let sent = moved("Tcp", "OutRsts").unwrap_or(0);
    if resets == 0 || !nobody_aborted || sent < resets {
        return None;
    }
    let claim = pool.take(|row| lost(case, row))?;
    let address = seen::first_address(case, &claim.rows);
    let source = Source::Counter("Tcp".into(), "OutRsts".into());
    let n = count(claim.count());
    let claim = claim
        .sure(Confidence::Likely)
        .says(format!("the server's kernel had no such socket on {n} of {n} (sock_diag)"))
        .cites(case.facts, &source, |_| {
            format!("{} RST were sent, and no program of this host threw one away", count(sent))
        })
        .or(&["middlebox-reset"])
        .remedy(
            "server-host",
            "was it restarted, or did its address move to another machine?",
            "uptime; ip -br address; journalctl -b -n 20",
        )
        .root_remedy(
            "server-host",
            "reason=NO_SOCKET says that its kernel did not know the connection",
            format!(
                "perf trace -a -e tcp:tcp_send_reset --filter 'sport == {}' sleep 10",
                words::port(address)
            ),
        );
    Some(claim)
}

/// Reset while in use on this host, and nothing is left of it on the server's side.
fn lost(case: &Case<'_>, row: &Row) -> bool {
    let used = row.key.heard && row.key.spoke && seen::established(row);
    let gone = row.key.peer == Peer::Absent && seen::is_local(case, row);
    used && gone && server_closed_with_unread_data::reset(row)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    fn lab(rsts: u64, aborted: u64) -> Lab {
        let seen = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::ECONNRESET));
        Lab::tcp()
            .opened(10)
            .listener(1, 1)
            .book(10, seen.heard().peer(Peer::Absent))
            .counter("Tcp", "OutRsts", rsts)
            .counter("TcpExt", "TCPAbortOnClose", aborted)
            .counter("TcpExt", "TCPAbortOnData", 0)
    }

    #[test]
    fn a_reset_that_nobody_meant_comes_from_a_kernel_without_the_socket() {
        lab(10, 0).expect(&[("server-lost-state", 10, Confidence::Likely)]);
        let unread = lab(10, 10).diagnoses();
        assert_eq!(unread[0].cause, "server-closed-with-unread-data");
        assert_ne!(lab(9, 0).diagnoses()[0].cause, "server-lost-state");
    }
}
