//! A rule of this very host refuses or swallows what we send.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, accept_queue_overflow, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::Class;
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "local-firewall",
    culprit: Culprit::Client,
    what: "A rule on this host keeps the connection from leaving it",
    unsure: Some("a full connection-tracking table of this host drops in the same way"),
    same_as: &[
        "Go \"connect: permission denied\", \"connect: operation not permitted\"",
        "Node \"connect EACCES\", \"connect EPERM\"",
        "Java \"java.net.ConnectException: Permission denied\"",
        "Python \"PermissionError: [Errno 13] Permission denied\"",
        "Rust \"Permission denied (os error 13)\"",
    ],
    scenario: Scenario::Repro {
        name: "local-firewall",
        says: "A packet filter of this host drops what goes out to the target",
        class: Class::ConnectTimeout,
    },
    texts: Texts {
        what: "A rule on the host that connects keeps it from leaving",
        decide: "nft list ruleset; iptables -S OUTPUT        on the host that printed it",
        remedy: "remove the rule, or allow the program",
        command: "nft list ruleset; ausearch -m avc -ts recent",
        shows_up: &[
            shows(Class::BlockedByPolicy, Where::Anywhere, Confidence::Likely),
            shows(Class::ConnectTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

/// How many repeated SYNs did not leave this host, when that explains the lost ones: each of them
/// was repeated at least once. What a listener here dropped itself had left.
pub(super) fn swallowed(case: &Case<'_>) -> Option<u64> {
    let lost = |row: &&Row| {
        let dropped = |address| accept_queue_overflow::drops(case, address).is_some();
        seen::connect_timed_out(row) && !seen::address(case, row).is_some_and(dropped)
    };
    let lost: u64 = case.tally.rows.iter().filter(lost).map(|row| row.count).sum();
    case.facts.counter("TcpExt", "TCPRetransFail").filter(|rise| *rise > 0 && *rise >= lost)
}

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let source = Source::Counter("TcpExt".into(), "TCPRetransFail".into());
    let swallowed = swallowed(case);
    let refused = pool.take(|row| row.class(case.plan) == Class::BlockedByPolicy);
    let refused = refused.map(|claim| {
        let age = seen::median_age(&claim.rows).unwrap_or_default();
        let text = format!("our own call failed after {}: nothing was sent", words::time(age));
        claim.sure(Confidence::Proven).says(text)
    });
    let lost = swallowed.and_then(|_| pool.take(seen::connect_timed_out));
    let lost = lost.map(|claim| {
        claim.sure(Confidence::Likely).cites(case.facts, &source, |_| {
            let n = count(swallowed.unwrap_or(0));
            format!("{n} repeated SYNs did not leave this host (TCPRetransFail)")
        })
    });
    let claim = Claim::join(refused, lost)?;
    let ip = words::ip(seen::first_address(case, &claim.rows));
    let claim = claim
        .root_remedy(
            "client-host",
            "find the rule for what goes out: drop, reject, a limit",
            "nft list ruleset; iptables -S OUTPUT",
        )
        .remedy(
            "client-host",
            "prohibit or blackhole here is a route, not a filter",
            format!("ip route get {ip}; ip rule"),
        )
        .root_remedy(
            "client-host",
            "equal numbers mean that the connection-tracking table is full",
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn an_own_rule_says_so_at_once_or_swallows() {
        let denied = |errno| Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(errno)).aged(0);
        let lab = Lab::ws().book(5, denied(Errno::EACCES)).book(5, denied(Errno::EPERM));
        lab.expect(&[("local-firewall", 10, Confidence::Proven)]);
        let lost = || Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws().remote().book(30, lost()).counter("TcpExt", "TCPRetransFail", 90);
        lab.expect(&[("local-firewall", 30, Confidence::Likely)]);
        // Each lost SYN is repeated: one failure of somebody's does not explain thirty.
        let lab = Lab::ws().remote().book(30, lost()).counter("TcpExt", "TCPRetransFail", 29);
        lab.expect(&[("packets-filtered", 30, Confidence::Possible)]);
    }
}
