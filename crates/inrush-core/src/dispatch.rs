//! Messages between captain and worker: u32 LE length of JSON, u32 LE length of blobs, JSON, blobs.

use crate::latency::{Latencies, Latency};
use crate::plan::Job;
use crate::snapshot::Snapshot;
use crate::swarm::Command;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Longest message, both parts together: a plan may hold 16 MiB of payload as base64.
pub const LIMIT: usize = 32 << 20;
const HEAD: usize = 8;

/// Captain to worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Get ready for this.
    Prepare(Box<Job>),
    /// T0 is this moment of CLOCK_MONOTONIC, in nanoseconds.
    Begin(u64),
    /// Something changed.
    Tell(Command),
}

/// Worker to captain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCaptain {
    /// Prepared; descriptors this process may still open.
    Ready {
        /// RLIMIT_NOFILE minus what is open.
        descriptors_left: u64,
    },
    /// It cannot be done.
    Refused(String),
    /// What happened since the last one.
    Snapshot(Box<Snapshot>),
    /// The last one.
    Finished(Box<Snapshot>),
}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Over [`LIMIT`].
    TooLong,
    /// Not what we speak.
    Json,
    /// A blob is no histogram, or their lengths do not add up.
    Blob,
}

/// Appends a captain's message.
pub fn encode_to_worker(message: &ToWorker, out: &mut Vec<u8>) {
    put(&to_json(message), &[], out);
}

/// Appends a worker's message that is no snapshot.
pub fn encode_to_captain(message: &ToCaptain, out: &mut Vec<u8>) {
    match message {
        ToCaptain::Snapshot(snapshot) => encode_snapshot(snapshot, false, out),
        ToCaptain::Finished(snapshot) => encode_snapshot(snapshot, true, out),
        other => put(&to_json(other), &[], out),
    }
}

/// Appends a snapshot, or the last one, without taking it away from its worker.
pub fn encode_snapshot(snapshot: &Snapshot, last: bool, out: &mut Vec<u8>) {
    let mut blobs = Vec::new();
    for latency in snapshot.latencies.all() {
        let blob = latency.to_blob();
        let length = u32::try_from(blob.len()).expect("a histogram has at most 140 kB");
        blobs.extend(length.to_le_bytes());
        blobs.extend(blob);
    }
    let message = if last { Borrowed::Finished(snapshot) } else { Borrowed::Snapshot(snapshot) };
    put(&to_json(&message), &blobs, out);
}

/// The same names as in [`ToCaptain`], without the box.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Borrowed<'a> {
    Snapshot(&'a Snapshot),
    Finished(&'a Snapshot),
}

/// Takes one message off the front of `bytes`: it and its length, or `None` when it is not all
/// there.
pub fn decode_to_worker(bytes: &[u8]) -> Result<Option<(ToWorker, usize)>, Malformed> {
    let Some((json, _, length)) = split(bytes)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(json).map_err(|_| Malformed::Json)?, length)))
}

/// The same for the other direction.
pub fn decode_to_captain(bytes: &[u8]) -> Result<Option<(ToCaptain, usize)>, Malformed> {
    let Some((json, blobs, length)) = split(bytes)? else { return Ok(None) };
    let mut message: ToCaptain = serde_json::from_slice(json).map_err(|_| Malformed::Json)?;
    if let ToCaptain::Snapshot(snapshot) | ToCaptain::Finished(snapshot) = &mut message {
        snapshot.latencies = latencies(blobs).ok_or(Malformed::Blob)?;
    }
    Ok(Some((message, length)))
}

fn to_json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("our own types have only string keys")
}

fn put(json: &[u8], blobs: &[u8], out: &mut Vec<u8>) {
    for part in [json, blobs] {
        let length = u32::try_from(part.len()).expect("a message has at most 16 MiB");
        out.extend(length.to_le_bytes());
    }
    out.extend(json);
    out.extend(blobs);
}

fn length(bytes: &[u8]) -> Option<usize> {
    let (head, _) = bytes.split_first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*head)).ok()
}

type Parts<'a> = (&'a [u8], &'a [u8], usize);

fn split(bytes: &[u8]) -> Result<Option<Parts<'_>>, Malformed> {
    let (Some(json), Some(blobs)) = (length(bytes), bytes.get(4..).and_then(length)) else {
        return Ok(None);
    };
    let total = HEAD + json + blobs;
    if total > LIMIT {
        return Err(Malformed::TooLong);
    }
    let Some(message) = bytes.get(HEAD..total) else { return Ok(None) };
    Ok(Some((&message[..json], &message[json..], total)))
}

fn latencies(mut blobs: &[u8]) -> Option<Latencies> {
    let mut latencies = Latencies::default();
    for latency in latencies.all_mut() {
        let size = length(blobs)?;
        *latency = Latency::from_blob(blobs.get(4..4 + size)?)?;
        blobs = &blobs[4 + size..];
    }
    blobs.is_empty().then_some(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Counts, Gauges};
    use crate::tally::Tally;
    use crate::time::Nanos;

    fn snapshot() -> Snapshot {
        let mut latencies = Latencies::default();
        latencies.rtt.record(Nanos::from_millis(3));
        Snapshot {
            at: Nanos(5),
            counts: Counts { attempted: 3, ..Counts::default() },
            gauges: Gauges::default(),
            ramp_ended: Nanos::ZERO,
            tally: Tally::default(),
            latencies,
            facts: Vec::new(),
            burst: true,
            cpu: Nanos(9),
        }
    }

    #[test]
    fn a_snapshot_comes_back_whole_from_any_prefix_on() {
        let mut wire = Vec::new();
        encode_snapshot(&snapshot(), true, &mut wire);
        for cut in 0..wire.len() {
            assert_eq!(decode_to_captain(&wire[..cut]), Ok(None));
        }
        let expected = ToCaptain::Finished(Box::new(snapshot()));
        assert_eq!(decode_to_captain(&wire), Ok(Some((expected, wire.len()))));
    }

    #[test]
    fn hostile_lengths_and_bytes_are_refused() {
        assert_eq!(decode_to_worker(&[255; 8]), Err(Malformed::TooLong));
        assert_eq!(decode_to_worker(&[1, 0, 0, 0, 0, 0, 0, 0, b'{']), Err(Malformed::Json));
    }
}
