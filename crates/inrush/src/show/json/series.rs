//! One point per interval in the JSON summary, and which causes the failures of each had.

use inrush_core::diagnosis::Diagnosis;
use inrush_core::report::Report;
use inrush_core::time::Nanos;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub(super) struct Series<'a> {
    interval_seconds: u32,
    t: &'a [u64],
    open: &'a [u64],
    opening: &'a [u64],
    failed: &'a [u64],
    failures_by_cause: BTreeMap<&'a str, Vec<u64>>,
    rtt_p50_seconds: Vec<Option<f64>>,
    rtt_p99_seconds: Vec<Option<f64>>,
    sent: &'a [u64],
    received: &'a [u64],
    fds: &'a [u64],
    cpu_ratio: &'a [f64],
}

pub(super) fn series(report: &Report) -> Series<'_> {
    let series = &report.series;
    let seconds = |list: &[Option<Nanos>]| list.iter().map(|t| t.map(Nanos::as_secs_f64)).collect();
    Series {
        interval_seconds: series.interval_seconds,
        t: &series.t,
        open: &series.open,
        opening: &series.opening,
        failed: &series.failed,
        failures_by_cause: by_cause(report),
        rtt_p50_seconds: seconds(&series.rtt_p50),
        rtt_p99_seconds: seconds(&series.rtt_p99),
        sent: &series.sent,
        received: &series.received,
        fds: &series.fds,
        cpu_ratio: &series.cpu_ratio,
    }
}

fn by_cause(report: &Report) -> BTreeMap<&str, Vec<u64>> {
    let mut by_cause = BTreeMap::<&str, Vec<u64>>::new();
    for diagnosis in &report.diagnoses {
        let points = points(report, diagnosis);
        let sum = by_cause.entry(&diagnosis.cause).or_insert_with(|| vec![0; points.len()]);
        sum.iter_mut().zip(points).for_each(|(sum, point)| *sum += point);
    }
    by_cause
}

/// A diagnosis' failures per point of the series; what came after the last point is in it.
pub(super) fn points(report: &Report, diagnosis: &Diagnosis) -> Vec<u64> {
    let begins = &report.series.t;
    let mut points = vec![0; begins.len()];
    for (bucket, count) in &diagnosis.times.buckets {
        let second = diagnosis.times.begins(*bucket).0 / 1_000_000_000;
        let at = begins.partition_point(|begin| *begin <= second).saturating_sub(1);
        if let Some(point) = points.get_mut(at) {
            *point += count;
        }
    }
    points
}
