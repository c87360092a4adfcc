//! This host knows no way to the target, or nobody on the last link answers for it.

use super::claim::{Claim, Pool};
use super::rejected_by_network::ARP_PATIENCE;
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::explain::Side;
use crate::failure::{Class, Phase};
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "no-route",
    culprit: Culprit::Network,
    what: "There is no way from this host to the target: no route, or nobody there to take it",
    unsure: None,
    same_as: &[
        "Go \"connect: network is unreachable\", \"connect: no route to host\"",
        "Node \"connect ENETUNREACH\", \"connect EHOSTUNREACH\"",
        "Java \"java.net.ConnectException: Network is unreachable\"",
        "Python \"[Errno 101] Network is unreachable\"",
        "Rust \"Network is unreachable (os error 101)\"",
    ],
    scenario: Scenario::Repro {
        name: "no-route",
        says: "An address for which this host has no route",
        class: Class::Unreachable,
    },
    texts: Texts {
        what: "No route leads to the target, or no host answers there on the last link",
        decide: "ip route get ADDRESS; ip neigh show ADDRESS",
        remedy: "correct the address or the route",
        command: "ip route; ip -6 route; ip addr",
        shows_up: &[
            shows(Class::Unreachable, Where::Anywhere, Confidence::Likely),
            shows(Class::DnsFailure, Where::Side(Side::Network), Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| {
        let connecting = matches!(seen::phase(row), Phase::Socket | Phase::Bind | Phase::Connect);
        let told = matches!(
            seen::errno(row),
            Some(
                Errno::ENETUNREACH
                    | Errno::EHOSTUNREACH
                    | Errno::ENETDOWN
                    | Errno::EHOSTDOWN
                    | Errno::EINVAL
                    | Errno::EAFNOSUPPORT
            )
        );
        connecting && told
    })?;
    let age = seen::median_age(&claim.rows).unwrap_or_default();
    // What connect() says itself is booked without a look at its socket.
    let sent = claim.rows.iter().any(|row| seen::looks(row).next().is_some());
    let ip = words::ip(seen::first_address(case, &claim.rows));
    let claim = if age >= ARP_PATIENCE {
        claim
            .sure(Confidence::Likely)
            .says(format!("it took {}: nobody answered for that address", words::time(age)))
            .remedy(
                "network",
                "FAILED or INCOMPLETE means that no host with that address is on this link",
                format!("ip neigh show {ip}; ping -c 3 {ip}"),
            )
    } else if sent {
        claim
            .sure(Confidence::Likely)
            .says(format!("the answer to the SYN took {}: a router's", words::time(age)))
            .or(&["rejected-by-network"])
            .decided_by(format!("tcpdump -ni any icmp and host {ip}"))
    } else {
        claim
            .sure(Confidence::Proven)
            .says(format!("connect() said so after {}, nothing was sent", words::time(age)))
    };
    let claim = claim
        .remedy("client-host", "see which way the kernel would take", format!("ip route get {ip}"))
        .remedy("client-host", "see all routes and addresses", "ip route; ip -6 route; ip addr");
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Outcome};

    #[test]
    fn an_immediate_answer_is_the_routing_table_and_a_late_one_is_arp() {
        let check = |errno, age_ms, expected| {
            let seen = Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(errno)).aged(age_ms);
            Lab::ws().remote().book(20, seen).expect(&[("no-route", 20, expected)]);
        };
        check(Errno::ENETUNREACH, 0, Confidence::Proven);
        check(Errno::EINVAL, 0, Confidence::Proven);
        check(Errno::EHOSTUNREACH, 3_060, Confidence::Likely);
        // It was sent, and somebody on the way answered.
        let errno = Outcome::Errno(Errno::EHOSTUNREACH);
        let seen = Seen::new(Phase::Connect, Op::Connect, errno).look(Look::default());
        let found = Lab::ws().remote().book(20, seen).diagnoses();
        assert_eq!(found[0].confidence, Confidence::Likely);
        assert_eq!(found[0].alternatives, ["rejected-by-network"]);
    }
}
