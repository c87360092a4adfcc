//! A proxy answers for a server that it cannot reach, or that does not answer it.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "proxy-upstream-failed",
    culprit: Culprit::Server,
    what: "A proxy could not reach the server behind it, or got no good answer from it",
    unsure: None,
    same_as: &[
        "nginx \"connect() failed (111: Connection refused) while connecting to upstream\"",
        "HAProxy \"SC--\" and 503",
        "Envoy \"upstream connect error or disconnect/reset before headers\"",
        "browsers 502 Bad Gateway, 504 Gateway Time-out",
    ],
    scenario: Scenario::Repro {
        name: "proxy-upstream-failed",
        says: "A proxy whose upstream refuses connections answers the upgrade with 502",
        class: Class::WsBadHandshake,
    },
    texts: Texts {
        what: "The proxy could not reach the server behind it, or got no answer from it",
        decide: "curl -iv http://UPSTREAM:PORT/        from the proxy's host",
        remedy: "start the server behind the proxy, or correct its address and limits there",
        command: "curl -iv http://UPSTREAM:PORT/; journalctl -u SERVICE -n 100",
        shows_up: &[
            shows(Class::ProxyUpstreamFailure, Where::Anywhere, Confidence::Likely),
            shows(Class::WsBadHandshake, Where::Code(&[502, 504]), Confidence::Likely),
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
