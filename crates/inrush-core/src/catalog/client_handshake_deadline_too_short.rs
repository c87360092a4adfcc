//! Our own hand-shake limit cuts off hand-shakes that would have succeeded.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Peer, Phase};
use crate::time::Nanos;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "client-handshake-deadline-too-short",
    culprit: Culprit::Client,
    what: "Our hand-shake limit is too short for this server under this load: others just made it",
    unsure: Some("with a longer limit they may still be too slow for your users"),
    same_as: &[
        "Go gorilla HandshakeTimeout: \"read tcp 10.0.0.1:50812->10.0.0.5:8080: i/o timeout\"",
        "Node \"Opening handshake has timed out\"",
        "Java \"java.net.http.HttpTimeoutException: request timed out\"",
        "Python \"timed out during opening handshake\"",
        "Rust: the elapsed error of tokio::time::timeout around connect_async",
    ],
    scenario: Scenario::Repro {
        name: "handshake-deadline-client",
        says: "A server that answers slowly under load meets a client that waits 5 s",
        class: Class::WsHandshakeTimeout,
    },
    texts: Texts {
        what: "The client's limit for hand-shakes is too short for this server under this \
               load",
        decide: "inrush run ws://HOST:PORT/PATH -c 1k --handshake-timeout 60s        (p99 of \
               upgrade)",
        remedy: "give hand-shakes more time",
        command: "inrush run ws://HOST:PORT/PATH -c 1k --handshake-timeout 60s",
        shows_up: &[
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::TlsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let limit = case.plan.timeouts.handshake;
    let slowest = Nanos(case.upgrade_p99_ns);
    // Hand-shakes that needed nearly all of the time show that some need a little more.
    let cut = case.opened > 0 && slowest.0 >= limit.0 / 10 * 8;
    let claim = cut.then(|| {
        pool.take(|row| {
            let known = !matches!(row.key.peer, Peer::Absent | Peer::HalfOpen | Peer::Closing);
            let handshake = matches!(seen::phase(row), Phase::Tls | Phase::Upgrade);
            seen::deadline(row) && handshake && known
        })
    });
    let claim = claim.flatten()?;
    let queued = claim.rows.iter().any(|row| row.key.peer == Peer::Queued);
    let longer = words::flag_time((limit * 4).max(Nanos::from_secs(60)));
    let claim = claim.sure(Confidence::Likely).says(format!(
        "99 % of the upgrades that succeeded took up to {}, the limit is {}",
        words::time(slowest),
        words::time(limit)
    ));
    let claim = if queued { claim.or(&["server-not-accepting"]) } else { claim };
    let claim = claim
        .remedy(
            "run",
            "wait longer",
            words::again(case.plan, &format!("--handshake-timeout {longer}")),
        )
        .remedy(
            "run",
            "or open more slowly, so that each hand-shake is quick",
            words::again(case.plan, "-r 200/s"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome};

    #[test]
    fn others_that_just_made_it_show_that_the_limit_is_short() {
        let check = |p99_ms, opened, cause: &str, confidence| {
            let seen = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
            let seen = seen.peer(Peer::Accepted { unread: true });
            let mut lab = Lab::ws().opened(opened).upgrade_p99(p99_ms).book(30, seen);
            lab.plan.timeouts.handshake = Nanos::from_secs(5);
            let found = lab.expect(&[(cause, 30, confidence)]);
            found[0].remedy[0].command.clone().unwrap()
        };
        let short = "client-handshake-deadline-too-short";
        let command = check(4_900, 900, short, Confidence::Likely);
        assert!(command.ends_with("--handshake-timeout 60s"), "{command}");
        check(2, 900, "server-not-answering", Confidence::Proven);
        check(4_900, 0, "server-not-answering", Confidence::Proven);
    }
}
