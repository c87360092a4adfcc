//! Compressed messages: agreed to, echoed however they are cut, refused when they are none.

use super::*;
use crate::protocol::ws_deflate::{Compressor, Decompressor};
use crate::protocol::ws_frame::{Decoder, Event, Role};
use std::format;
use std::string::String;

/// An open connection whose client has offered this.
fn offering(host: &mut Host, offer: &str) -> (ConnId, String) {
    let id = host.accept();
    let mut request = REQUEST[..REQUEST.len() - 2].to_vec();
    request.extend(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").into_bytes());
    host.bytes(id, &request);
    (id, String::from_utf8(host.take(id)).unwrap())
}

fn agreed(host: &mut Host) -> ConnId {
    let (id, answer) = offering(host, "permessage-deflate; client_max_window_bits");
    assert!(answer.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; "), "{answer}");
    id
}

fn packed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::default().compress(15, None, message, &mut out);
    out
}

/// What the server said: the kind of each message, whether it is compressed, and its content.
fn heard(mut wire: &[u8]) -> Vec<(bool, bool, Vec<u8>)> {
    let (mut decoder, mut messages) = (Decoder::default(), Vec::new());
    decoder.allow_compressed();
    while let Some(event) = decoder.next(Role::Client, &mut wire).unwrap() {
        let Event::Data { text, bytes, start, end, compressed, .. } = event else { continue };
        assert!(start && end);
        let mut message = bytes.to_vec();
        if compressed {
            let payload = core::mem::take(&mut message);
            let mut decompressor = Decompressor::default();
            let add = |piece: crate::protocol::ws_deflate::Inflated<'_>| {
                message.extend_from_slice(piece.bytes);
                true
            };
            decompressor.decompress(None, &payload, usize::MAX, add).unwrap();
        }
        messages.push((text, compressed, message));
    }
    messages
}

#[test]
fn messages_come_back_compressed_however_they_are_cut() {
    let long: Vec<u8> = (0..=255_u8).cycle().take(2_000).collect();
    let mut wire = frame(0xc1, &packed("grüße".as_bytes()));
    wire.extend(frame(0x42, &packed(&long)[..7]));
    wire.extend(frame(0x89, b"still there?"));
    wire.extend(frame(0x00, b""));
    wire.extend(frame(0x80, &packed(&long)[7..]));
    wire.extend(frame(0x81, b"plain"));
    wire.extend(frame(0xc2, &packed(b"")));
    let expected = [
        (true, true, "grüße".as_bytes().to_vec()),
        (false, true, long),
        (true, true, b"plain".to_vec()),
        (false, true, vec![]),
    ];
    for cut in 0..=wire.len() {
        let mut host = Host::new(plan());
        let id = agreed(&mut host);
        host.bytes(id, &wire[..cut]);
        host.bytes(id, &wire[cut..]);
        assert_eq!(heard(&host.take(id)), expected, "{cut}");
        assert_eq!((host.swarm.kept, host.logged()), (0, vec![]), "{cut}");
        assert_eq!(host.swarm.take_snapshot(host.now).counts.compressed, 1);
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_code() {
    let check = |offered: bool, wire: &[u8], code: u16| {
        let mut host = Host::new(plan());
        let id = if offered { agreed(&mut host) } else { host.websocket() };
        host.bytes(id, wire);
        assert_eq!(host.take(id), answer(0x88, &code.to_be_bytes()), "{wire:x?}");
        let snapshot = host.swarm.take_snapshot(host.now);
        assert_eq!((snapshot.counts.failed, snapshot.counts.sent), (1, 0));
    };
    let hello = packed(b"hello");
    check(false, &frame(0xc1, &hello), 1002);
    check(true, &frame(0xe1, &hello), 1002);
    check(true, &frame(0xc9, b""), 1002);
    check(true, &[frame(0x41, &hello), frame(0xc0, b"")].concat(), 1002);
    check(true, &frame(0xc1, &hello[..3]), 1007);
    check(true, &frame(0xc1, &packed(b"no \xff text")), 1007);
    check(true, &frame(0xc2, &packed(&vec![0; (16 << 20) + 1])), 1009);
}

/// 1 GB of zeros.
#[test]
fn a_bomb_is_refused_at_the_limit() {
    let mut bomb = packed(&vec![0; 1_000_000]);
    let next = [&[0, 0, 0xff, 0xff][..], &bomb].concat();
    (1..1_000).for_each(|_| bomb.extend_from_slice(&next));
    let mut host = Host::new(plan());
    let id = agreed(&mut host);
    host.bytes(id, &frame(0xc2, &bomb));
    assert_eq!(host.take(id), answer(0x88, &1009_u16.to_be_bytes()));
}

#[test]
fn an_offer_that_asks_too_much_is_declined_and_the_upgrade_is_not() {
    let mut host = Host::new(plan());
    let (id, answer) = offering(&mut host, "permessage-deflate; server_max_window_bits=7");
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("Extensions"), "{answer}");
    host.bytes(id, &frame(0x81, b"hello"));
    assert_eq!(heard(&host.take(id)), [(true, false, b"hello".to_vec())]);
    // The next life of a slot is no part of the one before.
    let agreed = agreed(&mut host);
    host.input(agreed, Input::Eof);
    let again = host.websocket();
    assert_eq!(again.slot, agreed.slot);
    host.bytes(again, &frame(0x81, b"hello"));
    assert_eq!(heard(&host.take(again)), [(true, false, b"hello".to_vec())]);
}

/// A small window of the server's: what is said refers back no further.
#[test]
fn the_clients_window_is_kept_to() {
    let message: Vec<u8> = (0..400_u32).flat_map(|i| (i * i * 97).to_le_bytes()).collect();
    let message = message.repeat(2);
    let mut lengths = vec![];
    for bits in ["8", "15"] {
        let mut host = Host::new(plan());
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let (id, _) = offering(&mut host, &offer);
        host.bytes(id, &frame(0x82, &message));
        let wire = host.take(id);
        assert_eq!(heard(&wire), [(false, true, message.clone())]);
        lengths.push(wire.len());
    }
    assert!(lengths[0] > lengths[1] * 3 / 2, "{lengths:?}");
}

#[test]
fn pushes_are_compressed_and_a_greeting_need_not_be() {
    let greeting = b"hi".to_vec();
    let mode = Mode::Push;
    let mut host = Host::new(Serve { mode, proto: Proto::Ws, greeting, ..plan() });
    let id = host.accept();
    let mut request = REQUEST[..REQUEST.len() - 2].to_vec();
    request.extend(b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    host.bytes(id, &request);
    let out = host.take(id);
    let head = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(heard(&out[head..]), [(true, false, b"hi".to_vec())]);
    host.pass(Nanos::from_secs(3));
    let pushed = heard(&host.take(id));
    assert!(!pushed.is_empty() && pushed.iter().all(|(text, compressed, _)| *text && *compressed));
}
