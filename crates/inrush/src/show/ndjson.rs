//! The run as JSON lines while it lasts: ticks, phases, failures (at most 1,000 of a class), and as
//! the last line the whole summary.

use crate::show::plain::Phase;
use crate::show::{json, words};
use inrush_core::failure::Class;
use inrush_core::plan::Plan;
use inrush_core::report::Report;
use inrush_core::tally::{Row, Tally};
use inrush_core::time::Nanos;
use inrush_host::fleet::collect::Point;
use serde::Serialize;
use std::collections::BTreeMap;

/// Failure lines of one class; the others are counted.
pub(crate) const FAILURE_LINES: u64 = 1_000;

/// One interval. The names are those of the summary's series.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tick {
    /// Seconds since T0 at its end.
    pub(crate) t: f64,
    /// Open at its end.
    pub(crate) open: u64,
    /// Opening at its end.
    pub(crate) opening: u64,
    /// Failed within it.
    pub(crate) failed: u64,
    /// Median round trip within it.
    pub(crate) rtt_p50_seconds: Option<f64>,
    /// 99th percentile within it.
    pub(crate) rtt_p99_seconds: Option<f64>,
    /// Messages sent within it.
    pub(crate) sent: u64,
    /// Replies within it.
    pub(crate) received: u64,
    /// Our descriptors at its end.
    pub(crate) fds: u64,
    /// CPU per loop within it, 0-1.
    pub(crate) cpu_ratio: f64,
}

impl Tick {
    /// A second that has ended; the run's last one is shorter.
    pub(crate) fn of(now: Nanos, second: &Point) -> Self {
        let seconds = |time: Option<Nanos>| time.map(Nanos::as_secs_f64);
        Self {
            t: now.min(Nanos::from_secs(second.t + 1)).as_secs_f64(),
            open: second.open,
            opening: second.opening,
            failed: second.failed,
            rtt_p50_seconds: seconds(second.rtt_p50),
            rtt_p99_seconds: seconds(second.rtt_p99),
            sent: second.sent,
            received: second.received,
            fds: second.fds,
            cpu_ratio: second.cpu_ratio,
        }
    }
}

/// A line has its type beside its values; moments stand in front.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Tick(&'a Tick),
    Phase { t: f64, phase: &'static str },
    Failure(Failed),
    Suppressed { class: &'static str, count: u64 },
    Summary(Box<json::Document<'a>>),
}

#[derive(Serialize)]
struct Failed {
    t: f64,
    class: &'static str,
    cause: Option<()>,
    connection: u64,
    phase: &'static str,
    operation: &'static str,
    errno: Option<&'static str>,
    errno_number: Option<u16>,
    bytes_sent: u64,
    bytes_received: u64,
}

fn text(line: &Line<'_>) -> String {
    let mut text = serde_json::to_string(line).expect("its keys are strings");
    text.push('\n');
    text
}

/// One interval.
pub(crate) fn tick(tick: &Tick) -> String {
    text(&Line::Tick(tick))
}

/// A phase began.
pub(crate) fn phase(at: Nanos, phase: Phase) -> String {
    text(&Line::Phase { t: at.as_secs_f64(), phase: phase.name() })
}

/// The last line.
pub(crate) fn summary(report: &Report) -> String {
    text(&Line::Summary(Box::new(json::document(report))))
}

/// Writes failure lines and counts those it does not write.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    written: BTreeMap<Class, u64>,
    suppressed: BTreeMap<Class, u64>,
}

impl Failures {
    /// Lines of one interval's failures: their examples (a row keeps at most 8), until the class
    /// has had its share.
    pub(crate) fn lines(&mut self, interval: &Tally, plan: &Plan) -> String {
        let mut out = String::new();
        for row in &interval.rows {
            let class = row.class(plan);
            let written = self.written.entry(class).or_default();
            let room =
                usize::try_from(FAILURE_LINES.saturating_sub(*written)).unwrap_or(usize::MAX);
            let lines = row.examples.len().min(room);
            for example in &row.examples[..lines] {
                out.push_str(&text(&Line::Failure(failed(row, class, example))));
            }
            *written += lines as u64;
            let rest = row.count.saturating_sub(lines as u64);
            if rest > 0 {
                *self.suppressed.entry(class).or_default() += rest;
            }
        }
        out
    }

    /// At the end: what was counted and not written, one line per class.
    pub(crate) fn suppressed(&self) -> String {
        let line = |(class, count): (&Class, &u64)| {
            text(&Line::Suppressed { class: class.id(), count: *count })
        };
        self.suppressed.iter().map(line).collect()
    }
}

fn failed(row: &Row, class: Class, example: &inrush_core::failure::Failure) -> Failed {
    let signature = &row.key.signature;
    let errno = words::errno(signature);
    Failed {
        t: example.at.as_secs_f64(),
        class: class.id(),
        cause: None,
        connection: example.connection,
        phase: signature.phase.name(),
        operation: signature.op.name(),
        errno: errno.and_then(|(symbol, _)| symbol),
        errno_number: errno.map(|(_, number)| number),
        bytes_sent: example.bytes_out,
        bytes_received: example.bytes_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;
    use serde_json::Value;

    fn parse(line: &str) -> Value {
        assert_eq!(line.matches('\n').count(), 1);
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn each_line_is_one_object_with_its_type() {
        let tick = parse(&tick(&Tick::of(Nanos::from_millis(500), &Point::default())));
        assert_eq!(tick["t"], 0.5);
        assert_eq!((&tick["type"], &tick["open"]), (&"tick".into(), &0.into()));
        assert_eq!(tick["rtt_p50_seconds"], Value::Null);
        let phase = parse(&phase(Nanos::from_secs(10), Phase::Hold));
        assert_eq!((&phase["type"], &phase["phase"]), (&"phase".into(), &"hold".into()));
        let summary = parse(&summary(&fixture::failing()));
        assert_eq!(
            (&summary["type"], &summary["schema"]),
            (&"summary".into(), &"inrush.run/1".into())
        );
    }

    #[test]
    fn failures_are_written_or_counted() {
        let report = fixture::failing();
        let mut failures = Failures::default();
        let mut written = 0;
        for _ in 0..200 {
            written += failures.lines(&report.totals.tally, &report.plan).lines().count() as u64;
        }
        let all = |line: &str| parse(&format!("{line}\n"))["count"].as_u64().unwrap();
        let counted: u64 = failures.suppressed().lines().map(all).sum();
        assert_eq!(written + counted, 200 * 1_184);
        assert!(written <= 4 * FAILURE_LINES);
        let first = Failures::default().lines(&report.totals.tally, &report.plan);
        let first = parse(&format!("{}\n", first.lines().next().unwrap()));
        assert_eq!(first["cause"], Value::Null);
        assert_eq!(first["class"], "fd-exhausted-process");
    }
}
