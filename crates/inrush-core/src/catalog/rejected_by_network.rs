//! A router or firewall answered the SYN with ICMP: no RST came, so it was not the server.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::{Class, Phase};
use crate::tally::Row;
use crate::time::Nanos;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "rejected-by-network",
    culprit: Culprit::Network,
    what: "Something on the way rejected the connection by ICMP; the server never answered",
    unsure: Some("the server's own firewall rejects in the same way"),
    same_as: &[
        "Go \"connect: connection refused\", \"connect: no route to host\"",
        "Node \"connect EHOSTUNREACH\"",
        "Java \"java.net.NoRouteToHostException: No route to host\"",
        "Python \"[Errno 113] No route to host\"",
        "Rust \"No route to host (os error 113)\"",
    ],
    scenario: Scenario::Repro {
        name: "rejected-by-network",
        says: "A packet filter answers each SYN with ICMP port unreachable",
        class: Class::Refused,
    },
    texts: Texts {
        what: "Something on the way, a firewall or a router, answered in the server's place",
        decide: "tcpdump -ni any 'icmp or tcp[tcpflags] & tcp-rst != 0' and host ADDRESS",
        remedy: "open the way in the firewall between the two",
        command: "nft list ruleset; iptables -S",
        shows_up: &[
            shows(Class::Unreachable, Where::Anywhere, Confidence::Possible),
            shows(Class::Refused, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

/// An unanswered ARP request fails after about 3 s (FAILURES row 11) and counts an ICMP message of
/// this host to itself.
pub(super) const ARP_PATIENCE: Nanos = Nanos::from_millis(2_500);

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let source = Source::Counter("Icmp".into(), "InDestUnreachs".into());
    let told = case.facts.rise(&source).filter(|rise| *rise > 0)?;
    let claim = pool.take(|row| seen::phase(row) == Phase::Connect && rejected(row))?;
    // The messages are counted for the whole namespace: fewer of them cannot explain all.
    let enough = told >= claim.count();
    let address = seen::first_address(case, &claim.rows);
    let claim = claim
        .sure(if enough { Confidence::Proven } else { Confidence::Likely })
        .says("not one segment came back (tcpi_segs_in = 0): the answer was no RST")
        .cites(case.facts, &source, |_| {
            let rise = case.facts.rise(&source).unwrap_or(0);
            format!("{} ICMP \"destination unreachable\" came in", count(rise))
        })
        .root_remedy(
            "network",
            "see who rejects: the ICMP sender's address is that firewall",
            format!("tcpdump -ni any icmp and host {}", words::ip(address)),
        )
        .root_remedy(
            "server-host",
            "look for a reject rule for this port there and on the way",
            "nft list ruleset | grep -n reject; iptables-save | grep -n REJECT",
        );
    Some(claim)
}

/// A missing route is told by connect() itself, before anything is sent: such a socket is not
/// looked at, and nothing came back to it.
fn rejected(row: &Row) -> bool {
    let no_answer = seen::mostly(row, |look| look.segs_in == 0);
    no_answer
        && match seen::errno(row) {
            Some(Errno::ECONNREFUSED | Errno::ENETUNREACH | Errno::ENOPROTOOPT) => true,
            Some(Errno::EHOSTUNREACH) => {
                seen::median_age(core::slice::from_ref(row)).is_some_and(|age| age < ARP_PATIENCE)
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Outcome};

    #[test]
    fn a_refusal_without_a_segment_is_icmp() {
        let seen = |errno| {
            Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(errno)).look(Look::default())
        };
        Lab::ws()
            .remote()
            .book(100, seen(Errno::ECONNREFUSED))
            .book(10, seen(Errno::EHOSTUNREACH))
            .counter("Icmp", "InDestUnreachs", 110)
            .expect(&[("rejected-by-network", 110, Confidence::Proven)]);
        // A few messages, perhaps for somebody else, are support and no proof.
        Lab::ws()
            .remote()
            .book(100, seen(Errno::ECONNREFUSED))
            .counter("Icmp", "InDestUnreachs", 3)
            .expect(&[("rejected-by-network", 100, Confidence::Likely)]);
    }

    #[test]
    fn what_connect_says_itself_is_the_route() {
        for errno in [Errno::EHOSTUNREACH, Errno::ENETUNREACH] {
            let seen = Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(errno)).aged(0);
            let lab = Lab::ws().remote().book(50, seen).counter("Icmp", "InDestUnreachs", 60);
            lab.expect(&[("no-route", 50, Confidence::Proven)]);
        }
    }
}
