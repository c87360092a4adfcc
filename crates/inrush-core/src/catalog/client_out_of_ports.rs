//! All local ports of one (source, destination) pair are in use, or wait in TIME-WAIT.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::{Class, Op};
use crate::ports;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "client-out-of-ports",
    culprit: Culprit::Client,
    what: "This host has no local port left towards this destination: the server had no part in it",
    unsure: None,
    same_as: &[
        "Go \"connect: cannot assign requested address\"",
        "Node \"connect EADDRNOTAVAIL\"",
        "Java \"java.net.NoRouteToHostException: Cannot assign requested address\"",
        "Python \"OSError: [Errno 99] Cannot assign requested address\"",
        "Rust \"Cannot assign requested address (os error 99)\"",
    ],
    scenario: Scenario::Repro {
        name: "ephemeral-ports",
        says: "More connections to one destination than there are local ports",
        class: Class::EphemeralPortsExhausted,
    },
    texts: Texts {
        what: "The host that connects has no local port left towards this destination",
        decide: "ss -Htan | awk '{print $1}' | sort | uniq -c; sysctl \
               net.ipv4.ip_local_port_range",
        remedy: "widen the range, keep connections alive, or use more source addresses",
        command: "sysctl net.ipv4.ip_local_port_range='1024 65535'",
        shows_up: &[shows(Class::EphemeralPortsExhausted, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

/// Ports of the Linux default range 32768-60999.
const DEFAULT_PORTS: u64 = 28_232;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| {
        let class = row.class(case.plan);
        // We bind to port 0 only: a port "in use" there means that none is free.
        let no_port =
            row.key.signature.op == Op::Bind && seen::errno(row) == Some(Errno::EADDRINUSE);
        class == Class::EphemeralPortsExhausted || no_port
    })?;
    let range = case.facts.after(&Source::PortRange).unwrap_or(DEFAULT_PORTS);
    let sources = case.plan.sources.len().max(1);
    let targets = case.plan.targets.len().max(1) as u64;
    let needed = ports::sources_needed(u64::from(case.plan.connections), targets, range);
    let address = seen::first_address(case, &claim.rows);
    let claim = claim
        .sure(Confidence::Proven)
        .says("connect() failed at once and nothing was sent: it never reached the network")
        .cites(case.facts, &Source::PortRange, |range| {
            format!("net.ipv4.ip_local_port_range has {} ports per source address", count(range))
        })
        .cites(case.facts, &Source::SourceAddresses, |sources| {
            format!("the run used {} source address(es)", count(sources))
        })
        .cites(case.facts, &Source::FreePorts, |free| {
            format!("{} ports were free towards the destination before the run", count(free))
        })
        .cites(case.facts, &Source::TimeWait, |waiting| {
            format!("{} sockets are in TIME-WAIT on this host", count(waiting))
        });
    let more = needed.max(sources as u64 + 1);
    let pool = address.map(|address| ports::loopback_pool(address.ip(), more)).unwrap_or_default();
    let flags = match (pool.first(), pool.last()) {
        (Some(first), Some(last)) => format!("--source-ip {first}-{last}"),
        _ => format!("--source-ip FIRST_OF_{more}_ADDRESSES-LAST"),
    };
    let claim = claim
        .remedy(
            "run",
            "connect from more source addresses: each one adds a whole range of ports",
            words::again(case.plan, &flags),
        )
        .root_remedy(
            "client-host",
            "widen the range of local ports (64,512 instead of the default 28,232)",
            "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
        )
        .remedy(
            "run",
            "end connections by RST: they leave no TIME-WAIT behind on this host",
            words::again(case.plan, "--close rst"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Outcome, Phase};

    #[test]
    fn no_port_left_is_proven_and_names_how_many_sources_are_needed() {
        let full = Outcome::Errno(Errno::EADDRNOTAVAIL);
        let in_use = Outcome::Errno(Errno::EADDRINUSE);
        let mut lab = Lab::ws()
            .book(700, Seen::new(Phase::Connect, Op::Connect, full))
            .book(3, Seen::new(Phase::Bind, Op::Bind, in_use))
            .fact(Source::PortRange, 300, 300)
            .fact(Source::SourceAddresses, 1, 1)
            .fact(Source::TimeWait, 0, 12);
        lab.plan.connections = 1_000;
        let found = lab.expect(&[("client-out-of-ports", 703, Confidence::Proven)]);
        let command = found[0].remedy[0].command.as_deref().unwrap();
        assert!(command.ends_with(" --source-ip 127.0.1.1-127.0.1.7"), "{command}");
        assert_eq!(found[0].because.len(), 4);
    }
}
