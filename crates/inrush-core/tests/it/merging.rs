//! What workers tell adds up to the same whatever the order and the grouping in which it arrives:
//! by thread, by process, or by an agent's wire.

use inrush_core::dispatch::{ToCaptain, decode_to_captain, encode_snapshot};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Source};
use inrush_core::failure::{Failure, Look, Op, Outcome, Peer, Phase, ProtocolError, Signature};
use inrush_core::plan::Scheme;
use inrush_core::snapshot::{Counts, Gauges, Snapshot};
use inrush_core::tally::{EXAMPLES, Key, Tally};
use inrush_core::time::Nanos;
use proptest::prelude::*;

proptest! {
    #![proptest_config(crate::cases(512))]

    #[test]
    fn shards_sum_exactly(connections in any::<u32>(), count in 0_u32..5_000) {
        let plan = crate::world::plan(Scheme::Ws, connections);
        let sizes: Vec<u32> = plan.shards(count).map(|shard| shard.connections).collect();
        prop_assert_eq!(sizes.len(), count.max(1) as usize);
        prop_assert_eq!(sizes.iter().map(|n| u64::from(*n)).sum::<u64>(), u64::from(connections));
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        prop_assert!(most - least <= 1);
    }

    #[test]
    fn shards_number_each_connection_once(connections in 0_u32..2_000, count in 1_u32..70) {
        let plan = crate::world::plan(Scheme::Ws, connections);
        let numbers = |shard: inrush_core::plan::Shard| {
            (0..shard.connections).map(move |slot| shard.number(slot)).collect::<Vec<_>>()
        };
        let mut all: Vec<u64> = plan.shards(count).flat_map(numbers).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..u64::from(connections)).collect::<Vec<_>>());
    }
}

fn signature() -> impl Strategy<Value = Signature> {
    let outcome = prop_oneof![
        Just(Outcome::Errno(Errno::ECONNRESET)),
        Just(Outcome::Errno(Errno::EPIPE)),
        any::<bool>().prop_map(|mid_message| Outcome::Eof { mid_message }),
        Just(Outcome::TimedOut),
        Just(Outcome::Protocol(ProtocolError::Status(503))),
    ];
    let phase = prop_oneof![Just(Phase::Connect), Just(Phase::Upgrade), Just(Phase::Open)];
    let op = prop_oneof![Just(Op::Read), Just(Op::Write), Just(Op::Deadline)];
    (phase, op, outcome).prop_map(|(phase, op, outcome)| Signature { phase, op, outcome })
}

fn peer() -> impl Strategy<Value = Peer> {
    let accepted = any::<bool>().prop_map(|unread| Peer::Accepted { unread });
    prop_oneof![Just(Peer::Unseen), Just(Peer::Absent), Just(Peer::Queued), accepted]
}

/// A failed connection, its row and how many were open. Times reach far enough for buckets to be
/// merged.
fn failed() -> impl Strategy<Value = (Key, Failure, u64)> {
    let key = (0_u16..3, signature(), peer(), any::<[bool; 3]>());
    let numbers = (0_u32..45, any::<u64>(), any::<u64>(), 0_u32..3, 0_u64..1_000);
    (key, numbers).prop_map(|((target, signature, peer, flags), numbers)| {
        let [fin_seen, heard, spoke] = flags;
        let (bits, random, connection, retrans, open) = numbers;
        let look = Look { peer, total_retrans: retrans, unacked: retrans / 2, ..Look::default() };
        let failure = Failure {
            at: Nanos(random >> 19 >> bits.min(20)),
            connection,
            signature,
            later: None,
            age: Nanos(random >> bits),
            bytes_in: u64::from(heard),
            bytes_out: u64::from(spoke),
            fin_seen,
            look: Some(look),
            last_words: connection.to_le_bytes().to_vec(),
            offset: None,
        };
        (Key { target, signature, peer, fin_seen, heard, spoke }, failure, open)
    })
}

prop_compose! {
    fn counts()(n in any::<[u16; 8]>()) -> Counts {
        let [attempted, connected, opened, failed, sent, received, lost, late] = n.map(u64::from);
        Counts {
            attempted, connected, opened, failed, sent, received, lost, late, ..Counts::default()
        }
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    (0_u32..4, 0_u64..3).prop_map(|(pid, after)| Fact {
        source: Source::ServerDescriptors(pid),
        host: "world".into(),
        before: None,
        after: Some(after),
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let failures = prop::collection::vec(failed(), 0..30);
    let latencies = prop::collection::vec((0_usize..7, any::<u64>(), 20_u32..60), 0..30);
    let facts = prop::collection::vec(fact(), 0..4);
    let rest = (any::<[u32; 3]>(), any::<bool>());
    (failures, latencies, facts, counts(), rest).prop_map(
        |(failures, values, facts, counts, rest)| {
            let ([at, ramp_ended, cpu], burst) = rest;
            let [at, ramp_ended, cpu] = [at, ramp_ended, cpu].map(|n| Nanos(u64::from(n)));
            let mut snapshot =
                Snapshot { at, counts, ramp_ended, facts, burst, cpu, ..Snapshot::default() };
            for (key, failure, open) in failures {
                snapshot.tally.book(key, failure, open);
            }
            for (which, random, bits) in values {
                snapshot.latencies.all_mut()[which].record(Nanos(random >> bits));
            }
            snapshot
        },
    )
}

/// All that can be compared. The order of facts is nobody's business.
fn content(snapshot: &Snapshot) -> (Snapshot, Vec<Vec<u8>>) {
    let mut plain = snapshot.clone();
    let blobs = plain.latencies.all().map(|latency| latency.to_blob()).to_vec();
    plain.latencies = Default::default();
    plain.facts.sort_by(|one, two| (&one.source, one.after).cmp(&(&two.source, two.after)));
    plain.facts.dedup();
    (plain, blobs)
}

/// Merges in the order and the grouping that `choices` draw: each time two of the heap become one.
fn merged(mut heap: Vec<Snapshot>, choices: &[prop::sample::Index]) -> Snapshot {
    let mut choices = choices.iter().cycle();
    while heap.len() > 1 {
        let one = heap.swap_remove(choices.next().unwrap().index(heap.len()));
        let two = choices.next().unwrap().index(heap.len());
        heap[two].merge(&one);
    }
    heap.pop().unwrap_or_default()
}

/// There and back as a worker's message.
fn sent(snapshot: &Snapshot) -> Snapshot {
    let mut wire = Vec::new();
    encode_snapshot(snapshot, false, &mut wire);
    match decode_to_captain(&wire) {
        Ok(Some((ToCaptain::Snapshot(back), length))) if length == wire.len() => *back,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(crate::cases(12))]

    #[test]
    fn snapshots_merge_in_any_order_and_grouping(
        snapshots in prop::collection::vec(snapshot(), 1..6),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 16),
        by_wire in any::<bool>(),
    ) {
        let mut straight = Snapshot::default();
        for snapshot in &snapshots {
            straight.merge(snapshot);
        }
        let heap = if by_wire { snapshots.iter().map(sent).collect() } else { snapshots };
        let other = merged(heap, &choices);
        prop_assert_eq!(content(&straight), content(&other));
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// Cut into intervals anywhere, the rows are those of the whole: counts, ages, times, and the
    /// first of each.
    #[test]
    fn a_tally_in_pieces_is_the_whole(
        failures in prop::collection::vec(failed(), 0..200),
        pieces in prop::collection::vec(1_usize..20, 20),
    ) {
        let mut failures = failures;
        failures.sort_by_key(|(_, failure, _)| (failure.at, failure.connection));
        let mut whole = Tally::default();
        for (key, failure, open) in &failures {
            whole.book(*key, failure.clone(), *open);
        }
        let (mut sum, mut rest) = (Tally::default(), failures.as_slice());
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(rest.len().min(*size));
            rest = later;
            let mut tally = Tally::default();
            for (key, failure, open) in piece {
                tally.book(*key, failure.clone(), *open);
            }
            sum.merge(&tally);
        }
        prop_assert_eq!(sum.count(), failures.len() as u64);
        prop_assert_eq!(sum, whole);
    }

    #[test]
    fn states_of_workers_add_up_in_any_order(
        states in prop::collection::vec(any::<[u16; 4]>(), 1..9),
    ) {
        let gauges = |n: &[u16; 4]| Gauges {
            open: n[0].into(),
            opening: n[1].into(),
            held: n[2].into(),
            ramped: n[3].is_multiple_of(2),
            settled: n[3].is_multiple_of(3),
            accept_paused: n[3].is_multiple_of(5),
            ..Gauges::default()
        };
        let sum = |states: &mut dyn Iterator<Item = &[u16; 4]>| {
            let mut sum = Gauges { ramped: true, settled: true, ..Gauges::default() };
            states.for_each(|state| sum.merge(&gauges(state)));
            sum
        };
        prop_assert_eq!(sum(&mut states.iter()), sum(&mut states.iter().rev()));
    }
}

/// Many more moments than there are buckets: whoever merges first, the buckets end as wide.
#[test]
fn buckets_of_time_end_as_wide_in_any_order() {
    let tally = |step: u64, from: u64| {
        let mut tally = Tally::default();
        let signature =
            Signature { phase: Phase::Open, op: Op::Deadline, outcome: Outcome::TimedOut };
        let (peer, fin_seen, heard, spoke) = (Peer::Unseen, false, true, true);
        let key = Key { target: 0, signature, peer, fin_seen, heard, spoke };
        for nth in 0..3_000 {
            let failure = Failure {
                at: Nanos::from_millis(from + step * nth),
                connection: nth,
                signature,
                later: None,
                age: Nanos::ZERO,
                bytes_in: 0,
                bytes_out: 0,
                fin_seen,
                look: None,
                last_words: Vec::new(),
                offset: None,
            };
            tally.book(key, failure, nth);
        }
        tally
    };
    let parts = [tally(10, 0), tally(10, 25_000), tally(70, 9), tally(11, 1_000_000)];
    let sum = |order: [usize; 4]| {
        let mut sum = Tally::default();
        order.into_iter().for_each(|part| sum.merge(&parts[part]));
        sum
    };
    let first = sum([0, 1, 2, 3]);
    assert!(first.rows[0].times.width > Nanos::from_millis(10));
    assert_eq!((first.count(), first.rows[0].times.count()), (12_000, 12_000));
    assert_eq!(first.rows[0].examples.len(), EXAMPLES);
    for order in [[3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        assert_eq!(first, sum(order));
    }
}
