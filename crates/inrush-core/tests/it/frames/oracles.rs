//! Streams that are damaged in what matters, each judged as tungstenite judges it, but for the
//! differences that [`Differs`] lists.

use super::{MASK, render, sent, sizes};
use crate::bodies::frames::any_cut_says_the_same;
use crate::bodies::messages::{Differs, agree};
use inrush_core::protocol::ws_frame::{Decoder, Role, apply_mask, put_head};
use proptest::prelude::*;

/// A frame by hand: any first byte, a length in any form, masked or not.
#[derive(Clone, Debug)]
struct Odd {
    first: u8,
    /// How many bytes the length takes: 0, 2 or 8; it is right, but for `off`.
    form: usize,
    off: i8,
    masked: bool,
    body: Vec<u8>,
}

impl Odd {
    fn put(&self, role: Role, out: &mut Vec<u8>) {
        let masked = self.masked == (role == Role::Server);
        let length = self.body.len().saturating_add_signed(isize::from(self.off)) as u64;
        let bit = if masked { 0x80 } else { 0 };
        let bytes = length.to_be_bytes();
        match self.form {
            0 => out.extend([self.first, bit | length.min(125) as u8]),
            2 => out.extend([self.first, bit | 126, bytes[6], bytes[7]]),
            _ => out.extend([[self.first, bit | 127].as_slice(), &bytes].concat()),
        }
        let mut body = self.body.clone();
        if masked {
            out.extend(MASK);
            apply_mask(&mut body, MASK, 0);
        }
        out.extend(body);
    }
}

fn odd() -> impl Strategy<Value = Odd> {
    let first = prop_oneof![
        8 => prop::sample::select(&[0x81_u8, 0x82, 1, 2, 0, 0x80, 0x89, 0x8a][..]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let form = prop_oneof![6 => Just(0_usize), 1 => Just(2), 1 => Just(8)];
    let off = prop_oneof![12 => Just(0_i8), 1 => any::<i8>()];
    let body = prop_oneof![
        4 => ".{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(prop::sample::select(&[0xe2_u8, 0x82, 0xac, b'a'][..]), 0..6),
        2 => (990_u16..1020, "[a-z]{0,3}")
            .prop_map(|(code, why)| [&code.to_be_bytes(), why.as_bytes()].concat()),
        1 => prop::collection::vec(any::<u8>(), 120..130),
    ];
    (first, form, off, prop::bool::weighted(0.97), body)
        .prop_map(|(first, form, off, masked, body)| Odd { first, form, off, masked, body })
}

proptest! {
    #![proptest_config(crate::cases(2_048))]

    #[test]
    fn odd_frames_are_judged_as_by_tungstenite(
        frames in prop::collection::vec(odd(), 0..8),
        cut in 0_usize..12,
        sizes in sizes(),
    ) {
        for role in [Role::Client, Role::Server] {
            let mut wire = vec![];
            frames.iter().for_each(|frame| frame.put(role, &mut wire));
            wire.truncate(wire.len().saturating_sub(cut.saturating_sub(6)));
            any_cut_says_the_same(Decoder::default(), role, &wire, &sizes);
            agree(role, &wire, &sizes);
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(128))]

    #[test]
    fn damaged_streams_are_judged_as_by_tungstenite(
        messages in prop::collection::vec(sent(), 0..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        sizes in sizes(),
    ) {
        for (role, mask) in [(Role::Client, None), (Role::Server, Some(MASK))] {
            let mut wire = render(&messages, mask).0;
            for (at, byte) in &damage {
                let reach = wire.len().min(64);
                if reach > 0 {
                    wire[at.index(reach)] = *byte;
                }
            }
            any_cut_says_the_same(Decoder::default(), role, &wire, &sizes);
            agree(role, &wire, &sizes);
        }
    }
}

/// Each difference of the list is one that there is.
#[test]
fn where_we_differ_from_tungstenite_and_where_not() {
    let check = |wire: &[u8], expected| {
        assert_eq!(agree(Role::Client, wire, &[1]), expected, "{wire:x?}");
    };
    check(b"\x81\x02ok\x88\x05\x03\xe8bye", None);
    check(b"\x01\x01\xe2\x89\x01p\x80\x02\x82\xac", None);
    check(b"\x83\x00", None);
    check(b"\xc1\x00", None);
    check(b"\x81\x81\x00\x00\x00\x00a", None);
    check(b"\x88\x01\x03", None);
    check(b"\x88\x03\x03\xe8\xff", None);
    check(b"\xc1\x01", Some(Differs::Sooner));
    check(b"\x01\x02\xffa", None);
    check(b"\x01\x02\xff", Some(Differs::Sooner));
    check(b"\x82\x7e\x00\x01a\x82\x01b", Some(Differs::Length));
    check(b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Some(Differs::Length));
    check(b"\x82\x7f\x00\x00\x00\x00\x7f\x00\x00\x00ab", Some(Differs::Limit));
    check(b"\x88\x02\x03\xf6", Some(Differs::BadGateway));
    check(b"\x88\x02\x03\xed", Some(Differs::CloseCode));
    let mut unmasked = vec![];
    put_head(&mut unmasked, 0x81, 0, None);
    assert_eq!(agree(Role::Server, &unmasked, &[1]), None);
}
