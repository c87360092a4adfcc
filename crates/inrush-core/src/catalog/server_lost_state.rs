//! The server host forgot a connection (a restart, a fail-over) and answers its packets with RST.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "server-lost-state",
    culprit: Culprit::Server,
    what: "The server's kernel no longer knew the connection and answered with RST",
    unsure: None,
    same_as: &[
        "Go \"read: connection reset by peer\" after a long silence",
        "Node \"read ECONNRESET\"",
    ],
    scenario: Scenario::Repro {
        name: "server-lost-state",
        says: "A server host comes back without its connections",
        class: Class::ResetOnWrite,
    },
    texts: Texts {
        what: "The server host restarted or failed over and no longer knows the connection",
        decide: "uptime; journalctl --list-boots | tail -n 2        on the server",
        remedy: "connect again after a reset; ping, so that it is noticed early",
        command: "journalctl -k -b | head",
        shows_up: &[
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
