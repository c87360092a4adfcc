//! The program may start no more threads: RLIMIT_NPROC, pids.max, or the memory for stacks.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "client-thread-limit",
    culprit: Culprit::Client,
    what: "The program or its user may start no more threads or processes",
    unsure: None,
    same_as: &[
        "Go \"runtime: failed to create new OS thread (have 15 already; errno=11)\"",
        "Java \"java.lang.OutOfMemoryError: unable to create native thread\"",
        "Python \"RuntimeError: can't start new thread\"",
        "Rust \"failed to spawn thread: Os { code: 11\"",
        "bash \"fork: retry: Resource temporarily unavailable\"",
    ],
    scenario: Scenario::Repro {
        name: "thread-limit",
        says: "A program with a small limit of processes starts one thread per connection",
        class: Class::ThreadLimit,
    },
    texts: Texts {
        what: "The program or its user may start no more threads",
        decide: "ulimit -u; cat /proc/PID/limits; cat /sys/fs/cgroup/pids.max",
        remedy: "raise the limit, or serve many connections with few threads",
        command: "systemctl edit SERVICE (TasksMax=infinity); ulimit -u 65535",
        shows_up: &[shows(Class::ThreadLimit, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| row.class(case.plan) == Class::ThreadLimit)?;
    let claim = claim.sure(Confidence::Proven).says("the kernel said so to our own call").remedy(
        "client-host",
        CAUSE.texts.remedy,
        CAUSE.texts.command,
    );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn what_our_own_call_said_is_proven() {
        let errno = Outcome::Errno(Errno::EAGAIN);
        let lab = Lab::ws().book(3, Seen::new(Phase::Open, Op::Write, errno));
        lab.expect(&[("client-thread-limit", 3, Confidence::Proven)]);
    }
}
