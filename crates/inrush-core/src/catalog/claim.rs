//! What a cause takes out of the pool of failures, and what it says about them.

use crate::diagnosis::{Confidence, Culprit, Evidence, Remedy};
use crate::evidence::{Facts, Source};
use crate::tally::{Row, Tally, Times};
use crate::time::Nanos;
use alloc::string::String;
use alloc::vec::Vec;

/// Failures that no cause has taken yet. What is taken lives in a [`Claim`] from then on, so that
/// nothing is counted twice.
#[derive(Debug)]
pub(super) struct Pool {
    rows: Vec<Row>,
}

/// Failures with one cause, and what is known about them.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) rows: Vec<Row>,
    pub(super) confidence: Confidence,
    pub(super) what: Option<String>,
    pub(super) culprit: Option<Culprit>,
    pub(super) because: Vec<Evidence>,
    pub(super) alternatives: Vec<&'static str>,
    pub(super) decide: Option<String>,
    pub(super) remedy: Vec<Remedy>,
    /// Other programs' words for just this, where the cause's own would not fit.
    pub(super) same_as: Option<Vec<String>>,
}

impl Pool {
    pub(super) fn of(tally: &Tally) -> Self {
        Self { rows: tally.rows.iter().filter(|row| row.count > 0).cloned().collect() }
    }

    /// What is left.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Targets that still have failures, in order.
    pub(super) fn targets(&self) -> Vec<u16> {
        let mut targets: Vec<u16> = self.rows.iter().map(|row| row.key.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// Takes whole rows; `None` when there is none such.
    pub(super) fn take(&mut self, mut wanted: impl FnMut(&Row) -> bool) -> Option<Claim> {
        Claim::of(self.rows.extract_if(.., |row| wanted(row)).collect())
    }

    /// Takes of these rows what failed at `from` or later; `None` when there is none such.
    pub(super) fn take_since(
        &mut self,
        from: Nanos,
        mut wanted: impl FnMut(&Row) -> bool,
    ) -> Option<Claim> {
        let mut taken = Vec::new();
        for row in self.rows.iter_mut().filter(|row| wanted(row)) {
            taken.extend(split_off(row, from));
        }
        self.rows.retain(|row| row.count > 0);
        Claim::of(taken)
    }

    /// The same, of what failed before `until`.
    pub(super) fn take_between(
        &mut self,
        from: Nanos,
        until: Nanos,
        mut wanted: impl FnMut(&Row) -> bool,
    ) -> Option<Claim> {
        let later = self.take_since(until, &mut wanted);
        let taken = self.take_since(from, wanted);
        self.rows.extend(later.into_iter().flat_map(|claim| claim.rows));
        taken
    }
}

impl Claim {
    fn of(rows: Vec<Row>) -> Option<Self> {
        (!rows.is_empty()).then(|| Self {
            rows,
            confidence: Confidence::Possible,
            what: None,
            culprit: None,
            because: Vec::new(),
            alternatives: Vec::new(),
            decide: None,
            remedy: Vec::new(),
            same_as: None,
        })
    }

    /// Connections.
    pub(super) fn count(&self) -> u64 {
        self.rows.iter().map(|row| row.count).sum()
    }

    pub(super) fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    pub(super) fn what(mut self, text: impl Into<String>) -> Self {
        self.what = Some(text.into());
        self
    }

    /// Somebody else than the cause says for most.
    pub(super) fn blames(mut self, culprit: Culprit) -> Self {
        self.culprit = Some(culprit);
        self
    }

    /// A line of evidence that rests on the failures themselves.
    pub(super) fn says(mut self, text: impl Into<String>) -> Self {
        self.because.push(Evidence { fact: None, text: text.into() });
        self
    }

    /// A line of evidence that rests on this fact; nothing when it was not read.
    pub(super) fn cites(
        mut self,
        facts: &Facts,
        source: &Source,
        text: impl FnOnce(u64) -> String,
    ) -> Self {
        if let Some(fact) = facts.get(source)
            && let Some(after) = fact.after
        {
            self.because.push(Evidence { fact: Some(fact.clone()), text: text(after) });
        }
        self
    }

    pub(super) fn or(mut self, causes: &[&'static str]) -> Self {
        self.alternatives.extend_from_slice(causes);
        self
    }

    pub(super) fn decided_by(mut self, command: impl Into<String>) -> Self {
        self.decide = Some(command.into());
        self
    }

    /// A thing to do and what to type.
    pub(super) fn remedy(self, scope: &str, text: &str, command: impl Into<String>) -> Self {
        self.help(scope, text, command.into(), false)
    }

    /// The same, typed by root.
    pub(super) fn root_remedy(self, scope: &str, text: &str, command: impl Into<String>) -> Self {
        self.help(scope, text, command.into(), true)
    }

    fn help(mut self, scope: &str, text: &str, command: String, needs_root: bool) -> Self {
        let (scope, text) = (scope.into(), text.into());
        self.remedy.push(Remedy { scope, text, command: Some(command), needs_root });
        self
    }

    /// Two claims of one cause become one, which is as sure as the less sure of them.
    pub(super) fn join(one: Option<Self>, two: Option<Self>) -> Option<Self> {
        match (one, two) {
            (Some(one), Some(two)) => Some(one.with(two)),
            (one, two) => one.or(two),
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self.confidence = self.confidence.min(other.confidence);
        self.what = self.what.or(other.what);
        add_new(&mut self.because, other.because);
        add_new(&mut self.alternatives, other.alternatives);
        self.decide = self.decide.or(other.decide);
        add_new(&mut self.remedy, other.remedy);
        self.same_as = self.same_as.or(other.same_as);
        self
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}

/// The part of a row that failed at `from` or later. Ages are not known by time: both parts keep
/// those of the whole.
fn split_off(row: &mut Row, from: Nanos) -> Option<Row> {
    let width = row.times.width;
    let buckets = &row.times.buckets;
    let is_later = |bucket: &u32| width * u64::from(*bucket) >= from;
    let part = |later| {
        let chosen = buckets.iter().filter(|(bucket, _)| is_later(bucket) == later);
        Times { width, buckets: chosen.map(|(bucket, count)| (*bucket, *count)).collect() }
    };
    let (earlier, later) = (part(false), part(true));
    if later.buckets.is_empty() {
        return None;
    }
    // What the times do not know of stays with the larger part of what they know.
    let count = match earlier.buckets.is_empty() {
        true => row.count,
        false => later.count().min(row.count),
    };
    if count == 0 {
        return None;
    }
    let mut taken = row.clone();
    taken.count = count;
    row.count -= count;
    (row.times, taken.times) = (earlier, later);
    let border = width * (from.0 / width.0.max(1));
    row.examples.retain(|example| example.at < border);
    taken.examples.retain(|example| example.at >= border);
    for (left, took) in
        [(&mut row.retransmitted, &mut taken.retransmitted), (&mut row.unacked, &mut taken.unacked)]
    {
        *took = (*left).min(count);
        *left -= *took;
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{Lab, Seen};
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn a_row_is_cut_at_a_moment_and_nothing_is_lost() {
        let seen = Seen::new(Phase::Open, Op::Read, Outcome::Eof { mid_message: true });
        let tally = Lab::ws().book(30, seen.every(0, 100)).tally;
        let check = |from_ms, earlier, later: u64| {
            let mut pool = Pool::of(&tally);
            let taken = pool.take_since(Nanos::from_millis(from_ms), |_| true);
            assert_eq!(taken.as_ref().map_or(0, Claim::count), later, "{from_ms}");
            assert_eq!(pool.rows().iter().map(|row| row.count).sum::<u64>(), earlier);
            let rows = pool.rows().iter().chain(taken.iter().flat_map(|claim| &claim.rows));
            assert_eq!(rows.clone().map(|row| row.times.count()).sum::<u64>(), 30);
            assert_eq!(rows.map(|row| row.examples.len()).sum::<usize>(), 8);
        };
        check(0, 0, 30);
        check(300, 3, 27);
        check(2_900, 29, 1);
        check(9_000, 30, 0);
        let mut pool = Pool::of(&tally);
        let between = (Nanos::from_millis(300), Nanos::from_millis(1_000));
        let taken = pool.take_between(between.0, between.1, |_| true);
        assert_eq!(taken.map(|claim| claim.count()), Some(7));
        assert_eq!(pool.rows().iter().map(|row| row.count).sum::<u64>(), 23);
    }
}
