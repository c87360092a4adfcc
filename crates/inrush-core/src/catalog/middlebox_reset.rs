//! A RST came that the server never sent: its socket is still there.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, server_closed_with_unread_data, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "middlebox-reset",
    culprit: Culprit::Network,
    what: "Something between the two sides answered with RST: the server still has the connection",
    unsure: Some("without a look at the server's side a server that lost its state looks the same"),
    same_as: &[
        "Go \"read: connection reset by peer\", after idle time",
        "Node \"read ECONNRESET\", in a pooled connection",
        "Java \"java.net.SocketException: Connection reset\"",
        "Python \"ConnectionResetError: [Errno 104] Connection reset by peer\"",
        "Rust \"Connection reset by peer (os error 104)\"",
    ],
    scenario: Scenario::Repro {
        name: "middlebox-reset",
        says: "What lies between answers with RST; the server never sent it",
        class: Class::ResetOnRead,
    },
    texts: Texts {
        what: "A firewall, NAT or load balancer on the way reset the connection",
        decide: "tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0' and host ADDRESS        on \
               both sides",
        remedy: "ping more often than its idle limit, or lengthen that limit",
        command: "sysctl net.ipv4.tcp_keepalive_time=60",
        shows_up: &[
            shows(Class::ResetOnConnect, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnRead, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(forged)?;
    let source = Source::Counter("Tcp".into(), "OutRsts".into());
    let n = count(claim.count());
    let port = words::port(seen::first_address(case, &claim.rows));
    let mut claim = claim.sure(Confidence::Proven).says(format!(
        "a RST came on {n} of {n}, and the server's socket is still established (sock_diag)"
    ));
    if case.facts.rise(&source) == Some(0) {
        claim = claim.cites(case.facts, &source, |_| {
            "no RST was sent by this host's kernel meanwhile (OutRsts)".into()
        });
    }
    let claim = claim
        .root_remedy(
            "network",
            "whose RST it is: its TTL differs from that of the server's other packets",
            format!("tcpdump -nvi any 'tcp port {port} and tcp[tcpflags] & tcp-rst != 0'"),
        )
        .remedy(
            "run",
            "if it hits idle ones, keep them warm and compare",
            words::again(case.plan, "-m 1/10s"),
        );
    Some(claim)
}

/// Reset for us, in use for the server.
fn forged(row: &Row) -> bool {
    let held = matches!(row.key.peer, Peer::Accepted { .. });
    held && seen::established(row) && server_closed_with_unread_data::reset(row)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn a_reset_of_what_the_server_still_has_is_not_its_own() {
        let seen = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::ECONNRESET)).heard();
        let lab = Lab::tcp().opened(5).counter("Tcp", "OutRsts", 0);
        let lab = lab.book(5, seen.peer(Peer::Accepted { unread: false }));
        let found = lab.expect(&[("middlebox-reset", 5, Confidence::Proven)]);
        assert_eq!(found[0].because.len(), 2);
    }
}
