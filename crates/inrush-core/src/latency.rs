//! Which latencies are kept, and how they merge: HDR histograms, 1 us to 10 minutes, 3 digits.
//! One per worker and metric, never per connection; made when the first value comes.

use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::vec::Vec;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;
/// Length of a blob's head (HDR V2): cookie, length of the counts, offset, digits, bounds, ratio.
const HEAD: usize = 40;
/// What a blob begins with: V2, with words of 8 bytes.
const COOKIE: [u8; 4] = 0x1c84_9313_u32.to_be_bytes();

/// One distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency(Option<Box<Histogram<u64>>>);

impl Latency {
    /// These values, each counted once.
    pub fn of(values: &[Nanos]) -> Self {
        let mut latency = Self::default();
        values.iter().for_each(|value| latency.record(*value));
        latency
    }

    /// Counts one value; above 10 minutes it counts as 10 minutes.
    #[inline]
    pub fn record(&mut self, value: Nanos) {
        self.0.get_or_insert_with(fresh).saturating_record(value.0);
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |h| h.len())
    }

    /// The distribution, if anything was counted.
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.0.as_deref().filter(|h| !h.is_empty())
    }

    /// The value below which `quantile` (0..1) of all lie; `None` without values.
    pub fn quantile(&self, quantile: f64) -> Option<Nanos> {
        self.histogram().map(|h| Nanos(h.value_at_quantile(quantile).min(h.max())))
    }

    /// How many took longer.
    pub fn above(&self, limit: Nanos) -> u64 {
        self.histogram().map_or(0, |h| {
            let below = h.iter_recorded().take_while(|v| v.value_iterated_to() <= limit.0);
            h.len() - below.map(|v| v.count_at_value()).sum::<u64>()
        })
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = other.histogram() {
            let ours = self.0.get_or_insert_with(fresh);
            ours.add(theirs).expect("all have the same bounds");
        }
    }

    /// Forgets all values and keeps the memory.
    pub fn reset(&mut self) {
        if let Some(h) = &mut self.0 {
            h.reset();
        }
    }

    /// HDR V2, empty for no values.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(h) = self.histogram() {
            V2Serializer::new().serialize(h, &mut out).expect("a Vec takes all bytes");
        }
        out
    }

    /// Reads what [`Self::to_blob`] wrote; `None` when it is something else.
    pub fn from_blob(blob: &[u8]) -> Option<Self> {
        if blob.is_empty() {
            return Some(Self::default());
        }
        if !is_ours(blob) {
            return None;
        }
        let theirs: Histogram<u64> = Deserializer::new().deserialize(&mut { blob }).ok()?;
        // The sum of all counts saturates there, and can no longer be what they add up to.
        if theirs.is_empty() || theirs.len() == u64::MAX {
            return None;
        }
        let mut ours = fresh();
        ours.add(&theirs).ok()?;
        Some(Self(Some(ours)))
    }
}

/// Whether a blob has the head that ours have, and no count of 2^55 or more. The reader of
/// histograms reserves what a head says, up to gigabytes, and cannot negate the lowest number.
fn is_ours(blob: &[u8]) -> bool {
    let Some((head, counts)) = blob.split_first_chunk::<HEAD>() else { return false };
    let Ok(length) = u32::try_from(counts.len()) else { return false };
    let mut expected = [0; HEAD];
    expected[..4].copy_from_slice(&COOKIE);
    expected[4..8].copy_from_slice(&length.to_be_bytes());
    expected[15] = DIGITS;
    expected[16..24].copy_from_slice(&LOWEST_NS.to_be_bytes());
    expected[24..32].copy_from_slice(&HIGHEST_NS.to_be_bytes());
    expected[32..].copy_from_slice(&1.0_f64.to_be_bytes());
    // Seven bits to a byte, and the highest bit says that more follow.
    let long = |number: &[u8]| number.iter().all(|byte| byte & 0x80 != 0);
    *head == expected && !counts.windows(8).any(long)
}

fn fresh() -> Box<Histogram<u64>> {
    Box::new(
        Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are valid"),
    )
}

/// All distributions of a worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latencies {
    /// connect() called to answered.
    pub connect: Latency,
    /// Connected to secured.
    pub tls: Latency,
    /// Connected (or secured) to 101.
    pub upgrade: Latency,
    /// connect() called to open.
    pub setup: Latency,
    /// Intended send time to reply.
    pub rtt: Latency,
    /// Intended send time of a keep-alive ping to its pong.
    pub ping: Latency,
    /// Intended to real send time: our own lateness.
    pub lag: Latency,
}

impl Latencies {
    /// Adds another worker's.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.all_mut().into_iter().zip(other.all()) {
            ours.merge(theirs);
        }
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        self.all_mut().into_iter().for_each(Latency::reset);
    }

    /// Makes all of them now and touches their memory, so that it is not booked on connections
    /// later; that of keep-alive pings only when they are used.
    pub fn warm(&mut self, pings: bool) {
        let Self { connect, tls, upgrade, setup, rtt, ping, lag } = self;
        let used = [connect, tls, upgrade, setup, rtt, lag].into_iter();
        for latency in used.chain(pings.then_some(ping)) {
            latency.0.get_or_insert_with(fresh);
        }
        self.reset();
    }

    /// In wire order.
    pub fn all(&self) -> [&Latency; 7] {
        [&self.connect, &self.tls, &self.upgrade, &self.setup, &self.rtt, &self.ping, &self.lag]
    }

    /// In wire order.
    pub fn all_mut(&mut self) -> [&mut Latency; 7] {
        let Self { connect, tls, upgrade, setup, rtt, ping, lag } = self;
        [connect, tls, upgrade, setup, rtt, ping, lag]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_brings_back_the_same_distribution() {
        let mut latency = Latency::default();
        (1..1_000_u64).for_each(|i| latency.record(Nanos::from_micros(i * 13)));
        let back = Latency::from_blob(&latency.to_blob()).unwrap();
        assert_eq!(back.count(), 999);
        assert_eq!(back.quantile(0.99), latency.quantile(0.99));
        assert_eq!(Latency::from_blob(b"junk"), None);
    }

    #[test]
    fn a_blob_of_anything_else_is_refused() {
        let good = Latency::of(&[Nanos::from_millis(3)]).to_blob();
        let check = |change: fn(&mut Vec<u8>)| {
            let mut blob = good.clone();
            change(&mut blob);
            assert_eq!(Latency::from_blob(&blob), None, "{blob:x?}");
        };
        // 4 GiB of counts, five digits, up to 2^63: the reader would reserve them.
        check(|blob| blob[4..8].fill(0xff));
        check(|blob| blob[15] = 5);
        check(|blob| blob[24] = 0x7f);
        // The same format compressed: a kilobyte can be a megabyte.
        check(|blob| blob[3] += 1);
        check(|blob| blob.truncate(40));
        check(|blob| blob[40..].fill(0));
        let numbers = |blob: &mut Vec<u8>, numbers: &[u8]| {
            blob.truncate(40);
            blob.extend_from_slice(numbers);
            blob[4..8].copy_from_slice(&u32::try_from(numbers.len()).unwrap().to_be_bytes());
        };
        // -2^63, and counts that add up to 2^64 and more.
        let check = |bytes: &[u8]| {
            let mut blob = good.clone();
            numbers(&mut blob, bytes);
            assert_eq!(Latency::from_blob(&blob), None, "{bytes:x?}");
        };
        check(&[0xff; 9]);
        check(&[0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f].repeat(1_024));
        let mut blob = good.clone();
        numbers(&mut blob, &[0, 6]);
        assert_eq!(Latency::from_blob(&blob).map(|latency| latency.count()), Some(3));
    }

    #[test]
    fn above_counts_what_took_longer() {
        let mut latency = Latency::default();
        [1, 10, 100, 1_000].into_iter().for_each(|ms| latency.record(Nanos::from_millis(ms)));
        assert_eq!(latency.above(Nanos::from_millis(50)), 2);
        assert_eq!(latency.above(Nanos::from_secs(2)), 0);
    }
}
