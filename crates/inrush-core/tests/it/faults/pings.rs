//! Pings as messages, and as a keep-alive beside them.

use super::{echo, ms, serve};
use crate::world::{Act, Outcome, World, address, plan, seed, talking};
use inrush_core::diagnosis::Confidence::Proven;
use inrush_core::failure::Class;
use inrush_core::plan::{Frame, Payload, Plan, Schedule, Scheme};

/// Pings are the messages: 20 connections, 50 a second for a second.
fn pinging() -> Plan {
    let mut plan = talking(plan(Scheme::Ws, 20), 50);
    plan.messages.frame = Frame::Ping;
    plan.timeouts.reply = ms(400);
    plan
}

/// Nothing is sent but a keep-alive each 100 ms.
fn kept_alive() -> Plan {
    let mut plan = plan(Scheme::Ws, 20);
    plan.messages.ping_every = Some(ms(100));
    plan.timeouts.reply = ms(400);
    plan
}

fn scripted(plan: &Plan, acts: &[Act]) -> Outcome {
    let mut world = World::new(seed(60));
    let acts = [&[Act::ReadRequest, Act::Accept], acts].concat();
    world.script(address(1), move |_| acts.clone());
    world.run(plan)
}

#[test]
fn a_pong_is_the_reply_of_a_ping() {
    for (schedule, size) in [(None, 64), (None, 125), (None, 5), (Some(Schedule::Closed), 16)] {
        let closed = schedule.is_some();
        let mut world = World::new(seed(61));
        serve(&mut world, echo());
        let mut plan = pinging();
        plan.messages.schedule = schedule.unwrap_or(plan.messages.schedule);
        plan.messages.payload = Payload::Generated(size);
        if closed {
            plan.hold = ms(50);
        }
        let out = world.run(&plan);
        out.assert_causes(&[]);
        out.assert_healthy(20);
        let counts = out.counts();
        assert!(counts.sent >= 950, "{counts:#?}");
        assert_eq!((counts.received, counts.lost), (counts.sent, 0), "{counts:#?}");
        assert_eq!((counts.corrupted, counts.duplicated, counts.late), (0, 0, 0));
        assert_eq!(counts.received_bytes, counts.received * u64::from(size));
        assert_eq!(out.totals.latencies.rtt.count(), counts.received);
        assert_eq!((counts.pings, out.totals.latencies.ping.count()), (0, 0));
    }
}

#[test]
fn pongs_are_counted_as_replies_are() {
    // Every other one is missing: the pong to the next one answers both (RFC 6455 §5.5.3), and its
    // own time alone is measured.
    let out = scripted(&pinging(), &[Act::AnswerPings(vec![0, 1])]);
    let (counts, timed) = (out.counts(), out.totals.latencies.rtt.count());
    assert_eq!((counts.lost, counts.duplicated), (0, 0), "{counts:#?}");
    assert!(counts.sent - counts.received <= 20, "{counts:#?}");
    assert!(timed > 400 && counts.received.abs_diff(2 * timed) <= 20, "{timed} {counts:#?}");
    // Each comes twice.
    let counts = scripted(&pinging(), &[Act::AnswerPings(vec![2])]).counts();
    assert_eq!((counts.received, counts.lost), (counts.sent, 0), "{counts:#?}");
    assert!(counts.sent - counts.duplicated <= 20, "{counts:#?}");
    // The first ones come after half a second, longer than a reply may take.
    let late = [Act::Wait(ms(300)), Act::Say(b"\x8a\x00".to_vec()), Act::Wait(ms(300))];
    let late = [&late[..], &[Act::AnswerPings(vec![1])]].concat();
    let counts = scripted(&pinging(), &late).counts();
    assert_eq!((counts.failed, counts.received), (0, counts.sent), "{counts:#?}");
    // Those that were due in the first 200 ms; a heartbeat of the server's own is no reply.
    assert!((150..250).contains(&counts.late), "{counts:#?}");
    assert_eq!((counts.duplicated, counts.corrupted), (0, 0));
}

/// What a server says in messages answers no ping.
#[test]
fn a_message_is_no_pong() {
    let out = scripted(&pinging(), &[Act::Say(b"\x81\x02hi".to_vec()), Act::Drain]);
    assert_eq!((out.counts().received, out.counts().duplicated), (0, 0));
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
}

/// It is checked like any other all the same.
#[test]
fn a_message_beside_pongs_has_to_be_utf8() {
    let out = scripted(&pinging(), &[Act::Say(b"\x81\x02\xff\xff".to_vec()), Act::Drain]);
    out.assert_causes(&[("protocol-violation", 20, Proven)]);
}

#[test]
fn idle_connections_are_kept_alive_and_their_pongs_measured() {
    let mut world = World::new(seed(62));
    serve(&mut world, echo());
    let out = world.run(&kept_alive());
    out.assert_causes(&[]);
    out.assert_healthy(20);
    let counts = out.counts();
    // One second of hold, ten each; they are spread over the interval.
    assert!((180..=220).contains(&counts.pings), "{counts:#?}");
    assert!(counts.pings - counts.pongs <= 20, "some may be under way at the end: {counts:#?}");
    assert_eq!(out.totals.latencies.ping.count(), counts.pongs);
    assert_eq!((counts.sent, counts.received, out.totals.latencies.rtt.count()), (0, 0, 0));
}

#[test]
fn keep_alive_lies_beside_the_messages_whatever_they_are() {
    for frame in [Frame::Text, Frame::Ping] {
        let mut world = World::new(seed(63));
        serve(&mut world, echo());
        let mut plan = pinging();
        (plan.messages.frame, plan.messages.ping_every) = (frame, Some(ms(50)));
        let out = world.run(&plan);
        out.assert_healthy(20);
        let counts = out.counts();
        assert_eq!((counts.received, counts.lost), (counts.sent, 0), "{counts:#?}");
        assert_eq!((counts.duplicated, counts.corrupted), (0, 0));
        assert!(counts.sent >= 950 && counts.pongs >= 360, "{counts:#?}");
    }
}

/// 100 ms at most until the first ping, 400 ms without a byte: half of the hold.
#[test]
fn who_is_silent_while_a_pong_is_due_has_failed() {
    let out = scripted(&kept_alive(), &[Act::Drain]);
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
    out.assert_classes(&[(Class::IoTimeout, 20)]);
    let row = &out.totals.tally.rows[0];
    let (first, last) = row.times.span().unwrap();
    assert!(first >= ms(400) && last <= ms(520), "{first:?} {last:?}");
    assert_eq!((out.counts().pongs, out.counts().lost), (0, 0));
}

#[test]
fn who_answers_for_a_while_and_then_falls_silent_has_failed_too() {
    let mut plan = kept_alive();
    plan.hold = ms(2_000);
    let some = [vec![1; 5], vec![0; 1_000]].concat();
    let out = scripted(&plan, &[Act::AnswerPings(some)]);
    out.assert_classes(&[(Class::IoTimeout, 20)]);
    assert_eq!(out.counts().pongs, 100);
}

/// A library answers pings by itself: a program that hangs is seen by its missing replies.
#[test]
fn pongs_do_not_hide_a_program_that_hangs() {
    for every in [ms(100), ms(2_000)] {
        let mut plan = talking(plan(Scheme::Ws, 20), 50);
        (plan.messages.ping_every, plan.timeouts.reply) = (Some(every), ms(400));
        let out = scripted(&plan, &[Act::AnswerPings(vec![1])]);
        out.assert_causes(&[("server-not-answering", 20, Proven)]);
        assert!(out.counts().pongs > 0 || every > ms(1_000), "{:#?}", out.counts());
    }
}

/// The run is shorter than the reply time-out, and still nobody was there.
#[test]
fn who_never_answered_a_ping_has_failed_however_short_the_run() {
    let mut plan = kept_alive();
    (plan.hold, plan.timeouts.reply) = (ms(2_000), ms(10_000));
    let out = scripted(&plan, &[Act::Drain]);
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
    // One that answers the pings of some is there.
    let out = scripted(&plan, &[Act::AnswerPings([vec![1; 3], vec![0; 100]].concat())]);
    out.assert_causes(&[]);
}

/// It is not silent: it lives, and answers no pings.
#[test]
fn who_speaks_lives() {
    let say = [Act::Wait(ms(200)), Act::Say(b"\x81\x02hi".to_vec())];
    let acts = [&[say.as_slice(); 10].concat()[..], &[Act::Drain]].concat();
    let out = scripted(&kept_alive(), &acts);
    out.assert_causes(&[]);
    out.assert_healthy(20);
    assert_eq!(out.counts().pongs, 0);
}
