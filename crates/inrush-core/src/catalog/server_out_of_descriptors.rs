//! The server's process is at its descriptor limit: its kernel goes on accepting, it cannot.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::explain::Side;
use crate::failure::{Class, Op, Outcome, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-out-of-descriptors",
    culprit: Culprit::Server,
    what: "The server's process ran out of file descriptors: its kernel took these connections, \
           the process cannot accept them",
    unsure: None,
    same_as: &[
        "Go \"http: Accept error: accept tcp [::]:8080: accept4: too many open files; retrying\"",
        "Java \"java.net.SocketException: Too many open files\" in accept",
        "Python \"socket.accept() out of system resource\"",
        "Node: nothing is logged; nginx \"accept4() failed (24: Too many open files)\"",
        "Rust \"accept error: Too many open files (os error 24)\"",
    ],
    scenario: Scenario::Repro {
        name: "accept-too-many-open-files",
        says: "A server with a small descriptor limit is sent more connections than it may hold",
        class: Class::WsHandshakeTimeout,
    },
    texts: Texts {
        what: "The server's process has no file descriptor left: its kernel takes \
               connections, its program cannot",
        decide: "ls /proc/PID/fd | wc -l; grep 'open files' /proc/PID/limits",
        remedy: "raise the server's limit, then look for what it does not close",
        command: "systemctl edit SERVICE  # [Service] LimitNOFILE=1048576",
        shows_up: &[
            shows(Class::FdExhaustedProcess, Where::Side(Side::Server), Confidence::Likely),
            shows(Class::ConnectedNotServed, Where::Anywhere, Confidence::Possible),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let told = pool.take(|row| {
        let emfile = seen::errno(row) == Some(Errno::EMFILE);
        row.key.signature.op == Op::Accept && emfile
    });
    let told = told.map(|claim| {
        let pid = words::server_pid(case.facts);
        claim
            .sure(Confidence::Proven)
            .says("accept4() itself said so: EMFILE is about the process that calls it")
            .root_remedy(
                "server-host",
                "raise the limit of the running process now",
                format!("prlimit --pid {pid} --nofile=65536:65536"),
            )
    });
    Claim::join(told, of_the_queue(case, pool))
}

fn of_the_queue(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let server = seen::full_server(case.facts)?;
    let pid = server.pid;
    let died = case.facts.after(&Source::ServerAlive(pid)) == Some(0);
    let claim = pool.take(|row| waits(row) || (died && was_waiting(row)))?;
    let address = seen::first_address(case, &claim.rows);
    let wanted = (u64::from(case.plan.connections) + 100).next_power_of_two().max(65_536);
    let claim = claim
        .sure(Confidence::Proven)
        .cites(case.facts, &Source::ServerDescriptors(pid), |held| {
            format!("process {pid} held {} descriptors while connections failed", count(held))
        })
        .cites(case.facts, &Source::ServerDescriptorLimit(pid), |limit| {
            format!("its limit is {} (/proc/{pid}/limits)", count(limit))
        })
        .says("these connections were in its accept queue without an owner (sock_diag inode 0)");
    let claim = match address {
        Some(address) => claim.cites(case.facts, &Source::ListenerQueue(address), |queue| {
            format!("up to {} connections waited in the accept queue", count(queue))
        }),
        None => claim,
    };
    let claim = claim
        .root_remedy(
            "server-host",
            "raise the limit of the running process now: waiting connections are served at once",
            format!("prlimit --pid {pid} --nofile={wanted}:{wanted}"),
        )
        .root_remedy(
            "server-host",
            "permanent for a systemd service, with LimitNOFILE= below [Service]; then restart it",
            format!("systemctl edit SERVICE   # [Service] LimitNOFILE={wanted}"),
        )
        .remedy(
            "server",
            "if its descriptors do not fall when clients leave, it leaks: see what they are",
            format!("ls -l /proc/{pid}/fd | awk '{{print $NF}}' | cut -d: -f1 | sort | uniq -c"),
        )
        .remedy(
            "run",
            "see where it stands with what it may hold today",
            words::again_with(case.plan, server.limit.saturating_sub(32).max(1), "-r 1k/s"),
        );
    Some(claim)
}

/// In the accept queue for longer than we were willing to wait.
fn waits(row: &Row) -> bool {
    row.key.peer == Peer::Queued && !row.key.heard
}

/// Its end resets what waits in the queue, also what never wrote (FAILURES 1a).
fn was_waiting(row: &Row) -> bool {
    let reset = row.key.signature.outcome == Outcome::Errno(Errno::ECONNRESET);
    seen::established(row) && reset && !row.key.heard && !row.key.fin_seen
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Phase};

    fn queued(phase: Phase, op: Op, outcome: Outcome) -> Seen {
        Seen::new(phase, op, outcome).peer(Peer::Queued)
    }

    #[test]
    fn a_full_server_with_a_queue_is_proven() {
        let upgrade = queued(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
        let idle = queued(Phase::Open, Op::Look, Outcome::NotServed);
        let check = |held, limit| {
            let lab = Lab::ws().book(40, upgrade.clone()).book(3, idle.clone());
            lab.server(held, limit, 1)
                .fact(Source::ListenerQueue(Lab::target()), 0, 43)
                .expect(&[("server-out-of-descriptors", 43, Confidence::Proven)]);
        };
        check(64, 64);
        check(63, 64);
    }

    #[test]
    fn what_waited_when_it_died_belongs_to_it_too() {
        let reset = Seen::new(Phase::Upgrade, Op::Read, Outcome::Errno(Errno::ECONNRESET));
        let gone = Seen::new(Phase::Open, Op::Read, Outcome::Eof { mid_message: false });
        let lab = Lab::ws().book(40, reset).book(60, gone.heard()).opened(60);
        lab.server(64, 64, 0).expect(&[
            ("server-process-gone", 60, Confidence::Proven),
            ("server-out-of-descriptors", 40, Confidence::Proven),
        ]);
    }
}
