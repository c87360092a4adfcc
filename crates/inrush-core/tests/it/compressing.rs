//! Compression in the client role: what a server says, however it is cut, and what becomes of a
//! server that abuses it; and a whole run against the real server in the simulated world.

use crate::faults::serve_echo;
use crate::mirroring::{Client, frame, unmasked};
use crate::world::{Act, World, plan, seed, talking};
use inrush_core::diagnosis::Confidence::Proven;
use inrush_core::failure::{Class, Outcome, ProtocolError};
use inrush_core::fault::{Fault, Kind, Select};
use inrush_core::plan::{Expect, Payload, Rate, Schedule, Scheme};
use inrush_core::protocol::ws_deflate::{Agreed, Compressor, Decompressor, Offer, Window};
use inrush_core::protocol::ws_frame::{COMPRESSED, Decoder, Event, Role, opcode};
use inrush_core::swarm::Input;
use inrush_core::time::Nanos;
use proptest::prelude::*;

const BOTH: Agreed =
    Agreed { server_takes_over: true, client_takes_over: true, server_bits: 15, client_bits: 15 };

fn client(expect: Expect, deflate: Option<Agreed>) -> Client {
    Client::agreed(expect, deflate, |plan| {
        let offer = Offer { client_max_window_bits: Some(None), ..Offer::default() };
        plan.compress = deflate.map(|_| offer);
    })
}

/// The messages that the client has written, each with whether it was compressed.
fn said(wrote: &[u8], agreed: Agreed) -> Vec<(bool, Vec<u8>)> {
    let (mut decoder, mut input, mut messages) = (Decoder::default(), wrote, Vec::new());
    decoder.allow_compressed();
    let (mut decompressor, mut window) = (Decompressor::default(), Window::new(agreed.client_bits));
    let mut payload = Vec::new();
    while let Some(event) = decoder.next(Role::Server, &mut input).unwrap() {
        let Event::Data { bytes, end, compressed, mask, offset, .. } = event else { continue };
        payload.extend(unmasked(bytes, mask, offset));
        if !end {
            continue;
        }
        let mut message = std::mem::take(&mut payload);
        if compressed {
            let packed = std::mem::take(&mut message);
            let window = agreed.client_takes_over.then_some(&mut window);
            decompressor
                .decompress(window, &packed, usize::MAX, |piece| {
                    message.extend_from_slice(piece.bytes);
                    true
                })
                .unwrap();
        }
        messages.push((compressed, message));
    }
    assert!(!decoder.mid_frame());
    messages
}

/// A message, whether it is compressed, and where it is cut into frames.
type Spoken = (Vec<u8>, bool, Vec<prop::sample::Index>);

fn spoken() -> impl Strategy<Value = Spoken> {
    let text = prop_oneof![
        4 => "[a-z]{0,80}".prop_map(String::into_bytes),
        1 => (0_usize..20_000).prop_map(|length| {
            b"so long ".iter().copied().cycle().take(length).collect()
        }),
    ];
    (text, any::<bool>(), prop::collection::vec(any::<prop::sample::Index>(), 0..4))
}

proptest! {
    #![proptest_config(crate::cases(48))]

    /// Messages in any frames and any reads, compressed or not, with pings between, come back.
    #[test]
    fn a_mirror_understands_and_compresses(
        messages in prop::collection::vec(spoken(), 0..6),
        takes_over in any::<(bool, bool)>(),
        bits in (8..=15_u8, 8..=15_u8),
        sizes in prop::collection::vec(1_usize..3_000, 1..5),
        room in prop::option::of(0_usize..200),
    ) {
        let agreed = Agreed {
            server_takes_over: takes_over.0,
            client_takes_over: takes_over.1,
            server_bits: bits.0,
            client_bits: bits.1,
        };
        let mut agreed_to = client(Expect::Mirror, Some(agreed));
        // A window smaller than 15 of the client's own is the server's to choose in words.
        let agreed = Agreed { client_bits: 15, ..agreed };
        let (mut compressor, mut window) = (Compressor::default(), Window::new(agreed.server_bits));
        let mut wire = Vec::new();
        for (message, compressed, cuts) in &messages {
            let mut payload = message.clone();
            let mut first = opcode::TEXT;
            if *compressed {
                payload.clear();
                let window = agreed.server_takes_over.then_some(&mut window);
                compressor.compress(agreed.server_bits, window, message, &mut payload);
                first |= COMPRESSED;
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for cut in cuts {
                wire.extend(frame(first, &payload[from..cut]));
                wire.extend(frame(0x89, b""));
                (first, from) = (opcode::CONTINUATION, cut);
            }
            wire.extend(frame(0x80 | first, &payload[from..]));
        }
        agreed_to.room = room.unwrap_or(usize::MAX);
        let (mut rest, mut sizes) = (&wire[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (read, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            rest = later;
            agreed_to.hear(read);
        }
        agreed_to.room = usize::MAX;
        agreed_to.input(Input::Writable);
        let expected: Vec<_> = messages.into_iter().map(|(message, ..)| (true, message)).collect();
        prop_assert_eq!(said(&agreed_to.wrote, agreed), expected);
        prop_assert_eq!(agreed_to.outcome(), None);
    }
}

#[test]
fn a_server_that_abuses_compression_fails_its_connection() {
    let check = |expect, deflate: Option<Agreed>, first: u8, payload: &[u8], expected| {
        let (head, tail) = payload.split_at(payload.len() / 2);
        let in_two = [frame(first & 0x7f, head), frame(0x80, tail)].concat();
        for wire in [frame(first, payload), in_two] {
            let mut client = client(expect, deflate);
            client.hear(&wire);
            // A mirror waits for the server's end.
            client.input(Input::Eof);
            let outcome = Some(Outcome::Protocol(expected));
            assert_eq!(client.outcome(), outcome, "{expect:?} {wire:x?}");
        }
    };
    let mut packed = Vec::new();
    Compressor::default().compress(15, None, b"said by nobody", &mut packed);
    for expect in [Expect::Echo, Expect::Reply, Expect::Push, Expect::None, Expect::Mirror] {
        // Nothing was agreed; that is no message; that is no text.
        check(expect, None, 0xc1, &packed, ProtocolError::Reserved);
        check(expect, Some(BOTH), 0xc1, &packed[..packed.len() - 3], ProtocolError::Deflate);
        let mut no_text = Vec::new();
        Compressor::default().compress(15, None, b"no \xff text", &mut no_text);
        check(expect, Some(BOTH), 0xc1, &no_text, ProtocolError::Utf8);
    }
}

/// What a message of 1 GB compresses to is 10 MB at most, and is refused at the limit.
#[test]
fn a_bomb_is_too_big_and_costs_nothing() {
    let million = vec![0; 1_000_000];
    let (mut compressor, mut window) = (Compressor::default(), Window::new(15));
    let mut bomb = Vec::new();
    compressor.compress(15, Some(&mut window), &million, &mut bomb);
    let mut next = vec![0, 0, 0xff, 0xff];
    compressor.compress(15, Some(&mut window), &million, &mut next);
    (1..1_000).for_each(|_| bomb.extend_from_slice(&next));
    assert!(bomb.len() < 12 << 20, "{}", bomb.len());
    for expect in [Expect::Echo, Expect::Reply, Expect::Push, Expect::None, Expect::Mirror] {
        let mut client = client(expect, Some(BOTH));
        client.hear(&frame(0xc2, &bomb));
        client.input(Input::Eof);
        let outcome = Some(Outcome::Protocol(ProtocolError::TooBig));
        assert_eq!(client.outcome(), outcome, "{expect:?}");
        let heard = client.swarm.snapshot(Nanos::ZERO).counts.received_bytes;
        assert!(heard <= 16 << 20, "{expect:?}: {heard}");
    }
}

/// Neither kept nor put off: what a piece says is taken in when it comes, so that a long message
/// costs no memory, and its peer no more of a loop's time at once than a read of it takes.
#[test]
fn a_message_in_pieces_is_taken_in_as_it_comes() {
    let mut packed = Vec::new();
    let message: Vec<u8> =
        (0..3_000_000_u32).map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0]).collect();
    Compressor::default().compress(15, None, &message, &mut packed);
    let whole = frame(0xc2, &packed);
    for expect in [Expect::Echo, Expect::Reply, Expect::Push, Expect::None, Expect::Mirror] {
        let mut client = client(expect, Some(BOTH));
        let mut heard = 0;
        for (read, bytes) in whole.chunks(64 << 10).enumerate() {
            client.hear(bytes);
            let now = client.swarm.snapshot(Nanos::ZERO).counts.received_bytes;
            assert!(now > heard, "{expect:?}: nothing of read {read}");
            heard = now;
        }
        assert_eq!((heard, client.outcome()), (3_000_000, None), "{expect:?}");
    }
}

/// The rest of a long compressed message waits for room; pings and pongs wait behind it, and are
/// not given up for its length.
#[test]
fn a_ping_behind_a_long_message_is_answered() {
    let mut client = client(Expect::Mirror, Some(BOTH));
    let long: Vec<u8> =
        (0..20_000_u32).map(|i| (i.wrapping_mul(i) >> 7).to_le_bytes()[0]).collect();
    let mut packed = Vec::new();
    Compressor::default().compress(15, None, &long, &mut packed);
    assert!(packed.len() > 10_000, "{}", packed.len());
    client.room = 100;
    client.hear(&frame(0xc2, &packed));
    // Beyond a few kilobytes of pongs they are given up: nobody reads them.
    for n in 0..200_u8 {
        client.hear(&frame(0x89, &[n; 100]));
    }
    client.room = usize::MAX;
    client.input(Input::Writable);
    let (mut decoder, mut input, mut pongs) = (Decoder::default(), &client.wrote[..], Vec::new());
    decoder.allow_compressed();
    let mut masks = std::collections::BTreeSet::new();
    while let Some(event) = decoder.next(Role::Server, &mut input).unwrap() {
        if let Event::Control { op: opcode::PONG, bytes, mask, offset, .. } = event {
            assert!(masks.insert(mask), "each frame has a mask of its own (RFC 6455 §5.3)");
            pongs.push(unmasked(bytes, mask, offset));
        }
    }
    assert!((35..45).contains(&pongs.len()), "{}", pongs.len());
    assert!(pongs.iter().zip(0_u8..).all(|(pong, n)| *pong == [n; 100]));
    assert_eq!(client.outcome(), None);
}

/// More unfinished messages than a worker has room for are its own limit, not the server's fault.
#[test]
fn too_many_unfinished_messages_are_our_own_limit() {
    const STREAMS: u32 = 4_096;
    let mut world = World::new(seed(72));
    let plan = {
        let mut plan = plan(Scheme::Ws, STREAMS + 4);
        plan.compress = Some(Offer::of_browsers());
        plan.connect_rate = Rate::Max;
        plan
    };
    let mut begun = Vec::new();
    Compressor::default().compress(15, None, b"what is never said in full", &mut begun);
    let say = frame(0x42, &begun[..10]);
    world.script(crate::world::address(1), move |_| {
        vec![Act::ReadRequest, Act::AcceptCompressed, Act::Say(say.clone()), Act::Drain]
    });
    let out = world.run(&plan);
    out.assert_classes(&[(Class::NoBufferSpace, 4)]);
    out.assert_causes(&[("generator-overloaded", 4, Proven)]);
}

/// A closed loop sends its next message while it takes in the reply to the one before.
#[test]
fn a_closed_loop_goes_on_with_compressed_replies() {
    let mut client = Client::agreed(Expect::Echo, Some(BOTH), |plan| {
        plan.compress = Some(Offer::of_browsers());
        plan.messages.schedule = Schedule::Closed;
        plan.messages.payload = Payload::Generated(1_000);
    });
    let (mut compressor, mut window) = (Compressor::default(), Window::new(15));
    let mut wrote = Vec::new();
    for turn in 1..=20 {
        wrote.append(&mut client.wrote);
        let messages = said(&wrote, BOTH);
        assert_eq!(messages.len(), turn);
        let (compressed, message) = &messages[turn - 1];
        assert!(*compressed && message.len() == 1_000);
        let mut packed = Vec::new();
        compressor.compress(15, Some(&mut window), message, &mut packed);
        client.hear(&frame(0xc1, &packed));
    }
    // All but the first refer to those before.
    assert!(wrote.len() < 2_000, "{}", wrote.len());
    let counts = client.swarm.snapshot(Nanos::ZERO).counts;
    assert_eq!((counts.received, counts.corrupted, counts.compressed), (20, 0, 1));
    assert_eq!((counts.sent_bytes, counts.received_bytes), (21_000, 20_000));
}

/// Whole runs: the real server agrees to any offer, and replies are matched as without.
#[test]
fn a_run_with_compression_matches_its_replies() {
    let offers = ["", "client_max_window_bits", "server_max_window_bits=8"];
    for (offer, size) in offers.into_iter().zip([64, 9, 20_000]) {
        let mut world = World::new(seed(70));
        serve_echo(&mut world, vec![]);
        let mut plan = talking(plan(Scheme::Ws, 20), 10);
        plan.compress = Some(Offer::parse(offer).unwrap());
        plan.messages.payload = Payload::Generated(size);
        let out = world.run(&plan);
        out.assert_causes(&[]);
        out.assert_healthy(20);
        let counts = out.counts();
        assert_eq!((counts.compressed, counts.corrupted, counts.lost), (20, 0, 0));
        assert!(counts.sent > 100 && counts.received == counts.sent, "{counts:#?}");
        assert_eq!(counts.received_bytes, counts.received * u64::from(size));
    }
}

#[test]
fn a_changed_reply_is_corrupted_behind_compression_too() {
    let mut world = World::new(seed(71));
    serve_echo(&mut world, vec![Fault { kind: Kind::CorruptReply, select: Select::Every(11) }]);
    let mut plan = talking(plan(Scheme::Ws, 20), 50);
    plan.compress = Some(Offer::of_browsers());
    let out = world.run(&plan);
    out.assert_healthy(20);
    let counts = out.counts();
    assert_eq!((counts.compressed, counts.received), (20, counts.sent));
    assert_eq!(counts.corrupted, counts.sent / 11);
}
