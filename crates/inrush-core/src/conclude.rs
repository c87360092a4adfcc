//! What the numbers of a run mean beyond its failures: why the rate was not reached, where the
//! number of connections stopped rising, whether our own numbers can be trusted.

use crate::evidence::{Facts, Source};
use crate::failure::Phase;
use crate::plan::{Plan, Rate, Schedule};
use crate::report::{ConnectRate, Plateau};
use crate::snapshot::Snapshot;
use crate::tally::Row;
use crate::time::Nanos;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Asked and achieved rates may differ by so much before a reason is due.
const TOLERANCE: f64 = 0.05;
/// A ramp this much longer than planned says nothing.
const HICCUP: Nanos = Nanos::from_millis(100);
/// Send lag above which our own lateness colours the latencies.
const LAG_LIMIT: Nanos = Nanos::from_millis(1);
/// CPU per loop above which a closed loop measures this host as much as the server.
const CPU_LIMIT: f64 = 0.9;
/// Ports of the Linux default range 32768-60999.
const DEFAULT_PORTS: u64 = 28_232;

/// Asked and achieved, and why they differ. `cpu_ratio` is our CPU per loop during the run.
#[expect(clippy::cast_precision_loss, reason = "counts of connections are far below 2^53")]
pub fn connect_rate(
    plan: &Plan,
    totals: &Snapshot,
    ended: Nanos,
    cpu_ratio: Option<f64>,
    facts: &Facts,
) -> ConnectRate {
    let asked = match plan.connect_rate {
        Rate::Every { count, per } => Some(count as f64 / per.as_secs_f64()),
        Rate::Max => None,
    };
    let attempted = totals.counts.attempted;
    let ramp = if totals.gauges.ramped && totals.ramp_ended > Nanos::ZERO {
        totals.ramp_ended
    } else {
        ended
    };
    // At a fixed rate the first one starts at zero: n connects span n - 1 intervals.
    let first = u64::from(asked.is_some() && attempted > 1);
    let planned = attempted.min(u64::from(plan.connections));
    let achieved = (attempted > 0 && ramp > Nanos::ZERO)
        .then(|| planned.saturating_sub(first) as f64 / ramp.as_secs_f64());
    let reason = match (asked, achieved) {
        (Some(asked), Some(achieved)) if fell_behind(asked, achieved, ramp) => {
            Some(slow_because(plan, totals, cpu_ratio, facts))
        }
        _ => None,
    };
    ConnectRate { asked_per_second: asked, achieved_per_second: achieved, reason }
}

/// More than the tolerance, and late by more than a scheduler's hiccup.
fn fell_behind(asked: f64, achieved: f64, ramp: Nanos) -> bool {
    let late = ramp.as_secs_f64() * (1.0 - achieved / asked);
    achieved < asked * (1.0 - TOLERANCE) && late > HICCUP.as_secs_f64()
}

fn slow_because(plan: &Plan, totals: &Snapshot, cpu: Option<f64>, facts: &Facts) -> String {
    let ports = facts.after(&Source::PortRange).unwrap_or(DEFAULT_PORTS);
    let routes = plan.sources.len().max(1) * plan.targets.len().max(1);
    let per_route = u64::from(plan.connections) / routes as u64;
    let waiting = facts.get(&Source::TimeWait).and_then(|fact| fact.before).unwrap_or(0);
    let slow = totals.latencies.connect.quantile(0.99).unwrap_or_default();
    let resent = facts.counter("TcpExt", "TCPSynRetrans").unwrap_or(0);
    if (per_route + waiting) * 2 > ports {
        format!(
            "port search: more than half of the {ports} local ports of one source and destination \
             are in use ({waiting} in TIME-WAIT before the run); use more --source-ip"
        )
    } else if slow >= Nanos::from_millis(900) && resent > 0 {
        format!("SYNs were sent again ({resent} times): connects wait 1, 3, 7 s for the server")
    } else if cpu.is_some_and(|ratio| ratio > 0.9) {
        "our own CPU: the loops were busy for more than 90 % of the time; use more --threads".into()
    } else {
        "the server's accept rate: our loops had time to spare".into()
    }
}

/// Names the limit at which the number of open connections stopped rising while attempts went on.
pub fn plateau(plan: &Plan, totals: &Snapshot, peak: u64, facts: &Facts) -> Option<Plateau> {
    let attempted = totals.counts.attempted;
    let beyond = attempted.saturating_sub(peak);
    let comes_and_goes = plan.lifetime.is_some() || totals.counts.reconnects > 0;
    let all = peak >= u64::from(plan.connections);
    if peak == 0 || all || comes_and_goes || beyond < (peak / 100).max(10) {
        return None;
    }
    // As many as were open at once were opened in all, and who was turned away came after them.
    let none_after = totals.counts.opened <= peak + (peak / 100).max(1);
    let turned_away: u64 =
        totals.tally.rows.iter().filter(|row| begins_beyond(row, peak)).map(|row| row.count).sum();
    if !none_after || turned_away * 2 < beyond {
        return None;
    }
    let (limit, text) = limit_behind(plan, peak, facts)?;
    Some(Plateau { connections: peak, limit, text })
}

/// Attempts that failed, and did so only from about connection number `peak` on: what fails by
/// chance begins with the first ones. The middle example decides, so that one early failure of
/// another reason hides nothing.
fn begins_beyond(row: &Row, peak: u64) -> bool {
    let attempt = !matches!(row.key.signature.phase, Phase::Open | Phase::Close);
    let middle = row.examples.get(row.examples.len() / 2);
    attempt && middle.is_some_and(|example| example.connection * 10 >= peak * 9)
}

fn limit_behind(plan: &Plan, peak: u64, facts: &Facts) -> Option<(String, String)> {
    let near = |limit: u64, own: u64| peak <= limit && peak + own >= limit;
    for fact in &facts.list {
        if let (Source::ServerDescriptorLimit(pid), Some(limit)) = (&fact.source, fact.after)
            && near(limit, 64)
        {
            let text = format!("the server (pid {pid}) may have {limit} descriptors");
            return Some(("server-descriptors".into(), text));
        }
    }
    if let Some(limit) = facts.after(&Source::OwnDescriptorLimit)
        && facts.after(&Source::OwnDescriptors).is_some_and(|held| held + 1 >= limit)
    {
        let text = format!("each process of this load may have {limit} descriptors");
        return Some(("own-descriptors".into(), text));
    }
    let ports = facts.after(&Source::PortRange).unwrap_or(DEFAULT_PORTS);
    let routes = plan.sources.len().max(1) * plan.targets.len().max(1);
    if near(ports * routes as u64, ports / 100) {
        let text = format!("{ports} local ports per source and destination, {routes} of them");
        return Some(("local-ports".into(), text));
    }
    let backlogs = facts.list.iter().filter_map(|fact| match fact.source {
        Source::ListenerBacklog(_) => fact.after,
        _ => None,
    });
    for backlog in backlogs.chain([4_096]) {
        // The kernel accepts one more than the backlog says.
        if (backlog..=backlog + 1).contains(&peak) {
            let text = format!("a listen backlog of {backlog}: nothing was accepted beyond it");
            return Some(("backlog".into(), text));
        }
    }
    let common = [256_u64, 1_024, 4_096, 10_000, 10_240, 20_000, 65_535, 65_536, 100_000];
    let limit = common.into_iter().find(|limit| near(*limit, 48))?;
    let text = format!(
        "{limit} descriptors minus the server's own: the usual `ulimit -n {limit}` of its process"
    );
    Some(("server-descriptors".into(), text))
}

/// Why our own numbers are not to be trusted; empty when they are. A closed loop cannot be late, so
/// that its loops' CPU alone (`cpu_ratio`, 0-1) says whether replies waited for this host.
pub fn distrust(plan: &Plan, totals: &Snapshot, cpu_ratio: Option<f64>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(lag) = totals.latencies.lag.quantile(0.99)
        && lag > LAG_LIMIT
    {
        let ms = lag.as_secs_f64() * 1e3;
        reasons.push(format!("send lag p99 {ms:.1} ms: this host sends later than planned"));
    }
    if let (Schedule::Closed, Some(busy)) = (plan.messages.schedule, cpu_ratio)
        && busy > CPU_LIMIT
    {
        let percent = busy * 100.0;
        reasons.push(format!("cpu {percent:.0}%: replies wait for this host before they are read"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Fact;
    use crate::failure::{Failure, Op, Outcome, Peer, Signature};
    use crate::plan::tests::plan;
    use crate::snapshot::Counts;
    use crate::tally::Key;

    fn totals(attempted: u64) -> Snapshot {
        let counts = Counts { attempted, ..Counts::default() };
        Snapshot { counts, ..Snapshot::default() }
    }

    /// So many attempts, of which all but `peak` failed: those from number `first` on, each
    /// `step`th.
    fn turned_away(attempted: u64, peak: u64, first: u64, step: u64) -> Snapshot {
        let mut totals = totals(attempted);
        totals.counts.opened = peak;
        let (op, outcome) = (Op::Deadline, Outcome::TimedOut);
        let signature = Signature { phase: Phase::Upgrade, op, outcome };
        let (peer, fin_seen, heard, spoke) = (Peer::Queued, false, false, true);
        let key = Key { target: 0, signature, peer, fin_seen, heard, spoke };
        let failure = Failure {
            at: Nanos::from_secs(1),
            connection: 0,
            signature,
            later: None,
            age: Nanos::from_secs(1),
            bytes_in: 0,
            bytes_out: 200,
            fin_seen,
            look: None,
            last_words: Vec::new(),
            offset: None,
        };
        for nth in 0..attempted - peak {
            let connection = first + nth * step;
            totals.tally.book(key, Failure { connection, ..failure.clone() }, peak);
        }
        totals
    }

    #[test]
    fn a_plateau_is_named_after_the_limit_it_points_to() {
        let check = |attempted, peak, facts: &Facts, expected: Option<&str>| {
            let totals = turned_away(attempted, peak, peak + 1, 1);
            let found = plateau(&plan(50_000), &totals, peak, facts);
            assert_eq!(found.as_ref().map(|p| p.limit.as_str()), expected, "{found:?}");
        };
        let none = Facts::default();
        check(2_000, 1_013, &none, Some("server-descriptors"));
        check(40_000, 28_232, &none, Some("local-ports"));
        check(9_000, 4_097, &none, Some("backlog"));
        check(1_013, 1_013, &none, None);
        check(2_000, 1_500, &none, None);
        let mut facts = Facts::default();
        let source = Source::ServerDescriptorLimit(9);
        facts.set(Fact { source, host: "h".into(), before: None, after: Some(1_512) });
        check(2_000, 1_500, &facts, Some("server-descriptors"));
    }

    #[test]
    fn a_total_near_a_round_number_is_no_plateau() {
        let check = |plan: &Plan, totals: &Snapshot, named: bool| {
            let found = plateau(plan, totals, 980, &Facts::default());
            assert_eq!(found.is_some(), named, "{found:?} {:?}", totals.counts);
        };
        check(&plan(1_000), &turned_away(1_000, 980, 981, 1), true);
        // Two of a hundred failed, all along.
        check(&plan(1_000), &turned_away(1_000, 980, 50, 50), false);
        // All that were planned were open at once; some of them were replaced.
        check(&plan(980), &turned_away(1_000, 980, 981, 1), false);
        let mut totals = turned_away(1_000, 980, 981, 1);
        totals.counts.reconnects = 20;
        check(&plan(1_000), &totals, false);
        // More were let in after some had left.
        let mut totals = turned_away(1_000, 980, 981, 1);
        totals.counts.opened = 1_100;
        check(&plan(2_000), &totals, false);
        // One early failure of another reason hides no limit.
        let mut totals = turned_away(1_000, 980, 981, 1);
        totals.tally.rows[0].examples[0].connection = 3;
        check(&plan(1_000), &totals, true);
        // Whose attempts are still under way has not been turned away.
        totals.tally.rows.clear();
        check(&plan(1_000), &totals, false);
    }

    #[test]
    fn a_closed_loop_is_judged_by_its_cpu_and_a_schedule_by_its_lag() {
        let mut plan = plan(1);
        let check = |plan: &Plan, lag: Option<u64>, cpu, expected: usize| {
            let mut totals = totals(1);
            lag.into_iter().for_each(|ms| totals.latencies.lag.record(Nanos::from_millis(ms)));
            let reasons = distrust(plan, &totals, cpu);
            assert_eq!(reasons.len(), expected, "{lag:?} {cpu:?}: {reasons:?}");
        };
        plan.messages.schedule = Schedule::Closed;
        check(&plan, None, Some(0.97), 1);
        check(&plan, None, Some(0.5), 0);
        check(&plan, None, None, 0);
        plan.messages.schedule = Schedule::Every(Nanos::from_millis(1));
        check(&plan, Some(5), Some(0.97), 1);
        check(&plan, Some(0), Some(0.97), 0);
    }

    #[test]
    fn a_rate_that_was_reached_needs_no_reason() {
        let mut plan = plan(1_000);
        plan.connect_rate = Rate::Every { count: 1_000, per: Nanos::from_secs(1) };
        let mut totals = totals(1_000);
        totals.gauges.ramped = true;
        totals.ramp_ended = Nanos::from_millis(999);
        let rate = connect_rate(&plan, &totals, Nanos::from_secs(9), None, &Facts::default());
        assert_eq!(rate.achieved_per_second, Some(1_000.0));
        assert_eq!(rate.reason, None);
        totals.ramp_ended = Nanos::from_secs(3);
        let rate = connect_rate(&plan, &totals, Nanos::from_secs(9), Some(1.0), &Facts::default());
        assert!(rate.reason.is_some_and(|reason| reason.contains("CPU")));
    }
}
