//! The server's process ended in the middle: all its connections close together, later ones are
//! refused. A RST or FIN alone never says "crash"; only the listener tells (FAILURES §0.11).

mod burst;

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::Class;
use crate::tally::{Row, Times};
use crate::time::Nanos;
use alloc::format;
use alloc::vec::Vec;
use burst::{Burst, PAUSE, Span, bursts, last_burst};
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
    texts: Texts {
        what: "The server's process ended, or was restarted",
        decide: "systemctl status SERVICE; journalctl -u SERVICE -n 100",
        remedy: "read its last words and start it again",
        command: "journalctl -u SERVICE -n 100; coredumpctl list | tail -n 5",
        shows_up: &[
            shows(Class::Refused, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnRead, Where::Anywhere, Confidence::Possible),
            shows(Class::ResetOnWrite, Where::Anywhere, Confidence::Possible),
            shows(Class::BrokenPipe, Where::Anywhere, Confidence::Possible),
            shows(Class::EofUnexpected, Where::Anywhere, Confidence::Possible),
            shows(Class::WsCloseAbnormal, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

/// A fact and the closes it explains lie no further apart: a process that dies closes its sockets
/// before it counts as ended, and what a worker saw is read a little later.
const GRACE: Nanos = Nanos::from_millis(1_500);
/// Connects are refused soon after a death, or it was another one.
const AFTERMATH: Nanos = Nanos::from_secs(3);

/// What shows that the server of a target has gone, and which closes belong to it.
#[derive(Debug, Default)]
struct Signs {
    dead: Option<u32>,
    refused: bool,
    left: bool,
    closes: Vec<Span>,
}

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let mut all = None;
    for target in pool.targets() {
        all = Claim::join(all, of_target(case, pool, target));
    }
    all
}

fn of_target(case: &Case<'_>, pool: &mut Pool, target: u16) -> Option<Claim> {
    let address = case.plan.targets.get(usize::from(target))?.address;
    let here = |row: &Row| row.key.target == target;
    let closes = times(pool.rows().iter().filter(|row| here(row) && seen::peer_closed(row)));
    let refusals = times(pool.rows().iter().filter(|row| here(row) && seen::refused(row)));
    // A process that lives has not ended, whatever it closed.
    let alone = case.plan.targets.iter().all(|target| target.address == address);
    if alone && lives(case) && dead_servers(case).is_empty() {
        return None;
    }
    let mut signs = signs(case, address, &bursts(&closes, case.opened), &refusals);
    let from = match signs.closes.iter().map(|span| span.from).min() {
        Some(from) => from,
        // Nothing was open when it died: only what came later could see it. Whom it refused while
        // it lived, it was not the server of.
        None => {
            let first = refusals.span()?.0;
            let gone = |(_, when): &(u32, Span)| first >= when.from;
            signs.dead = Some(dead_servers(case).into_iter().find(gone)?.0);
            first
        }
    };
    let mut claim = None;
    for span in &signs.closes {
        let wanted = |row: &Row| here(row) && seen::peer_closed(row);
        claim = Claim::join(claim, pool.take_between(span.from, span.to, wanted));
    }
    // A process that ends closes its listener first, and its connections one after the other.
    let refusals = pool.take_since(from - PAUSE, |row| here(row) && seen::refused(row));
    let claim = Claim::join(claim, refusals)?;
    Some(tell(case, claim, &signs, address))
}

fn signs(case: &Case<'_>, address: SocketAddr, bursts: &[Burst], refusals: &Times) -> Signs {
    let mut signs = Signs::default();
    let dead = dead_servers(case);
    for (pid, when) in &dead {
        let Some(burst) = last_burst(bursts, *when, !lives(case)) else { continue };
        // Where each process serves one connection, its end is that of the connection.
        let ends = dead.iter().filter(|(_, when)| burst.meets(*when)).count() as u64;
        if !lives(case) || burst.count > ends {
            signs.dead = signs.dead.or(Some(*pid));
            signs.closes.push(burst.within(*when));
        }
    }
    if probe_refused(case, address) {
        let when = span(case, &Source::ProbeRefused(address));
        let burst = last_burst(bursts, when, true);
        signs.refused = burst.is_some();
        signs.closes.extend(burst.map(|burst| burst.within(when)));
    }
    if listener_left(case, address) {
        let when = span(case, &Source::ListenerLeft(address));
        let burst = last_burst(bursts, when, false);
        signs.left = burst.is_some();
        signs.closes.extend(burst.map(|burst| burst.within(when)));
    }
    for burst in bursts.iter().filter(|burst| burst.large) {
        let mut moments = refusals.buckets.keys().map(|bucket| refusals.begins(*bucket));
        if moments.any(|at| at + PAUSE >= burst.from && at <= burst.to + AFTERMATH) {
            signs.closes.push(Span { from: burst.from, to: burst.to + GRACE });
        }
    }
    signs
}

fn tell(case: &Case<'_>, claim: Claim, signs: &Signs, address: SocketAddr) -> Claim {
    let closes = times(claim.rows.iter().filter(|row| seen::peer_closed(row)));
    let mut claim = match signs.dead {
        Some(pid) => {
            let ended = Source::ServerEnded(pid);
            let lived = case.facts.get(&ended).and_then(|fact| fact.before).unwrap_or(0);
            let time = |ms| words::time(Nanos::from_millis(ms));
            claim
                .sure(Confidence::Proven)
                .cites(case.facts, &Source::ServerAlive(pid), |_| {
                    format!("process {pid} lived before the load and has ended")
                })
                .cites(case.facts, &ended, |ms| {
                    format!("it lived at {} and had ended at {}", time(lived), time(ms))
                })
        }
        None => claim.sure(Confidence::Likely),
    };
    if signs.refused {
        claim = claim.cites(case.facts, &Source::Probe(address), |_| {
            format!("a connect to {address} right after the closes was refused")
        });
    }
    if signs.left {
        claim = claim.cites(case.facts, &Source::ListenerPresent(address), |_| {
            format!("{address} was listened on before the load and is not any more")
        });
    }
    if let Some((from, _)) = closes.span() {
        let (n, at) = (count(closes.count()), words::time(from));
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

fn times<'a>(rows: impl Iterator<Item = &'a Row>) -> Times {
    let mut all = Times::default();
    rows.for_each(|row| all.merge(&row.times));
    all
}

/// When this happened, with some grace; any time when it is not dated.
fn span(case: &Case<'_>, source: &Source) -> Span {
    let Some(fact) = case.facts.get(source) else {
        return Span { from: Nanos::ZERO, to: Nanos::MAX };
    };
    let from = fact.before.map_or(Nanos::ZERO, Nanos::from_millis) - GRACE;
    Span { from, to: fact.after.map_or(Nanos::MAX, Nanos::from_millis) + GRACE }
}

/// Some watched server process is alive.
fn lives(case: &Case<'_>) -> bool {
    let alive = |source: &Source| matches!(source, Source::ServerAlive(_));
    case.facts.list.iter().any(|fact| alive(&fact.source) && fact.after == Some(1))
}

fn dead_servers(case: &Case<'_>) -> Vec<(u32, Span)> {
    let dead = case.facts.list.iter().filter_map(|fact| match fact.source {
        Source::ServerAlive(pid) if fact.before == Some(1) && fact.after == Some(0) => Some(pid),
        _ => None,
    });
    dead.map(|pid| (pid, span(case, &Source::ServerEnded(pid)))).collect()
}

fn probe_refused(case: &Case<'_>, address: SocketAddr) -> bool {
    case.facts.after(&Source::Probe(address)) == Some(u64::from(Errno::ECONNREFUSED.0))
}

fn listener_left(case: &Case<'_>, address: SocketAddr) -> bool {
    let fact = case.facts.get(&Source::ListenerPresent(address));
    fact.is_some_and(|fact| fact.before == Some(1) && fact.after == Some(0))
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
    fn what_lives_has_not_ended() {
        let closes = || Lab::ws().opened(500).book(500, eof().every(5_000, 0)).listener(1, 0);
        let lab = probe(closes()).server(9, 1_024, 1);
        lab.expect(&[("server-closed-without-reason", 500, Confidence::Proven)]);
        // Of two servers it may be the other one that lives.
        let mut lab = probe(closes()).server(9, 1_024, 1);
        lab.plan.targets.push(lab.plan.targets[0].clone());
        lab.plan.targets[1].address.set_port(9_090);
        lab.expect(&[("server-process-gone", 500, Confidence::Likely)]);
    }

    /// Closes at 1 s; a server that ended, left or refused long after.
    #[test]
    fn an_end_after_the_run_explains_no_early_closes() {
        let check = |closes: u64, when_ms: (u64, u64), cause: &str| {
            let eofs = || Lab::ws().opened(60).book(closes, eof().every(1_000, 0));
            let to = Lab::target();
            let dated = |lab: Lab, source| lab.fact(source, when_ms.0, when_ms.1);
            let labs = [
                dated(eofs().server(9, 1_024, 0), Source::ServerEnded(77)),
                dated(probe(eofs()), Source::ProbeRefused(to)),
                dated(eofs().listener(1, 0), Source::ListenerLeft(to)),
            ];
            for lab in labs {
                let found = lab.diagnoses();
                assert_eq!(found.len(), 1, "{found:#?}");
                assert_eq!((found[0].cause.as_str(), found[0].count), (cause, closes));
            }
        };
        check(30, (900, 1_900), "server-process-gone");
        check(30, (1_010, 1_200), "server-process-gone");
        check(30, (29_000, 30_000), "server-closed-without-reason");
        check(6, (29_000, 30_000), "server-closed-without-reason");
    }

    #[test]
    fn a_server_that_came_back_dies_once() {
        let lab = Lab::ws()
            .opened(500)
            .book(200, eof().every(10_000, 0))
            .book(90, refused().every(10_100, 20))
            .book(300, eof().every(60_000, 0));
        let refused_at = Source::ProbeRefused(Lab::target());
        let gone = ("server-process-gone", 290, Confidence::Likely);
        let later = ("server-closed-without-reason", 300, Confidence::Proven);
        probe(lab).listener(1, 1).fact(refused_at, 10_050, 10_060).expect(&[later, gone]);
    }

    #[test]
    fn who_was_refused_before_is_not_the_only_one_to_ask() {
        let lab = Lab::ws()
            .opened(500)
            .book(7, refused().every(0, 10))
            .book(400, eof().every(5_000, 0))
            .book(30, refused().every(5_100, 10));
        lab.expect(&[
            ("server-process-gone", 430, Confidence::Likely),
            ("nothing-listening", 7, Confidence::Likely),
        ]);
        // Refusals of another time are of another death.
        let lab = Lab::ws().opened(500).book(400, eof().every(5_000, 0));
        let lab = lab.book(30, refused().every(60_000, 10));
        lab.expect(&[
            ("server-closed-without-reason", 400, Confidence::Proven),
            ("nothing-listening", 30, Confidence::Likely),
        ]);
        // Nothing was ever open: five closes are not many.
        let lab = Lab::ws().book(5, eof().every(5_000, 0)).book(3, refused().every(5_100, 10));
        assert_eq!(lab.diagnoses()[0].cause, "server-closed-without-reason");
    }

    #[test]
    fn a_port_that_was_closed_all_along_has_lost_nobody() {
        let lab = Lab::ws().opened(500).book(100, refused().every(0, 100));
        let lab = lab.server(9, 1_024, 0).fact(Source::ServerEnded(77), 5_000, 6_000);
        lab.expect(&[("nothing-listening", 100, Confidence::Likely)]);
        let lab = Lab::ws().opened(500).book(40, refused().every(5_500, 100));
        let lab = lab.server(9, 1_024, 0).fact(Source::ServerEnded(77), 5_000, 6_000);
        lab.expect(&[("server-process-gone", 40, Confidence::Proven)]);
    }

    /// One process for each connection: their ends are the ends of connections.
    #[test]
    fn processes_that_serve_one_connection_each_are_not_the_server() {
        let check = |closes: u64, cause| {
            let mut lab = Lab::ws().opened(200).book(closes, eof().every(5_000, 1));
            lab = lab.fact(Source::ServerAlive(1), 1, 1);
            for pid in 100..130 {
                lab = lab.fact(Source::ServerAlive(pid), 1, 0);
                lab = lab.fact(Source::ServerEnded(pid), 4_500, 5_500);
            }
            lab.expect(&[(cause, closes, Confidence::Proven)]);
        };
        check(30, "server-closed-without-reason");
        check(190, "server-process-gone");
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
