//! A firewall, NAT or load balancer resets a connection in the server's name.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "middlebox-reset",
    culprit: Culprit::Network,
    what: "Something on the way reset the connection; the server did not",
    unsure: None,
    same_as: &[
        "Go \"read: connection reset by peer\"",
        "Node \"read ECONNRESET\"",
        "browsers \"net::ERR_CONNECTION_RESET\"",
    ],
    scenario: Scenario::Repro {
        name: "middlebox-reset",
        says: "A packet filter between the two answers with RST",
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
