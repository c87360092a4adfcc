//! The connection-tracking table is full: what is new is dropped in silence.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "conntrack-full",
    culprit: Culprit::Network,
    what: "The connection-tracking table was full: packets of new connections were dropped",
    unsure: Some("a table elsewhere on the way cannot be seen from here"),
    same_as: &[
        "kernel \"nf_conntrack: table full, dropping packet\"",
        "Go \"dial tcp: i/o timeout\"",
        "Node \"connect ETIMEDOUT\"",
        "Java \"java.net.SocketTimeoutException: Connect timed out\"",
        "Python \"TimeoutError: [Errno 110] Connection timed out\"",
    ],
    scenario: Scenario::Repro {
        name: "conntrack-full",
        says: "The connection-tracking table of the host is full",
        class: Class::ConnectTimeout,
    },
    texts: Texts {
        what: "The connection-tracking table of that host is full: its kernel drops the \
               packets of new connections",
        decide: "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        remedy: "enlarge the table, or do not track these connections",
        command: "sysctl net.netfilter.nf_conntrack_max=1048576",
        shows_up: &[
            shows(Class::ConntrackFull, Where::Anywhere, Confidence::Proven),
            shows(Class::ConnectTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let entries = case.facts.after(&Source::Conntrack)?;
    let limit = case.facts.after(&Source::ConntrackLimit)?;
    if entries < limit {
        return None;
    }
    let claim = pool.take(seen::connect_timed_out)?;
    let double = limit.saturating_mul(2);
    let claim = claim
        .sure(Confidence::Likely)
        .cites(case.facts, &Source::Conntrack, |entries| {
            format!("the table has {} entries", count(entries))
        })
        .cites(case.facts, &Source::ConntrackLimit, |limit| {
            format!("it may have {}", count(limit))
        })
        .or(&["packets-filtered"])
        .decided_by("dmesg | grep 'nf_conntrack: table full'; grep . /proc/net/stat/nf_conntrack")
        .root_remedy(
            "client-host",
            "a larger table; 320 bytes each",
            format!("sysctl -w net.netfilter.nf_conntrack_max={double}"),
        )
        .root_remedy(
            "client-host",
            "or track what the load does not need tracked",
            "nft add rule raw prerouting tcp dport PORT notrack",
        )
        .remedy("run", "open more slowly", words::again(case.plan, "-r 500/s"));
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn a_full_table_explains_silence() {
        let lab = |entries| {
            let lost = Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
            let lab = Lab::tcp().remote().book(30, lost);
            lab.fact(Source::Conntrack, 5, entries).fact(Source::ConntrackLimit, 900, 900)
        };
        lab(900).expect(&[("conntrack-full", 30, Confidence::Likely)]);
        assert_eq!(lab(899).diagnoses()[0].cause, "packets-filtered");
    }
}
