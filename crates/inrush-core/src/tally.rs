//! Rows of failures: key, count, at most 8 examples, ages, times. All of it merges by adding.

use crate::failure::{Class, Failure, Peer, Signature, classify};
use crate::plan::{Plan, Scheme};
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Examples kept of one row.
pub const EXAMPLES: usize = 8;
/// Rows of one tally; what comes beyond is counted in the row that is most like it.
pub const ROWS: usize = 512;
/// Buckets of ages: enough for all that 64 bits can say.
const BUCKETS: u16 = 2_000;
/// Time buckets of one row before neighbours are merged.
const TIMES: usize = 4_096;
/// Width of a time bucket before any are merged.
const WIDTH: Nanos = Nanos::from_millis(10);

/// What tells two rows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Index of the target in the plan.
    pub target: u16,
    /// What was seen first.
    pub signature: Signature,
    /// The server's side of it.
    pub peer: Peer,
    /// A FIN came before the end.
    pub fin_seen: bool,
    /// At least one byte had come from the peer.
    pub heard: bool,
    /// At least one byte of ours had been taken by the kernel.
    pub spoke: bool,
}

/// Failures with one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What they have in common.
    pub key: Key,
    /// How many connections.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Failure>,
    /// Ages since connected.
    pub ages: Ages,
    /// When they failed.
    pub times: Times,
    /// Of them, how many had retransmitted.
    pub retransmitted: u64,
    /// Of them, how many had segments the peer never acknowledged.
    pub unacked: u64,
    /// Fewest connections open in the worker when one of them failed.
    pub open_min: u64,
    /// Most.
    pub open_max: u64,
}

/// Ages in buckets 2 % wide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages(pub BTreeMap<u16, u64>);

/// Times in buckets of `width`, at first 10 ms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Width of a bucket: 10 ms, or that doubled some times.
    #[serde(deserialize_with = "doubled_width")]
    pub width: Nanos,
    /// Bucket index -> count.
    pub buckets: BTreeMap<u32, u64>,
}

/// All rows of a worker or of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Sorted by key.
    pub rows: Vec<Row>,
}

impl Ages {
    /// Counts one age. Ages below a microsecond share the first bucket.
    pub fn add(&mut self, age: Nanos) {
        *self.0.entry(Self::bucket(age)).or_default() += 1;
    }

    /// The middle of a bucket.
    pub fn value(bucket: u16) -> Nanos {
        let mut value = 1_000_u64;
        for _ in 0..bucket.min(BUCKETS) {
            value = value.saturating_add((value / 50).max(1));
        }
        Nanos(value.saturating_add(value / 100))
    }

    fn bucket(age: Nanos) -> u16 {
        // Integer steps of 2 %, so that every machine agrees on the borders.
        let (mut low, mut bucket) = (1_000_u64, 0_u16);
        loop {
            let next = low.saturating_add((low / 50).max(1));
            if next > age.0 || bucket == BUCKETS {
                return bucket;
            }
            (low, bucket) = (next, bucket + 1);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            add(self.0.entry(*bucket).or_default(), *count);
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { width: WIDTH, buckets: BTreeMap::new() }
    }
}

impl Times {
    /// Counts one moment.
    pub fn add(&mut self, at: Nanos) {
        let bucket = u32::try_from(at.0 / self.width.0).unwrap_or(u32::MAX);
        *self.buckets.entry(bucket).or_default() += 1;
        self.shrink();
    }

    /// All that was counted.
    pub fn count(&self) -> u64 {
        self.buckets.values().copied().fold(0, u64::saturating_add)
    }

    /// When the bucket begins.
    pub fn begins(&self, bucket: u32) -> Nanos {
        self.width * u64::from(bucket)
    }

    /// First and last moment, to a bucket.
    pub fn span(&self) -> Option<(Nanos, Nanos)> {
        let (first, last) = (self.buckets.keys().next()?, self.buckets.keys().next_back()?);
        Some((self.begins(*first), self.begins(*last)))
    }

    /// Adds the other's counts; the wider buckets win.
    pub fn merge(&mut self, other: &Self) {
        while self.width < other.width {
            self.widen();
        }
        let factor = self.width.0 / other.width.0;
        for (bucket, count) in &other.buckets {
            let bucket = u32::try_from(u64::from(*bucket) / factor).unwrap_or(u32::MAX);
            add(self.buckets.entry(bucket).or_default(), *count);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.buckets.len() > TIMES {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let mut half = BTreeMap::new();
        for (bucket, count) in &self.buckets {
            add(half.entry(bucket / 2).or_default(), *count);
        }
        self.width = self.width * 2;
        self.buckets = half;
    }
}

impl Row {
    /// What its signature is on its target's protocol.
    pub fn class(&self, plan: &Plan) -> Class {
        let target = plan.targets.get(usize::from(self.key.target));
        let ws = target.is_some_and(|target| target.scheme == Scheme::Ws);
        classify(self.key.signature, self.key.heard, ws)
    }

    fn new(key: Key) -> Self {
        Self {
            key,
            count: 0,
            examples: Vec::new(),
            ages: Ages::default(),
            times: Times::default(),
            retransmitted: 0,
            unacked: 0,
            open_min: u64::MAX,
            open_max: 0,
        }
    }

    fn merge(&mut self, other: &Self) {
        add(&mut self.count, other.count);
        // The earliest of both, so that the order of merging does not matter.
        self.examples.extend(other.examples.iter().cloned());
        self.examples.sort_by_key(|example| (example.at, example.connection));
        self.examples.truncate(EXAMPLES);
        self.ages.merge(&other.ages);
        self.times.merge(&other.times);
        add(&mut self.retransmitted, other.retransmitted);
        add(&mut self.unacked, other.unacked);
        self.open_min = self.open_min.min(other.open_min);
        self.open_max = self.open_max.max(other.open_max);
    }
}

impl Tally {
    /// Counts one failed connection; `open` connections were open in this worker. Says whether the
    /// row is new.
    pub fn book(&mut self, key: Key, failure: Failure, open: u64) -> bool {
        let (row, new) = self.row(key);
        row.count += 1;
        row.ages.add(failure.age);
        row.times.add(failure.at);
        if let Some(look) = &failure.look {
            row.retransmitted += u64::from(look.total_retrans > 0);
            row.unacked += u64::from(look.unacked > 0);
        }
        row.open_min = row.open_min.min(open);
        row.open_max = row.open_max.max(open);
        // In the order in which merging keeps them.
        let order = |one: &Failure| (one.at, one.connection);
        let place = row.examples.partition_point(|other| order(other) <= order(&failure));
        if place < EXAMPLES {
            row.examples.insert(place, failure);
            row.examples.truncate(EXAMPLES);
        }
        new
    }

    /// Adds all rows of another tally.
    pub fn merge(&mut self, other: &Self) {
        for row in &other.rows {
            self.row(row.key).0.merge(row);
        }
    }

    /// Failed connections in all rows.
    pub fn count(&self) -> u64 {
        self.rows.iter().map(|row| row.count).fold(0, u64::saturating_add)
    }

    fn row(&mut self, key: Key) -> (&mut Row, bool) {
        match self.rows.binary_search_by_key(&key, |row| row.key) {
            Ok(at) => (&mut self.rows[at], false),
            Err(_) if self.rows.len() >= ROWS => (self.most_like(key), false),
            Err(at) => {
                self.rows.insert(at, Row::new(key));
                (&mut self.rows[at], true)
            }
        }
    }

    /// A hostile server can end connections in more ways than there is room for. Target and phase
    /// weigh most, because who is at fault hangs on them.
    #[cold]
    fn most_like(&mut self, key: Key) -> &mut Row {
        let kind = |key: &Key| core::mem::discriminant(&key.signature.outcome);
        let likeness = |row: &Row| {
            let (other, signature) = (&row.key, &row.key.signature);
            let same = [
                other.target == key.target,
                signature.phase == key.signature.phase,
                kind(other) == kind(&key),
                signature.op == key.signature.op,
                signature.outcome == key.signature.outcome,
                (other.fin_seen, other.heard) == (key.fin_seen, key.heard),
                other.peer == key.peer,
            ];
            same.into_iter().fold(0, |sum, same| sum << 1 | u32::from(same))
        };
        self.rows.iter_mut().max_by_key(|row| likeness(row)).expect("the tally is full")
    }
}

/// Counts come from a wire, and may be anything.
fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

/// Only such widths fit into one another when tallies are merged.
fn doubled_width<'de, D: Deserializer<'de>>(wire: D) -> Result<Nanos, D::Error> {
    let width = Nanos::deserialize(wire)?;
    match width.0 % WIDTH.0 == 0 && (width.0 / WIDTH.0).is_power_of_two() {
        true => Ok(width),
        false => Err(de::Error::custom("no width of time buckets")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Op, Outcome, Phase, ProtocolError};

    #[test]
    fn ages_are_within_two_percent() {
        for age in [1_000, 5_000, 1_000_000, 999_999_999, 60_000_000_000_u64] {
            let mut ages = Ages::default();
            ages.add(Nanos(age));
            let bucket = *ages.0.keys().next().unwrap();
            let off = Ages::value(bucket).0.abs_diff(age);
            assert!(off * 50 <= age + 50, "{age}: off by {off}");
        }
    }

    #[test]
    fn times_stay_bounded_and_lose_no_count() {
        let mut times = Times::default();
        for i in 0..100_000_u64 {
            times.add(Nanos::from_millis(10 * i));
        }
        assert_eq!(times.count(), 100_000);
        assert!(times.buckets.len() <= TIMES);
        let mut fresh = Times::default();
        fresh.add(Nanos::from_secs(3));
        fresh.merge(&times);
        assert_eq!(fresh.count(), 100_001);
    }

    #[test]
    fn a_width_from_a_wire_is_ten_milliseconds_doubled() {
        let check = |width: u64, expected: bool| {
            let json = std::format!("{{\"width\":{width},\"buckets\":{{\"3\":{}}}}}", u64::MAX);
            let read = serde_json::from_str::<Times>(&json);
            assert_eq!(read.is_ok(), expected, "{width}");
            // Counts that cannot be added up stay at the most there is.
            let Ok(theirs) = read else { return };
            let mut times = theirs.clone();
            times.merge(&theirs);
            assert_eq!(times.count(), u64::MAX);
        };
        check(10_000_000, true);
        check(10_000_000 << 20, true);
        check(0, false);
        check(1, false);
        check(30_000_000, false);
        check(u64::MAX, false);
    }

    #[test]
    fn rows_are_bounded_and_no_failure_changes_its_target() {
        let mut tally = Tally::default();
        for n in 0..4_000_u16 {
            let protocol = match n % 2 {
                0 => ProtocolError::Status(n),
                _ => ProtocolError::Closed(n),
            };
            let outcome = Outcome::Protocol(protocol);
            let phase = if n % 2 == 0 { Phase::Upgrade } else { Phase::Open };
            let key = Key {
                target: 1 + n % 2,
                signature: Signature { phase, op: Op::Decode, outcome },
                peer: Peer::Unseen,
                fin_seen: false,
                heard: true,
                spoke: true,
            };
            let failure = Failure {
                at: Nanos(u64::from(n)),
                connection: u64::from(n),
                signature: key.signature,
                later: None,
                age: Nanos::ZERO,
                bytes_in: 1,
                bytes_out: 1,
                fin_seen: false,
                look: None,
                last_words: Vec::new(),
                offset: None,
            };
            tally.book(key, failure, 0);
        }
        assert_eq!((tally.rows.len(), tally.count()), (ROWS, 4_000));
        let of = |target, phase| {
            let rows = tally.rows.iter().filter(move |row| row.key.target == target);
            rows.filter(|row| row.key.signature.phase == phase).map(|row| row.count).sum::<u64>()
        };
        assert_eq!((of(1, Phase::Upgrade), of(2, Phase::Open)), (2_000, 2_000));
    }
}
