//! The JSON summary, schema `inrush.run/1`: every key is always there, in this order; what was not
//! measured is null. Durations are seconds, sizes bytes, ratios 0 to 1. Within schema 1 keys are
//! only added; those of what few runs have (TLS, pings, Close codes) are there when the run has it.

mod failures;
mod latency;
mod series;

use crate::show::{number, secret, words};
use inrush_core::evidence::Source;
use inrush_core::plan::{Rate, Schedule};
use inrush_core::report::Report;
use inrush_core::threshold::Verdict;
use inrush_core::time::Nanos;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole document; it serialises in the order of its fields.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    schema: &'static str,
    version: &'a str,
    run: Run<'a>,
    plan: Plan<'a>,
    verdict: Judged<'a>,
    connections: Connections<'a>,
    diagnoses: Vec<failures::Diagnosed<'a>>,
    failures: failures::Failures,
    latency: latency::Latencies,
    /// Only of a run that shook hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
    /// Only of a run that offered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<Compression>,
    messages: Messages,
    client: Client<'a>,
    kernel: Kernel<'a>,
    series: series::Series<'a>,
    processes: u32,
    agents: [(); 0],
    environment: Environment<'a>,
}

#[derive(Debug, Serialize)]
struct Run<'a> {
    id: &'a str,
    name: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    seed: u64,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_seconds: f64,
    command: Vec<String>,
    stopped_by: &'static str,
    repeat: Repeat,
}

#[derive(Debug, Serialize)]
struct Tls {
    handshakes_full: u64,
    handshakes_resumed: u64,
}

#[derive(Debug, Serialize)]
struct Compression {
    offer: String,
    agreed_connections: u64,
}

#[derive(Debug, Serialize)]
struct Repeat {
    index: u32,
    of: u32,
}

#[derive(Debug, Serialize)]
struct Plan<'a> {
    targets: Vec<String>,
    connections: u32,
    connect_rate_per_second: Option<Number>,
    hold_seconds: Number,
    message_rate_per_second: Option<Number>,
    message_size_bytes: u64,
    expect: &'static str,
    frame: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping_interval_seconds: Option<Number>,
    connect_timeout_seconds: Number,
    handshake_timeout_seconds: Number,
    reply_timeout_seconds: Number,
    scenario: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Judged<'a> {
    passed: bool,
    exit_code: u8,
    thresholds: Vec<Threshold<'a>>,
}

#[derive(Debug, Serialize)]
struct Threshold<'a> {
    expression: &'a str,
    metric: &'a str,
    labels: &'a BTreeMap<String, String>,
    op: &'a str,
    limit: Number,
    observed: Option<Number>,
    samples: u64,
    passed: bool,
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ConnectRate<'a> {
    asked_per_second: Option<Number>,
    achieved_per_second: Option<f64>,
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Connections<'a> {
    planned: u32,
    attempted: u64,
    connected: u64,
    confirmed: u64,
    unconfirmed: u64,
    opened: u64,
    peak: u64,
    held: u64,
    finished: u64,
    failed: u64,
    unfinished: u64,
    unknown: u64,
    reconnects: u64,
    close_unanswered: u64,
    probes: u64,
    connect_rate: ConnectRate<'a>,
    plateau: &'a Option<inrush_core::report::Plateau>,
}

#[derive(Debug, Serialize)]
struct Messages {
    sent: u64,
    received: u64,
    lost: u64,
    unfinished: u64,
    late: u64,
    duplicated: u64,
    corrupted: u64,
    unsent: u64,
    sent_bytes: u64,
    received_bytes: u64,
    /// Of keep-alive; null when it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pings: Option<Pings>,
}

#[derive(Debug, Serialize)]
struct Pings {
    sent: u64,
    answered: u64,
}

#[derive(Debug, Serialize)]
struct Client<'a> {
    open_fds_peak: u64,
    max_fds: u64,
    cpu_ratio_mean: Option<f64>,
    rss_bytes_peak: Option<u64>,
    lag: Option<latency::Lag>,
    user_bytes_per_connection: Option<u64>,
    kernel_bytes_per_connection: Option<u64>,
    time_wait_before: Option<u64>,
    free_ports_before: Option<u64>,
    trustworthy: bool,
    trust_reasons: &'a [String],
}

#[derive(Debug, Serialize)]
struct Kernel<'a> {
    available: &'a [String],
    unavailable: Vec<Unavailable<'a>>,
    deltas: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Unavailable<'a> {
    name: &'a str,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct Environment<'a> {
    os: &'a str,
    kernel: &'a str,
    arch: &'a str,
    cores: u32,
    memory_bytes: u64,
    limits: &'a BTreeMap<String, u64>,
    sysctl: &'a BTreeMap<String, String>,
}

/// A number that is written as an integer when it is one.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Real(f64),
}

/// The document of a run.
pub(crate) fn document(report: &Report) -> Document<'_> {
    Document {
        schema: "inrush.run/1",
        version: &report.run.version,
        run: run(report),
        plan: plan(report),
        verdict: Judged {
            passed: report.verdicts.iter().all(|verdict| verdict.passed),
            exit_code: report.exit_code,
            thresholds: report.verdicts.iter().map(threshold).collect(),
        },
        connections: connections(report),
        diagnoses: report.diagnoses.iter().map(|d| failures::diagnosed(report, d)).collect(),
        failures: failures::failures(report),
        latency: latency::latencies(report),
        tls: tls(report),
        compression: report.plan.compress.map(|offer| Compression {
            offer: offer.to_string(),
            agreed_connections: report.totals.counts.compressed,
        }),
        messages: messages(report),
        client: client(report),
        kernel: kernel(report),
        series: series::series(report),
        processes: report.run.processes,
        agents: [],
        environment: environment(report),
    }
}

/// The document as a value; its keys are sorted.
#[cfg(test)]
pub(crate) fn value(report: &Report) -> serde_json::Value {
    serde_json::to_value(document(report)).expect("its keys are strings")
}

/// The document as text for a file, indented, ending in a line feed.
pub(crate) fn text(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(&document(report)).expect("its keys are strings");
    text.push('\n');
    text
}

fn run(report: &Report) -> Run<'_> {
    let run = &report.run;
    Run {
        id: &run.id,
        name: None,
        labels: BTreeMap::new(),
        seed: report.plan.seed,
        started_at: rfc3339(run.started_unix_ms),
        ended_at: rfc3339(run.ended_unix_ms),
        duration_seconds: run.duration.as_secs_f64(),
        command: secret::command(&run.command),
        stopped_by: words::stopped_by(run.stopped_by),
        repeat: Repeat { index: 1, of: 1 },
    }
}

/// `2026-11-21T02:10:00.000Z`; missing for a clock that is out of all bounds.
fn rfc3339(unix_ms: u64) -> Option<String> {
    let moment = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    Some(moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn plan(report: &Report) -> Plan<'_> {
    let plan = &report.plan;
    Plan {
        targets: plan.targets.iter().map(|target| secret::url(&target.url)).collect(),
        connections: plan.connections,
        connect_rate_per_second: match plan.connect_rate {
            Rate::Max => None,
            Rate::Every { count, per } => {
                number::per_second(per).map(|each| whole(each * number::float(count)))
            }
        },
        hold_seconds: seconds(plan.hold),
        message_rate_per_second: match plan.messages.schedule {
            Schedule::Idle => Some(Number::Whole(0)),
            Schedule::Every(gap) => number::per_second(gap).map(whole),
            Schedule::Closed => None,
        },
        message_size_bytes: words::payload_bytes(&plan.messages.payload),
        expect: words::expect(plan.messages.expect),
        frame: words::frame(plan.messages.frame),
        ping_interval_seconds: plan.messages.ping_every.map(seconds),
        connect_timeout_seconds: seconds(plan.timeouts.connect),
        handshake_timeout_seconds: seconds(plan.timeouts.handshake),
        reply_timeout_seconds: seconds(plan.timeouts.reply),
        scenario: None,
    }
}

fn seconds(time: Nanos) -> Number {
    whole(time.as_secs_f64())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(value: f64) -> Number {
    // A rate that went through a period (1/3 ns rounding) is off by less than one in 10^9.
    let near = value.round();
    let is_whole = (value - near).abs() <= near.abs() * 1e-9;
    if is_whole && (0.0..9e15).contains(&near) {
        Number::Whole(near as u64)
    } else {
        Number::Real(value)
    }
}

fn threshold(verdict: &Verdict) -> Threshold<'_> {
    Threshold {
        expression: &verdict.expression,
        metric: &verdict.metric,
        labels: &verdict.labels,
        op: &verdict.op,
        limit: whole(verdict.limit),
        observed: verdict.observed.map(whole),
        samples: verdict.samples,
        passed: verdict.passed,
        reason: verdict.reason.as_deref(),
    }
}

fn connections(report: &Report) -> Connections<'_> {
    let (counts, gauges) = (&report.totals.counts, &report.totals.gauges);
    Connections {
        planned: report.plan.connections,
        attempted: counts.attempted,
        connected: counts.connected,
        confirmed: counts.confirmed,
        unconfirmed: counts.opened.saturating_sub(counts.confirmed),
        opened: counts.opened,
        peak: report.peak,
        held: gauges.held,
        finished: counts.finished,
        failed: counts.failed,
        unfinished: counts.unfinished,
        unknown: report.unknown,
        reconnects: counts.reconnects,
        close_unanswered: counts.close_unanswered,
        probes: report.probes,
        connect_rate: ConnectRate {
            asked_per_second: report.connect_rate.asked_per_second.map(whole),
            achieved_per_second: report.connect_rate.achieved_per_second,
            reason: report.connect_rate.reason.as_deref(),
        },
        plateau: &report.plateau,
    }
}

fn messages(report: &Report) -> Messages {
    let counts = &report.totals.counts;
    Messages {
        sent: counts.sent,
        received: counts.received,
        lost: counts.lost,
        unfinished: counts.messages_unfinished,
        late: counts.late,
        duplicated: counts.duplicated,
        corrupted: counts.corrupted,
        unsent: counts.unsent,
        sent_bytes: counts.sent_bytes,
        received_bytes: counts.received_bytes,
        pings: report
            .plan
            .messages
            .ping_every
            .map(|_| Pings { sent: counts.pings, answered: counts.pongs }),
    }
}

fn client(report: &Report) -> Client<'_> {
    let client = &report.client;
    Client {
        open_fds_peak: client.open_fds_peak,
        max_fds: client.max_fds,
        cpu_ratio_mean: client.cpu_ratio_mean,
        rss_bytes_peak: client.rss_bytes_peak,
        lag: latency::lag(&report.totals.latencies.lag),
        user_bytes_per_connection: client.user_bytes_per_connection,
        kernel_bytes_per_connection: client.kernel_bytes_per_connection,
        time_wait_before: client.time_wait_before,
        free_ports_before: client.free_ports_before,
        trustworthy: client.trustworthy,
        trust_reasons: &client.trust_reasons,
    }
}

fn kernel(report: &Report) -> Kernel<'_> {
    let facts = &report.facts;
    let unavailable = facts.unavailable.iter();
    let delta = |source: &Source| match source {
        Source::Counter(group, name) => Some((format!("{group}_{name}"), facts.rise(source)?)),
        _ => None,
    };
    Kernel {
        available: &facts.available,
        unavailable: unavailable.map(|(name, reason)| Unavailable { name, reason }).collect(),
        deltas: facts.list.iter().filter_map(|fact| delta(&fact.source)).collect(),
    }
}

fn environment(report: &Report) -> Environment<'_> {
    let place = &report.environment;
    Environment {
        os: &place.os,
        kernel: &place.kernel,
        arch: &place.arch,
        cores: place.cores,
        memory_bytes: place.memory_bytes,
        limits: &place.limits,
        sysctl: &place.sysctl,
    }
}

fn tls(report: &Report) -> Option<Tls> {
    let counts = &report.totals.counts;
    let some = counts.tls_full + counts.tls_resumed > 0;
    some.then_some(Tls { handshakes_full: counts.tls_full, handshakes_resumed: counts.tls_resumed })
}

#[cfg(test)]
mod tests;
