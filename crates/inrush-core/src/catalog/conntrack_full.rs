//! The connection-tracking table of a host on the way is full; its kernel drops new connections.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "conntrack-full",
    culprit: Culprit::Network,
    what: "The table of tracked connections is full: the kernel drops the packets of new ones",
    unsure: None,
    same_as: &[
        "kernel log \"nf_conntrack: table full, dropping packet\"",
        "Go \"dial tcp 10.0.0.5:8080: i/o timeout\"",
    ],
    scenario: Scenario::Repro {
        name: "conntrack-full",
        says: "More connections than the tracking table holds",
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

/// No fact that a run reads tells it yet: only texts lead here.
fn recognise(_: &Case<'_>, _: &mut Pool) -> Option<Claim> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_texts_lead_here() {
        let first = CAUSE.texts.shows_up[0];
        let causes = super::super::of_class(first.class);
        assert!(causes.iter().any(|(cause, _)| cause.id == CAUSE.id));
    }
}
