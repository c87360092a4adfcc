//! A NAT, firewall or load balancer forgets connections that are idle for long, in silence.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "middlebox-dropped-idle",
    culprit: Culprit::Network,
    what: "Something on the way forgot an idle connection and drops its packets",
    unsure: None,
    same_as: &[
        "Go \"read: connection timed out\" after some idle minutes",
        "Python \"keepalive ping timeout; no close frame received\"",
    ],
    scenario: Scenario::Repro {
        name: "middlebox-dropped-idle",
        says: "A packet filter drops what belongs to a connection that was idle",
        class: Class::IoTimeout,
    },
    texts: Texts {
        what: "A NAT, firewall or load balancer on the way forgot the idle connection and \
               drops what belongs to it",
        decide: "inrush run ws://HOST:PORT/PATH -c 100 -d 10m --ping-interval 25s        \
               against the same without pings",
        remedy: "ping more often than the shortest idle limit on the way (25 s is safe nearly \
               everywhere)",
        command: "sysctl net.ipv4.tcp_keepalive_time=60",
        shows_up: &[
            shows(Class::KeepaliveTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::IoTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::WsCloseAbnormal, Where::Anywhere, Confidence::Possible),
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
