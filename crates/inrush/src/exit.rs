//! Exit codes, as documented in every `--help`. The most urgent one wins: 130 > 1 > 99 > 0.

use inrush_core::threshold::Verdict;

/// The run completed and every threshold held.
pub(crate) const HELD: u8 = 0;
/// It could not be finished for a reason of our own.
pub(crate) const OWN_FAILURE: u8 = 1;
/// Usage: nothing was opened.
pub(crate) const USAGE: u8 = 2;
/// This host cannot carry out the plan: nothing was opened.
pub(crate) const PREFLIGHT: u8 = 3;
/// A threshold failed.
pub(crate) const THRESHOLD: u8 = 99;
/// Ended by this signal: 128 + its number, as shells say it.
pub(crate) const SIGNAL: u8 = 128;

/// The exit code of a run that began. `signal` ended it (2 SIGINT, 15 SIGTERM); `own_failure`: a
/// worker was lost or an output could not be written.
pub(crate) fn of_run(signal: Option<i32>, own_failure: bool, verdicts: &[Verdict]) -> u8 {
    if let Some(signal) = signal {
        return u8::try_from(signal).ok().and_then(|n| SIGNAL.checked_add(n)).unwrap_or(SIGNAL);
    }
    match () {
        () if own_failure => OWN_FAILURE,
        () if verdicts.iter().any(|verdict| !verdict.passed) => THRESHOLD,
        () => HELD,
    }
}

/// The same once outputs are written: one that was lost is our own failure, unless a signal had the
/// last word.
pub(crate) fn after_output(code: u8, lost: bool) -> u8 {
    if lost && code < SIGNAL { OWN_FAILURE } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(passed: bool) -> Verdict {
        Verdict {
            expression: String::new(),
            metric: String::new(),
            labels: Default::default(),
            op: String::new(),
            limit: 0.0,
            observed: None,
            samples: 0,
            passed,
            reason: None,
        }
    }

    #[test]
    fn the_most_urgent_code_wins() {
        for (signal, own_failure, passed, expected) in [
            (None, false, true, 0),
            (None, false, false, 99),
            (None, true, false, 1),
            (None, true, true, 1),
            (Some(2), true, false, 130),
            (Some(15), false, true, 143),
        ] {
            assert_eq!(of_run(signal, own_failure, &[verdict(passed)]), expected);
        }
        for (code, lost, expected) in
            [(0, true, 1), (99, true, 1), (130, true, 130), (99, false, 99)]
        {
            assert_eq!(after_output(code, lost), expected);
        }
        assert_eq!(of_run(None, false, &[]), 0);
    }
}
