//! The server's kernel took these connections, its program never called accept() for them.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::explain::Printed;
use crate::failure::{Class, Outcome, Peer};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-not-accepting",
    culprit: Culprit::Server,
    what: "The server's kernel accepted these connections, its program never took them",
    unsure: Some("from another host, a proxy in between would look the same"),
    same_as: &[
        "Go \"read tcp 10.0.0.1:50812->10.0.0.5:8080: i/o timeout\" right after dialling",
        "Node \"Opening handshake has timed out\"",
        "Java \"java.net.SocketTimeoutException: Read timed out\"",
        "Python \"timed out during opening handshake\"",
        "curl \"(28) Operation timed out after 10001 milliseconds with 0 bytes received\"",
    ],
    scenario: Scenario::Repro {
        name: "server-not-accepting",
        says: "A listener whose program never accepts",
        class: Class::WsHandshakeTimeout,
    },
    texts: Texts {
        what: "The server's kernel took the connection, its program never accepted it",
        decide: "ss -ltn 'sport = :PORT'        on the server: Recv-Q above 0",
        remedy: "see where its accept loop stands",
        command: "gdb -p PID -batch -ex 'thread apply all bt'",
        shows_up: &[
            shows(Class::ConnectedNotServed, Where::Anywhere, Confidence::Likely),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::TlsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::IoTimeout, Where::Phase(Printed::Read), Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let queued = pool.take(|row| row.key.peer == Peer::Queued && !row.key.heard);
    let silent = pool.take(silent);
    Claim::join(
        queued.map(|claim| tell_queued(case, claim)),
        silent.map(|claim| tell_silent(case, claim)),
    )
}

fn tell_queued(case: &Case<'_>, claim: Claim) -> Claim {
    let address = seen::first_address(case, &claim.rows);
    let servers = seen::servers(case.facts);
    let room = !servers.is_empty() && servers.iter().all(|server| server.has_room());
    let n = count(claim.count());
    let mut claim = claim.sure(if room { Confidence::Proven } else { Confidence::Likely }).says(
        format!("{n} were in the server's accept queue, without an owner (sock_diag inode 0)"),
    );
    if let Some(address) = address {
        claim = claim.cites(case.facts, &Source::ListenerQueue(address), |queue| {
            format!("up to {} waited in the queue of {address}", count(queue))
        });
    }
    for server in &servers {
        let (pid, limit) = (server.pid, count(server.limit));
        claim = claim.cites(case.facts, &Source::ServerDescriptors(pid), |held| {
            format!("process {pid} held {} of {limit} descriptors", count(held))
        });
    }
    let claim = match room {
        true => claim,
        false => {
            let command = words::descriptors_command(case.plan);
            claim.or(&["server-out-of-descriptors"]).decided_by(command)
        }
    };
    helped(case, claim)
}

fn tell_silent(case: &Case<'_>, claim: Claim) -> Claim {
    let unacked: u64 = claim.rows.iter().map(|row| row.unacked).sum();
    let looked = claim.rows.iter().any(|row| seen::looks(row).next().is_some());
    let acked = looked && unacked == 0;
    let n = count(claim.count());
    let claim = match acked {
        true => claim.sure(Confidence::Likely).says(format!(
            "what we sent was acknowledged by the peer's kernel on {n} of {n} (tcpi_unacked = 0)"
        )),
        false => {
            claim.says(format!("connect() succeeded on {n} of {n}, and not one byte came back"))
        }
    };
    let claim = claim
        .or(&["server-out-of-descriptors", "server-not-answering"])
        .decided_by(words::descriptors_command(case.plan));
    helped(case, claim)
}

fn helped(case: &Case<'_>, claim: Claim) -> Claim {
    let address = seen::first_address(case, &claim.rows);
    let pid = words::server_pid(case.facts);
    claim
        .remedy(
            "server-host",
            "Recv-Q that stays above 0: its accept loop is blocked, slow, or has ended",
            words::queue_command(address),
        )
        .remedy(
            "server-host",
            "see what it does instead; its log may say why the accept loop ended",
            format!("top -H -b -n 1 -p {pid} | head -n 20; journalctl -u SERVICE -n 50"),
        )
        .root_remedy(
            "server-host",
            "if its descriptors are at the limit, raise it while it runs",
            format!("prlimit --pid {pid} --nofile=65536:65536"),
        )
        .remedy("run", "open more slowly", words::again(case.plan, "-r 300/s"))
}

/// Connected, then nothing at all, and the server's side cannot be seen.
fn silent(row: &Row) -> bool {
    let waited = seen::deadline(row) || row.key.signature.outcome == Outcome::NotServed;
    waited && seen::nobody_known(row)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Look, Op, Phase};

    fn queued() -> Seen {
        Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut).peer(Peer::Queued)
    }

    #[test]
    fn a_queue_with_descriptors_to_spare_is_proven() {
        let idle = Seen::new(Phase::Open, Op::Look, Outcome::NotServed).peer(Peer::Queued);
        let lab = Lab::ws().book(40, queued()).book(2, idle).server(9, 1_024, 1);
        let found = lab.expect(&[("server-not-accepting", 42, Confidence::Proven)]);
        assert!(found[0].alternatives.is_empty() && found[0].decide.is_none());
    }

    #[test]
    fn without_a_look_at_the_process_both_are_named() {
        let found = Lab::ws().book(40, queued()).expect(&[(
            "server-not-accepting",
            40,
            Confidence::Likely,
        )]);
        assert_eq!(found[0].alternatives, ["server-out-of-descriptors"]);
    }

    #[test]
    fn elsewhere_three_are_named_and_what_decides() {
        let look = Look { peer: Peer::NotLocal, ..Look::default() };
        let seen = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut).look(look);
        let lab = Lab::ws().remote().opened(800).book(172, seen);
        let found = lab.expect(&[("server-not-accepting", 172, Confidence::Likely)]);
        assert_eq!(found[0].alternatives, ["server-out-of-descriptors", "server-not-answering"]);
        let decide = found[0].decide.as_deref().unwrap();
        assert!(decide.ends_with("--server-pid $(pgrep -n SERVER)"), "{decide}");
        let line = "ws-handshake-timeout 172: no answer to the upgrade within 60 s";
        assert_eq!(found[0].seen_as, [line]);
    }
}
