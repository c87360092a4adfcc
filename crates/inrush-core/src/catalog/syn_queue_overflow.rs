//! Too many half-open connections at once, with SYN cookies off: SYNs are dropped in silence.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, accept_queue_overflow, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;
use core::net::SocketAddr;

pub(super) static CAUSE: Cause = Cause {
    id: "syn-queue-overflow",
    culprit: Culprit::Server,
    what: "The server's queue of half-open connections was full, so its kernel dropped our SYNs",
    unsure: None,
    same_as: &[
        "Go \"dial tcp 10.0.0.5:8080: i/o timeout\"",
        "Node \"connect ETIMEDOUT\"",
        "Java \"java.net.SocketTimeoutException: Connect timed out\"",
        "Python \"TimeoutError: [Errno 110] Connection timed out\"",
        "kernel log \"possible SYN flooding on port 8080. Dropping request\"",
    ],
    scenario: Scenario::Repro {
        name: "syn-queue-overflow",
        says: "A listener without SYN cookies and with a short queue meets a burst",
        class: Class::ConnectTimeout,
    },
    texts: Texts {
        what: "The server's queue of half-open connections was full",
        decide: "nstat -az TcpExtTCPReqQFullDrop TcpExtTCPReqQFullDoCookies        on the \
               server",
        remedy: "switch SYN cookies on, or lengthen the queue",
        command: "sysctl net.ipv4.tcp_syncookies=1 net.ipv4.tcp_max_syn_backlog=8192",
        shows_up: &[
            shows(Class::AcceptQueueOverflow, Where::Anywhere, Confidence::Possible),
            shows(Class::ConnectTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let source = Source::Counter("TcpExt".into(), "TCPReqQFullDrop".into());
    let dropped = case.facts.rise(&source).filter(|rise| *rise > 0)?;
    let overflows = case.facts.counter("TcpExt", "ListenOverflows").unwrap_or(0);
    // Both queues overflow together at times: the one that dropped more is named.
    if dropped <= overflows {
        return None;
    }
    let mut all = None;
    for target in pool.targets() {
        let Some(known) = case.plan.targets.get(usize::from(target)) else { continue };
        let address = known.address;
        let unhurt = case.facts.rise(&Source::ListenerDrops(address)) == Some(0);
        // The counter is this namespace's: of a server elsewhere it knows nothing.
        if unhurt || !seen::is_here(case, address) {
            continue;
        }
        let claim = pool.take(|row| row.key.target == target && seen::connect_timed_out(row));
        all = Claim::join(all, claim.map(|claim| tell(case, claim, address, dropped)));
    }
    all
}

fn tell(case: &Case<'_>, claim: Claim, address: SocketAddr, dropped: u64) -> Claim {
    let source = Source::Counter("TcpExt".into(), "TCPReqQFullDrop".into());
    let own = accept_queue_overflow::drops(case, address);
    claim
        .sure(if own.is_some() { Confidence::Proven } else { Confidence::Likely })
        .cites(case.facts, &source, |_| {
            format!("{} SYNs were dropped for a full queue (TCPReqQFullDrop)", count(dropped))
        })
        .cites(case.facts, &Source::ListenerDrops(address), |_| {
            format!("the listener on {address} itself dropped {}", count(own.unwrap_or(0)))
        })
        .root_remedy(
            "server-host",
            "let SYN cookies stand in when the queue is full",
            "sysctl -w net.ipv4.tcp_syncookies=1",
        )
        .root_remedy(
            "server-host",
            "a longer queue; the server's listen() backlog must be as long",
            "sysctl -w net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192",
        )
        .remedy("run", "open more slowly", words::again(case.plan, "-r 500/s"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn a_full_syn_queue_is_not_a_full_accept_queue() {
        let seen = Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws().book(40, seen).counter("TcpExt", "TCPReqQFullDrop", 160);
        lab.fact(Source::ListenerDrops(Lab::target()), 0, 160).expect(&[(
            "syn-queue-overflow",
            40,
            Confidence::Proven,
        )]);
    }

    #[test]
    fn a_syn_queue_of_this_host_is_nothing_to_another() {
        let seen = || Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws().remote().book(1_000, seen());
        let lab = lab.counter("TcpExt", "TCPReqQFullDrop", 160);
        lab.expect(&[("packets-filtered", 1_000, Confidence::Likely)]);
        // Nor to a listener here that dropped nothing.
        let lab = Lab::ws().book(1_000, seen()).counter("TcpExt", "TCPReqQFullDrop", 160);
        let lab = lab.fact(Source::ListenerDrops(Lab::target()), 3, 3);
        lab.expect(&[("packets-filtered", 1_000, Confidence::Likely)]);
    }
}
