//! What was promised: `rtt.p99 < 20ms`, `failures{cause="…"}.ratio < 1%`. Judged at the end, and
//! once a second for `--abort-on-fail`. No samples is a failure, never a silent pass.

mod parse;

pub use parse::ThresholdError;

use crate::diagnosis::Diagnosis;
use crate::latency::Latency;
use crate::plan::{Plan, Reconnect};
use crate::report::Report;
use crate::snapshot::Snapshot;
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What became of one threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// As it was typed.
    pub expression: String,
    /// `failures.ratio`.
    pub metric: String,
    /// `cause` -> `nothing-listening`.
    pub labels: BTreeMap<String, String>,
    /// `<`.
    pub op: String,
    /// Seconds, ratio or count.
    pub limit: f64,
    /// The same unit; `None` without samples.
    pub observed: Option<f64>,
    /// How many samples it rests on.
    pub samples: u64,
    /// Whether it held.
    pub passed: bool,
    /// Why it failed when the numbers do not say it ("no samples").
    pub reason: Option<String>,
}

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    expression: String,
    metric: Metric,
    labels: BTreeMap<Label, String>,
    op: Op,
    limit: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    FailureCount,
    FailureRatio,
    Connections(ConnectionStat),
    Messages(MessageStat),
    Latency(Which, Stat),
    Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionStat {
    Opened,
    Confirmed,
    Unconfirmed,
    Held,
    Peak,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageStat {
    Sent,
    Received,
    Lost,
    Late,
    Duplicated,
    Corrupted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Resolve,
    Connect,
    Tls,
    Upgrade,
    Setup,
    Rtt,
    Lag,
}

/// Of a distribution. A quantile is in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stat {
    Min,
    Mean,
    Max,
    Quantile(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Cause,
    Culprit,
    Class,
    Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

/// What a threshold is judged by; live, or at the end.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The question.
    pub plan: &'a Plan,
    /// All workers' snapshots so far, merged.
    pub totals: &'a Snapshot,
    /// Why, so far.
    pub diagnoses: &'a [Diagnosis],
    /// Most open at once.
    pub peak: u64,
    /// How long each name took to resolve; empty when nothing was looked up.
    pub resolve: &'a [Nanos],
    /// Since the run began.
    pub duration: Nanos,
}

impl<'a> Observed<'a> {
    /// What a finished run was like.
    pub fn of(report: &'a Report) -> Self {
        Self {
            plan: &report.plan,
            totals: &report.totals,
            diagnoses: &report.diagnoses,
            peak: report.peak,
            resolve: &report.resolve,
            duration: report.run.duration,
        }
    }
}

/// The thresholds of a run that names none.
pub fn defaults() -> Vec<Threshold> {
    ["failures.count == 0", "messages.lost == 0", "messages.corrupted == 0"]
        .into_iter()
        .map(|text| Threshold::parse(text).expect("the defaults are well-formed"))
        .collect()
}

/// The thresholds of a run. One on `failures` replaces the first default, one on `messages.lost` or
/// `messages.corrupted` its own; others are added. `none` removes all.
pub fn resolve(user: Vec<Threshold>, none: bool) -> Vec<Threshold> {
    if none {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut rest = user;
    for default in defaults() {
        let (ours, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|threshold| threshold.metric.replaces(default.metric));
        rest = others;
        if ours.is_empty() {
            all.push(default);
        }
        all.extend(ours);
    }
    all.extend(rest);
    all
}

/// Judges one threshold by what was observed.
pub fn evaluate(threshold: &Threshold, observed: &Observed<'_>) -> Verdict {
    let (value, samples) = measure(threshold, observed);
    let passed = value.is_some_and(|value| threshold.op.holds(value, threshold.limit));
    Verdict {
        expression: threshold.expression.clone(),
        metric: threshold.metric.name(),
        labels: threshold.labels.iter().map(|(k, v)| (k.name().into(), v.clone())).collect(),
        op: threshold.op.symbol().into(),
        limit: threshold.limit,
        observed: value,
        samples,
        passed,
        reason: value.is_none().then(|| "no samples".into()),
    }
}

/// False when no future of this run can make the threshold hold: a number that only rises is over
/// its limit. A provisional cause or culprit never decides that (it may change).
pub fn can_still_hold(threshold: &Threshold, observed: &Observed<'_>) -> bool {
    let provisional = |label: &Label| matches!(label, Label::Cause | Label::Culprit);
    if threshold.labels.keys().any(provisional) {
        return true;
    }
    let lowest_end = match threshold.metric {
        Metric::FailureRatio => final_ratio_at_least(threshold, observed),
        Metric::Latency(_, Stat::Max) | Metric::FailureCount | Metric::Messages(_) => {
            measure(threshold, observed).0
        }
        Metric::Connections(stat) if stat.only_rises() => measure(threshold, observed).0,
        Metric::Duration => measure(threshold, observed).0,
        Metric::Connections(_) | Metric::Latency(..) => None,
    };
    let Some(lowest_end) = lowest_end else { return true };
    match threshold.op {
        Op::Below => lowest_end < threshold.limit,
        Op::AtMost | Op::Equal => lowest_end <= threshold.limit,
        Op::Above | Op::AtLeast => true,
    }
}

/// The ratio if nothing failed from now on; known only when the number of attempts is.
fn final_ratio_at_least(threshold: &Threshold, observed: &Observed<'_>) -> Option<f64> {
    let plan = observed.plan;
    let fixed = plan.reconnect == Reconnect::Never && plan.lifetime.is_none();
    let attempts = u64::from(plan.connections).max(observed.totals.counts.attempted);
    (fixed && attempts > 0).then(|| float(failures(threshold, observed)) / float(attempts))
}

/// The value in its unit, and the number of samples below it.
fn measure(threshold: &Threshold, observed: &Observed<'_>) -> (Option<f64>, u64) {
    let counts = &observed.totals.counts;
    let attempted = counts.attempted;
    match threshold.metric {
        Metric::FailureCount => {
            let count = float(failures(threshold, observed));
            ((attempted > 0).then_some(count), attempted)
        }
        Metric::FailureRatio => {
            let count = float(failures(threshold, observed));
            ((attempted > 0).then(|| count / float(attempted)), attempted)
        }
        Metric::Connections(stat) => {
            let count = match stat {
                ConnectionStat::Opened => counts.opened,
                ConnectionStat::Confirmed => counts.confirmed,
                ConnectionStat::Unconfirmed => counts.opened.saturating_sub(counts.confirmed),
                ConnectionStat::Held => observed.totals.gauges.held,
                ConnectionStat::Peak => observed.peak,
            };
            (Some(float(count)), attempted)
        }
        Metric::Messages(stat) => {
            let count = match stat {
                MessageStat::Sent => counts.sent,
                MessageStat::Received => counts.received,
                MessageStat::Lost => counts.lost,
                MessageStat::Late => counts.late,
                MessageStat::Duplicated => counts.duplicated,
                MessageStat::Corrupted => counts.corrupted,
            };
            (Some(float(count)), counts.sent)
        }
        Metric::Latency(which, stat) => {
            let latencies = &observed.totals.latencies;
            let resolve = Latency::of(observed.resolve);
            let latency = match which {
                Which::Resolve => &resolve,
                Which::Connect => &latencies.connect,
                Which::Tls => &latencies.tls,
                Which::Upgrade => &latencies.upgrade,
                Which::Setup => &latencies.setup,
                Which::Rtt => &latencies.rtt,
                Which::Lag => &latencies.lag,
            };
            (stat.of(latency), latency.count())
        }
        Metric::Duration => (Some(observed.duration.as_secs_f64()), 1),
    }
}

/// Failed connections that have all the labels.
fn failures(threshold: &Threshold, observed: &Observed<'_>) -> u64 {
    let labels = &threshold.labels;
    let is = |label, value: &str| labels.get(&label).is_none_or(|wanted| wanted == value);
    if labels.is_empty() {
        return observed.totals.counts.failed;
    }
    if labels.contains_key(&Label::Cause) || labels.contains_key(&Label::Culprit) {
        let ours = observed.diagnoses.iter().filter(|diagnosis| {
            is(Label::Cause, &diagnosis.cause) && is(Label::Culprit, diagnosis.culprit.name())
        });
        let classes = ours.flat_map(|diagnosis| &diagnosis.classes);
        return classes.filter(|(class, _)| is(Label::Class, class.id())).map(|(_, n)| n).sum();
    }
    let ours = observed.totals.tally.rows.iter().filter(|row| {
        is(Label::Phase, row.key.signature.phase.name())
            && is(Label::Class, row.class(observed.plan).id())
    });
    ours.map(|row| row.count).sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

impl Stat {
    fn of(self, latency: &Latency) -> Option<f64> {
        let histogram = latency.histogram()?;
        let seconds = |ns: u64| Nanos(ns).as_secs_f64();
        Some(match self {
            Self::Min => seconds(histogram.min()),
            Self::Mean => histogram.mean() / 1e9,
            Self::Max => seconds(histogram.max()),
            Self::Quantile(thousandths) => {
                latency.quantile(f64::from(thousandths) / 1_000.0)?.as_secs_f64()
            }
        })
    }
}

impl ConnectionStat {
    /// Held falls, and an unconfirmed one can be confirmed.
    fn only_rises(self) -> bool {
        matches!(self, Self::Opened | Self::Confirmed | Self::Peak)
    }
}

impl Metric {
    fn replaces(self, default: Self) -> bool {
        let failures = [Self::FailureCount, Self::FailureRatio];
        self == default || (failures.contains(&self) && failures.contains(&default))
    }
}

impl Op {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value.total_cmp(&limit).is_eq(),
        }
    }
}

impl Threshold {
    /// As it was typed.
    pub fn expression(&self) -> String {
        self.expression.to_string()
    }
}

#[cfg(test)]
mod tests;
