//! The name could not be resolved, while descriptors were free.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Phase};
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "name-does-not-exist",
    culprit: Culprit::Client,
    what: "The name of the target could not be resolved: nothing was sent to the server",
    unsure: Some("a resolver that cannot be reached answers the same as a name that is wrong"),
    same_as: &[
        "Go \"lookup nosuch.invalid on 10.0.0.53:53: no such host\"",
        "Node \"getaddrinfo ENOTFOUND\"",
        "Java \"java.net.UnknownHostException\"",
        "Python \"socket.gaierror: [Errno -2] Name or service not known\"",
        "Rust \"failed to lookup address information: Name or service not known\"",
    ],
    scenario: Scenario::Repro {
        name: "name-does-not-exist",
        says: "A name that no resolver knows",
        class: Class::DnsFailure,
    },
    texts: Texts {
        what: "The name could not be resolved: it is misspelt, not published, or the \
               resolver does not answer",
        decide: "getent hosts NAME; dig NAME",
        remedy: "correct the name, or the resolver it is asked of",
        command: "cat /etc/resolv.conf; dig NAME @1.1.1.1",
        shows_up: &[
            shows(Class::DnsFailure, Where::Anywhere, Confidence::Likely),
            shows(Class::DnsFailureFdExhausted, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| {
        seen::phase(row) == Phase::Resolve || row.class(case.plan) == Class::DnsFailure
    })?;
    let row = claim.rows.first();
    let target = row.and_then(|row| case.plan.targets.get(usize::from(row.key.target)));
    let name = target.map_or("NAME", |target| target.host.as_str());
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
    let safe = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let name = if safe { name } else { "NAME" };
    let room = case.facts.after(&Source::OwnDescriptors);
    let limit = case.facts.after(&Source::OwnDescriptorLimit);
    let free = room.zip(limit).is_some_and(|(held, limit)| held.saturating_add(1) < limit);
    let claim = claim
        .sure(if free { Confidence::Proven } else { Confidence::Likely })
        .says(format!("the resolver gave no address for {name}"))
        .cites(case.facts, &Source::OwnDescriptors, |held| {
            format!("descriptors were free: {held} in use, so the resolver could work")
        })
        .remedy("client-host", "ask the resolver yourself", format!("getent ahosts {name}"))
        .remedy("client-host", "see which resolver is asked", "cat /etc/resolv.conf /etc/hosts");
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome};

    #[test]
    fn a_resolver_error_with_free_descriptors_is_about_the_name() {
        let seen = Seen::new(Phase::Resolve, Op::Lookup, Outcome::Errno(Errno::EIO));
        Lab::ws()
            .book(4, seen.clone())
            .fact(Source::OwnDescriptors, 20, 24)
            .fact(Source::OwnDescriptorLimit, 1_024, 1_024)
            .expect(&[("name-does-not-exist", 4, Confidence::Proven)]);
        Lab::ws().book(4, seen).expect(&[("name-does-not-exist", 4, Confidence::Likely)]);
    }
}
