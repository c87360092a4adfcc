//! Every fault, as orders.

use super::*;
use crate::failure::Look;

fn ends(id: ConnId, how: Close) -> Vec<Order> {
    vec![Order::Close(id, how)]
}

#[test]
fn faults_at_accept_end_it_at_once_and_silently() {
    let check = |kind, how| {
        let mut host = Host::new(Serve { greeting: b"hi".to_vec(), ..faulty(kind) });
        let id = host.accept();
        assert_eq!((host.take(id), host.logged()), (vec![], ends(id, how)), "{kind:?}");
        assert_eq!(host.faults(), 1);
    };
    check(Kind::CloseAfterAccept, Close::Fin);
    check(Kind::RstAfterAccept, Close::Rst);
}

#[test]
fn close_after_counts_from_accept() {
    let mut host = Host::new(faulty(Kind::CloseAfter(Nanos::from_secs(10))));
    let id = host.accept();
    host.pass(Nanos::from_secs(5));
    host.bytes(id, b"still here");
    assert_eq!(host.take(id), b"still here");
    host.pass(Nanos::from_millis(4_990));
    assert_eq!(host.logged(), []);
    host.pass(Nanos::from_millis(20));
    assert_eq!((host.logged(), host.faults()), (ends(id, Close::Fin), 1));
}

#[test]
fn close_after_first_write_lets_the_greeting_out() {
    let plan = faulty(Kind::CloseAfterFirstWrite);
    let mut host = Host::new(Serve { greeting: b"hi".to_vec(), ..plan });
    let id = host.accept();
    assert_eq!((host.take(id), host.logged()), (b"hi".to_vec(), ends(id, Close::Fin)));
    assert_eq!(host.faults(), 1);
    let mut host = Host::new(faulty(Kind::CloseAfterFirstWrite));
    let id = host.accept();
    host.bytes(id, b"abc");
    assert_eq!((host.take(id), host.logged()), (b"abc".to_vec(), ends(id, Close::Fin)));
}

#[test]
fn a_leak_greets_reads_nothing_and_never_ends() {
    let mut host = Host::new(Serve { greeting: b"hi".to_vec(), ..faulty(Kind::Leak) });
    let id = host.accept();
    assert_eq!((host.take(id), host.logged()), (b"hi".to_vec(), vec![Order::ReadOn(id, false)]));
    host.input(id, Input::Eof);
    host.input(id, Input::Failed(crate::failure::Op::Read, Errno::ECONNRESET));
    host.pass(Nanos::from_secs(3_600));
    assert_eq!((host.logged(), host.faults(), host.swarm.live), (vec![], 1, 1));
}

/// RFC 8446 §6, RFC 6455 §5.2 and §7.4.1.
#[test]
fn tls_refused_an_opcode_that_is_none_and_a_limit() {
    let mut host = Host::new(faulty(Kind::RefuseTls));
    let id = host.accept();
    host.bytes(id, &[0x16, 3, 1, 2, 0, 1]);
    assert_eq!((host.take(id), host.faults()), (vec![0x15, 3, 3, 0, 2, 2, 70], 1));

    let mut host = Host::new(faulty(Kind::BadOpcode));
    let id = host.websocket();
    host.bytes(id, &frame(0x81, b"hello"));
    assert_eq!((host.take(id), host.faults()), (b"\x83\x05hello".to_vec(), 1));

    let mut host = Host::new(faulty(Kind::MessageLimit(5)));
    let id = host.websocket();
    host.bytes(id, &frame(0x81, b"hello"));
    assert_eq!(host.take(id), b"\x81\x05hello");
    host.bytes(id, &frame(0x01, b"hel"));
    host.bytes(id, &frame(0x80, b"lo!"));
    assert_eq!((host.take(id), host.faults()), (b"\x88\x02\x03\xf1".to_vec(), 1));
}

#[test]
fn rst_on_first_byte_and_close_with_it_unread() {
    let mut host = Host::new(faulty(Kind::RstOnFirstByte));
    let id = host.accept();
    assert_eq!(host.logged(), []);
    host.bytes(id, REQUEST);
    assert_eq!((host.take(id), host.logged()), (vec![], ends(id, Close::Rst)));
    assert_eq!(host.faults(), 1);

    let mut host = Host::new(faulty(Kind::CloseOnFirstByte));
    let id = host.accept();
    assert_eq!(host.logged(), [Order::ReadOn(id, false)]);
    host.pass(Nanos::from_millis(10));
    let looks = host.logged();
    assert_eq!(looks, [Order::Look(id, u16::MAX), Order::Look(id, u16::MAX)], "at 2 and 6 ms");
    host.input(id, Input::Looked(Look::default()));
    assert_eq!((host.logged(), host.faults()), (vec![], 0));
    host.input(id, Input::Writable);
    assert_eq!(host.logged(), [Order::Look(id, u16::MAX)]);
    host.input(id, Input::Looked(Look { bytes_received: 5, ..Look::default() }));
    assert_eq!((host.logged(), host.faults()), (ends(id, Close::Fin), 1));
}

#[test]
fn an_idle_connection_is_looked_at_twice_a_second_at_most() {
    let mut host = Host::new(faulty(Kind::CloseOnFirstByte));
    host.accept();
    host.pass(Nanos::from_secs(60));
    assert!(host.logged().len() < 130);
}

#[test]
fn faults_of_the_upgrade_replace_its_answer() {
    let mut host = Host::new(faulty(Kind::GarbageUpgrade));
    let id = host.accept();
    host.bytes(id, REQUEST);
    assert!(!host.take(id).starts_with(b"HTTP"));
    host.bytes(id, &frame(0x81, b"hello"));
    assert_eq!((host.take(id), host.logged(), host.faults()), (vec![], vec![], 1));

    let mut host = Host::new(faulty(Kind::RejectUpgrade(503)));
    let id = host.accept();
    host.bytes(id, REQUEST);
    let out = std::string::String::from_utf8(host.take(id)).unwrap();
    assert!(out.starts_with("HTTP/1.1 503 "), "{out}");
    assert!(out.ends_with("rejected by inrush serve --fault"), "{out}");
    assert_eq!((host.logged(), host.faults()), (ends(id, Close::Half), 1));
}

#[test]
fn a_stalled_upgrade_comes_late_or_never() {
    let mut host = Host::new(faulty(Kind::StallUpgrade(Nanos::from_secs(3))));
    let id = host.accept();
    host.bytes(id, REQUEST);
    host.bytes(id, &frame(0x81, b"impatient"));
    host.pass(Nanos::from_millis(2_900));
    assert_eq!((host.take(id), host.faults()), (vec![], 1));
    host.pass(Nanos::from_millis(200));
    let out = host.take(id);
    assert!(out.starts_with(b"HTTP/1.1 101 ") && out.ends_with(&answer(0x81, b"impatient")));
    assert_eq!(host.faults(), 0);

    let mut host = Host::new(faulty(Kind::StallUpgrade(Nanos::MAX)));
    let id = host.accept();
    host.bytes(id, REQUEST);
    for _ in 0..100 {
        host.bytes(id, &[0; 1 << 10]);
    }
    assert_eq!(host.logged(), [Order::ReadOn(id, false)], "what follows is bounded");
    host.pass(Nanos::from_secs(86_400));
    assert_eq!(host.take(id), b"");
    host.input(id, Input::Eof);
    assert_eq!((host.logged(), host.swarm.kept), (ends(id, Close::Fin), 0));
}

#[test]
fn half_a_frame_and_then_silence() {
    let mut host = Host::new(faulty(Kind::HalfFrame));
    let id = host.accept();
    host.bytes(id, REQUEST);
    assert!(host.take(id).ends_with(b"\r\n\r\n\x81\x7e"));
    host.bytes(id, &frame(0x81, b"hello"));
    host.pass(Nanos::from_secs(60));
    assert_eq!((host.take(id), host.logged(), host.faults()), (vec![], vec![], 1));
}

#[test]
fn a_close_code_comes_after_the_first_message_or_a_second() {
    let close = answer(0x88, &1012_u16.to_be_bytes());
    let mut host = Host::new(faulty(Kind::CloseCode(1012)));
    let (talks, silent) = (host.websocket(), host.websocket());
    host.bytes(talks, &frame(0x81, b"a"));
    let mut expected = answer(0x81, b"a");
    expected.extend(&close);
    assert_eq!(host.take(talks), expected);
    host.bytes(talks, &frame(0x88, &1012_u16.to_be_bytes()));
    assert_eq!(host.logged(), ends(talks, Close::Fin));
    host.pass(Nanos::from_millis(1_100));
    assert_eq!((host.take(silent), host.logged()), (close, vec![]));
    host.pass(Nanos::from_secs(1));
    assert_eq!((host.logged(), host.faults()), (ends(silent, Close::Fin), 2));
}

#[test]
fn half_a_reply_and_then_an_end() {
    let check = |kind, how| {
        let mut host = Host::new(faulty(kind));
        let id = host.accept();
        host.bytes(id, b"12345678");
        assert_eq!((host.take(id), host.logged()), (b"1234".to_vec(), ends(id, how)), "{kind:?}");
        let id = host.websocket();
        host.bytes(id, &frame(0x81, b"123456"));
        assert_eq!(host.take(id), b"\x81\x0612");
        assert_eq!((host.logged(), host.faults()), (ends(id, how), 2));
    };
    check(Kind::CloseMidWrite, Close::Fin);
    check(Kind::RstMidWrite, Close::Rst);
}

#[test]
fn replies_are_dropped_doubled_and_changed() {
    let check = |kind, said: &[u8], heard: &[u8]| {
        let mut host = Host::new(faulty(kind));
        let id = host.accept();
        host.bytes(id, said);
        assert_eq!(host.take(id), heard, "{kind:?}");
        assert_eq!(host.faults(), u64::from(!said.is_empty()));
    };
    check(Kind::DropReply, b"hello", b"");
    check(Kind::DuplicateReply, b"hello", b"hellohello");
    check(Kind::CorruptReply, b"hello", b"helln");
    check(Kind::CorruptReply, b"0123456789abcdef-x", b"0123456789abcdef-y");
    let mut host = Host::new(faulty(Kind::CorruptReply));
    let id = host.websocket();
    for text in ["ü", "€", "\u{10ffff}", "\u{d7ff}", "~", ""] {
        host.bytes(id, &frame(0x81, text.as_bytes()));
        let out = host.take(id);
        assert!(core::str::from_utf8(&out[2..]).is_ok_and(|got| (got == text) == text.is_empty()));
    }
    assert_eq!(host.faults(), 5, "an empty reply has nothing to change");
}

/// A frame of the same message lies in the middle; a stream has no frames, an empty one no middle.
#[test]
fn interleaved_frames_lie_in_the_middle_of_others() {
    let check = |payload: &[u8], expected: &[u8]| {
        let mut host = Host::new(faulty(Kind::InterleaveFrames));
        let id = host.websocket();
        host.bytes(id, &frame(0x82, payload));
        assert_eq!(host.take(id), expected, "{payload:?}");
        assert_eq!(host.faults(), u64::from(!payload.is_empty()));
    };
    check(b"abcd", b"\x82\x04ab\x82\x04abcdcd");
    check(b"x", b"\x82\x01\x82\x01xx");
    check(b"", b"\x82\x00");
    let mut host = Host::new(faulty(Kind::InterleaveFrames));
    let id = host.accept();
    host.bytes(id, b"hello");
    assert_eq!((host.take(id), host.faults()), (b"hello".to_vec(), 0));
}

#[test]
fn a_pushing_server_interleaves_too() {
    let faults = vec![Fault { kind: Kind::InterleaveFrames, select: Select::Every(2) }];
    let mut host = Host::new(Serve { mode: Mode::Push, faults, ..plan() });
    let id = host.websocket();
    host.pass(Nanos::from_millis(4_500));
    let said = host.take(id);
    assert_eq!((host.faults(), said.len()), (2, 4 * 66 + 2 * 66));
    let whole = &said[..66];
    assert_eq!(said[66..66 + 132], [&whole[..34], whole, &whole[34..]].concat());
}

#[test]
fn a_delayed_reply_is_overtaken() {
    let kind = Kind::DelayReply(Nanos::from_millis(50));
    let faults = vec![Fault { kind, select: Select::First(1) }];
    let mut host = Host::new(Serve { faults, ..plan() });
    let id = host.websocket();
    host.bytes(id, &frame(0x81, b"first"));
    host.pass(Nanos::from_millis(20));
    host.bytes(id, &frame(0x81, b"second"));
    assert_eq!(host.take(id), answer(0x81, b"second"));
    host.pass(Nanos::from_millis(40));
    assert_eq!((host.take(id), host.faults()), (answer(0x81, b"first"), 1));
}

#[test]
fn held_replies_are_bounded() {
    let mut host = Host::new(faulty(Kind::DelayReply(Nanos::from_secs(3_600))));
    let id = host.websocket();
    for _ in 0..2_000 {
        host.bytes(id, &frame(0x81, b"again"));
    }
    assert_eq!(host.take(id).len(), (2_000 - 1_024) * 7);
    assert_eq!(host.swarm.kept, 1_024 * 7);
}

#[test]
fn a_slow_reader_takes_a_byte_each_ten_milliseconds() {
    let mut host = Host::new(faulty(Kind::SlowRead));
    let id = host.accept();
    assert_eq!(host.logged(), [Order::ReadOn(id, false)]);
    host.pass(Nanos::from_millis(1_005));
    let reads = host.logged();
    assert!(reads.iter().all(|order| *order == Order::Read(id, 1)));
    assert_eq!((reads.len(), host.faults()), (100, 1));
}

#[test]
fn the_whole_server_pauses_once_in_each_period() {
    let stop = Nanos::from_millis(200);
    let mut host = Host::new(faulty(Kind::Pause(stop, Nanos::from_secs(1))));
    host.pass(Nanos::from_millis(3_500));
    assert_eq!((host.logged(), host.faults()), (vec![Order::Stall(stop); 3], 3));
}

#[test]
fn slow_accept_takes_one_each_so_long_and_a_stall_none() {
    let mut host = Host::new(faulty(Kind::SlowAccept(Nanos::from_millis(100))));
    for _ in 0..3 {
        host.accept();
        assert_eq!(host.logged(), [Order::AcceptOn(false)]);
        host.pass(Nanos::from_millis(99));
        assert_eq!(host.logged(), []);
        host.pass(Nanos::from_millis(1));
        assert_eq!(host.logged(), [Order::AcceptOn(true)]);
    }
    let mut host = Host::new(faulty(Kind::StallAccept));
    host.pass(Nanos::from_secs(60));
    assert_eq!((host.logged(), host.faults()), (vec![Order::AcceptOn(false)], 1));
    let faults = vec![Fault { kind: Kind::StallAccept, select: Select::After(2) }];
    let mut host = Host::new(Serve { faults, ..plan() });
    host.accept();
    assert_eq!(host.logged(), []);
    host.accept();
    assert_eq!((host.logged(), host.faults()), (vec![Order::AcceptOn(false)], 1));
}

#[test]
fn the_process_dies_by_count_and_by_time() {
    let mut host = Host::new(faulty(Kind::DieAfterCount(2)));
    host.accept();
    assert_eq!(host.logged(), []);
    host.accept();
    assert_eq!((host.logged(), host.faults()), (vec![Order::Die], 1));
    let mut host = Host::new(faulty(Kind::DieAfterTime(Nanos::from_secs(5))));
    host.pass(Nanos::from_millis(4_900));
    assert_eq!(host.logged(), []);
    host.pass(Nanos::from_secs(1));
    assert_eq!((host.logged(), host.faults()), (vec![Order::Die], 1));
}

#[test]
fn only_the_selected_connections_are_hit() {
    let faults = vec![Fault { kind: Kind::RstAfterAccept, select: Select::Every(3) }];
    let mut host = Host::new(Serve { faults, ..plan() });
    let hit: Vec<bool> = (0..6)
        .map(|_| {
            host.accept();
            !host.logged().is_empty()
        })
        .collect();
    assert_eq!(hit, [false, false, true, false, false, true]);
}
