//! Against miniz_oxide, which shares no line with the codec's library: any messages, windows and
//! take-overs, both ways; and what a hostile payload can cost.

use super::*;
use crate::failure::ProtocolError;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use proptest::prelude::*;
use std::vec::Vec as StdVec;

/// Another implementation's sender, whose context lives on when `takes_over`.
struct Sender(CompressorOxide, bool);

impl Sender {
    fn new(takes_over: bool) -> Self {
        Self(CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0)), takes_over)
    }

    fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            return vec![0];
        }
        if !self.1 {
            *self = Self::new(false);
        }
        let mut out = vec![0; message.len() * 2 + 1_000];
        let (_, read, written) = compress(&mut self.0, message, &mut out, TDEFLFlush::Sync);
        assert_eq!(read, message.len());
        out.truncate(written);
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "{out:x?}");
        out.truncate(written - 4);
        out
    }
}

/// Another implementation's receiver that has a window of exactly so many bits.
struct Receiver {
    state: DecompressorOxide,
    ring: StdVec<u8>,
    at: usize,
    takes_over: bool,
}

impl Receiver {
    fn new(bits: u8, takes_over: bool) -> Self {
        let ring = vec![0; 1 << bits];
        Self { state: DecompressorOxide::new(), ring, at: 0, takes_over }
    }

    fn decompress(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.state = DecompressorOxide::new();
            self.ring.fill(0xaa);
            self.at = 0;
        }
        let mut input = payload.to_vec();
        input.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let (mut left, mut message) = (&input[..], Vec::new());
        loop {
            let more = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (said, read, wrote) =
                decompress(&mut self.state, left, &mut self.ring, self.at, more);
            assert!(said as i32 >= 0, "{said:?}");
            message.extend_from_slice(&self.ring[self.at..self.at + wrote]);
            self.at = (self.at + wrote) % self.ring.len();
            left = &left[read..];
            if left.is_empty() && wrote == 0 {
                return message;
            }
        }
    }
}

fn inflated(
    codec: &mut Decompressor,
    window: Option<&mut Window>,
    payload: &[u8],
    most: usize,
) -> Result<Vec<u8>, ProtocolError> {
    let (mut message, mut begun, mut ended) = (Vec::new(), false, false);
    codec.decompress(window, payload, most, |piece| {
        assert_eq!(piece.start, !begun);
        assert!(!ended);
        (begun, ended) = (true, piece.end);
        message.extend_from_slice(piece.bytes);
        true
    })?;
    assert!(ended);
    Ok(message)
}

/// The same of a payload that comes in pieces, and of two connections at once.
fn streamed(
    codec: &mut Decompressor,
    mut window: Option<&mut Window>,
    payload: &[u8],
    piece: usize,
) -> Result<Vec<u8>, ProtocolError> {
    let mut stream = codec.begin(window.as_deref())?;
    let (mut message, mut ended) = (Vec::new(), false);
    let mut pieces = payload.chunks(piece.max(1)).peekable();
    while let Some(piece) = pieces.next() {
        let other = inflated(codec, None, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 100);
        assert_eq!(other.as_deref(), Ok(&b"Hello"[..]));
        let (window, last) = (window.as_deref_mut(), pieces.peek().is_none());
        codec.feed(&mut stream, window, piece, last, MESSAGE_BYTES, |got| {
            assert!(!ended && got.start == message.is_empty(), "{got:?}");
            ended = got.end;
            message.extend_from_slice(got.bytes);
            true
        })?;
        assert_eq!(ended, last);
    }
    codec.end(stream);
    Ok(message)
}

/// Messages as they are: like those before them, noise, long, empty.
fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let like = (any::<u8>(), 0..2_000_usize).prop_map(|(seed, length)| {
        (0..length).map(|i| seed.wrapping_add((i % 61).to_le_bytes()[0])).collect()
    });
    let noise = prop::collection::vec(any::<u8>(), 0..1_500);
    let long = (1..9_u32).prop_map(|n| {
        (0..n * 20_000)
            .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> (i % 23)).to_le_bytes())
            .collect()
    });
    prop::collection::vec(prop_oneof![5 => like, 3 => noise, 1 => long], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn others_understand_what_we_compress(
        messages in messages(),
        bits in 8..=15_u8,
        takes_over in any::<bool>(),
    ) {
        let (mut codec, mut window) = (Compressor::default(), Window::new(bits));
        let mut receiver = Receiver::new(bits, takes_over);
        let mut own = (Decompressor::default(), Window::new(bits));
        for message in &messages {
            let mut payload = b"before".to_vec();
            codec.compress(bits, takes_over.then_some(&mut window), message, &mut payload);
            prop_assert!(payload.starts_with(b"before"));
            let payload = &payload[6..];
            prop_assert!(&receiver.decompress(payload) == message);
            let own_window = takes_over.then_some(&mut own.1);
            let back = inflated(&mut own.0, own_window, payload, MESSAGE_BYTES);
            prop_assert!(back.as_ref() == Ok(message));
            prop_assert!(window.held() <= 1 << bits && own.1.held() <= 1 << bits);
        }
    }

    #[test]
    fn we_understand_what_others_compress(messages in messages(), takes_over in any::<bool>()) {
        let (mut codec, mut window) = (Decompressor::default(), Window::new(15));
        let mut sender = Sender::new(takes_over);
        for message in &messages {
            let payload = sender.compress(message);
            let window = takes_over.then_some(&mut window);
            let back = inflated(&mut codec, window, &payload, MESSAGE_BYTES);
            prop_assert!(back.as_ref() == Ok(message));
        }
    }

    #[test]
    fn a_message_may_come_in_pieces(
        messages in messages(),
        takes_over in any::<bool>(),
        piece in 1..3_000_usize,
    ) {
        let (mut codec, mut window) = (Decompressor::default(), Window::new(15));
        let mut sender = Sender::new(takes_over);
        for message in messages.iter().filter(|message| !message.is_empty()) {
            let payload = sender.compress(message);
            let window = takes_over.then_some(&mut window);
            let back = streamed(&mut codec, window, &payload, piece);
            prop_assert!(back.as_ref() == Ok(message));
        }
    }

    /// One codec serves connections whose messages come in any order, and those that fail.
    #[test]
    fn connections_do_not_mix(
        turns in prop::collection::vec((0..4_usize, 0..400_usize), 1..40),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (mut codec, mut compressor) = (Decompressor::default(), Compressor::default());
        let side = |_| {
            (Sender::new(true), Window::new(15), Window::new(12), Receiver::new(12, true))
        };
        let mut sides: Vec<_> = (0..4).map(side).collect();
        for (turn, (who, length)) in turns.into_iter().enumerate() {
            let side = &mut sides[who];
            let byte = |i: usize| (i * (who + 1) % 101).to_le_bytes()[0];
            let message: Vec<u8> = (0..length).map(byte).collect();
            let payload = side.0.compress(&message);
            let back = inflated(&mut codec, Some(&mut side.1), &payload, MESSAGE_BYTES);
            prop_assert!(back.as_ref() == Ok(&message), "{turn}");
            let mut out = Vec::new();
            compressor.compress(12, Some(&mut side.2), &message, &mut out);
            prop_assert!(side.3.decompress(&out) == message);
            let _ = inflated(&mut codec, None, &garbage, MESSAGE_BYTES);
        }
    }

    /// Nothing a peer sends makes it panic, loop or give out more than it may.
    #[test]
    fn garbage_is_refused_or_bounded(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut given = 0;
        let said = Decompressor::default().decompress(None, &payload, 100_000, |piece| {
            given += piece.bytes.len();
            true
        });
        prop_assert!(given <= 100_000 + (64 << 10));
        prop_assert!(said.is_ok() || given <= 100_000, "{given} {said:?}");
    }
}

/// RFC 7692 §7.2.3.
#[test]
fn the_examples_of_the_rfc() {
    let mut window = Window::new(15);
    let mut codec = Decompressor::default();
    let mut check = |payload: &[u8], takes_over: bool, expected: &[u8]| {
        let window = takes_over.then_some(&mut window);
        let got = inflated(&mut codec, window, payload, 100);
        assert_eq!(got.as_deref(), Ok(expected), "{payload:x?}");
    };
    let hello = b"Hello";
    check(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], true, hello);
    // It refers to the one before.
    check(&[0xf2, 0x00, 0x11, 0x00, 0x00], true, hello);
    check(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], false, hello);
    check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], false, hello);
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    check(&two, false, hello);
    check(&[0x00], false, b"");
    check(&[0x02, 0x00], false, b"");
}

#[test]
fn what_is_no_message_is_refused() {
    let check = |payload: &[u8]| {
        let got = inflated(&mut Decompressor::default(), None, payload, 100);
        assert_eq!(got, Err(ProtocolError::Deflate), "{payload:x?}");
    };
    // Cut in a block, without the end that the sender took off, a block of an unknown kind, and a
    // reference before the first byte.
    check(&[0xf2, 0x48, 0xcd]);
    check(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9]);
    check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    check(&[0x06]);
    check(&[0xf2, 0x00, 0x11, 0x00, 0x00]);
}

/// From captain to worker, a parameter without a value is still there.
#[test]
fn an_offer_travels_as_it_is() {
    for parameters in [
        "",
        "client_max_window_bits",
        "client_max_window_bits=9; server_max_window_bits=15",
        "server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
    ] {
        let offer = Offer::parse(parameters).unwrap();
        let json = serde_json::to_string(&offer).unwrap();
        assert_eq!(serde_json::from_str::<Offer>(&json).unwrap(), offer, "{json}");
    }
    for no_offer in ["\"permessage-deflate; colour\"", "\"x-webkit-deflate-frame\"", "7"] {
        assert!(serde_json::from_str::<Offer>(no_offer).is_err(), "{no_offer}");
    }
}

/// 1 GB of zeros is refused at the limit, and costs a piece of memory.
#[test]
fn a_bomb_is_refused_at_the_limit() {
    let mut sender = Sender::new(true);
    let million = vec![0; 1_000_000];
    let mut bomb = sender.compress(&million);
    // From the second on they are all the same: each refers to zeros before it.
    let next = [&[0, 0, 0xff, 0xff], &sender.compress(&million)[..]].concat();
    for _ in 1..1_000 {
        bomb.extend_from_slice(&next);
    }
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    let (mut given, mut longest) = (0, 0);
    let said = Decompressor::default().decompress(None, &bomb, MESSAGE_BYTES, |piece| {
        given += piece.bytes.len();
        longest = longest.max(piece.bytes.len());
        true
    });
    assert_eq!(said, Err(ProtocolError::TooBig));
    assert!(given <= MESSAGE_BYTES && longest <= 64 << 10, "{given} {longest}");
    // Whoever wants no more is asked no more.
    let mut asked = 0;
    let said = Decompressor::default().decompress(None, &bomb, MESSAGE_BYTES, |_| {
        asked += 1;
        asked < 3
    });
    assert_eq!((said, asked), (Ok(()), 3));
}

#[test]
fn a_message_at_the_limit_is_none_too_many() {
    let mut payload = Vec::new();
    let message = vec![7; 200_000];
    Compressor::default().compress(15, None, &message, &mut payload);
    let check = |most, expected: Result<usize, ProtocolError>| {
        let got = inflated(&mut Decompressor::default(), None, &payload, most);
        assert_eq!(got.map(|message| message.len()), expected, "{most}");
    };
    check(200_000, Ok(200_000));
    check(199_999, Err(ProtocolError::TooBig));
}

/// A window has no room beyond its bound, and little before it is used.
#[test]
fn a_window_is_bounded() {
    let mut codec = Compressor::default();
    for bits in 8..=15 {
        let mut window = Window::new(bits);
        assert_eq!(window.held(), 0);
        for length in [1, 10, 100, 70_000, 3, 1 << bits] {
            codec.compress(bits, Some(&mut window), &vec![1; length], &mut Vec::new());
            assert!(window.held() <= 1 << bits, "{bits} {length}: {}", window.held());
        }
        assert_eq!(window.held(), 1 << bits);
    }
    let mut window = Window::new(15);
    codec.compress(15, Some(&mut window), &[1; 100], &mut Vec::new());
    assert!(window.held() <= 200, "{}", window.held());
}

#[test]
fn a_server_takes_the_first_offer_it_understands() {
    let check = |offer: &str, answer: Option<&str>| {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let expected = answer.map(|more| [both, more].concat());
        let got = accept(offer).map(|agreed| agreed.to_string());
        assert_eq!(got, expected, "{offer}");
    };
    check("permessage-deflate", Some(""));
    check("permessage-deflate; client_max_window_bits", Some(""));
    check(" permessage-deflate ;client_max_window_bits = 9 ", Some(""));
    check("permessage-deflate; server_no_context_takeover", Some(""));
    check("permessage-deflate; server_max_window_bits=10", Some("; server_max_window_bits=10"));
    check("permessage-deflate; server_max_window_bits=\"8\"", Some("; server_max_window_bits=8"));
    check("permessage-deflate; server_max_window_bits=15", Some("; server_max_window_bits=14"));
    check("x-webkit-deflate-frame, permessage-deflate", Some(""));
    check("a; b=\"c, permessage-deflate; d\", permessage-deflate", Some(""));
    check("a; b=\"c, permessage-deflate; d\"", None);
    check("a; b=\"\\\", permessage-deflate\"", None);
    let second = "permessage-deflate; server_max_window_bits=7, permessage-deflate; \
        server_max_window_bits=11, permessage-deflate";
    check(second, Some("; server_max_window_bits=11"));
    check("", None);
    check("permessage-deflate;", None);
    check("permessage-deflate; ; client_max_window_bits", None);
    check("Permessage-Deflate", None);
    check("permessage-bzip2", None);
    check("permessage-deflate; unknown", None);
    check("permessage-deflate; unknown=1", None);
    check("permessage-deflate; server_no_context_takeover=1", None);
    check("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None);
    check("permessage-deflate; client_max_window_bits; client_max_window_bits=9", None);
    for wrong in ["", "=", "=7", "=16", "=08", "=+9", "=1 0", "=\"9", "=x", "=99999999999"] {
        check(&["permessage-deflate; server_max_window_bits", wrong].concat(), None);
    }
    for wrong in ["=", "=7", "=16", "=08"] {
        check(&["permessage-deflate; client_max_window_bits", wrong].concat(), None);
    }
}

#[test]
fn an_answer_has_to_belong_to_the_offer() {
    let read = |offer: &str, headers: &[&str]| {
        let offer = Offer::parse(offer).unwrap();
        answered(Some(&offer), headers.iter().map(|header| header.as_bytes()))
    };
    let good = |offer: &str, answer: &str, expected: (bool, bool, u8, u8)| {
        let (server_takes_over, client_takes_over, server_bits, client_bits) = expected;
        let agreed = Agreed { server_takes_over, client_takes_over, server_bits, client_bits };
        assert_eq!(read(offer, &[answer]), Ok(Some(agreed)), "{offer} -> {answer}");
    };
    let bad = |offer: &str, answer: &str| {
        assert_eq!(read(offer, &[answer]), Err(ProtocolError::NotOffered), "{offer} -> {answer}");
    };
    let plain = "permessage-deflate";
    let with = |parameters: &str| [plain, "; ", parameters].concat();
    assert_eq!(read("", &[]), Ok(None));
    assert_eq!(read("", &[plain, plain]), Err(ProtocolError::NotOffered));
    good("", plain, (true, true, 15, 15));
    good("", &with("server_no_context_takeover"), (false, true, 15, 15));
    good("", &with("client_no_context_takeover"), (true, false, 15, 15));
    good("", &with("server_max_window_bits=9"), (true, true, 9, 15));
    good("client_no_context_takeover", plain, (true, false, 15, 15));
    good("client_max_window_bits", plain, (true, true, 15, 15));
    good("client_max_window_bits", &with("client_max_window_bits=8"), (true, true, 15, 8));
    good("client_max_window_bits=10", &with("client_max_window_bits=12"), (true, true, 15, 10));
    good("client_max_window_bits=10", plain, (true, true, 15, 10));
    good("server_max_window_bits=12", &with("server_max_window_bits=\"12\""), (true, true, 12, 15));
    good("server_max_window_bits=12", &with("server_max_window_bits=8"), (true, true, 8, 15));
    let forgets = "server_no_context_takeover";
    good(forgets, &with(forgets), (false, true, 15, 15));
    bad(forgets, plain);
    bad("server_max_window_bits=12", plain);
    bad("server_max_window_bits=12", &with("server_max_window_bits=13"));
    bad("", &with("client_max_window_bits=9"));
    bad("client_max_window_bits", &with("client_max_window_bits"));
    bad("", &with("server_max_window_bits"));
    bad("", &with("server_max_window_bits=16"));
    bad("", &with("unknown"));
    bad("", &with("server_no_context_takeover; server_no_context_takeover"));
    bad("", "permessage-deflate, permessage-deflate");
    bad("", "permessage-deflate, other");
    bad("", "other");
    bad("", "permessage-deflate;");
    let none = answered(None, [plain.as_bytes()].into_iter());
    assert_eq!(none, Err(ProtocolError::NotOffered));
    let no_text = answered(Some(&Offer::default()), [&b"\xff"[..]].into_iter());
    assert_eq!(no_text, Err(ProtocolError::NotOffered));
}

/// Each of our answers belongs to the offer it answers.
#[test]
fn our_answers_are_what_our_clients_take() {
    for parameters in [
        "",
        "client_max_window_bits",
        "server_max_window_bits=15",
        "server_max_window_bits=8; client_max_window_bits=8",
        "server_no_context_takeover; client_no_context_takeover",
    ] {
        let offer = Offer::parse(parameters).unwrap();
        let told = offer.to_string();
        let agreed = accept(&told).unwrap();
        let answer: String = agreed.to_string();
        let understood = answered(Some(&offer), [answer.as_bytes()].into_iter());
        assert_eq!(understood, Ok(Some(agreed)), "{told} -> {answer}");
    }
    let browsers = Offer::of_browsers().to_string();
    assert_eq!(browsers, "permessage-deflate; client_max_window_bits");
    assert_eq!(Offer::parse("client_max_window_bits"), Ok(Offer::of_browsers()));
}
