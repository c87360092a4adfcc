//! Replies that are dropped, delayed, doubled or changed: messages are counted, connections live.

use super::{faulty, ms, serve};
use crate::world::{Outcome, World, plan, seed, talking};
use inrush_core::fault::{Kind, Select};
use inrush_core::plan::{Expect, Payload, Plan, Schedule, Scheme};

/// Each eleventh of some thousand replies goes wrong in this way.
fn run(kind: Kind, change: impl Fn(&mut Plan)) -> Outcome {
    let mut world = World::new(seed(50));
    serve(&mut world, faulty(kind, Select::Every(11)));
    let mut plan = talking(plan(Scheme::Ws, 20), 50);
    plan.timeouts.reply = ms(400);
    change(&mut plan);
    let out = world.run(&plan);
    out.assert_causes(&[]);
    out.assert_healthy(20);
    assert!((950..1_050).contains(&out.counts().sent), "{:#?}", out.counts());
    out
}

#[test]
fn a_reply_that_is_dropped_is_lost() {
    let counts = run(Kind::DropReply, |_| {}).counts();
    let dropped = counts.sent / 11;
    assert_eq!((counts.lost + counts.messages_unfinished, counts.corrupted), (dropped, 0));
    assert!(counts.lost * 10 >= dropped * 9, "{counts:#?}");
    assert_eq!((counts.duplicated, counts.received), (0, counts.sent - dropped));
}

#[test]
fn a_reply_that_comes_late_is_received_and_late() {
    let counts = run(Kind::DelayReply(ms(450)), |_| {}).counts();
    let delayed = counts.sent / 11;
    assert_eq!((counts.duplicated, counts.corrupted), (0, 0));
    // The last ones are not waited for longer than the limit.
    assert!(counts.late <= delayed && counts.late * 10 >= delayed * 4, "{counts:#?}");
    assert!(counts.lost * 10 <= delayed, "{counts:#?}");
}

/// Later replies overtake a delayed one. Its number says which message it answers.
#[test]
fn a_reply_that_was_overtaken_is_matched_by_its_tag() {
    let out = run(Kind::DelayReply(ms(110)), |plan| plan.hold = ms(1_000));
    let counts = out.counts();
    assert_eq!((counts.lost, counts.late, counts.corrupted), (0, 0, 0));
    assert_eq!(counts.received, counts.sent);
    let slow = out.totals.latencies.rtt.above(ms(100));
    assert_eq!(slow, counts.sent / 11);
}

#[test]
fn a_reply_that_comes_twice_is_received_once() {
    let counts = run(Kind::DuplicateReply, |_| {}).counts();
    assert_eq!((counts.received, counts.lost), (counts.sent, 0));
    // The last one's twin may come after our Close.
    assert!(counts.sent / 11 - counts.duplicated <= 1, "{counts:#?}");
}

#[test]
fn a_reply_that_was_changed_is_corrupted() {
    let counts = run(Kind::CorruptReply, |_| {}).counts();
    assert_eq!((counts.received, counts.lost), (counts.sent, 0));
    assert_eq!((counts.corrupted, counts.duplicated), (counts.sent / 11, 0));
    // Messages without a tag are matched by their order.
    let counts =
        run(Kind::CorruptReply, |plan| plan.messages.payload = Payload::Generated(9)).counts();
    assert_eq!((counts.received, counts.corrupted), (counts.sent, counts.sent / 11));
}

/// All four at once, on a stream in closed loop with any one reply expected.
#[test]
fn a_closed_loop_waits_for_each_reply() {
    let mut world = World::new(seed(51));
    serve(&mut world, faulty(Kind::DelayReply(ms(5)), Select::All));
    let mut plan = plan(Scheme::Tcp, 10);
    plan.messages.schedule = Schedule::Closed;
    plan.messages.expect = Expect::Reply;
    let out = world.run(&plan);
    let counts = out.counts();
    out.assert_healthy(10);
    // A second of hold, five milliseconds each.
    assert!((10 * 195..=10 * 200).contains(&counts.received), "{counts:#?}");
    assert_eq!((counts.lost, counts.unsent), (0, 0));
}
