//! Frames by hand: each rule of RFC 6455 §5 once, every cut, and the sizes that change the head.

use super::*;
use alloc::vec;

type Wholes = Vec<(u8, Vec<u8>)>;

/// All events, with payloads put together: (opcode or message kind, payload) and the error, if any.
fn decode(role: Role, pieces: &[&[u8]]) -> (Wholes, Result<Decoder, ProtocolError>) {
    decode_with(Decoder::default(), role, pieces)
}

/// The kind of a compressed message has [`COMPRESSED`].
fn decode_with(
    mut decoder: Decoder,
    role: Role,
    pieces: &[&[u8]],
) -> (Wholes, Result<Decoder, ProtocolError>) {
    let mut messages = vec![];
    let (mut data, mut control, mut begun) = (vec![], vec![], false);
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.next(role, &mut input) {
                Ok(Some(Event::Data { text, bytes, start, end, compressed, mask, offset })) => {
                    assert_eq!(start, !begun);
                    begun = !end;
                    let from = data.len();
                    data.extend_from_slice(bytes);
                    apply_mask(&mut data[from..], mask, offset);
                    if end {
                        let kind = if text { opcode::TEXT } else { opcode::BINARY };
                        let kind = if compressed { kind | COMPRESSED } else { kind };
                        messages.push((kind, core::mem::take(&mut data)));
                    }
                }
                Ok(Some(Event::Control { op, bytes, end, mask, offset })) => {
                    let from = control.len();
                    control.extend_from_slice(bytes);
                    apply_mask(&mut control[from..], mask, offset);
                    if end {
                        messages.push((op, core::mem::take(&mut control)));
                    }
                }
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(input.is_empty(), "all is used up when more is needed");
    }
    (messages, Ok(decoder))
}

fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = vec![];
    put_head(&mut out, first, payload.len(), mask);
    assert_eq!(out.len(), head_len(payload.len(), mask.is_some()));
    let from = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[from..], mask.unwrap_or_default(), 0);
    out
}

#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 32, "{}", size_of::<Decoder>());
}

/// RFC 6455 §5.7.
#[test]
fn the_examples_of_the_rfc() {
    let check = |role, wire: &[u8], expected: &[(u8, &[u8])]| {
        let expected: Vec<_> = expected.iter().map(|(op, body)| (*op, body.to_vec())).collect();
        assert_eq!(decode(role, &[wire]).0, expected);
    };
    check(Role::Client, b"\x81\x05Hello", &[(1, b"Hello")]);
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    check(Role::Server, masked, &[(1, b"Hello")]);
    assert_eq!(frame(0x81, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d])), masked);
    check(Role::Client, b"\x01\x03Hel\x80\x02lo", &[(1, b"Hello")]);
    check(Role::Client, b"\x89\x05Hello\x8a\x05Hello", &[(9, b"Hello"), (10, b"Hello")]);
}

#[test]
fn each_breach_has_its_name_and_its_byte_is_left() {
    let check = |role, wire: &[u8], expected, at: usize| {
        for cut in 0..=wire.len() {
            let result = decode(role, &[&wire[..cut], &wire[cut..]]).1;
            assert_eq!(result.err(), Some(expected), "{wire:x?} {cut}");
        }
        let (mut decoder, mut input) = (Decoder::default(), wire);
        let error = loop {
            match decoder.next(role, &mut input) {
                Ok(event) => assert!(event.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(wire.len() - input.len(), at, "{wire:x?}");
        assert_eq!(decoder.next(role, &mut input), Err(error));
    };
    use ProtocolError as E;
    use Role::{Client, Server};
    check(Client, b"HTTP/1.1 500 oops", E::Reserved, 0);
    check(Client, b"\xc1\x00", E::Reserved, 0);
    check(Client, b"\x83\x00", E::Opcode, 0);
    check(Client, b"\x8b\x00", E::Opcode, 0);
    check(Client, b"\x80\x00", E::Continuation, 0);
    check(Client, b"\x82\x00\x00\x00", E::Continuation, 2);
    check(Client, b"\x01\x00\x81\x00", E::Interleaved, 2);
    check(Client, b"\x02\x01z\x89\x00\x02\x00", E::Interleaved, 5);
    check(Client, b"\x09\x00", E::ControlFragmented, 0);
    check(Client, b"\x08\x00", E::ControlFragmented, 0);
    check(Client, b"\x81\x81abcdz", E::Mask, 1);
    check(Server, b"\x81\x01z", E::Mask, 1);
    check(Server, b"\x88\x7e", E::Mask, 1);
    check(Client, b"\x89\x7e\x00\x7e", E::ControlTooLong, 1);
    check(Server, b"\x88\xff\x00", E::ControlTooLong, 1);
    check(Client, b"\x82\x7e\x00\x7d", E::Length, 3);
    check(Client, b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", E::Length, 9);
    check(Server, b"\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00", E::Length, 9);
}

/// RFC 7692 §6: RSV1 on the first frame of a message, once it was agreed, and nowhere else.
#[test]
fn rsv1_is_for_the_beginning_of_a_message_that_may_be_compressed() {
    let mut agreed = Decoder::default();
    agreed.allow_compressed();
    let check = |decoder: Decoder, wire: &[u8], expected: &[(u8, &[u8])], error| {
        let expected: Vec<_> = expected.iter().map(|(op, body)| (*op, body.to_vec())).collect();
        for cut in 0..=wire.len() {
            let pieces = [&wire[..cut], &wire[cut..]];
            let (messages, result) = decode_with(decoder, Role::Client, &pieces);
            assert_eq!(messages, expected, "{wire:x?} {cut}");
            assert_eq!(result.err(), error, "{wire:x?} {cut}");
        }
    };
    let reserved = Some(ProtocolError::Reserved);
    let (text, binary) = (opcode::TEXT | COMPRESSED, opcode::BINARY | COMPRESSED);
    check(agreed, b"\xc1\x01a\xc2\x01b\x81\x01c", &[(text, b"a"), (binary, b"b"), (1, b"c")], None);
    check(
        agreed,
        b"\x41\x01a\x89\x00\x80\x01b\x82\x00",
        &[(9, b""), (text, b"ab"), (2, b"")],
        None,
    );
    check(agreed, b"\x41\x01a\xc0\x01b", &[], reserved);
    check(agreed, b"\x01\x01a\xc0\x01b", &[], reserved);
    check(agreed, b"\xc9\x00", &[], reserved);
    check(agreed, b"\xc8\x00", &[], reserved);
    check(agreed, b"\xc3\x00", &[], reserved);
    check(agreed, b"\xe1\x00", &[], reserved);
    check(agreed, b"\xa1\x00", &[], reserved);
    check(agreed, b"\x91\x00", &[], reserved);
    check(agreed, b"\xc1\x00\xc0\x00", &[(text, b"")], reserved);
    check(agreed, b"\x41\x00\xc1\x00", &[], Some(ProtocolError::Interleaved));
    check(Decoder::default(), b"\x81\x00\xc1\x00", &[(1, b"")], reserved);
}

#[test]
fn every_cut_gives_the_same_messages() {
    for (role, mask) in [(Role::Client, None), (Role::Server, Some([1, 2, 3, 0xfe]))] {
        let mut wire = frame(0x02, b"abc", mask);
        wire.extend(frame(0x89, b"hi", mask));
        wire.extend(frame(0x00, b"", mask));
        wire.extend(frame(0x80, &[b'x'; 256], mask));
        wire.extend(frame(0x81, b"", mask));
        wire.extend(frame(0x82, b"z", mask));
        let joined = [b"abc", &[b'x'; 256][..]].concat();
        let expected = [(9, b"hi".to_vec()), (2, joined), (1, vec![]), (2, b"z".to_vec())];
        let each: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(decode(role, &each).0, expected);
        for cut in 0..=wire.len() {
            let (messages, decoder) = decode(role, &[&wire[..cut], &wire[cut..]]);
            assert_eq!(messages, expected, "{cut}");
            let decoder = decoder.unwrap();
            assert!(!decoder.mid_message() && !decoder.mid_frame());
        }
    }
}

#[test]
fn lengths_around_each_border_of_the_encoding() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537] {
        let payload = vec![0xa5; length];
        for (role, mask) in [(Role::Client, None), (Role::Server, Some([9, 8, 7, 6]))] {
            let wire = frame(0x82, &payload, mask);
            let (messages, decoder) = decode(role, &[&wire]);
            assert_eq!((messages.len(), &messages[0].1), (1, &payload));
            assert!(!decoder.unwrap().mid_message());
        }
    }
}

#[test]
fn a_long_frame_is_given_out_as_it_comes() {
    let mut wire = vec![];
    put_head(&mut wire, 0x81, 1 << 40, Some([1, 2, 3, 4]));
    wire.extend_from_slice(b"first");
    let (mut decoder, mut input) = (Decoder::default(), &wire[..]);
    let mask = [1, 2, 3, 4];
    let piece = |bytes, start, offset| {
        let (text, end, compressed) = (true, false, false);
        Ok(Some(Event::Data { text, bytes, start, end, compressed, mask, offset }))
    };
    assert_eq!(decoder.next(Role::Server, &mut input), piece(&b"first"[..], true, 0));
    assert_eq!(decoder.next(Role::Server, &mut input), Ok(None));
    assert_eq!(decoder.payload_left(), (1 << 40) - 5);
    assert!(decoder.mid_message() && decoder.mid_frame());
    let mut input = &b"more"[..];
    assert_eq!(decoder.next(Role::Server, &mut input), piece(&b"more"[..], false, 1));
}

#[test]
fn between_two_fragments_a_message_is_under_way_and_no_frame() {
    let (_, decoder) = decode(Role::Client, &[b"\x01\x01a"]);
    let decoder = decoder.unwrap();
    assert!(decoder.mid_message() && !decoder.mid_frame() && decoder.payload_left() == 0);
    let (_, decoder) = decode(Role::Client, &[b"\x89\x02a"]);
    assert!(decoder.unwrap().mid_message());
}

#[test]
fn masking_in_any_two_parts_is_masking_at_once() {
    let mask = [0x11, 0x22, 0x44, 0x88];
    let plain: Vec<u8> = (0..40).collect();
    let expected: Vec<u8> =
        (0..40).zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    for cut in 0..=plain.len() {
        let mut bytes = plain.clone();
        let (head, tail) = bytes.split_at_mut(cut);
        apply_mask(head, mask, 0);
        apply_mask(tail, mask, u32::try_from(cut).unwrap());
        assert_eq!(bytes, expected, "{cut}");
    }
}

/// RFC 6455 §7.4 and the registry of close codes.
#[test]
fn close_codes() {
    let check = |body: &[u8], expected| assert_eq!(close_code(body), expected, "{body:x?}");
    check(b"", Ok(1005));
    check(b"\x03", Err(ProtocolError::BadClose));
    check(b"\x03\xe8", Ok(1000));
    check(b"\x03\xe8bye \xc3\xa9", Ok(1000));
    check(b"\x03\xe8bye \xc3", Err(ProtocolError::Utf8));
    let allowed = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in 0..=u16::MAX {
        let expected = if allowed(code) { Ok(code) } else { Err(ProtocolError::BadClose) };
        check(&code.to_be_bytes(), expected);
    }
}

/// RFC 6455 §7.4.1: every breach has a code that may be sent.
#[test]
fn breaches_are_told_with_their_code() {
    let check = |error, expected: u16| {
        assert_eq!(breach_code(error), expected, "{error:?}");
        assert_eq!(close_code(&expected.to_be_bytes()), Ok(expected));
    };
    check(ProtocolError::Utf8, 1007);
    check(ProtocolError::Deflate, 1007);
    check(ProtocolError::TooBig, 1009);
    check(ProtocolError::Reserved, 1002);
    check(ProtocolError::Interleaved, 1002);
    check(ProtocolError::BadClose, 1002);
}
