//! Failures in the JSON summary: by cause with everything that shows it, and by class with samples.

use crate::show::{escape, number, words};
use inrush_core::diagnosis::{Diagnosis, Evidence, Remedy};
use inrush_core::failure::{
    Class, Failure, Look, Op, Outcome, Peer, Phase, ProtocolError, Signature, close_name,
};
use inrush_core::report::Report;
use inrush_core::tally::{EXAMPLES, Row, Times};
use inrush_core::time::Nanos;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Serialize)]
pub(super) struct Diagnosed<'a> {
    cause: &'a str,
    culprit: &'static str,
    confidence: &'static str,
    count: u64,
    ratio: Option<f64>,
    what: &'a str,
    classes: BTreeMap<&'static str, u64>,
    first_at_seconds: Option<f64>,
    last_at_seconds: Option<f64>,
    alternatives: &'a [String],
    decide: Option<&'a str>,
    evidence: Vec<Shown<'a>>,
    remedies: &'a [Remedy],
    same_as: &'a [String],
    series: Vec<u64>,
}

/// One line of evidence: what the machine said is text, as a shell would show it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    source: Option<String>,
    host: Option<&'a str>,
    before: Option<String>,
    after: Option<String>,
    text: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Failures {
    count: u64,
    ratio: Option<f64>,
    classes: Vec<Classed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    close_codes: Vec<ClosedWith>,
}

/// Connections that the server ended by a Close frame with this code, and what it said.
#[derive(Debug, Serialize)]
struct ClosedWith {
    code: u16,
    name: &'static str,
    count: u64,
    /// Different ones among the samples, escaped.
    texts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Classed {
    class: &'static str,
    count: u64,
    ratio: Option<f64>,
    phase: &'static str,
    operation: &'static str,
    errno: Option<&'static str>,
    errno_number: Option<u16>,
    first_at_seconds: Option<f64>,
    last_at_seconds: Option<f64>,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize)]
struct Sample {
    connection: u64,
    at_seconds: f64,
    local: Option<String>,
    peer: Option<String>,
    bytes_sent: u64,
    bytes_received: u64,
    tcp_info: Option<TcpInfo>,
    last_words: Option<String>,
    /// Where in its message the last words begin, for what was found inside one.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_offset: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TcpInfo {
    state: u8,
    bytes_received: u64,
    bytes_acked: u64,
    unacked: u32,
    total_retrans: u32,
    segs_in: u32,
    rtt_seconds: f64,
    last_ack_recv_seconds: f64,
    rwnd_limited_ratio: f64,
    server_side: Option<&'static str>,
}

pub(super) fn diagnosed<'a>(report: &Report, diagnosis: &'a Diagnosis) -> Diagnosed<'a> {
    let (first, last) = span(&diagnosis.times);
    Diagnosed {
        cause: &diagnosis.cause,
        culprit: diagnosis.culprit.name(),
        confidence: diagnosis.confidence.name(),
        count: diagnosis.count,
        ratio: of_attempted(report, diagnosis.count),
        what: &diagnosis.what,
        classes: diagnosis.classes.iter().map(|(class, n)| (class.id(), *n)).collect(),
        first_at_seconds: first,
        last_at_seconds: last,
        alternatives: &diagnosis.alternatives,
        decide: diagnosis.decide.as_deref(),
        evidence: diagnosis.because.iter().map(shown).collect(),
        remedies: &diagnosis.remedy,
        same_as: &diagnosis.same_as,
        series: super::series::points(report, diagnosis),
    }
}

fn shown(evidence: &Evidence) -> Shown<'_> {
    let fact = evidence.fact.as_ref();
    let text = |value: Option<u64>| value.map(|value| value.to_string());
    Shown {
        source: fact.map(|fact| words::source(&fact.source)),
        host: fact.map(|fact| fact.host.as_str()),
        before: fact.and_then(|fact| text(fact.before)),
        after: fact.and_then(|fact| text(fact.after)),
        text: &evidence.text,
    }
}

fn span(times: &Times) -> (Option<f64>, Option<f64>) {
    let (first, last) = times.span().unzip();
    (first.map(Nanos::as_secs_f64), last.map(Nanos::as_secs_f64))
}

fn of_attempted(report: &Report, count: u64) -> Option<f64> {
    let attempted = report.totals.counts.attempted;
    (attempted > 0).then(|| number::ratio(count, attempted))
}

pub(super) fn failures(report: &Report) -> Failures {
    let count = report.totals.counts.failed;
    let mut classes: Vec<_> =
        merged(report).into_iter().map(|(key, rows)| classed(report, key, rows)).collect();
    classes.sort_by_key(|classed| std::cmp::Reverse(classed.count));
    let close_codes = close_codes(report);
    Failures { count, ratio: of_attempted(report, count), classes, close_codes }
}

/// By count.
fn close_codes(report: &Report) -> Vec<ClosedWith> {
    let mut codes = BTreeMap::<u16, (u64, BTreeSet<&[u8]>)>::new();
    for row in &report.totals.tally.rows {
        if let Outcome::Protocol(ProtocolError::Closed(code)) = row.key.signature.outcome {
            let (count, texts) = codes.entry(code).or_default();
            *count += row.count;
            texts.extend(row.examples.iter().map(|example| example.last_words.as_slice()));
        }
    }
    let texts = |all: BTreeSet<&[u8]>| {
        let said = all.into_iter().filter(|text| !text.is_empty());
        said.take(EXAMPLES).map(escape::bytes).collect()
    };
    let one = |(code, (count, all))| ClosedWith {
        code,
        name: close_name(code),
        count,
        texts: texts(all),
    };
    let mut codes: Vec<_> = codes.into_iter().map(one).collect();
    codes.sort_by_key(|closed| std::cmp::Reverse(closed.count));
    codes
}

type Key = (Class, Phase, Op, Option<u16>);

/// Rows differ by target and by what was looked up; a class is one line whatever those were.
fn merged(report: &Report) -> BTreeMap<Key, Vec<&Row>> {
    let mut merged = BTreeMap::<Key, Vec<&Row>>::new();
    for row in &report.totals.tally.rows {
        let Signature { phase, op, .. } = row.key.signature;
        let number = words::errno(&row.key.signature).map(|(_, number)| number);
        let class = row.class(&report.plan);
        merged.entry((class, phase, op, number)).or_default().push(row);
    }
    merged
}

fn classed(report: &Report, (class, phase, op, _): Key, rows: Vec<&Row>) -> Classed {
    let count = rows.iter().map(|row| row.count).sum();
    let errno = rows.first().and_then(|row| words::errno(&row.key.signature));
    let spans = || rows.iter().map(|row| span(&row.times));
    let mut examples: Vec<_> =
        rows.iter().flat_map(|row| row.examples.iter().map(move |one| (*row, one))).collect();
    examples.sort_by_key(|(_, example)| example.at);
    Classed {
        class: class.id(),
        count,
        ratio: of_attempted(report, count),
        phase: phase.name(),
        operation: op.name(),
        errno: errno.and_then(|(symbol, _)| symbol),
        errno_number: errno.map(|(_, number)| number),
        first_at_seconds: spans().filter_map(|(first, _)| first).reduce(f64::min),
        last_at_seconds: spans().filter_map(|(_, last)| last).reduce(f64::max),
        samples: examples
            .iter()
            .take(EXAMPLES)
            .map(|(row, one)| sample(report, row, one))
            .collect(),
    }
}

fn sample(report: &Report, row: &Row, failure: &Failure) -> Sample {
    let target = report.plan.targets.get(usize::from(row.key.target));
    Sample {
        connection: failure.connection,
        at_seconds: failure.at.as_secs_f64(),
        local: failure.look.and_then(|look| look.local).map(|address| address.to_string()),
        peer: target.map(|target| target.address.to_string()),
        bytes_sent: failure.bytes_out,
        bytes_received: failure.bytes_in,
        tcp_info: failure.look.as_ref().map(tcp_info),
        last_words: Some(escape::bytes(&failure.last_words)).filter(|words| !words.is_empty()),
        message_offset: failure.offset,
    }
}

fn tcp_info(look: &Look) -> TcpInfo {
    TcpInfo {
        state: look.state,
        bytes_received: look.bytes_received,
        bytes_acked: look.bytes_acked,
        unacked: look.unacked,
        total_retrans: look.total_retrans,
        segs_in: look.segs_in,
        rtt_seconds: f64::from(look.rtt_us) / 1e6,
        last_ack_recv_seconds: f64::from(look.last_ack_recv_ms) / 1e3,
        rwnd_limited_ratio: f64::from(look.rwnd_limited_percent) / 100.0,
        server_side: server_side(look.peer),
    }
}

/// The server's side of the connection as `sock_diag` showed it.
fn server_side(peer: Peer) -> Option<&'static str> {
    match peer {
        Peer::Unseen => None,
        Peer::NotLocal => Some("not_local"),
        Peer::Absent => Some("absent"),
        Peer::HalfOpen => Some("half_open"),
        Peer::Queued => Some("queued"),
        Peer::Accepted { unread: false } => Some("accepted"),
        Peer::Accepted { unread: true } => Some("accepted_unread"),
        Peer::Closing => Some("closing"),
    }
}
