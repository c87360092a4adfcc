//! Distributions in the JSON summary: count, moments, percentiles, and the whole histogram, so that
//! later merging and comparing are exact.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use inrush_core::latency::Latency;
use inrush_core::plan::Schedule;
use inrush_core::report::Report;
use inrush_core::time::Nanos;
use serde::Serialize;

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

#[derive(Debug, Serialize)]
pub(super) struct Latencies {
    connect: Option<Distribution>,
    resolve: Option<Distribution>,
    tls: Option<Distribution>,
    upgrade: Option<Distribution>,
    setup: Option<Distribution>,
    rtt: Option<Distribution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<Distribution>,
    handshake_limits: Option<Vec<Limit>>,
    rtt_corrected: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Distribution {
    count: u64,
    min_seconds: f64,
    mean_seconds: f64,
    stddev_seconds: f64,
    max_seconds: f64,
    percentiles: Vec<Percentile>,
    hdr: Option<String>,
}

#[derive(Debug, Serialize)]
struct Percentile {
    #[serde(serialize_with = "short")]
    p: f64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Limit {
    limit_seconds: u64,
    would_fail: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Lag {
    count: u64,
    percentiles: Vec<Percentile>,
}

pub(super) fn latencies(report: &Report) -> Latencies {
    let latencies = &report.totals.latencies;
    let limits = report.handshake_limits();
    let limit = |(limit_seconds, would_fail)| Limit { limit_seconds, would_fail };
    Latencies {
        connect: distribution(&latencies.connect),
        resolve: distribution(&Latency::of(&report.resolve)),
        tls: distribution(&latencies.tls),
        upgrade: distribution(&latencies.upgrade),
        setup: distribution(&latencies.setup),
        rtt: distribution(&latencies.rtt),
        ping: distribution(&latencies.ping),
        handshake_limits: limits.map(|all| all.into_iter().map(limit).collect()),
        // Only an open loop knows when a message should have been sent.
        rtt_corrected: match report.plan.messages.schedule {
            Schedule::Idle => None,
            Schedule::Every(_) => Some(true),
            Schedule::Closed => Some(false),
        },
    }
}

pub(super) fn lag(latency: &Latency) -> Option<Lag> {
    (latency.count() > 0).then(|| Lag { count: latency.count(), percentiles: percentiles(latency) })
}

fn distribution(latency: &Latency) -> Option<Distribution> {
    let histogram = latency.histogram()?;
    let mut blob = Vec::new();
    let hdr = V2DeflateSerializer::new().serialize(histogram, &mut blob);
    Some(Distribution {
        count: latency.count(),
        min_seconds: Nanos(histogram.min()).as_secs_f64(),
        mean_seconds: histogram.mean() / 1e9,
        stddev_seconds: histogram.stdev() / 1e9,
        max_seconds: Nanos(histogram.max()).as_secs_f64(),
        percentiles: percentiles(latency),
        hdr: hdr.is_ok().then(|| STANDARD.encode(&blob)),
    })
}

fn percentiles(latency: &Latency) -> Vec<Percentile> {
    let at = |p: f64| {
        let value = latency.quantile(p / 100.0)?;
        Some(Percentile { p, seconds: value.as_secs_f64() })
    };
    PERCENTILES.into_iter().filter_map(at).collect()
}

/// 50 as `50` and 99.9 as `99.9`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn short<S: serde::Serializer>(p: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if p.fract() == 0.0 { serializer.serialize_u8(*p as u8) } else { serializer.serialize_f64(*p) }
}
