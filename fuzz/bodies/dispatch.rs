//! Messages between captain and worker: what is read can be written again, and a snapshot of any
//! worker can be added up without harm.

use inrush_core::dispatch::{
    LIMIT, Malformed, ToCaptain, decode_to_captain, decode_to_worker, encode_to_captain,
    encode_to_worker,
};
use inrush_core::latency::Latency;
use inrush_core::snapshot::Snapshot;
use inrush_core::tally::{EXAMPLES, ROWS};
use inrush_core::time::Nanos;

/// The first byte says the direction, and whether what follows is a message as it is, or JSON to
/// the first zero byte and then blobs, whose lengths are put before them here; and whether the
/// rest is the counts of one histogram.
pub fn check(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else { return };
    let wire = match how >> 1 & 3 {
        0 | 1 => rest.to_vec(),
        parts => {
            let mut parts_of = rest.splitn(2, |byte| *byte == 0);
            let json = parts_of.next().unwrap_or_default();
            let rest = parts_of.next().unwrap_or_default();
            let blobs = if parts == 2 { rest.to_vec() } else { histogram(rest) };
            message(json, &blobs)
        }
    };
    if how & 1 == 0 {
        any_message(&wire, decode_to_worker, encode_to_worker);
    } else if let Some(message) = any_message(&wire, decode_to_captain, encode_to_captain) {
        match message {
            ToCaptain::Snapshot(snapshot) | ToCaptain::Finished(snapshot) => adds_up(&snapshot),
            ToCaptain::Ready { .. } | ToCaptain::Refused(_) => {}
        }
    }
}

/// What any bytes must do, in both directions. The message, if they are one.
fn any_message<M: Clone + PartialEq + std::fmt::Debug>(
    wire: &[u8],
    decode: impl Fn(&[u8]) -> Result<Option<(M, usize)>, Malformed>,
    encode: impl Fn(&M, &mut Vec<u8>),
) -> Option<M> {
    let whole = decode(wire);
    let end = whole.as_ref().ok().and_then(Option::as_ref).map_or(wire.len(), |(_, end)| *end);
    assert!(end <= wire.len() && end <= LIMIT);
    for cut in [0, 4, 7, 8, end / 2, end.saturating_sub(1)] {
        let part = decode(&wire[..cut.min(end)]);
        // An error may be known before the end, and stays.
        assert!(part == Ok(None) || whole.is_err() && part == whole, "{cut}: {part:?}");
    }
    let (message, _) = whole.ok().flatten()?;
    let mut again = b"before".to_vec();
    encode(&message, &mut again);
    let again = again.strip_prefix(b"before").expect("it is appended");
    assert_eq!(decode(again), Ok(Some((message.clone(), again.len()))));
    // What follows is not read; a histogram takes long to read, so not always twice.
    let after = [&wire[..end], b"\xff"].concat();
    assert!(end > 512 || decode(&after) == Ok(Some((message.clone(), end))));
    Some(message)
}

/// The captain adds it up and asks what reports ask.
fn adds_up(snapshot: &Snapshot) {
    let mut sum = Snapshot::default();
    sum.merge(snapshot);
    // Of several workers; their histograms are merged by a library of its own tests.
    sum.tally.merge(&snapshot.tally);
    sum.counts.merge(&snapshot.counts);
    sum.gauges.merge(&snapshot.gauges);
    assert!(sum.tally.rows.len() <= ROWS);
    assert!(sum.tally.rows.iter().all(|row| row.examples.len() <= EXAMPLES));
    assert!(sum.tally.rows.is_sorted_by(|a, b| a.key < b.key));
    for row in &sum.tally.rows {
        let _ = (row.times.span(), row.times.count());
    }
    let _ = (sum.tally.count(), sum.counts.unanswered());
    for latency in sum.latencies.all() {
        asks(latency);
    }
}

fn asks(latency: &Latency) {
    let quantiles = [0.0, 0.5, 0.99, 1.0].map(|quantile| latency.quantile(quantile));
    assert_eq!(quantiles[0].is_some(), latency.count() > 0);
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    assert!(latency.above(Nanos::ZERO) <= latency.count());
}

/// A message of these parts.
fn message(json: &[u8], blobs: &[u8]) -> Vec<u8> {
    let mut wire = vec![];
    for part in [json, blobs] {
        wire.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    [wire, json.to_vec(), blobs.to_vec()].concat()
}

/// The six blobs of a snapshot, of which the first one has these counts (HDR V2).
fn histogram(counts: &[u8]) -> Vec<u8> {
    let mut blob = Latency::of(&[Nanos::from_millis(1)]).to_blob();
    blob.truncate(40);
    let length = u32::try_from(counts.len()).unwrap_or(u32::MAX);
    blob[4..8].copy_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(counts);
    let mut blobs = u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    blobs.extend(blob);
    // Five more without values.
    blobs.extend([0; 5 * 4]);
    blobs
}
