//! No further thread may be started: the limit of the user, or of its control group.

use super::claim::{Claim, Pool};
use super::words;
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "client-thread-limit",
    culprit: Culprit::Client,
    what: "No further thread could be started: the limit of this user or control group is reached",
    unsure: None,
    same_as: &[
        "Go \"runtime: failed to create new OS thread\"",
        "Java \"java.lang.OutOfMemoryError: unable to create native thread\"",
        "Python \"RuntimeError: can't start new thread\"",
        "Rust \"failed to spawn thread: Resource temporarily unavailable (os error 11)\"",
        "C \"pthread_create: Resource temporarily unavailable\"",
    ],
    scenario: Scenario::Repro {
        name: "thread-limit",
        says: "A client starts one thread for each connection until its user's limit is reached",
        class: Class::ThreadLimit,
    },
    texts: Texts {
        what: "The program or its user may start no more threads",
        decide: "ulimit -u; cat /proc/PID/limits; cat /sys/fs/cgroup/pids.max",
        remedy: "raise the limit, or serve many connections with few threads",
        command: "ulimit -u 65535; systemctl edit SERVICE  # [Service] TasksMax=infinity",
        shows_up: &[shows(Class::ThreadLimit, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| row.class(case.plan) == Class::ThreadLimit)?;
    let claim = claim
        .sure(Confidence::Proven)
        .says("the kernel said so to our own clone(): EAGAIN is about this user or control group")
        .remedy(
            "client-host",
            "compare the threads of this user with its limit, and those of its control group",
            "ps -L -u $USER | wc -l; ulimit -u; cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/pids.max",
        )
        .remedy(
            "run",
            "few threads can hold all connections",
            words::again(case.plan, "-t 2"),
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
    fn eagain_on_clone_is_a_limit_of_threads() {
        let seen = Seen::new(Phase::Socket, Op::Socket, Outcome::Errno(Errno::EAGAIN));
        Lab::tcp().book(4, seen).expect(&[("client-thread-limit", 4, Confidence::Proven)]);
    }
}
