//! Thresholds: what is read, what is refused, what holds.

use super::*;
use crate::errno::Errno;
use crate::failure::{Failure, Op as Call, Outcome, Peer, Phase, Signature};
use crate::plan::tests::plan;
use crate::snapshot::{Counts, Gauges};
use crate::tally::{Key, Tally};
use alloc::vec;
use std::string::String as Text;

fn parse(text: &str) -> Threshold {
    Threshold::parse(text).unwrap()
}

fn snapshot(counts: Counts) -> Snapshot {
    Snapshot {
        at: Nanos::ZERO,
        counts,
        gauges: Gauges::default(),
        ramp_ended: Nanos::ZERO,
        tally: Tally::default(),
        latencies: crate::latency::Latencies::default(),
        facts: vec![],
        burst: false,
        cpu: Nanos::ZERO,
    }
}

fn observed<'a>(plan: &'a Plan, totals: &'a Snapshot) -> Observed<'a> {
    Observed { plan, totals, diagnoses: &[], peak: 9, resolve: &[], duration: Nanos::from_secs(71) }
}

#[test]
fn expressions_are_read_as_metric_labels_op_and_limit() {
    for (text, metric, op, limit) in [
        ("failures.count == 0", "failures.count", "==", 0.0),
        ("failures.ratio < 0.1%", "failures.ratio", "<", 0.001),
        ("failures{class=\"refused\", phase=\"connect\"}.ratio<=1%", "failures.ratio", "<=", 0.01),
        ("connections.held >= 1k", "connections.held", ">=", 1_000.0),
        ("rtt.p99.9<50ms", "rtt.p99.9", "<", 0.05),
        ("  setup.mean > 1.5s ", "setup.mean", ">", 1.5),
        ("lag.p99 < 1ms", "lag.p99", "<", 0.001),
        ("duration < 2m", "duration", "<", 120.0),
        ("messages.lost == 0", "messages.lost", "==", 0.0),
    ] {
        let plan = plan(1);
        let totals = snapshot(Counts::default());
        let verdict = evaluate(&parse(text), &observed(&plan, &totals));
        let seen = (verdict.metric.as_str(), verdict.op.as_str(), verdict.limit);
        assert_eq!(seen, (metric, op, limit), "{text}");
        assert_eq!(verdict.expression, text.trim());
    }
}

#[test]
fn refusals_say_where_and_what_to_write() {
    for (text, at, hint) in [
        ("", 0, "failures, connections"),
        ("rrt.p99 < 5ms", 0, "rtt"),
        ("quic.p99 < 5ms", 0, "upgrade"),
        ("rtt < 5ms", 3, "rtt.min"),
        ("rtt.p95 < 5ms", 3, "p99.9"),
        ("rtt.p99 < 50", 10, "50s"),
        ("rtt.p99 = 5ms", 8, "write =="),
        ("rtt.p99 5ms", 8, "< <="),
        ("rtt.p99 <", 9, ""),
        ("failures.ratio < 5", 17, "5%"),
        ("failures.count < 1%", 17, "10k"),
        ("failures{clas=\"refused\"}.count == 0", 9, "class"),
        ("failures{class=\"refusd\"}.count == 0", 16, "refused"),
        ("failures{culprit=\"me\"}.count == 0", 18, "network"),
        ("failures{class=\"refused\".count == 0", 24, ""),
        ("failures{cause=\"nothing-listening\",phase=\"open\"}.count == 0", 8, "two thresholds"),
        ("failures{cause=\"nobody-listening\"}.count == 0", 16, "nothing-listening"),
        ("rtt{class=\"refused\"}.p99 < 1s", 3, "only failures"),
        ("lag.p50 < 1ms", 3, "p99"),
        ("duration.p99 < 1s", 8, "duration < 2m"),
    ] {
        let error = Threshold::parse(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error:?}");
        assert!(error.hint.contains(hint), "{text}: {error:?}");
    }
}

#[test]
fn a_users_threshold_replaces_its_own_default() {
    let check = |user: &[&str], none, expected: &[&str]| {
        let all = resolve(user.iter().map(|text| parse(text)).collect(), none);
        let all: Vec<Text> = all.iter().map(Threshold::expression).collect();
        assert_eq!(all, expected);
    };
    let (failed, lost, corrupted) =
        ("failures.count == 0", "messages.lost == 0", "messages.corrupted == 0");
    check(&[], false, &[failed, lost, corrupted]);
    check(&["failures.ratio < 1%"], false, &["failures.ratio < 1%", lost, corrupted]);
    check(&["rtt.p99 < 1s"], false, &[failed, lost, corrupted, "rtt.p99 < 1s"]);
    check(&["messages.lost < 9"], false, &[failed, "messages.lost < 9", corrupted]);
    check(&["rtt.p99 < 1s"], true, &[]);
}

#[test]
fn no_samples_fail_and_say_so() {
    let plan = plan(1);
    let totals = snapshot(Counts::default());
    for text in ["rtt.p99 < 1s", "resolve.max < 1s", "failures.ratio < 1%", "failures.count == 0"] {
        let verdict = evaluate(&parse(text), &observed(&plan, &totals));
        assert!(!verdict.passed, "{text}");
        assert_eq!((verdict.observed, verdict.samples), (None, 0));
        assert_eq!(verdict.reason.as_deref(), Some("no samples"));
    }
    let lost = evaluate(&parse("messages.lost == 0"), &observed(&plan, &totals));
    assert!(lost.passed, "an idle run loses nothing");
}

#[test]
fn numbers_are_taken_from_where_they_belong() {
    let plan = plan(1_000);
    let counts =
        Counts { attempted: 1_000, opened: 990, confirmed: 980, failed: 20, ..Counts::default() };
    let mut totals = snapshot(counts);
    totals.gauges.held = 970;
    (1..=100).for_each(|ms| totals.latencies.rtt.record(Nanos::from_millis(ms)));
    for (text, value) in [
        ("failures.ratio < 1", 0.02),
        ("connections.unconfirmed < 1", 10.0),
        ("connections.held < 1", 970.0),
        ("connections.peak < 1", 9.0),
        ("duration < 1s", 71.0),
        ("rtt.max < 1s", 0.1),
        ("rtt.p50 < 1s", 0.05),
    ] {
        let seen = evaluate(&parse(text), &observed(&plan, &totals)).observed.unwrap();
        assert!((seen - value).abs() < 1e-3 * value.max(1e-9), "{text}: {seen}");
    }
}

#[test]
fn labels_choose_rows_and_diagnoses() {
    let plan = plan(10);
    let mut totals = snapshot(Counts { attempted: 10, failed: 3, ..Counts::default() });
    for (phase, op, errno, n) in [
        (Phase::Connect, Call::Connect, Errno::ECONNREFUSED, 2),
        (Phase::Open, Call::Read, Errno::ECONNRESET, 1),
    ] {
        let signature = Signature { phase, op, outcome: Outcome::Errno(errno) };
        let key = Key {
            target: 0,
            signature,
            peer: Peer::Unseen,
            fin_seen: false,
            heard: false,
            spoke: false,
        };
        for connection in 0..n {
            totals.tally.book(key, failure(connection, signature), 0);
        }
    }
    let check = |text, expected| {
        let verdict = evaluate(&parse(text), &observed(&plan, &totals));
        assert_eq!(verdict.observed, Some(expected), "{text}");
    };
    check("failures{class=\"refused\"}.count == 0", 2.0);
    check("failures{phase=\"open\"}.count == 0", 1.0);
    check("failures{class=\"refused\",phase=\"open\"}.count == 0", 0.0);
    check("failures{cause=\"nothing-listening\"}.count == 0", 0.0);
}

fn failure(connection: u64, signature: Signature) -> Failure {
    Failure {
        at: Nanos::ZERO,
        connection,
        signature,
        later: None,
        age: Nanos::ZERO,
        bytes_in: 0,
        bytes_out: 0,
        fin_seen: false,
        look: None,
        last_words: vec![],
        offset: None,
    }
}

#[test]
fn only_what_is_lost_for_good_stops_a_run() {
    let plan = plan(100);
    let mut totals = snapshot(Counts { attempted: 10, failed: 2, lost: 5, ..Counts::default() });
    totals.latencies.rtt.record(Nanos::from_millis(80));
    for (text, expected) in [
        ("failures.count == 0", false),
        ("failures.count <= 2", true),
        ("failures.ratio < 1%", false), // 2 of 100 at best
        ("failures.ratio < 3%", true),  // 2 of 10 now, 2 of 100 perhaps
        ("failures{cause=\"unrecognised\"}.count == 0", true),
        ("failures{culprit=\"server\"}.count == 0", true),
        ("messages.lost < 5", false),
        ("messages.lost >= 50", true),
        ("rtt.max < 50ms", false),
        ("rtt.p99 < 50ms", true),
        ("connections.held >= 99", true),
        ("duration < 1m", false),
    ] {
        assert_eq!(can_still_hold(&parse(text), &observed(&plan, &totals)), expected, "{text}");
    }
}
