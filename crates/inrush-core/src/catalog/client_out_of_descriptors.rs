//! Our own process has no descriptor left. It disguises itself as a resolver error (FAILURES §4).

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::capacity;
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::explain::Side;
use crate::failure::{Class, Op};
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "client-out-of-descriptors",
    culprit: Culprit::Client,
    what: "This process ran out of file descriptors: the server had no part in it",
    unsure: None,
    same_as: &[
        "Go \"socket: too many open files\", \"dial tcp: lookup localhost: no such host\"",
        "Node \"connect EMFILE\", \"getaddrinfo ENOTFOUND localhost\"",
        "Java \"java.net.SocketException: Too many open files\"",
        "Python \"OSError: [Errno 24] Too many open files\"",
        "Rust \"Too many open files (os error 24)\"",
    ],
    scenario: Scenario::Repro {
        name: "socket-too-many-open-files",
        says: "A client with a small descriptor limit opens more connections than it may",
        class: Class::FdExhaustedProcess,
    },
    texts: Texts {
        what: "The program that printed it has no file descriptor left: every socket costs \
               one, and a look-up needs one, too",
        decide: "ls /proc/PID/fd | wc -l; grep 'open files' /proc/PID/limits",
        remedy: "raise the limit of the process that printed it, or close what it no longer \
               uses",
        command: "ulimit -n 20000; systemctl edit SERVICE  # [Service] LimitNOFILE=20000",
        shows_up: &[
            shows(Class::FdExhaustedProcess, Where::Side(Side::Client), Confidence::Likely),
            shows(Class::FdExhaustedProcess, Where::Side(Side::Either), Confidence::Likely),
            shows(Class::DnsFailureFdExhausted, Where::Anywhere, Confidence::Likely),
            shows(Class::DnsFailure, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let at_limit = at_limit(case);
    let claim = pool.take(|row| match row.class(case.plan) {
        Class::FdExhaustedProcess | Class::DnsFailureFdExhausted => {
            row.key.signature.op != Op::Accept
        }
        // Any resolver error is suspect while no descriptor is left.
        Class::DnsFailure => at_limit,
        _ => false,
    })?;
    let needs = u64::from(case.plan.connections) + capacity::OWN_DESCRIPTORS + capacity::RESERVE;
    let other = case.facts.after(&Source::OwnDescriptorsOther);
    let claim = claim
        .sure(Confidence::Proven)
        .says("the kernel said so to our own call: EMFILE is about this process alone")
        .cites(case.facts, &Source::OwnDescriptors, |held| match other {
            Some(other) => format!(
                "inrush held {} descriptors at most ({} connections + {} of its own)",
                count(held),
                count(held.saturating_sub(other)),
                count(other)
            ),
            None => format!("inrush held {} descriptors at most", count(held)),
        })
        .cites(case.facts, &Source::OwnDescriptorLimit, |soft| {
            let hard = case.facts.after(&Source::OwnDescriptorHardLimit);
            let hard = hard.map(|hard| format!(", hard {}", count(hard))).unwrap_or_default();
            format!("RLIMIT_NOFILE soft {}{hard}", count(soft))
        })
        .remedy(
            "run",
            "several processes share the load, each below the limit (leave --nofile out)",
            words::again(case.plan, "--processes auto"),
        );
    Some(raise(case, claim, needs))
}

/// A limit is never lowered: what the hard one allows needs no root.
fn raise(case: &Case<'_>, claim: Claim, needs: u64) -> Claim {
    let hard = case.facts.after(&Source::OwnDescriptorHardLimit).unwrap_or(0);
    if needs <= hard {
        return claim.remedy(
            "client-host",
            "the hard limit allows it: raise the soft one of this shell, then run again",
            format!("ulimit -Sn {needs}"),
        );
    }
    claim
        .root_remedy(
            "client-host",
            "raise the limit of this shell, then run again; gone when the shell ends",
            format!("prlimit --nofile={needs}:{needs} --pid $$"),
        )
        .root_remedy(
            "client-host",
            "permanent for logins (not for systemd services, not for what runs already)",
            format!("echo '* - nofile {needs}' > /etc/security/limits.d/90-nofile.conf"),
        )
}

fn at_limit(case: &Case<'_>) -> bool {
    let held = case.facts.after(&Source::OwnDescriptors);
    let limit = case.facts.after(&Source::OwnDescriptorLimit);
    held.zip(limit).is_some_and(|(held, limit)| held.saturating_add(1) >= limit)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Outcome, Phase};
    use alloc::vec::Vec;

    #[test]
    fn our_own_emfile_is_proven() {
        let emfile = Seen::new(Phase::Socket, Op::Socket, Outcome::Errno(Errno::EMFILE));
        let lookup = Seen::new(Phase::Resolve, Op::Lookup, Outcome::Errno(Errno::EBUSY));
        let found = Lab::ws()
            .book(980, emfile)
            .book(1, lookup)
            .fact(Source::OwnDescriptors, 20, 9_040)
            .fact(Source::OwnDescriptorsOther, 20, 20)
            .fact(Source::OwnDescriptorLimit, 9_040, 9_040)
            .expect(&[("client-out-of-descriptors", 981, Confidence::Proven)]);
        let line = "fd-exhausted-process 980: socket() = EMFILE (24) \"Too many open files\"";
        assert_eq!(found[0].seen_as[0], line);
        let text = "inrush held 9,040 descriptors at most (9,020 connections + 20 of its own)";
        assert_eq!(found[0].because[1].text, text);
    }

    #[test]
    fn no_advice_lowers_a_limit() {
        for (hard, expected) in [(20_000, "ulimit -Sn "), (64, "prlimit --nofile=")] {
            let emfile = Seen::new(Phase::Socket, Op::Socket, Outcome::Errno(Errno::EMFILE));
            let found = Lab::ws()
                .book(980, emfile)
                .fact(Source::OwnDescriptorLimit, 64, 64)
                .fact(Source::OwnDescriptorHardLimit, hard, hard)
                .expect(&[("client-out-of-descriptors", 980, Confidence::Proven)]);
            let commands = found[0].remedy.iter().filter_map(|remedy| remedy.command.as_deref());
            let raises: Vec<_> = commands.filter(|it| !it.starts_with("inrush")).collect();
            assert!(raises[0].starts_with(expected), "{raises:?}");
            assert!(hard == 64 || raises.len() == 1, "{raises:?}");
        }
    }
}
