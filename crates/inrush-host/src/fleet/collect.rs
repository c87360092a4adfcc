//! Adds up what workers tell: totals, the most that were open at once, one point per second.

use super::Member;
use inrush_core::latency::Latency;
use inrush_core::report::Series;
use inrush_core::snapshot::{Gauges, Snapshot};
use inrush_core::time::Nanos;

/// Points of a series before neighbours are merged.
const POINTS: usize = 600;

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
    failed: u64,
    sent: u64,
    received: u64,
    cpu: Nanos,
    rtt: Latency,
    /// Seconds in the point that grows now.
    seconds: u32,
}

impl Collector {
    /// An empty one: points are a second wide at first.
    pub fn new() -> Self {
        let series = Series { interval_seconds: 1, ..Series::default() };
        let mut collector = Self { series, ..Self::default() };
        collector.totals.latencies.warm();
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
        self.seconds += 1;
        if self.seconds < self.series.interval_seconds {
            return;
        }
        let width = f64::from(self.seconds) * f64::from(loops.max(1));
        let gauges = self.totals.gauges;
        let series = &mut self.series;
        series.t.push((second + 1).saturating_sub(u64::from(self.seconds)));
        series.open.push(gauges.open);
        series.opening.push(gauges.opening);
        series.failed.push(std::mem::take(&mut self.failed));
        series.sent.push(std::mem::take(&mut self.sent));
        series.received.push(std::mem::take(&mut self.received));
        series.rtt_p50.push(self.rtt.quantile(0.5));
        series.rtt_p99.push(self.rtt.quantile(0.99));
        series.fds.push(descriptors);
        series.cpu_ratio.push(std::mem::take(&mut self.cpu).as_secs_f64() / width);
        self.rtt.reset();
        self.seconds = 0;
        if series.t.len() >= POINTS {
            halve(series);
        }
    }
}

/// Merges neighbours: sums are added, states keep their highest, so spikes survive.
fn halve(series: &mut Series) {
    fn fold<T: Copy>(list: &mut Vec<T>, merge: impl Fn(T, T) -> T) {
        *list =
            list.chunks(2).map(|c| if c.len() == 2 { merge(c[0], c[1]) } else { c[0] }).collect();
    }
    series.interval_seconds *= 2;
    fold(&mut series.t, |a, _| a);
    for highest in [&mut series.open, &mut series.opening, &mut series.fds] {
        fold(highest, u64::max);
    }
    for sum in [&mut series.failed, &mut series.sent, &mut series.received] {
        fold(sum, |a, b| a + b);
    }
    for highest in [&mut series.rtt_p50, &mut series.rtt_p99] {
        fold(highest, Option::max);
    }
    fold(&mut series.cpu_ratio, f64::midpoint);
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
        let series = &collector.series;
        assert!(series.t.len() <= POINTS);
        assert_eq!(series.interval_seconds, 4);
        assert_eq!(series.sent.iter().sum::<u64>(), 6_000);
        assert_eq!(series.t.len(), series.cpu_ratio.len());
        assert_eq!(series.t[1], 4);
    }
}
