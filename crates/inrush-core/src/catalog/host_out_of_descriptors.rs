//! The whole machine has no file handle left: fs.file-max.

use super::claim::{Claim, Pool};
use super::words::count;
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "host-out-of-descriptors",
    culprit: Culprit::Client,
    what: "This whole host ran out of file handles (fs.file-max), whoever holds them",
    unsure: None,
    same_as: &[
        "Go \"socket: too many open files in system\"",
        "Node \"connect ENFILE\"",
        "Python \"OSError: [Errno 23] Too many open files in system\"",
        "Rust \"Too many open files in system (os error 23)\"",
        "kernel log \"VFS: file-max limit 65536 reached\"",
    ],
    scenario: Scenario::None { why: "fs.file-max is host-wide: lowering it would hurt all others" },
    texts: Texts {
        what: "The whole host has no file handle left (fs.file-max)",
        decide: "cat /proc/sys/fs/file-nr",
        remedy: "raise the host's limit, and find who holds them",
        command: "sysctl fs.file-max=2097152; lsof -n | awk '{print $2}' | sort | uniq -c | \
               sort -n | tail",
        shows_up: &[shows(Class::FdExhaustedSystem, Where::Anywhere, Confidence::Proven)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| seen::errno(row) == Some(Errno::ENFILE))?;
    let wanted = case.facts.after(&Source::SystemDescriptorLimit).unwrap_or(0);
    let wanted = wanted.saturating_add(u64::from(case.plan.connections) * 2);
    let claim = claim
        .sure(Confidence::Proven)
        .says("the kernel said so to our own call: ENFILE is about the whole system")
        .cites(case.facts, &Source::SystemDescriptors, |held| {
            format!("{} file handles are allocated (fs.file-nr)", count(held))
        })
        .cites(case.facts, &Source::SystemDescriptorLimit, |limit| {
            format!("fs.file-max is {}", count(limit))
        })
        .root_remedy(
            "client-host",
            "raise it now",
            format!("sysctl -w fs.file-max={}", wanted.max(1_000_000)),
        )
        .root_remedy(
            "client-host",
            "find who holds them: the last lines hold most",
            "for p in /proc/[0-9]*; do echo \"$(ls $p/fd 2>/dev/null | wc -l) $p\"; done | sort -n \
             | tail",
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn enfile_is_the_host() {
        let enfile = Seen::new(Phase::Socket, Op::Socket, Outcome::Errno(Errno::ENFILE));
        Lab::ws().book(3, enfile).fact(Source::SystemDescriptorLimit, 9_000, 9_000).expect(&[(
            "host-out-of-descriptors",
            3,
            Confidence::Proven,
        )]);
    }
}
