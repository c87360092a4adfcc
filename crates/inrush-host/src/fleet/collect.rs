//! Adds up what workers tell: totals, the most that were open at once, one point per second.

use super::Member;
use inrush_core::latency::Latency;
use inrush_core::report::Series;
use inrush_core::snapshot::{Gauges, Snapshot};
use inrush_core::time::Nanos;

/// Points of a series before neighbours are merged.
const POINTS: usize = 600;

/// One second of a run, as all workers told it; of a wider interval, several folded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Seconds since T0 at which it began.
    pub t: u64,
    /// Open at its end.
    pub open: u64,
    /// Opening at its end.
    pub opening: u64,
    /// Failed within it.
    pub failed: u64,
    /// Median round trip within it.
    pub rtt_p50: Option<Nanos>,
    /// 99th percentile within it.
    pub rtt_p99: Option<Nanos>,
    /// Messages sent within it.
    pub sent: u64,
    /// Replies within it.
    pub received: u64,
    /// Our descriptors at its end.
    pub fds: u64,
    /// CPU per loop within it, 0-1.
    pub cpu_ratio: f64,
}

impl Point {
    /// Both as one: sums are added, states keep their highest, so spikes survive.
    fn fold(self, next: Self) -> Self {
        Self {
            t: self.t,
            open: self.open.max(next.open),
            opening: self.opening.max(next.opening),
            failed: self.failed + next.failed,
            rtt_p50: self.rtt_p50.max(next.rtt_p50),
            rtt_p99: self.rtt_p99.max(next.rtt_p99),
            sent: self.sent + next.sent,
            received: self.received + next.received,
            fds: self.fds.max(next.fds),
            cpu_ratio: self.cpu_ratio.max(next.cpu_ratio),
        }
    }
}

/// What all workers told so far.
#[derive(Debug, Default)]
pub struct Collector {
    /// Everything, merged; its gauges are the sum of the workers' last ones.
    pub totals: Snapshot,
    /// Most open at once.
    pub peak: u64,
    /// Most descriptors of one worker's process.
    pub descriptors_peak: u64,
    /// One point per interval.
    pub series: Series,
    /// Seconds that have ended since somebody took them.
    pub ended: Vec<Point>,
    failed: u64,
    sent: u64,
    received: u64,
    cpu: Nanos,
    rtt: Latency,
    /// The point that grows now, and the seconds in it.
    growing: Option<(Point, u32)>,
}

impl Collector {
    /// An empty one: points are a second wide at first.
    pub fn new() -> Self {
        let series = Series { interval_seconds: 1, ..Series::default() };
        let mut collector = Self { series, ..Self::default() };
        collector.totals.latencies.warm(false);
        collector
    }

    /// Adds one message of one worker; `members` have their last state already.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.totals.merge(snapshot);
        self.failed += snapshot.counts.failed;
        self.sent += snapshot.counts.sent;
        self.received += snapshot.counts.received;
        self.cpu += snapshot.cpu;
        self.rtt.merge(&snapshot.latencies.rtt);
        self.descriptors_peak = self.descriptors_peak.max(snapshot.gauges.descriptors);
    }

    /// The workers' states, added up.
    pub fn gauges(&mut self, members: &[Member]) -> Gauges {
        let mut sum = Gauges { ramped: true, settled: true, ..Gauges::default() };
        for member in members {
            let mut gauges = member.gauges;
            if member.over() {
                gauges =
                    Gauges { held: gauges.held, ramped: true, settled: true, ..Gauges::default() };
            }
            sum.merge(&gauges);
        }
        self.totals.gauges = sum;
        // Those held were open at one moment, which may lie between two messages of a worker.
        self.peak = self.peak.max(sum.open).max(sum.held);
        if let [only] = members {
            self.peak = self.peak.max(only.gauges.open_peak);
        }
        sum
    }

    /// Ends second number `second`.
    pub fn close_second(&mut self, second: u64, loops: u32, descriptors: u64) {
        let gauges = self.totals.gauges;
        let point = Point {
            t: second,
            open: gauges.open,
            opening: gauges.opening,
            failed: std::mem::take(&mut self.failed),
            rtt_p50: self.rtt.quantile(0.5),
            rtt_p99: self.rtt.quantile(0.99),
            sent: std::mem::take(&mut self.sent),
            received: std::mem::take(&mut self.received),
            fds: descriptors,
            cpu_ratio: std::mem::take(&mut self.cpu).as_secs_f64() / f64::from(loops.max(1)),
        };
        self.rtt.reset();
        self.ended.push(point);
        let (point, seconds) = match self.growing.take() {
            Some((before, seconds)) => (before.fold(point), seconds + 1),
            None => (point, 1),
        };
        if seconds < self.series.interval_seconds {
            self.growing = Some((point, seconds));
            return;
        }
        push(&mut self.series, point);
        if self.series.t.len() >= POINTS {
            halve(&mut self.series);
        }
    }

    /// The run is over: what has grown so far is a point, too.
    pub fn close(&mut self) {
        if let Some((point, _)) = self.growing.take() {
            push(&mut self.series, point);
        }
    }
}

fn push(series: &mut Series, point: Point) {
    series.t.push(point.t);
    series.open.push(point.open);
    series.opening.push(point.opening);
    series.failed.push(point.failed);
    series.rtt_p50.push(point.rtt_p50);
    series.rtt_p99.push(point.rtt_p99);
    series.sent.push(point.sent);
    series.received.push(point.received);
    series.fds.push(point.fds);
    series.cpu_ratio.push(point.cpu_ratio);
}

/// Merges neighbours.
fn halve(series: &mut Series) {
    let interval_seconds = series.interval_seconds * 2;
    let points: Vec<Point> = (0..series.t.len()).map(|i| point(series, i)).collect();
    *series = Series { interval_seconds, ..Series::default() };
    for pair in points.chunks(2) {
        let folded = pair.iter().copied().reduce(Point::fold);
        push(series, folded.expect("a chunk is not empty"));
    }
}

fn point(series: &Series, i: usize) -> Point {
    Point {
        t: series.t[i],
        open: series.open[i],
        opening: series.opening[i],
        failed: series.failed[i],
        rtt_p50: series.rtt_p50[i],
        rtt_p99: series.rtt_p99[i],
        sent: series.sent[i],
        received: series.received[i],
        fds: series.fds[i],
        cpu_ratio: series.cpu_ratio[i],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inrush_core::snapshot::Counts;

    #[test]
    fn a_long_run_keeps_its_sums_in_at_most_600_points() {
        let mut collector = Collector::new();
        for second in 0..2_000 {
            let counts = Counts { sent: 3, failed: 1, ..Counts::default() };
            collector.add(&Snapshot { counts, ..Snapshot::default() });
            collector.close_second(second, 1, 9);
        }
        collector.close();
        let each = std::mem::take(&mut collector.ended);
        assert_eq!(each.len(), 2_000, "every second is told, whatever becomes of the points");
        assert_eq!(each.iter().map(|point| point.sent).sum::<u64>(), 6_000);
        let series = &collector.series;
        assert!(series.t.len() <= POINTS);
        assert_eq!(series.interval_seconds, 4);
        assert_eq!(series.sent.iter().sum::<u64>(), 6_000);
        assert_eq!(series.t.len(), series.cpu_ratio.len());
        assert_eq!(series.t[1], 4);
    }
}
