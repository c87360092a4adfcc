//! Frames inside frames, and what only looks so: garbage, wrong lengths, writes cut short.

use super::{faulty, ms, serve};
use crate::world::{Act, Link, Outcome, Part, World, address, plan, seed, talking};
use inrush_core::diagnosis::Confidence::{Likely, Proven};
use inrush_core::failure::Class;
use inrush_core::fault::{Kind, Select};
use inrush_core::plan::{Expect, Frame, Mode, Payload, Plan, Scheme, Serve};

const CAUSE: &str = "two-writers-on-one-connection";

/// Links that cut what is said into segments of any size, and a loop that reads a little at a time.
fn cutting(number: u64) -> World {
    let mut link = Link::default();
    link.mss = (1, 50);
    let mut world = World::with_link(seed(number), link);
    world.buffer = 40;
    world
}

/// Each fiftieth of a thousand replies has another one in its middle.
fn interleaved(mut world: World, change: impl Fn(&mut Plan)) -> Outcome {
    serve(&mut world, faulty(Kind::InterleaveFrames, Select::Every(50)));
    let mut plan = talking(plan(Scheme::Ws, 100), 10);
    change(&mut plan);
    let out = world.run(&plan);
    let counts = out.counts();
    assert!((800..1_050).contains(&counts.sent), "{counts:#?}");
    let hit = counts.sent / 50;
    out.assert_causes(&[(CAUSE, hit, Proven)]);
    out.assert_classes(&[(Class::WsProtocolError, hit)]);
    out.assert_healthy(100 - hit);
    // The interrupted reply is not one, and no other connection is harmed.
    assert_eq!((counts.lost, counts.duplicated), (hit, 0), "{}", out.told());
    out
}

#[test]
fn a_frame_in_the_middle_of_a_reply_is_two_writers() {
    let out = interleaved(World::new(seed(60)), |_| {});
    assert_eq!(out.counts().corrupted, 0);
    let evidence = &out.diagnoses()[0].because[0].text;
    let where_and_what =
        "at byte 32 of an echo of 64 bytes begins a text frame of 64 bytes: 81 40 30";
    assert!(evidence.contains(where_and_what), "{evidence}");
}

#[test]
fn of_whatever_the_messages_are_made() {
    let payloads = [
        Payload::Generated(17),
        Payload::Generated(9),
        Payload::Generated(300),
        Payload::Fixed(b"hello".to_vec()),
        Payload::Fixed(vec![b'a'; 70]),
        Payload::Fixed(vec![0xff; 70]),
    ];
    for payload in payloads {
        let out = interleaved(World::new(seed(61)), |plan| {
            if payload == Payload::Fixed(vec![0xff; 70]) {
                plan.messages.frame = Frame::Binary;
            }
            plan.messages.payload = payload.clone();
        });
        assert_eq!(out.counts().corrupted, 0, "{payload:?}");
    }
}

#[test]
fn however_the_stream_is_cut() {
    for number in 0..5 {
        interleaved(cutting(620 + number), |_| {});
    }
}

/// A pushing server's messages are not known: one text that lies in one read proves itself.
#[test]
fn in_pushed_messages_the_text_itself_proves_it() {
    let mut world = World::new(seed(63));
    let push = faulty(Kind::InterleaveFrames, Select::Every(50));
    serve(&mut world, Serve { mode: Mode::Push, push_every: ms(100), ..push });
    let mut plan = plan(Scheme::Ws, 100);
    plan.messages.expect = Expect::Push;
    let out = world.run(&plan);
    let hit = out.counts().failed;
    assert!((15..25).contains(&hit), "{hit}");
    out.assert_causes(&[(CAUSE, hit, Proven)]);
    // Pushes go on while all are being closed.
    assert_eq!(out.counts().finished, 100 - hit);
}

/// A server that answers the second message of every second connection with these parts.
fn parts(expect: Expect, parts: &[Part]) -> Outcome {
    parts_of(expect, false, parts)
}

fn parts_of(expect: Expect, binary: bool, parts: &[Part]) -> Outcome {
    let mut world = World::new(seed(64));
    let parts = parts.to_vec();
    world.script(address(1), move |nth| {
        let wrong = if nth % 2 == 0 { Act::EchoFrames(1) } else { Act::EchoParts(parts.clone()) };
        let rest = Act::EchoFrames(u32::MAX);
        vec![Act::ReadRequest, Act::Accept, Act::EchoFrames(1), wrong, rest]
    });
    let mut plan = talking(plan(Scheme::Ws, 40), 20);
    let frame = if binary { Frame::Binary } else { Frame::Text };
    (plan.messages.expect, plan.messages.frame) = (expect, frame);
    world.run(&plan)
}

#[test]
fn a_ping_inside_a_reply() {
    let ping = [Part::Head(0), Part::Payload(0..30), Part::Raw(b"\x89\x00"), Part::Payload(30..64)];
    let out = parts(Expect::Echo, &ping);
    out.assert_causes(&[(CAUSE, 20, Proven)]);
    out.assert_healthy(20);
    let evidence = &out.diagnoses()[0].because[0].text;
    assert!(evidence.contains("begins a ping frame of 0 bytes: 89 00 "), "{evidence}");
}

/// A frame lies in none of these. Binary, they are corrupted; a text they make no UTF-8, which ends
/// its connection (RFC 6455 §8.1).
#[test]
fn garbage_in_a_reply_corrupts_it_and_breaks_a_text() {
    // Where the head of a long frame may lie, only the next reply shows that none does.
    for (garbage, doubtful) in
        [(&b"\x89\x00"[..], 0), (b"\x81\x40", 20), (b"\xff\xff\xff", 0), (b"\x81", 20)]
    {
        let rest = Part::Payload(30 + garbage.len()..64);
        let all = [Part::Head(0), Part::Payload(0..30), Part::Raw(garbage), rest];
        let out = parts_of(Expect::Echo, true, &all);
        out.assert_causes(&[]);
        out.assert_healthy(40);
        assert_eq!((out.counts().corrupted, out.counts().lost), (20, 0));
        let out = parts(Expect::Echo, &all);
        out.assert_causes(&[("protocol-violation", 20, Proven)]);
        out.assert_healthy(20);
        assert_eq!((out.counts().corrupted, out.counts().lost), (doubtful, 20), "{garbage:x?}");
    }
}

#[test]
fn a_wrong_length_is_a_protocol_violation() {
    for more in [-40, -1, 1, 2, 3, 60, 100] {
        for expect in [Expect::Echo, Expect::Reply] {
            let out = parts(expect, &[Part::Head(more), Part::Payload(0..64)]);
            out.assert_causes(&[("protocol-violation", 20, Proven)]);
            out.assert_healthy(20);
        }
    }
}

/// The rest of a short write is forgotten: a frame lies inside another, and nobody says that two
/// writers did it.
#[test]
fn a_write_cut_short_is_likely_at_most() {
    let out = parts(Expect::Echo, &[Part::Head(0), Part::Payload(0..30)]);
    out.assert_causes(&[(CAUSE, 20, Likely)]);
    out.assert_healthy(20);
}
