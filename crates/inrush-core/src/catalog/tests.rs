//! What holds for every tally: nothing is lost, nothing is counted twice, the same again next time.

use super::fixture::{Lab, Seen};
use super::*;
use crate::diagnosis::Confidence;
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::{Look, Op, Outcome, Peer, Phase, ProtocolError};
use alloc::collections::BTreeSet;
use proptest::prelude::*;

#[test]
fn every_cause_is_complete_and_its_own() {
    let ids: BTreeSet<_> = all().map(|cause| cause.id).collect();
    assert_eq!(ids.len(), all().count());
    assert_eq!(all().last().map(|cause| cause.id), Some("unrecognised"));
    for cause in all() {
        assert!(cause.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", cause.id);
        assert!(!cause.what.is_empty() && !cause.what.ends_with('.'), "{}", cause.id);
        match cause.scenario {
            Scenario::Repro { name, says, .. } => assert!(!name.is_empty() && !says.is_empty()),
            Scenario::None { why } => assert!(!why.is_empty(), "{}", cause.id),
        }
    }
}

#[test]
fn nothing_failed_nothing_to_say() {
    assert_eq!(Lab::ws().diagnoses(), []);
}

#[test]
fn the_largest_comes_first_but_our_own_earlier_failure_before_it() {
    let emfile = Seen::new(Phase::Socket, Op::Socket, Outcome::Errno(Errno::EMFILE));
    let eof = Seen::new(Phase::Open, Op::Read, Outcome::Eof { mid_message: true });
    let check = |own_at, first: &str| {
        let lab = Lab::ws().opened(500).book(5, emfile.clone().every(own_at, 0));
        let lab = lab.book(90, eof.clone().every(5_000, 20));
        assert_eq!(lab.diagnoses()[0].cause, first);
    };
    check(1_000, "client-out-of-descriptors");
    check(9_000, "server-closed-without-reason");
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let errnos = [1, 5, 11, 12, 13, 22, 23, 24, 32, 92, 98, 99, 101, 104, 105, 110, 111, 113];
    prop_oneof![
        proptest::sample::select(errnos.to_vec()).prop_map(|n| Outcome::Errno(Errno(n))),
        any::<bool>().prop_map(|mid_message| Outcome::Eof { mid_message }),
        Just(Outcome::TimedOut),
        Just(Outcome::SelfConnected),
        Just(Outcome::NotServed),
        proptest::sample::select(alloc::vec![
            ProtocolError::Status(503),
            ProtocolError::Status(404),
            ProtocolError::NotHttp,
            ProtocolError::BadAccept,
            ProtocolError::Opcode,
            ProtocolError::FrameInFrame { resumed: true },
            ProtocolError::FrameInFrame { resumed: false },
            ProtocolError::TooBig,
            ProtocolError::Closed(1009),
            ProtocolError::Closed(1013),
            ProtocolError::Closed(1000),
        ])
        .prop_map(Outcome::Protocol),
    ]
}

fn seen() -> impl Strategy<Value = (u64, Seen)> {
    let phases = [
        Phase::Resolve,
        Phase::Socket,
        Phase::Bind,
        Phase::Connect,
        Phase::Tls,
        Phase::Upgrade,
        Phase::Open,
        Phase::Close,
        Phase::Accept,
    ];
    let ops = [
        Op::Lookup,
        Op::Socket,
        Op::Bind,
        Op::Connect,
        Op::Read,
        Op::Write,
        Op::Deadline,
        Op::Look,
    ];
    let peers = [
        Peer::Unseen,
        Peer::NotLocal,
        Peer::Absent,
        Peer::HalfOpen,
        Peer::Queued,
        Peer::Accepted { unread: false },
        Peer::Accepted { unread: true },
        Peer::Closing,
    ];
    let words: [&[u8]; 4] =
        [b"", b"\x15\x03\x01", b"HTTP/1.1 503 x\r\n\r\ntoo many connections", b"\xff\x00"];
    let signature = (
        proptest::sample::select(phases.to_vec()),
        proptest::sample::select(ops.to_vec()),
        outcome(),
    );
    let rest = (
        proptest::sample::select(peers.to_vec()),
        proptest::sample::select(words.to_vec()),
        1..60_u64,
        (0..20_000_u64, 0..300_u64, 0..5_000_u64),
        (any::<bool>(), 0..100_u8, 0..3_u32, 0..200_u64),
    );
    (signature, rest).prop_map(|((phase, op, outcome), (peer, words, count, times, more))| {
        let (from, step, age) = times;
        let (fin, percent, unacked, open) = more;
        let look = Look {
            rwnd_limited_percent: percent,
            unacked,
            total_retrans: unacked,
            segs_in: unacked,
            peer,
            ..Look::default()
        };
        let mut seen = Seen::new(phase, op, outcome).look(look).every(from, step).aged(age);
        if !words.is_empty() {
            seen = seen.words(words);
        }
        if fin {
            seen = seen.fin();
        }
        (count, seen.open(open / 2, open))
    })
}

fn fact() -> impl Strategy<Value = (Source, u64, u64)> {
    let to = Lab::target();
    let counter = |group: &str, name: &str| Source::Counter(group.into(), name.into());
    let sources = alloc::vec![
        Source::OwnDescriptors,
        Source::OwnDescriptorLimit,
        Source::ListenerPresent(to),
        Source::ListenerQueue(to),
        Source::ListenerBacklog(to),
        Source::ListenerDrops(to),
        Source::ServerDescriptors(77),
        Source::ServerDescriptorLimit(77),
        Source::ServerAlive(77),
        Source::ServerEnded(77),
        Source::ListenerLeft(to),
        Source::Probe(to),
        Source::ProbeRefused(to),
        Source::SendLagP99,
        Source::OwnCpu,
        Source::PortRange,
        counter("Icmp", "InDestUnreachs"),
        counter("TcpExt", "TCPRetransFail"),
        counter("TcpExt", "ListenOverflows"),
        counter("TcpExt", "TCPReqQFullDrop"),
        counter("TcpExt", "TCPAbortOnData"),
    ];
    let values = proptest::sample::select(alloc::vec![0_u64, 1, 7, 90, 111, 1_024, u64::MAX]);
    (proptest::sample::select(sources), values.clone(), values)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_connection_belongs_to_exactly_one_diagnosis(
        kinds in proptest::collection::vec(seen(), 0..25),
        facts in proptest::collection::vec(fact(), 0..12),
        opened in 0..1_000_u64,
        remote in any::<bool>(),
    ) {
        let mut lab = Lab::ws().opened(opened);
        if remote {
            lab = lab.remote();
        }
        for (count, kind) in kinds {
            lab = lab.book(count, kind);
        }
        for (source, before, after) in facts {
            lab = lab.fact(source, before, after);
        }
        let found = lab.diagnoses();
        let sum: u64 = found.iter().map(|one| one.count).sum();
        prop_assert_eq!(sum, lab.tally.count());
        prop_assert_eq!(&found, &lab.diagnoses());
        let causes: BTreeSet<_> = found.iter().map(|one| &one.cause).collect();
        prop_assert_eq!(causes.len(), found.len());
        for one in &found {
            prop_assert!(one.count > 0 && one.classes.values().sum::<u64>() == one.count);
            prop_assert_eq!(one.times.count(), one.count);
            prop_assert!(!one.because.is_empty() && !one.remedy.is_empty(), "{}", one.cause);
            prop_assert!(one.cause != "unrecognised" || one.confidence == Confidence::Possible);
        }
    }
}
