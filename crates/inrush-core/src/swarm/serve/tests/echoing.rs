//! Messages, control frames, ends, short writes.

use super::*;
use crate::failure::{Op, Outcome};

fn closed(id: ConnId, how: Close) -> Order {
    Order::Close(id, how)
}

#[test]
fn messages_come_back_whole_and_of_their_kind() {
    let check = |pieces: &[Vec<u8>], expected: &[u8]| {
        let mut host = Host::new(plan());
        let id = host.websocket();
        pieces.iter().for_each(|piece| host.bytes(id, piece));
        assert_eq!(host.take(id), expected, "{pieces:?}");
        assert_eq!(host.logged(), []);
        assert_eq!(host.swarm.kept, 0);
    };
    check(&[frame(0x81, b"one")], &answer(0x81, b"one"));
    check(&[frame(0x82, b"")], &answer(0x82, b""));
    check(&[frame(0x82, &[0xff; 300])], &answer(0x82, &[0xff; 300]));
    let parts = [frame(0x01, b"o"), frame(0x89, b"ping"), frame(0x00, b"n"), frame(0x80, b"e")];
    let mut both = answer(0x8a, b"ping");
    both.extend(answer(0x81, b"one"));
    check(&parts, &both);
    let long = frame(0x82, &[7; 70_000]);
    check(&[long[..40_000].to_vec(), long[40_000..].to_vec()], &answer(0x82, &[7; 70_000]));
    check(&[frame(0x8a, b"pong alone")], b"");
}

#[test]
fn every_cut_of_a_conversation_gives_the_same_answers() {
    let mut bytes = frame(0x81, "grüße".as_bytes());
    bytes.extend(frame(0x89, b"still there?"));
    bytes.extend(frame(0x82, &[1, 2, 3]));
    bytes.extend(frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
    let mut expected = answer(0x81, "grüße".as_bytes());
    expected.extend(answer(0x8a, b"still there?"));
    expected.extend(answer(0x82, &[1, 2, 3]));
    expected.extend(answer(0x88, &[0x03, 0xe8]));
    for cut in 0..bytes.len() {
        let mut host = Host::new(plan());
        let id = host.websocket();
        host.bytes(id, &bytes[..cut]);
        host.bytes(id, &bytes[cut..]);
        assert_eq!(host.take(id), expected, "{cut}");
        assert_eq!(host.logged(), [closed(id, Close::Fin)], "{cut}");
    }
}

#[test]
fn broken_frames_are_answered_with_their_code_and_an_end() {
    let check = |bytes: Vec<u8>, code: u16| {
        let mut host = Host::new(plan());
        let id = host.websocket();
        host.bytes(id, &bytes);
        assert_eq!(host.take(id), answer(0x88, &code.to_be_bytes()), "{code}");
        assert_eq!(host.logged(), [closed(id, Close::Half)], "{code}");
        host.bytes(id, b"what comes after it is not read as frames");
        host.input(id, Input::Eof);
        assert_eq!(host.logged(), [closed(id, Close::Fin)], "{code}");
        let snapshot = host.swarm.take_snapshot(host.now);
        assert_eq!((snapshot.counts.failed, snapshot.tally.count()), (1, 1));
        let key = snapshot.tally.rows[0].key;
        assert!(matches!(key.signature.outcome, Outcome::Protocol(_)) && key.heard && key.spoke);
    };
    check(answer(0x81, b"not masked"), 1002);
    check(frame(0x83, b"no such opcode"), 1002);
    check(frame(0x80, b"continues nothing"), 1002);
    check(frame(0x81, b"\xff\xfe"), 1007);
    check(frame(0x88, &[0x03]), 1002);
    check(frame(0x88, &1005_u16.to_be_bytes()), 1002);
}

/// RFC 6455 §8.1 and §5.4: text is refused at its first wrong byte, also in the middle of a frame,
/// and what is cut within a character is not wrong before its end.
#[test]
fn text_in_parts_fails_at_its_first_wrong_byte() {
    let check = |pieces: &[&[u8]], valid: bool| {
        let mut host = Host::new(plan());
        let id = host.websocket();
        let (last, before) = pieces.split_last().unwrap();
        for piece in before {
            host.bytes(id, piece);
            assert_eq!(host.take(id), b"", "too soon: {piece:x?}");
        }
        host.bytes(id, last);
        let refused = host.take(id) == answer(0x88, &1007_u16.to_be_bytes());
        assert_eq!(refused, !valid, "{pieces:x?}");
        assert_eq!(host.swarm.kept, 0, "{pieces:x?}");
    };
    // Beyond U+10FFFF: known with its second byte, before the message ends.
    check(&[&frame(0x01, b"\xce\xba"), &frame(0x00, b"\xf4\x90")], false);
    let whole = frame(0x81, b"\xce\xba\xf4\x90\x80\x80edited");
    check(&[&whole[..9], &whole[9..10]], false);
    check(&[&frame(0x01, b"\xe2\x82"), &frame(0x80, b"\xac")], true);
    check(&[&frame(0x01, b"\xe2"), &frame(0x00, b""), &frame(0x80, b"\x82")], false);
    check(&[&frame(0x01, b"\xe2\x82"), &frame(0x80, b"")], false);
    // Bytes need not be text, and one message's end is no part of the next.
    check(&[&frame(0x02, b"\xff"), &frame(0x80, b"\xfe")], true);
    let mut host = Host::new(plan());
    let id = host.websocket();
    for _ in 0..2 {
        host.bytes(id, &frame(0x01, b"\xe2\x82"));
        host.bytes(id, &frame(0x80, b"\xac"));
        assert_eq!(host.take(id), answer(0x81, "€".as_bytes()));
    }
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let mut host = Host::new(plan());
    let id = host.websocket();
    host.bytes(id, &frame(0x88, b""));
    assert_eq!(host.take(id), answer(0x88, b""));
    assert_eq!(host.logged(), [closed(id, Close::Fin)]);
}

#[test]
fn a_message_over_the_limit_is_refused_with_1009() {
    let mut host = Host::new(plan());
    let id = host.websocket();
    let part = vec![0; 1 << 20];
    host.bytes(id, &frame(0x02, &part));
    for _ in 0..20 {
        host.bytes(id, &frame(0x00, &part));
        assert!(host.swarm.kept <= 17 << 20);
    }
    assert_eq!(host.take(id), answer(0x88, &1009_u16.to_be_bytes()));
    assert_eq!(host.logged(), [closed(id, Close::Half)]);
}

#[test]
fn a_worker_keeps_at_most_its_budget_and_says_1013() {
    let mut host = Host::new(plan());
    host.swarm.budget = 1 << 20;
    let mut refused = 0;
    for _ in 0..20 {
        let id = host.websocket();
        host.bytes(id, &frame(0x02, &[0; 60 << 10]));
        assert!(host.swarm.kept <= 1 << 20);
        refused += u64::from(host.take(id) == answer(0x88, &1013_u16.to_be_bytes()));
    }
    assert_eq!(refused, 3);
}

#[test]
fn peers_that_ask_and_do_not_listen_are_aborted_beyond_the_budget() {
    let mut host = Host::new(plan());
    host.swarm.budget = 1 << 20;
    for _ in 0..20 {
        let id = host.accept();
        host.room.insert(id.slot, 0);
        host.bytes(id, &[0; 60 << 10]);
        assert!(host.swarm.kept <= 1 << 20);
    }
    let aborted = host.logged();
    assert!(aborted.iter().all(|order| matches!(order, Order::Close(_, Close::Rst))));
    assert_eq!((aborted.len(), host.swarm.take_snapshot(host.now).counts.failed), (3, 3));
}

#[test]
fn short_writes_go_on_in_order_one_byte_or_many_at_a_time() {
    for step in [1, 7, 1_000] {
        let mut host = Host::new(plan());
        let id = host.websocket();
        host.room.insert(id.slot, 10);
        let mut expected = Vec::new();
        for n in 0..20_u8 {
            host.bytes(id, &frame(0x82, &[n; 50]));
            expected.extend(answer(0x82, &[n; 50]));
        }
        host.bytes(id, &frame(0x88, b""));
        expected.extend(answer(0x88, b""));
        assert_eq!(host.logged(), [], "nothing is closed before its last byte is taken");
        for _ in 0..2_000 {
            host.make_room(id, step);
        }
        assert_eq!(host.take(id), expected, "{step}");
        assert_eq!(host.logged(), [closed(id, Close::Fin)]);
        assert_eq!((host.swarm.kept, host.swarm.live), (0, 0));
    }
}

#[test]
fn a_peer_that_does_not_read_is_not_read() {
    let mut host = Host::new(plan());
    let id = host.accept();
    host.room.insert(id.slot, 0);
    host.bytes(id, &[1; 60 << 10]);
    assert_eq!(host.logged(), []);
    host.bytes(id, &[2; 60 << 10]);
    assert_eq!(host.logged(), [Order::ReadOn(id, false)]);
    host.make_room(id, 100 << 10);
    assert_eq!(host.logged(), []);
    host.make_room(id, 10 << 10);
    assert_eq!(host.logged(), [Order::ReadOn(id, true)]);
    host.make_room(id, usize::MAX);
    let out = host.take(id);
    assert_eq!(out.len(), 120 << 10);
    assert!(out[..60 << 10].iter().all(|b| *b == 1) && out[60 << 10..].iter().all(|b| *b == 2));
    assert_eq!(host.swarm.kept, 0);
}

#[test]
fn a_large_tail_is_given_in_parts_and_whole() {
    let mut host = Host::new(plan());
    let id = host.websocket();
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    host.room.insert(id.slot, 1_000);
    host.bytes(id, &frame(0x82, &payload));
    host.make_room(id, 700_000);
    host.make_room(id, usize::MAX);
    assert_eq!(host.take(id), answer(0x82, &payload));
    assert_eq!(host.swarm.kept, 0);
}

#[test]
fn a_fin_is_answered_when_all_is_written_and_an_error_at_once() {
    let mut host = Host::new(plan());
    let id = host.accept();
    host.room.insert(id.slot, 1);
    host.bytes(id, b"abc");
    host.input(id, Input::Eof);
    assert_eq!(host.logged(), []);
    host.make_room(id, 9);
    assert_eq!((host.take(id), host.logged()), (b"abc".to_vec(), vec![closed(id, Close::Fin)]));
    let id = host.accept();
    host.input(id, Input::Failed(Op::Read, Errno::ECONNRESET));
    assert_eq!(host.logged(), [closed(id, Close::Fin)]);
    let snapshot = host.swarm.take_snapshot(host.now);
    assert_eq!((snapshot.counts.finished, snapshot.counts.failed), (1, 1));
    assert_eq!(snapshot.gauges.open + snapshot.gauges.opening + snapshot.gauges.closing, 0);
}

#[test]
fn a_peer_that_ended_and_never_reads_is_given_up() {
    let mut host = Host::new(plan());
    let id = host.accept();
    host.room.insert(id.slot, 0);
    host.bytes(id, b"abc");
    host.input(id, Input::Eof);
    host.pass(Nanos::from_secs(11));
    assert_eq!(host.logged(), [closed(id, Close::Fin)]);
}

#[test]
fn a_sink_says_nothing_and_a_push_speaks_in_its_rhythm() {
    let mut host = Host::new(Serve { mode: Mode::Sink, ..plan() });
    let id = host.websocket();
    host.bytes(id, &frame(0x81, b"hello"));
    assert_eq!(host.take(id), b"");
    let mut host = Host::new(Serve { mode: Mode::Push, ..plan() });
    let (ws, tcp) = (host.websocket(), host.accept());
    host.pass(Nanos::from_secs(10));
    assert_eq!(host.take(ws).len(), 10 * 66);
    assert_eq!(host.take(tcp).len(), 7 * 64, "silent for three seconds it is a stream");
    host.room.insert(ws.slot, 0);
    host.pass(Nanos::from_secs(3_600));
    assert!(host.swarm.kept < 66 << 10, "who does not read is not pushed at without end");
}

#[test]
fn late_events_of_an_earlier_life_are_dropped() {
    let mut host = Host::new(plan());
    let old = host.accept();
    host.input(old, Input::Eof);
    let new = host.accept();
    assert_eq!((new.slot, new.generation), (old.slot, old.generation + 1));
    host.bytes(old, b"late");
    host.input(old, Input::Eof);
    assert_eq!(host.take(new), b"");
    host.bytes(new, b"mine");
    assert_eq!(host.take(new), b"mine");
}

#[test]
fn noise_of_any_kind_neither_panics_nor_leaks() {
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        seed = crate::pace::mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        seed % below
    };
    for round in 0..3_000_usize {
        let proto = [Proto::Auto, Proto::Tcp, Proto::Ws][round % 3];
        let mode = [Mode::Echo, Mode::Sink, Mode::Push][round / 3 % 3];
        let mut host = Host::new(Serve { proto, mode, ..plan() });
        let id = if draw(2) == 0 && proto != Proto::Tcp { host.websocket() } else { host.accept() };
        for _ in 0..draw(12) {
            let mut bytes: Vec<u8> = match draw(4) {
                0 => REQUEST.to_vec(),
                1 => frame(0x80 | u8::try_from(draw(16)).unwrap(), b"some payload"),
                2 => frame(u8::try_from(draw(256)).unwrap(), &[0x41; 200]),
                _ => (0..draw(64)).map(|_| u8::try_from(draw(256)).unwrap()).collect(),
            };
            if !bytes.is_empty() && draw(3) == 0 {
                let at = usize::try_from(draw(bytes.len() as u64)).unwrap();
                bytes[at] ^= u8::try_from(draw(256)).unwrap();
            }
            match draw(8) {
                0 => host.pass(Nanos::from_millis(draw(900))),
                1 => host.make_room(id, usize::try_from(draw(300)).unwrap()),
                2 => host.input(id, Input::Writable),
                _ => host.bytes(id, &bytes),
            }
        }
        host.input(id, Input::Failed(Op::Read, Errno::ECONNRESET));
        assert_eq!((host.swarm.live, host.swarm.kept), (0, 0), "{round}");
        assert_eq!((host.swarm.open, host.swarm.opening), (0, 0), "{round}");
        let counts = host.swarm.take_snapshot(host.now).counts;
        assert_eq!(counts.finished + counts.failed, counts.connected, "{round}");
    }
}
