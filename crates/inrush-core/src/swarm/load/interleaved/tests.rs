//! Streams with frames inside frames, and streams that only look so.

use super::super::incoming::Piece;
use super::begun;
use super::inner::{Inner, Known, Verdict, begins_frame};
use crate::pace::draw;
use crate::protocol::ws_frame::{Decoder, Event, Role, put_head};
use crate::swarm::load::messages::{TAG, tag};
use std::vec;
use std::vec::Vec;

const INSIDE: Verdict = Verdict::Proven { resumed: true };
const CUT_SHORT: Verdict = Verdict::Proven { resumed: false };

/// Connection 5 of 10, whose messages have this template.
fn known(payload: &[u8], tagged: bool) -> Known<'_> {
    Known { payload, tagged, number: 5, sent: 9, connections: 10 }
}

fn letters(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

/// Message `seq` of a connection whose messages are tagged.
fn message(length: usize, number: u64, seq: u32) -> Vec<u8> {
    let mut payload = letters(length);
    payload[..TAG].copy_from_slice(&tag(number, seq));
    payload
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    put_head(&mut out, first, payload.len(), None);
    out.extend_from_slice(payload);
    out
}

/// A frame with this in the middle of its payload.
fn split(payload: &[u8], at: usize, inside: &[u8]) -> Vec<u8> {
    let whole = frame(0x81, payload);
    let at = whole.len() - payload.len() + at;
    [&whole[..at], inside, &whole[at..]].concat()
}

/// Where the first doubtful reply of a stream is doubtful, and what it comes to; every read brings
/// `read` bytes, of which each is one frame's payload at most. It does what replies.rs does.
fn judge(known: &Known<'_>, stream: &[u8], read: usize) -> Option<(usize, Verdict, bool)> {
    let (mut rx, mut at, mut head) = (Decoder::default(), 0, vec![]);
    let mut doubt: Option<(Inner, Verdict)> = None;
    for bytes in stream.chunks(read) {
        if let Some((inner, verdict @ Verdict::Open)) = &mut doubt {
            *verdict = inner.feed(known, bytes);
            continue;
        }
        let mut bytes = bytes;
        while doubt.is_none() {
            let Ok(Some(event)) = rx.next(Role::Client, &mut bytes) else { break };
            let Event::Data { bytes: got, start, end, .. } = event else { continue };
            if start {
                (at, head) = (0, vec![]);
            }
            let room = TAG.saturating_sub(at).min(got.len());
            head.extend_from_slice(&got[..room]);
            let piece = Piece { text: true, ..Piece::of_stream(got, end) };
            let piece = Piece { at, start: at == 0, behind: bytes, ..piece };
            at += got.len();
            if let Some(mut inner) = begun(known, &head, piece, rx) {
                let verdict = match inner.feed(known, &got[inner.offset - piece.at..]) {
                    Verdict::Open => inner.feed(known, bytes),
                    verdict => verdict,
                };
                doubt = Some((inner, verdict));
            }
        }
    }
    doubt.map(|(inner, verdict)| (inner.offset, verdict, inner.is_ours()))
}

#[track_caller]
fn check(known: &Known<'_>, stream: &[u8], expected: Option<(usize, Verdict)>) {
    for read in [stream.len(), 1, 2, 3, 7, 40] {
        let found = judge(known, stream, read).map(|(offset, verdict, _)| (offset, verdict));
        assert_eq!(found, expected, "{read} bytes a read: {stream:02x?}");
    }
}

#[test]
fn a_frame_of_ours_is_found_wherever_it_lies_inside() {
    let payload = letters(64);
    let known = known(&payload, true);
    let one = message(64, 5, 3);
    for inside in [message(64, 5, 4), message(64, 5, 3), message(64, 2, 77)] {
        for at in 0..64 {
            let stream = split(&one, at, &frame(0x81, &inside));
            check(&known, &stream, Some((at, INSIDE)));
        }
    }
    // Behind the last byte it is the next message.
    check(&known, &split(&one, 64, &frame(0x81, &one)), None);
}

#[test]
fn long_frames_and_several_of_them_are_found() {
    let payload = letters(70_000);
    let known = known(&payload, true);
    let (one, two) = (message(70_000, 5, 3), frame(0x81, &message(70_000, 5, 4)));
    for at in [0, 9, 16, 30_000, 69_999] {
        let found = |inside: &[u8]| {
            let found = judge(&known, &split(&one, at, inside), 4_096);
            assert_eq!(found.map(|(at, verdict, _)| (at, verdict)), Some((at, INSIDE)));
        };
        found(&two);
        found(&[&two[..], b"\x89\x00", &two[..]].concat());
    }
}

#[test]
fn control_frames_and_messages_of_others_are_found_by_what_goes_on_after_them() {
    let payload = letters(40);
    let known = known(&payload, true);
    let one = message(40, 5, 0);
    for inside in
        [&b"\x89\x00"[..], b"\x8a\x03abc", b"\x88\x02\x03\xe8", b"\x81\x02hi", b"\x82\x00"]
    {
        for at in 0..40 {
            // The last three bytes of a message could follow anything.
            let verdict = if at < 37 { INSIDE } else { Verdict::Refuted };
            check(&known, &split(&one, at, inside), Some((at, verdict)));
        }
    }
    // Not whole, masked, without FIN, not minimal, of no kind, a Close that must not be.
    for inside in [
        &b"\x89\x85\0\0\0\0hello"[..],
        b"\x01\x02hi",
        b"\x82\x7e\x00\x02hi",
        b"\x83\x02hi",
        b"\x80\x02hi",
        b"\xc1\x02hi",
        b"\x89\x7e\x00\x80",
        b"\x88\x01\x03",
        b"\x88\x02\x03\xed",
    ] {
        let refuted = begins_frame(inside[0]).then_some((20, Verdict::Refuted));
        check(&known, &split(&one, 20, inside), refuted);
    }
}

#[test]
fn messages_without_a_tag_are_known_by_their_bytes() {
    let check = |payload: &[u8]| {
        let known = known(payload, false);
        for at in 0..payload.len() {
            let inside = frame(0x82, payload);
            check(&known, &split(payload, at, &inside), Some((at, INSIDE)));
        }
    };
    check(b"x");
    check(b"ping");
    check("{\"say\":\"grüße\"}".as_bytes());
    check(&letters(200));
    check(&[b'a'; 300]);
}

#[test]
fn a_writer_that_is_interrupted_in_turn() {
    let payload = letters(100);
    let known = known(&payload, true);
    let (one, two) = (frame(0x81, &message(100, 5, 3)), frame(0x81, &message(100, 5, 4)));
    let stream = [&one[..40], &two[..55], &one[40..], &two[55..]].concat();
    check(&known, &stream, Some((38, INSIDE)));
}

/// A single writer that forgets the rest of a short write says frames inside frames, too.
#[test]
fn a_message_that_never_goes_on_is_told_apart() {
    let payload = letters(64);
    let known = known(&payload, true);
    let frames: Vec<_> = (0..4).map(|seq| frame(0x81, &message(64, 5, seq))).collect();
    let stream = [&frames[0][..30], &frames[1], &frames[2], &frames[3]].concat();
    // More frames may come before it goes on, so nothing but the end decides it.
    for read in [stream.len(), 1, 7] {
        assert_eq!(judge(&known, &stream, read), Some((28, Verdict::Open, true)));
    }
    let stream = [&frames[0][..30], &frames[1], b"others"].concat();
    check(&known, &stream, Some((28, CUT_SHORT)));
}

#[test]
fn a_wrong_length_is_none() {
    let payload = letters(64);
    let known = known(&payload, true);
    let frames: Vec<_> = (0..4).map(|seq| frame(0x81, &message(64, 5, seq))).collect();
    for (declared, expected) in [(65, None), (66, None), (100, None), (63, None), (20, None)] {
        let mut stream = frames.concat();
        stream[1] = declared;
        check(&known, &stream, expected);
    }
}

/// The same numbers each time.
struct Dice {
    purpose: u64,
    drawn: u64,
}

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.drawn += 1;
        usize::try_from(draw(6_455, self.purpose, self.drawn) % limit as u64).unwrap()
    }

    fn byte(&mut self, limit: usize) -> u8 {
        u8::try_from(self.below(limit)).unwrap()
    }
}

/// What a server changes in its replies leaves their frames where they are.
#[test]
fn a_hundred_thousand_random_corruptions_are_no_frames() {
    let mut dice = Dice { purpose: 0, drawn: 0 };
    let plans = [
        (letters(64), true),
        (letters(20), true),
        (letters(7), false),
        (vec![b'a'; 64], false),
        (b"\x00\x01\x02\x03".to_vec(), false),
        (letters(200), true),
    ];
    let mut doubts = 0;
    for round in 0..100_000 {
        let (payload, tagged) = &plans[round % plans.len()];
        let known = known(payload, *tagged);
        let mut stream = vec![];
        for seq in 0..3 {
            let message = if *tagged { message(payload.len(), 5, seq) } else { payload.clone() };
            stream.extend(frame(0x81, &message));
        }
        let head = if payload.len() > 125 { 4 } else { 2 };
        let from = dice.below(payload.len());
        let length = 1 + dice.below(payload.len() - from);
        for (place, byte) in stream[head + from..head + from + length].iter_mut().enumerate() {
            *byte = dice.byte(256);
            // Half of them look like the head of a frame on purpose.
            if round % 2 == 0 && place < 2 {
                let opcode = [0x81, 0x82, 0x88, 0x89, 0x8a][dice.below(5)];
                *byte = if place == 0 { opcode } else { dice.byte(100) };
            }
        }
        let read = [stream.len(), 1, 30][round % 3];
        let found = judge(&known, &stream, read);
        doubts += u64::from(found.is_some());
        let proven = found.filter(|(_, verdict, ours)| {
            *ours || !matches!(verdict, Verdict::Refuted | Verdict::Open)
        });
        assert_eq!(proven, None, "{round}: {stream:02x?}");
    }
    assert!(doubts > 50_000, "{doubts}");
}

/// What is put in beyond the declared length is a frame only when it is one. Some frames are
/// missed: their bytes at the end of the outer one happen to look like the next head.
#[test]
fn of_a_hundred_thousand_random_insertions_only_whole_frames_are_found() {
    let mut dice = Dice { purpose: 1, drawn: 0 };
    let payload = letters(64);
    let known = known(&payload, true);
    let (mut frames, mut missed) = (0, 0);
    for round in 0..100_000 {
        let one = message(64, 5, 3);
        let mut inside: Vec<u8> = (0..1 + dice.below(40)).map(|_| dice.byte(256)).collect();
        if round % 4 == 0 {
            inside[0] = [0x81, 0x82, 0x88, 0x89, 0x8a][dice.below(5)];
            if inside.len() > 1 {
                inside[1] = dice.byte(40);
            }
        }
        let found = judge(&known, &split(&one, dice.below(61), &inside), 64);
        let found = matches!(found, Some((_, INSIDE | CUT_SHORT, _)));
        frames += u64::from(found);
        assert!(!found || is_frames(&inside), "{round}: {inside:02x?}");
        missed += u64::from(!found && is_frames(&inside));
    }
    assert!(frames > 100 && missed * 10 < frames, "{frames} found, {missed} missed");
}

/// Whether it is whole frames and nothing else, each a message by itself.
fn is_frames(mut bytes: &[u8]) -> bool {
    let mut rx = Decoder::default();
    while !bytes.is_empty() {
        let close = bytes[0] == 0x88;
        match rx.next(Role::Client, &mut bytes) {
            Ok(Some(Event::Data { end: true, .. })) => {}
            Ok(Some(Event::Control { end: true, bytes: body, .. })) => {
                let code = &body[..body.len().min(2)];
                if close && crate::protocol::ws_frame::close_code(code).is_err() {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}
