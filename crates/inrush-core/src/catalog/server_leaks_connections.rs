//! A server keeps its ends of connections that are long over: its descriptors only rise.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::explain::Side;
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "server-leaks-connections",
    culprit: Culprit::Server,
    what: "The server does not close its ends of connections that are over",
    unsure: None,
    same_as: &[
        "Go \"accept4: too many open files\" after days",
        "ss: thousands of sockets in CLOSE-WAIT",
    ],
    scenario: Scenario::Repro {
        name: "server-leaks-connections",
        says: "A server never closes what its clients have closed",
        class: Class::FdExhaustedProcess,
    },
    texts: Texts {
        what: "The server does not close connections that are over, until it has no \
               descriptor left",
        decide: "ss -Htn state close-wait 'sport = :PORT' | wc -l        on the server: it \
               only rises",
        remedy: "close in every path of the handler, also after errors",
        command: "ss -Htnp state close-wait 'sport = :PORT'",
        shows_up: &[shows(
            Class::FdExhaustedProcess,
            Where::Side(Side::Server),
            Confidence::Possible,
        )],
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
