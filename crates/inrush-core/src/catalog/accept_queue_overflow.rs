//! The listener's queue of finished connections is full: its kernel drops SYNs, or the last ACK, in
//! silence, so that connect() hangs, comes late at 1, 3, 7 s, or succeeds for nothing.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, local_firewall, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Peer};
use crate::tally::Row;
use alloc::format;
use core::net::SocketAddr;

pub(super) static CAUSE: Cause = Cause {
    id: "accept-queue-overflow",
    culprit: Culprit::Server,
    what: "The server's accept queue was full, so its kernel dropped these connection attempts: \
           its program accepts too slowly, or its backlog is too short",
    unsure: None,
    same_as: &[
        "Go \"dial tcp 10.0.0.5:8080: i/o timeout\"",
        "Node \"connect ETIMEDOUT\"",
        "Java \"java.net.SocketTimeoutException: Connect timed out\"",
        "Python \"TimeoutError: [Errno 110] Connection timed out\"",
        "Rust \"Connection timed out (os error 110)\"",
    ],
    scenario: Scenario::Repro {
        name: "accept-queue-overflow",
        says: "A listener with a short backlog accepts nothing while connections pour in",
        class: Class::ConnectTimeout,
    },
    texts: Texts {
        what: "The server's accept queue was full: its program accepts too slowly, or its \
               backlog is too short",
        decide: "ss -ltn 'sport = :PORT'; nstat -az TcpExtListenOverflows        on the server",
        remedy: "lengthen the backlog and accept faster",
        command: "sysctl net.core.somaxconn=65535; ss -ltn 'sport = :PORT'",
        shows_up: &[
            shows(Class::AcceptQueueOverflow, Where::Anywhere, Confidence::Proven),
            shows(Class::ResetOnConnect, Where::Anywhere, Confidence::Likely),
            shows(Class::ConnectTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::ConnectedNotServed, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

/// How many connection attempts the listener itself dropped; `None` when none are known. What a
/// filter on its socket dropped is counted there, too: the counters of the namespace then stood
/// still.
pub(super) fn drops(case: &Case<'_>, address: SocketAddr) -> Option<u64> {
    let still = |name| case.facts.counter("TcpExt", name) == Some(0);
    if still("ListenDrops") && still("ListenOverflows") {
        return None;
    }
    case.facts.rise(&Source::ListenerDrops(address)).filter(|rise| *rise > 0)
}

/// Most that waited in the listener's queue, and its backlog, when the first exceeded the second.
pub(super) fn overfull(case: &Case<'_>, address: SocketAddr) -> Option<(u64, u64)> {
    let queue = case.facts.after(&Source::ListenerQueue(address))?;
    let backlog = case.facts.after(&Source::ListenerBacklog(address))?;
    (queue > backlog).then_some((queue, backlog))
}

/// Some listener of this network namespace overflowed.
pub(super) fn overflows(case: &Case<'_>) -> Option<u64> {
    case.facts.counter("TcpExt", "ListenOverflows").filter(|rise| *rise > 0)
}

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let mut all = None;
    // What does not even leave this host says nothing about a server elsewhere.
    let leaves = local_firewall::swallowed(case).is_none();
    for target in pool.targets() {
        let Some(known) = case.plan.targets.get(usize::from(target)) else { continue };
        let timed_out =
            known_full(case, known.address) || (leaves && others_got_in(case, pool, target));
        let claim = pool.take(|row| {
            let half_open = row.key.peer == Peer::HalfOpen && seen::established(row);
            let timed_out = timed_out && seen::connect_timed_out(row);
            row.key.target == target && (half_open || timed_out)
        });
        all = Claim::join(all, claim.map(|claim| tell(case, claim, known.address)));
    }
    all
}

fn known_full(case: &Case<'_>, address: SocketAddr) -> bool {
    let own = drops(case, address).is_some() || overfull(case, address).is_some();
    let watched = case.facts.rise(&Source::ListenerDrops(address)).is_some();
    // The counter is this namespace's: of a server elsewhere it knows nothing.
    own || (!watched && seen::is_here(case, address) && overflows(case).is_some())
}

/// Elsewhere only this is seen: some SYNs stay unanswered while others are answered.
fn others_got_in(case: &Case<'_>, pool: &Pool, target: u16) -> bool {
    let rows = || pool.rows().iter().filter(|row| row.key.target == target);
    let local = rows().any(|row| seen::is_local(case, row));
    let lost: u64 = rows().filter(|row| seen::connect_timed_out(row)).map(|row| row.count).sum();
    let share = case.attempted / (case.plan.targets.len().max(1) as u64);
    !local && lost * 100 < share * 95 && case.opened > 0
}

fn tell(case: &Case<'_>, claim: Claim, address: SocketAddr) -> Claim {
    let own = drops(case, address).is_some() || overfull(case, address).is_some();
    let half_open: u64 = of_peer(&claim, Peer::HalfOpen);
    let local = seen::is_here(case, address);
    let mut claim = claim
        .sure(if own { Confidence::Proven } else { Confidence::Likely })
        .cites(case.facts, &Source::ListenerDrops(address), |_| {
            let dropped = drops(case, address).unwrap_or(0);
            format!("the listener on {address} itself dropped {}", count(dropped))
        })
        .cites(case.facts, &Source::ListenerQueue(address), |queue| {
            let backlog = case.facts.after(&Source::ListenerBacklog(address)).unwrap_or(0);
            format!("up to {} waited in its queue, its backlog is {backlog}", count(queue))
        });
    if local {
        let source = Source::Counter("TcpExt".into(), "ListenOverflows".into());
        claim = claim.cites(case.facts, &source, |_| {
            let rise = overflows(case).unwrap_or(0);
            format!("accept queues of this host overflowed {} times", count(rise))
        });
    }
    if half_open > 0 {
        let n = count(half_open);
        claim = claim.says(format!("{n} are SYN-RECV at the server: our last ACK was dropped"));
    }
    if !local {
        claim = claim
            .says("other connections to the same target were answered in the same run")
            .or(&["packets-filtered"])
            .decided_by(format!(
                "ss -ltn 'sport = :{}'; nstat -az TcpExtListenOverflows",
                address.port()
            ));
    }
    helped(case, claim, address)
}

fn helped(case: &Case<'_>, claim: Claim, address: SocketAddr) -> Claim {
    let claim = claim.remedy(
        "server-host",
        "Recv-Q above Send-Q is this overflow; a Recv-Q that stays means that nobody accepts",
        words::queue_command(Some(address)),
    );
    let claim = longer_backlog(case, claim, Some(address));
    if case.opened == 0 {
        // Nobody was let in: neither patience nor a slower ramp would change that.
        return claim;
    }
    claim.remedy("run", "open more slowly", words::again(case.plan, "-r 500/s")).remedy(
        "run",
        "wait longer: late ones come in",
        words::again(case.plan, "--connect-timeout 60s"),
    )
}

/// The kernel cuts what listen() asks for to net.core.somaxconn; below that, the program chose it.
pub(super) fn longer_backlog(case: &Case<'_>, claim: Claim, address: Option<SocketAddr>) -> Claim {
    /// Its default since Linux 5.4.
    const SOMAXCONN: u64 = 4_096;
    match address.and_then(|address| case.facts.after(&Source::ListenerBacklog(address))) {
        Some(backlog) if backlog < SOMAXCONN => claim.remedy(
            "server",
            &format!(
                "its listen() asks for {}: ask for more (nginx backlog=, Python listen(4096), Node \
                 listen({{backlog}})); the kernel caps it at this",
                count(backlog)
            ),
            "sysctl net.core.somaxconn",
        ),
        _ => claim.root_remedy(
            "server-host",
            "allow a longer backlog; listen() must ask for it too (nginx: backlog=, Go: automatic)",
            "sysctl -w net.core.somaxconn=8192",
        ),
    }
}

fn of_peer(claim: &Claim, peer: Peer) -> u64 {
    let of = |row: &&Row| row.key.peer == peer;
    claim.rows.iter().filter(of).map(|row| row.count).sum()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    fn lost() -> Seen {
        Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut)
    }

    fn dropped(lab: Lab, drops: u64) -> Lab {
        let to = Lab::target();
        lab.listener(1, 1)
            .fact(Source::ListenerDrops(to), 0, drops)
            .fact(Source::ListenerQueue(to), 0, 2)
            .fact(Source::ListenerBacklog(to), 2, 2)
    }

    #[test]
    fn what_the_listener_dropped_is_proven_and_what_it_queued_is_another_matter() {
        let kernel = Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(Errno::ETIMEDOUT));
        let queued = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws().book(90, lost()).book(8, kernel).book(2, queued.peer(Peer::Queued));
        dropped(lab, 500).expect(&[
            ("accept-queue-overflow", 98, Confidence::Proven),
            ("server-not-accepting", 2, Confidence::Likely),
        ]);
    }

    #[test]
    fn half_open_is_overflow() {
        let half = Seen::new(Phase::Upgrade, Op::Deadline, Outcome::TimedOut);
        let lab = Lab::ws().book(12, half.peer(Peer::HalfOpen));
        dropped(lab, 60).expect(&[("accept-queue-overflow", 12, Confidence::Proven)]);
    }

    #[test]
    fn a_counter_of_the_namespace_is_support_only() {
        let lab = Lab::ws().book(12, lost()).counter("TcpExt", "ListenOverflows", 48);
        lab.expect(&[("accept-queue-overflow", 12, Confidence::Likely)]);
    }

    #[test]
    fn elsewhere_the_counters_of_this_host_say_nothing() {
        let everything = Lab::ws().remote().book(1_000, lost());
        let lab = everything.counter("TcpExt", "ListenOverflows", 48);
        lab.expect(&[("packets-filtered", 1_000, Confidence::Likely)]);
        // Some that did not leave this host are not those that the server left unanswered.
        let some = Lab::ws().remote().opened(800).book(200, lost());
        let lab = some.counter("TcpExt", "TCPRetransFail", 5);
        let found = lab.expect(&[("accept-queue-overflow", 200, Confidence::Likely)]);
        let cited = found[0].because.iter().any(|line| line.fact.is_some());
        assert!(!cited, "{:?}", found[0].because);
    }

    #[test]
    fn elsewhere_it_is_likely_when_others_got_in() {
        let lab = Lab::ws().remote().opened(800).book(200, lost());
        let found = lab.expect(&[("accept-queue-overflow", 200, Confidence::Likely)]);
        assert_eq!(found[0].alternatives, ["packets-filtered"]);
    }
}
