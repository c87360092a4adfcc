//! The client role as a conformance suite meets it: what a server says, byte by byte, and what the
//! load swarm answers. `docs/autobahn.md` has the suite's own word on it.

use crate::world::plan;
use inrush_core::failure::{Look, Outcome, ProtocolError};
use inrush_core::plan::{Expect, Frame, Payload, Plan, Rate, Schedule, Scheme, Shard};
use inrush_core::protocol::ws_deflate::Agreed;
use inrush_core::protocol::ws_frame::{Decoder, Event, Role, apply_mask, put_head};
use inrush_core::protocol::ws_handshake::{Asked, read_request, render_answer};
use inrush_core::swarm::load::LoadSwarm;
use inrush_core::swarm::{ConnId, Input, Order, Orders};
use inrush_core::time::Nanos;
use proptest::prelude::*;

/// One connection of a swarm, and the host's part of it.
pub(crate) struct Client {
    pub(crate) swarm: LoadSwarm,
    id: ConnId,
    now: Nanos,
    /// Bytes the socket takes before it is full.
    pub(crate) room: usize,
    pub(crate) wrote: Vec<u8>,
    reading: bool,
    closed: bool,
}

impl Client {
    /// Open, with nothing said yet.
    fn open(expect: Expect, change: impl Fn(&mut Plan)) -> Self {
        Self::agreed(expect, None, change)
    }

    /// The same with a server that has agreed to compress.
    pub(crate) fn agreed(
        expect: Expect,
        deflate: Option<Agreed>,
        change: impl Fn(&mut Plan),
    ) -> Self {
        let mut plan = plan(Scheme::Ws, 1);
        plan.connect_rate = Rate::Max;
        plan.messages.expect = expect;
        change(&mut plan);
        let shard = Shard { index: 0, of: 1, connections: 1, plan };
        let (mut swarm, mut orders) = (LoadSwarm::new(shard), Orders::default());
        swarm.poll(Nanos::ZERO, &mut orders);
        let Some(Order::Open { id, .. }) = orders.list.first() else { panic!("{orders:?}") };
        let (id, now) = (*id, Nanos::ZERO);
        let (room, wrote) = (usize::MAX, Vec::new());
        let mut client = Self { swarm, id, now, room, wrote, reading: true, closed: false };
        client.input(Input::Writable);
        let request = std::mem::take(&mut client.wrote);
        let Asked::Upgrade { key, .. } = read_request(&request) else { panic!("{request:?}") };
        let mut answer = Vec::new();
        render_answer(key, None, deflate, &mut answer);
        client.input(Input::Bytes(&answer));
        client
    }

    fn mirror() -> Self {
        Self::open(Expect::Mirror, |_| {})
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let mut orders = Orders::default();
        self.swarm.handle(self.now, self.id, input, &mut orders);
        self.carry_out(orders);
    }

    pub(crate) fn carry_out(&mut self, mut orders: Orders) {
        while !orders.list.is_empty() {
            let mut next = Orders::default();
            for order in std::mem::take(&mut orders.list) {
                match order {
                    Order::Write(_, range) => {
                        let bytes = &orders.bytes[range.start as usize..range.end as usize];
                        let (taken, tail) = bytes.split_at(bytes.len().min(self.room));
                        self.room -= taken.len();
                        self.wrote.extend_from_slice(taken);
                        if !tail.is_empty() {
                            let unwritten = Input::Unwritten(tail);
                            self.swarm.handle(self.now, self.id, unwritten, &mut next);
                        }
                    }
                    Order::Look(..) => {
                        let looked = Input::Looked(Look::default());
                        self.swarm.handle(self.now, self.id, looked, &mut next);
                    }
                    Order::ReadOn(_, on) => self.reading = on,
                    Order::Close(..) => self.closed = true,
                    other => panic!("{other:?}"),
                }
            }
            orders = next;
        }
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.input(Input::Bytes(bytes));
        }
    }

    /// Frames written since the last call: first byte and payload. All must be masked.
    fn said(&mut self) -> Vec<(u8, Vec<u8>)> {
        let wrote = std::mem::take(&mut self.wrote);
        let (mut decoder, mut input, mut frames) = (Decoder::default(), &wrote[..], Vec::new());
        loop {
            let first = input.first().copied().unwrap_or_default();
            match decoder.next(Role::Server, &mut input).unwrap() {
                Some(Event::Data { bytes, mask, offset, .. }) => {
                    assert_ne!(mask, [0; 4], "a mask that hides nothing");
                    frames.push((first, unmasked(bytes, mask, offset)));
                }
                Some(Event::Control { bytes, mask, offset, .. }) => {
                    frames.push((first, unmasked(bytes, mask, offset)));
                }
                None => break,
            }
        }
        assert!(!decoder.mid_message());
        frames
    }

    pub(crate) fn counts(&mut self) -> (u64, u64, u64) {
        let counts = &self.swarm.snapshot(self.now).counts;
        (counts.finished, counts.failed, counts.close_unanswered)
    }

    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        let rows = &self.swarm.snapshot(self.now).tally.rows;
        rows.first().map(|row| row.key.signature.outcome)
    }
}

/// What never ends is over our limit: said by the frame's own length, or come to in pieces.
#[test]
fn a_message_without_an_end_is_too_big() {
    let too_big = Some(Outcome::Protocol(ProtocolError::TooBig));
    let longest = [&[0x82, 127][..], &(u64::MAX >> 1).to_be_bytes()].concat();
    let (over, most) = ((16_u64 << 20) + 1, 16_u64 << 20);
    for expect in [Expect::Echo, Expect::Reply, Expect::Push, Expect::None, Expect::Mirror] {
        let check = |wire: &[&[u8]], times: usize, expected: Option<Outcome>| {
            let mut client = Client::open(expect, |plan| plan.messages.frame = Frame::Binary);
            for wire in std::iter::repeat_n(wire, times).flatten() {
                client.hear(wire);
            }
            let said = client.said();
            let eof = expected.is_some() && expect == Expect::Mirror;
            assert_eq!(said.contains(&(0x88, vec![0x03, 0xf1])), expected.is_some(), "{expect:?}");
            if eof {
                client.input(Input::Eof);
            }
            assert_eq!(client.outcome(), expected, "{expect:?} {times}");
        };
        let declared = |length: u64| [&[0x82, 127][..], &length.to_be_bytes(), b"x"].concat();
        check(&[&longest], 1, too_big);
        check(&[&declared(over)], 1, too_big);
        check(&[&declared(most)], 1, None);
        // Fragments of 64 KiB, and of nothing.
        let fragment = frame(0x00, &[b'x'; 64 << 10]);
        check(&[&frame(0x02, b"x")], 1, None);
        let endless: Vec<&[u8]> = std::iter::repeat_n(&fragment[..], 257).collect();
        check(&[&[&frame(0x02, b"x")[..]], &endless[..]].concat(), 1, too_big);
        let nothing = [0x00, 0x00].repeat(64 << 10);
        let empty: Vec<&[u8]> = std::iter::repeat_n(&nothing[..], 257).collect();
        check(&[&[&frame(0x02, b"x")[..]], &empty[..]].concat(), 1, too_big);
    }
}

pub(crate) fn unmasked(bytes: &[u8], mask: [u8; 4], offset: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    apply_mask(&mut bytes, mask, offset);
    bytes
}

/// A server's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, first, payload.len(), None);
    out.extend_from_slice(payload);
    out
}

fn close(code: u16) -> (u8, Vec<u8>) {
    (0x88, code.to_be_bytes().to_vec())
}

#[test]
fn a_mirror_sends_each_message_back_whole_and_of_its_kind() {
    let mut bytes = frame(0x81, "grüße".as_bytes());
    bytes.extend(frame(0x82, b""));
    bytes.extend(frame(0x01, b"\xe2\x82"));
    bytes.extend(frame(0x89, b"still there?"));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x80, b"\xac"));
    bytes.extend(frame(0x8a, b"unasked"));
    bytes.extend(frame(0x82, &[0xff; 300]));
    bytes.extend(frame(0x88, b"\x03\xe8bye"));
    let expected = [
        (0x81, "grüße".as_bytes().to_vec()),
        (0x82, vec![]),
        (0x8a, b"still there?".to_vec()),
        (0x81, "€".as_bytes().to_vec()),
        (0x82, vec![0xff; 300]),
        close(1000),
    ];
    for cut in 0..bytes.len() {
        let mut client = Client::mirror();
        client.hear(&bytes[..cut]);
        client.hear(&bytes[cut..]);
        assert_eq!(client.said(), expected, "{cut}");
        // The first FIN is the server's (RFC 6455 §7.1.1).
        assert!(!client.closed);
        client.input(Input::Eof);
        assert!(client.closed);
        assert_eq!((client.counts(), client.outcome()), ((1, 0, 0), None), "{cut}");
    }
}

/// What a breach is answered with, and that its last byte alone tells it.
#[test]
fn a_breach_is_answered_with_its_code_at_once() {
    let check = |bytes: Vec<u8>, error: ProtocolError, code: u16| {
        let mut client = Client::mirror();
        for byte in &bytes[..bytes.len() - 1] {
            client.hear(&[*byte]);
        }
        assert_eq!(client.said(), [], "too soon: {error:?}");
        client.hear(&bytes[bytes.len() - 1..]);
        assert_eq!(client.said(), [close(code)], "{error:?}");
        assert!(!client.closed, "bytes that lie unread would abort");
        client.input(Input::Eof);
        assert!(client.closed);
        assert_eq!(client.outcome(), Some(Outcome::Protocol(error)));
        assert_eq!(client.counts(), (0, 1, 0));
    };
    let head = |bytes: &[u8]| bytes.to_vec();
    check(head(b"\xc1"), ProtocolError::Reserved, 1002);
    check(head(b"\x83"), ProtocolError::Opcode, 1002);
    check(head(b"\x81\x80"), ProtocolError::Mask, 1002);
    check(head(b"\x89\x7e"), ProtocolError::ControlTooLong, 1002);
    check(head(b"\x09"), ProtocolError::ControlFragmented, 1002);
    check(head(b"\x80"), ProtocolError::Continuation, 1002);
    check(head(b"\x01\x01a\x81"), ProtocolError::Interleaved, 1002);
    check(head(b"\x82\x7e\x00\x7d"), ProtocolError::Length, 1002);
    check(frame(0x88, b"\x03"), ProtocolError::BadClose, 1002);
    check(frame(0x88, &1006_u16.to_be_bytes()), ProtocolError::BadClose, 1002);
    check(frame(0x88, b"\x03\xe8\xff"), ProtocolError::Utf8, 1007);
    check(head(b"\x81\x7e\x01\x00ok\xf4\x90"), ProtocolError::Utf8, 1007);
    check(head(b"\x01\x02\xe2\x82\x80\x01a"), ProtocolError::Utf8, 1007);
    check(head(b"\x01\x02\xe2\x82\x80\x00"), ProtocolError::Utf8, 1007);
}

#[test]
fn a_message_over_16_mib_is_refused_with_1009_and_not_kept() {
    let part = vec![b'a'; 1 << 20];
    for opcode in [0x01, 0x02] {
        let mut client = Client::mirror();
        client.hear(&frame(opcode, &part));
        (0..15).for_each(|_| client.hear(&frame(0x00, &part)));
        assert_eq!(client.said(), []);
        client.hear(&frame(0x80, b"a"));
        assert_eq!(client.said(), [close(1009)]);
        client.input(Input::Eof);
        assert_eq!(client.outcome(), Some(Outcome::Protocol(ProtocolError::TooBig)));
    }
    let mut client = Client::mirror();
    client.hear(&frame(0x02, &part));
    (0..14).for_each(|_| client.hear(&frame(0x00, &part)));
    client.hear(&frame(0x80, &part));
    let said = client.said();
    assert_eq!((said.len(), said[0].0, said[0].1.len()), (1, 0x82, 16 << 20));
}

/// A full socket: the mirror stops reading, goes on in order, and what it owes is bounded.
#[test]
fn a_peer_that_does_not_listen_pauses_its_mirror_and_is_given_up_beyond_a_limit() {
    let mut client = Client::mirror();
    client.room = 10;
    client.hear(&frame(0x82, &[1; 100]));
    assert!(client.reading, "whoever owes is paused by the next message");
    client.hear(&frame(0x82, &[2; 100]));
    assert!(!client.reading);
    client.hear(&frame(0x88, b""));
    let mut rounds = 0;
    while client.swarm.wants_room(client.id) {
        client.room = 7;
        client.input(Input::Writable);
        rounds += 1;
    }
    assert_eq!((rounds, client.reading), (30, true));
    assert_eq!(client.said(), [(0x82, vec![1; 100]), (0x82, vec![2; 100]), (0x88, vec![])]);

    let mut client = Client::mirror();
    client.room = 0;
    let message = frame(0x82, &[0; 60_000]);
    let mut heard = 0;
    while !client.closed {
        client.hear(&message);
        heard += message.len();
        assert!(heard < 34 << 20, "it is not bounded");
    }
    assert!(heard > 32 << 20);
    assert_eq!(client.outcome(), Some(Outcome::Protocol(ProtocolError::TooBig)));
}

/// A load keeps no text, and has to know whether it is one (RFC 6455 §8.1): its own echo is.
#[test]
fn replies_of_a_load_are_validated_whatever_is_expected_of_them() {
    let send = |plan: &mut Plan| {
        plan.messages.schedule = Schedule::Closed;
        plan.messages.payload = Payload::Generated(32);
    };
    let check = |expect, reply: &[Vec<u8>], broken: bool| {
        let mut client = Client::open(expect, send);
        let sent = client.said();
        assert!(sent.iter().all(|(first, message)| *first == 0x81 && message.len() == 32));
        reply.iter().for_each(|piece| client.hear(piece));
        let breach = client.said().contains(&close(1007));
        assert_eq!((breach, client.closed), (broken, broken), "{expect:?} {reply:x?}");
        let utf8 = Some(Outcome::Protocol(ProtocolError::Utf8));
        assert_eq!(client.outcome(), if broken { utf8 } else { None });
    };
    let changed = {
        let mut client = Client::open(Expect::Echo, send);
        let mut echo = client.said().remove(0).1;
        echo[20] = b'Z';
        echo
    };
    let mut wrong = changed.clone();
    wrong[20] = 0xff;
    check(Expect::Echo, &[frame(0x81, &changed)], false);
    for expect in [Expect::Echo, Expect::Reply, Expect::Push, Expect::None] {
        check(expect, &[frame(0x81, &wrong)], true);
        check(expect, &[frame(0x82, &wrong)], false);
        check(expect, &[frame(0x01, b"\xe2\x82"), frame(0x80, b"\xac")], false);
        check(expect, &[frame(0x01, b"\xe2\x82"), frame(0x80, b"a")], true);
        check(expect, &[frame(0x81, &wrong)[..30].to_vec()], true);
    }
    // Bytes that we sent as binary are no text because they come back.
    let mut client = Client::open(Expect::Echo, |plan| {
        send(plan);
        plan.messages.frame = Frame::Binary;
        plan.messages.payload = Payload::Fixed(vec![0xff; 8]);
    });
    assert_eq!(client.said(), [(0x82, vec![0xff; 8])]);
    client.hear(&frame(0x81, &[0xff; 8]));
    assert_eq!(client.said(), [close(1007)]);
}

proptest! {
    #![proptest_config(crate::cases(128))]

    /// Any messages in any fragments, read in any pieces: the same come back, in order.
    #[test]
    fn whatever_the_fragments_and_the_reads_the_mirror_says_the_same(
        messages in prop::collection::vec(
            (any::<bool>(), "\\PC{0,60}", prop::collection::vec(0_usize..200, 0..4)),
            1..8,
        ),
        reads in prop::collection::vec(1_usize..40, 1..20),
        rooms in prop::collection::vec(1_usize..60, 1..20),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (text, message, cuts) in &messages {
            let kind = if *text { 0x01 } else { 0x02 };
            let whole = message.as_bytes();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (whole.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(whole.len());
            let (mut from, mut first) = (0, kind);
            for (nth, end) in ends.iter().enumerate() {
                let fin = if nth + 1 == ends.len() { 0x80 } else { 0 };
                bytes.extend(frame(fin | first, &whole[from..*end]));
                (from, first) = (*end, 0x00);
            }
            expected.push((0x80 | kind, whole.to_vec()));
        }
        let mut client = Client::mirror();
        let (mut rest, mut reads) = (&bytes[..], reads.iter().cycle());
        let mut rooms = rooms.iter().cycle();
        while !rest.is_empty() || client.swarm.wants_room(client.id) {
            client.room = *rooms.next().unwrap();
            if client.swarm.wants_room(client.id) {
                client.input(Input::Writable);
            }
            let (piece, later) = rest.split_at(rest.len().min(*reads.next().unwrap()));
            rest = later;
            if !piece.is_empty() {
                client.hear(piece);
            }
        }
        prop_assert_eq!(client.said(), expected);
    }
}
