//! Progress as plain lines, for pipes and CI: one per phase change and at most one each 10 s.

use crate::show::number;
use inrush_core::diagnosis::Diagnosis;
use inrush_core::snapshot::Snapshot;
use inrush_core::time::Nanos;

/// Causes named in one line.
const CAUSES: usize = 5;

/// How far the run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Connections are being opened.
    Ramp,
    /// All have been started.
    Hold,
    /// All are being closed.
    Drain,
    /// It is over.
    Done,
}

impl Phase {
    /// `ramp`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Hold => "hold",
            Self::Drain => "drain",
            Self::Done => "done",
        }
    }
}

/// One line of progress, with a line feed. `totals` are the merged snapshots so far; the diagnoses
/// are provisional.
pub(crate) fn line(
    at: Nanos,
    phase: Phase,
    totals: &Snapshot,
    planned: u64,
    diagnoses: &[Diagnosis],
) -> String {
    let counts = &totals.counts;
    let open = match phase {
        Phase::Ramp => {
            format!("opened {}/{}", number::count(counts.opened), number::count(planned))
        }
        _ => format!("open {}", number::count(totals.gauges.open)),
    };
    let failed = match counts.failed {
        0 => "failed 0".to_owned(),
        n => format!("failed {}{}", number::count(n), causes(diagnoses)),
    };
    let p99 = totals.latencies.rtt.quantile(0.99);
    let rtt = p99.map_or_else(String::new, |p99| {
        format!("  rtt p99 {}", number::seconds(Some(p99.as_secs_f64()), ""))
    });
    format!("inrush: {} {:<5} {open}  {failed}{rtt}\n", number::clock(at), phase.name())
}

fn causes(diagnoses: &[Diagnosis]) -> String {
    let mut by_count: Vec<_> = diagnoses.iter().filter(|diagnosis| diagnosis.count > 0).collect();
    by_count.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.count));
    let mut named: Vec<_> = by_count
        .iter()
        .take(CAUSES)
        .map(|diagnosis| format!("{} {}", diagnosis.cause, number::count(diagnosis.count)))
        .collect();
    if by_count.len() > CAUSES {
        named.push(format!("{} more causes", by_count.len() - CAUSES));
    }
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// The run waits for connections that are still opening, at most so long.
pub(crate) fn waiting(opening: u64, at_most: Nanos) -> String {
    let noun = if opening == 1 { "hand-shake" } else { "hand-shakes" };
    let seconds = at_most.0.div_ceil(1_000_000_000);
    let opening = number::count(opening);
    format!("inrush: waiting for {opening} {noun}, at most {seconds} s; Ctrl-C reports now\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture;

    #[test]
    fn lines_read_as_in_the_mock_up() {
        let mut report = fixture::failing();
        let mut ramp = Snapshot::default();
        (ramp.counts.opened, ramp.counts.failed) = (9_020, 980);
        let causes = &report.diagnoses[..1];
        assert_eq!(
            line(Nanos::from_secs(10), Phase::Ramp, &ramp, 10_000, causes),
            "inrush: 00:10 ramp  opened 9,020/10,000  failed 980 (client-out-of-descriptors 980)\n"
        );
        report.totals.gauges.open = 8_816;
        let hold =
            line(Nanos::from_secs(69), Phase::Hold, &report.totals, 10_000, &report.diagnoses);
        assert!(hold.starts_with(
            "inrush: 01:09 hold  open 8,816  failed 1,184 (client-out-of-descriptors 980, \
             server-not-accepting 172, server-closed-with-unread-data 32)  rtt p99 "
        ));
        let idle = line(Nanos::ZERO, Phase::Drain, &Snapshot::default(), 1, &[]);
        assert_eq!(idle, "inrush: 00:00 drain open 0  failed 0\n");
        assert_eq!(
            waiting(172, Nanos::from_millis(50_200)),
            "inrush: waiting for 172 hand-shakes, at most 51 s; Ctrl-C reports now\n"
        );
    }
}
