//! The server's process ended in the middle: all its connections close together, later ones are
//! refused. A RST or FIN alone never says "crash"; only the listener tells (FAILURES §0.11).

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, seen};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::Class;
use crate::tally::{Row, Times};
use crate::time::Nanos;
use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub(super) static CAUSE: Cause = Cause {
    id: "server-process-gone",
    culprit: Culprit::Server,
    what: "The server's process ended: its connections closed together, later ones are refused",
    unsure: Some("from outside, a crash, a kill and a restart look the same"),
    same_as: &[
        "Go \"unexpected EOF\", \"read: connection reset by peer\", then \"connection refused\"",
        "Node \"read ECONNRESET\", \"socket hang up\", then \"connect ECONNREFUSED\"",
        "Java \"Connection reset\", \"Unexpected end of file from server\"",
        "Python \"RemoteDisconnected\", \"ConnectionResetError: [Errno 104]\"",
        "Rust \"Connection reset without closing handshake\"",
    ],
    scenario: Scenario::Repro {
        name: "unexpected-eof-server-crash",
        says: "A server dies with all its connections open",
        class: Class::EofUnexpected,
    },
    recognise,
};

/// A burst is so many closes, or a tenth of what was opened,
const BURST: u64 = 20;
/// with no pause longer than this.
const PAUSE: Nanos = Nanos::from_millis(100);

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let dead = dead_server(case);
    let mut all = None;
    for target in pool.targets() {
        all = Claim::join(all, of_target(case, pool, target, dead));
    }
    all
}

fn of_target(case: &Case<'_>, pool: &mut Pool, target: u16, dead: Option<u32>) -> Option<Claim> {
    let address = case.plan.targets.get(usize::from(target))?.address;
    let here = |row: &Row| row.key.target == target;
    let closes = times(pool.rows().iter().filter(|row| here(row) && closed(row)));
    let refusals = times(pool.rows().iter().filter(|row| here(row) && seen::refused(row)));
    let burst = last_burst(&closes, case.opened, dead.is_some() || probe_refused(case, address));
    let from = match (burst, dead) {
        (Some((from, _)), _) => from,
        // Nothing was open when it died: only what came later could see it.
        (None, Some(_)) => refusals.span()?.0,
        (None, None) => return None,
    };
    let count_of_burst = burst.map_or(0, |(_, count)| count);
    let large = count_of_burst >= BURST || count_of_burst * 10 >= case.opened.max(1);
    let refused_later = refusals.span().is_some_and(|(first, _)| first + PAUSE >= from);
    let gone =
        probe_refused(case, address) || (large && (listener_left(case, address) || refused_later));
    if dead.is_none() && !gone {
        return None;
    }
    let closes = pool.take_since(from, |row| here(row) && closed(row));
    // A process that ends closes its listener first, and its connections one after the other.
    let refusals = pool.take_since(from - PAUSE, |row| here(row) && seen::refused(row));
    let claim = Claim::join(closes, refusals)?;
    Some(tell(case, claim, dead, address, burst))
}

fn tell(
    case: &Case<'_>,
    claim: Claim,
    dead: Option<u32>,
    address: SocketAddr,
    burst: Option<(Nanos, u64)>,
) -> Claim {
    let mut claim = match dead {
        Some(pid) => {
            claim.sure(Confidence::Proven).cites(case.facts, &Source::ServerAlive(pid), |_| {
                format!("process {pid} lived before the load and has ended")
            })
        }
        None => claim.sure(Confidence::Likely),
    };
    if probe_refused(case, address) {
        claim = claim.cites(case.facts, &Source::Probe(address), |_| {
            format!("a connect to {address} right after the closes was refused")
        });
    }
    if listener_left(case, address) {
        claim = claim.cites(case.facts, &Source::ListenerPresent(address), |_| {
            format!("{address} was listened on before the load and is not any more")
        });
    }
    if let Some((from, closes)) = burst {
        let (n, at) = (count(closes), words::time(from));
        claim = claim.says(format!("{n} connections were closed together, from {at} on"));
    }
    let refused = times(claim.rows.iter().filter(|row| seen::refused(row))).count();
    if refused > 0 {
        claim = claim.says(format!("{} later connects were refused", count(refused)));
    }
    claim
        .remedy(
            "server-host",
            "its last words: a panic, an assertion, a signal",
            "journalctl -u SERVICE -n 100; coredumpctl list | tail -n 5",
        )
        .root_remedy(
            "server-host",
            "whether the kernel killed it for memory",
            "dmesg -T | grep -iE 'out of memory|killed process|segfault' | tail",
        )
        .remedy(
            "run",
            "go up more slowly to see at which number it ends",
            words::again(case.plan, "-r 100/s"),
        )
}

fn closed(row: &Row) -> bool {
    seen::peer_closed(row)
}

fn times<'a>(rows: impl Iterator<Item = &'a Row>) -> Times {
    let mut all = Times::default();
    rows.for_each(|row| all.merge(&row.times));
    all
}

fn dead_server(case: &Case<'_>) -> Option<u32> {
    case.facts.list.iter().find_map(|fact| match fact.source {
        Source::ServerAlive(pid) if fact.before == Some(1) && fact.after == Some(0) => Some(pid),
        _ => None,
    })
}

fn probe_refused(case: &Case<'_>, address: SocketAddr) -> bool {
    case.facts.after(&Source::Probe(address)) == Some(u64::from(Errno::ECONNREFUSED.0))
}

fn listener_left(case: &Case<'_>, address: SocketAddr) -> bool {
    let fact = case.facts.get(&Source::ListenerPresent(address));
    fact.is_some_and(|fact| fact.before == Some(1) && fact.after == Some(0))
}

/// Begin and size of the last burst of closes. `any`: the process is known to be gone, so that any
/// last group will do.
fn last_burst(closes: &Times, opened: u64, any: bool) -> Option<(Nanos, u64)> {
    let mut groups: Vec<Vec<(Nanos, u64)>> = Vec::new();
    for (bucket, count) in &closes.buckets {
        let moment = (closes.begins(*bucket), *count);
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| moment.0 - last.0 <= PAUSE) => {
                group.push(moment);
            }
            _ => groups.push([moment].into()),
        }
    }
    let size = |group: &Vec<(Nanos, u64)>| group.iter().map(|(_, count)| count).sum::<u64>();
    let large = |n: u64| n >= BURST || n * 10 >= opened.max(1);
    let last = groups.iter().rposition(|group| large(size(group)));
    let last = last.or_else(|| groups.len().checked_sub(1).filter(|_| any))?;
    let group = &groups[last];
    // Single closes before it may run into the burst: it begins where it becomes dense.
    let peak = group.iter().map(|(_, count)| *count).max()?;
    let dense = group.iter().find(|(_, count)| count * 5 >= peak)?.0;
    let from = group.iter().find(|(at, _)| *at + PAUSE >= dense)?.0;
    Some((
        from,
        closes.buckets.iter().filter(|(b, _)| closes.begins(**b) >= from).map(|(_, n)| n).sum(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    fn eof() -> Seen {
        Seen::new(Phase::Open, Op::Read, Outcome::Eof { mid_message: false }).heard()
    }

    fn refused() -> Seen {
        Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(Errno::ECONNREFUSED))
    }

    fn probe(lab: Lab) -> Lab {
        lab.fact(Source::Probe(Lab::target()), 0, u64::from(Errno::ECONNREFUSED.0))
    }

    #[test]
    fn closes_and_refusals_of_one_death_are_one_cause() {
        let reset = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::ECONNRESET)).heard();
        let lab = Lab::ws()
            .opened(500)
            .book(450, eof().every(5_000, 0))
            .book(50, reset.every(5_010, 0))
            .book(500, refused().every(5_030, 1))
            .listener(1, 0);
        probe(lab).expect(&[("server-process-gone", 1_000, Confidence::Likely)]);
    }

    #[test]
    fn what_came_before_the_death_is_another_matter() {
        let lab = Lab::ws()
            .opened(500)
            .book(7, refused().every(0, 10))
            .book(10, eof().every(1_000, 300))
            .book(490, eof().every(5_000, 0))
            .book(30, refused().every(5_100, 10))
            .server(100, 1_024, 0);
        lab.expect(&[
            ("server-process-gone", 520, Confidence::Proven),
            ("server-closed-without-reason", 10, Confidence::Proven),
            ("nothing-listening", 7, Confidence::Likely),
        ]);
    }

    #[test]
    fn five_connections_are_enough_when_the_probe_is_refused() {
        let lab = Lab::ws().opened(5).book(5, eof().every(900, 20));
        probe(lab).expect(&[("server-process-gone", 5, Confidence::Likely)]);
    }

    #[test]
    fn a_burst_with_an_answered_probe_was_meant() {
        let lab = Lab::ws().opened(500).book(500, eof());
        lab.fact(Source::Probe(Lab::target()), 0, 0).listener(1, 1).expect(&[(
            "server-closed-without-reason",
            500,
            Confidence::Proven,
        )]);
    }
}
