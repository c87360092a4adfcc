//! Connections that end while they are in use.

use super::{echo, faulty, ms, serve};
use crate::world::{Act, World, address, plan, seed, talking};
use inrush_core::diagnosis::Confidence::{Likely, Proven};
use inrush_core::failure::Class;
use inrush_core::fault::{Kind, Select};
use inrush_core::plan::{Ending, Rate, Reconnect, Scheme};
use inrush_core::time::Nanos;

/// A quarter is reset, a quarter is closed, half live on.
fn quarters(before: Act, after: Act) -> impl Fn(usize) -> Vec<Act> {
    move |nth| match nth % 4 {
        0 => vec![before.clone(), Act::Reset],
        1 => vec![before.clone(), Act::Close],
        _ => vec![after.clone()],
    }
}

#[test]
fn a_reset_and_a_close_of_streams_in_use_are_told_apart() {
    let mut world = World::new(seed(30));
    let echoes = |count| Act::EchoStream(count, 64);
    world.script(address(1), quarters(echoes(3), echoes(u32::MAX)));
    let out = world.run(&talking(plan(Scheme::Tcp, 40), 20));
    out.assert_causes(&[
        ("server-closed-abortively", 10, Likely),
        ("server-closed-without-reason", 10, Proven),
    ]);
    out.assert_classes(&[(Class::ResetOnRead, 10), (Class::EofCleanClose, 10)]);
    assert_eq!((out.counts().attempted, out.counts().opened), (40, 40));
    out.assert_healthy(20);
    assert_eq!(out.counts().lost, 0, "the server had answered all it read");
}

#[test]
fn idle_web_sockets_learn_of_it_too() {
    let mut world = World::new(seed(31));
    world.script(address(1), |nth| {
        let mut acts = vec![Act::ReadRequest, Act::Accept];
        acts.extend(quarters(Act::Wait(ms(300)), Act::Drain)(nth));
        acts
    });
    let out = world.run(&plan(Scheme::Ws, 40));
    out.assert_classes(&[(Class::ResetOnRead, 10), (Class::EofUnexpected, 10)]);
    out.assert_healthy(20);
    assert_eq!(out.counts().close_unanswered, 20);
}

/// A peer that ignores our Close is its own business: we had begun to end it.
#[test]
fn an_unanswered_close_is_counted_and_no_failure() {
    let mut world = World::new(seed(32));
    world.script(address(1), |_| vec![Act::ReadRequest, Act::Accept, Act::Hold]);
    let out = world.run(&plan(Scheme::Ws, 20));
    out.assert_causes(&[]);
    out.assert_healthy(20);
    assert_eq!(out.counts().close_unanswered, 20);
    // 1 s of hold, 1 s of patience, and what the captain needs to hear of it.
    assert!((ms(2_000)..ms(2_110)).contains(&out.ended), "{:?}", out.ended);
}

/// Whoever was connected, and whoever is refused after it: one cause.
#[test]
fn everything_after_the_death_of_a_server_is_its_death() {
    for watched in [true, false] {
        let mut world = World::new(seed(33));
        let server = serve(&mut world, echo());
        world.watched.extend(watched.then_some(server));
        world.kill_at(ms(805), server);
        let mut plan = talking(plan(Scheme::Ws, 100), 20);
        plan.connect_rate = Rate::Every { count: 50, per: Nanos::from_secs(1) };
        let out = world.run(&plan);
        let sure = if watched { Proven } else { Likely };
        out.assert_causes(&[("server-process-gone", 100, sure)]);
        let opened = out.counts().opened;
        assert_eq!(opened, 41);
        assert_eq!(out.totals.gauges.held, 0);
    }
}

/// The same by its own hand, with all of them open.
#[test]
fn a_server_that_dies_takes_all_with_it() {
    let mut world = World::new(seed(34));
    let server = serve(&mut world, faulty(Kind::DieAfterTime(ms(500)), Select::All));
    world.watched.push(server);
    let out = world.run(&talking(plan(Scheme::Tcp, 50), 100));
    out.assert_causes(&[("server-process-gone", 50, Proven)]);
}

/// A server that closes everything and goes on listening has not died.
#[test]
fn a_burst_of_closes_is_no_death_while_it_listens() {
    let mut world = World::new(seed(35));
    let server = serve(&mut world, faulty(Kind::CloseAfter(ms(500)), Select::All));
    world.watched.push(server);
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("server-closed-without-reason", 60, Proven)]);
}

#[test]
fn a_close_frame_gives_the_reason() {
    let mut world = World::new(seed(36));
    serve(&mut world, faulty(Kind::CloseCode(1011), Select::Every(2)));
    let out = world.run(&talking(plan(Scheme::Ws, 40), 10));
    out.assert_causes(&[("server-closed-with-reason", 20, Proven)]);
    out.assert_classes(&[(Class::WsCloseError, 20)]);
    out.assert_healthy(20);
}

/// Several codes in one run are one card that tells each with its name, count and text.
#[test]
fn each_close_code_is_told_with_its_text() {
    let codes: [(u16, &str); 5] =
        [(1001, "deploy"), (1008, "token\u{1b}[2J"), (1011, ""), (1013, "later"), (4000, "mine")];
    let mut world = World::new(seed(45));
    world.script(address(1), move |nth| {
        let (code, text) = codes[nth % codes.len()];
        let length = u8::try_from(2 + text.len()).unwrap();
        let frame = [&[0x88, length], &code.to_be_bytes()[..], text.as_bytes()].concat();
        vec![Act::ReadRequest, Act::Accept, Act::Wait(ms(50)), Act::Say(frame), Act::Drain]
    });
    let out = world.run(&plan(Scheme::Ws, 50));
    out.assert_causes(&[("server-closed-with-reason", 50, Proven)]);
    out.assert_classes(&[(Class::WsCloseNormal, 10), (Class::WsCloseError, 40)]);
    let card = &out.diagnoses()[0];
    let lines: Vec<_> = card.because.iter().map(|line| line.text.as_str()).collect();
    let expected = [
        "code 1001 (going away) on 10: \"deploy\"",
        "code 1008 (policy violation) on 10: \"token\\x1b[2J\"",
        "code 1011 (internal error) on 10",
        "code 1013 (try again later) on 10: \"later\"",
        "code 4000 (private to this application) on 10: \"mine\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_frame_that_breaks_the_protocol() {
    let mut world = World::new(seed(37));
    world.script(address(1), |_| {
        let wrong = Act::Say(b"\x83\x02no".to_vec());
        vec![Act::ReadRequest, Act::Accept, Act::Wait(ms(50)), wrong, Act::Drain]
    });
    let out = world.run(&plan(Scheme::Ws, 20));
    out.assert_causes(&[("protocol-violation", 20, Proven)]);
}

/// A peer that accepts, reads nothing and never answers a stream that asks.
#[test]
fn a_stream_that_is_never_answered_was_never_served() {
    let mut world = World::new(seed(38));
    world.script(address(1), |_| vec![Act::Hold]);
    let mut plan = talking(plan(Scheme::Tcp, 20), 10);
    (plan.hold, plan.timeouts.reply) = (ms(3_000), ms(1_000));
    let out = world.run(&plan);
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
    out.assert_classes(&[(Class::ConnectedNotServed, 20)]);
}

/// A stream has no frame for a reason: its server says a line and closes.
#[test]
fn the_last_words_of_a_stream_are_its_reason() {
    for talks in [false, true] {
        let mut world = World::new(seed(45));
        let line = Act::Say(b"-ERR max number of clients reached\r\n".to_vec());
        world.script(address(1), move |nth| match nth % 2 {
            0 => vec![Act::EchoStream(u32::MAX, 64)],
            _ if talks => vec![Act::EchoStream(1, 64), line.clone(), Act::Close],
            _ => vec![line.clone(), Act::Close],
        });
        let idle = plan(Scheme::Tcp, 40);
        let out = world.run(&if talks { talking(idle, 5) } else { idle });
        out.assert_causes(&[("server-connection-limit", 20, Proven)]);
        out.assert_healthy(20);
    }
}

/// The hand-shake is no service: one that answers no message of anybody has served nobody, however
/// short the run was.
#[test]
fn a_websocket_whose_messages_nobody_answers_was_not_served() {
    let mut world = World::new(seed(43));
    world.script(address(1), |_| vec![Act::ReadRequest, Act::Accept, Act::Drain]);
    let mut plan = talking(plan(Scheme::Ws, 20), 10);
    plan.hold = ms(1_000);
    assert!(
        plan.timeouts.reply > Nanos::from_secs(5),
        "longer than replies are awaited at the end"
    );
    let out = world.run(&plan);
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
    assert_eq!(out.counts().lost, out.counts().sent);
}

/// Of a server that answers some, those it did not answer yet are no failures.
#[test]
fn one_answer_is_service() {
    let mut world = World::new(seed(44));
    world.script(address(1), |nth| {
        let echo = Act::EchoFrames(u32::from(nth == 0));
        vec![Act::ReadRequest, Act::Accept, echo, Act::Drain]
    });
    let mut plan = talking(plan(Scheme::Ws, 20), 10);
    plan.hold = ms(1_000);
    let counts = world.run(&plan).counts();
    assert_eq!((counts.failed, counts.finished), (0, 20));
    assert!(counts.messages_unfinished > 0, "{counts:#?}");
}

/// Failed ones are replaced, at the pace of the plan and not at once.
#[test]
fn reconnects_are_attempts_of_their_own() {
    let mut world = World::new(seed(39));
    serve(&mut world, faulty(Kind::CloseAfter(ms(300)), Select::First(30)));
    let mut plan = plan(Scheme::Ws, 20);
    plan.reconnect = Reconnect::Failed;
    plan.hold = ms(2_000);
    let out = world.run(&plan);
    let counts = out.counts();
    assert_eq!((counts.attempted, counts.reconnects, counts.failed), (50, 30, 30));
    out.assert_healthy(20);
}

/// Churn: every connection lives its time, and its successor has a number of lives.
#[test]
fn lives_that_are_over_are_followed_by_others() {
    let mut world = World::new(seed(40));
    serve(&mut world, echo());
    let mut plan = talking(plan(Scheme::Ws, 20), 20);
    plan.lifetime = Some((ms(200), ms(400)));
    (plan.hold, plan.close) = (ms(2_000), Ending::Rst);
    let out = world.run(&plan);
    let counts = out.counts();
    assert!(counts.attempted >= 20 * 4, "{counts:#?}");
    assert_eq!((counts.failed, counts.finished), (0, counts.attempted));
    assert_eq!((counts.lost, counts.received), (0, counts.sent));
}

/// A stop gives up what is opening, and what is open is closed in order.
#[test]
fn a_stop_ends_all_in_order() {
    let mut world = World::new(seed(41));
    world.script(address(1), |nth| match nth % 2 {
        0 => vec![Act::ReadRequest, Act::Accept, Act::EchoFrames(u32::MAX)],
        _ => vec![Act::Hold],
    });
    world.stop_at(ms(700));
    let mut plan = talking(plan(Scheme::Ws, 40), 20);
    plan.hold = Nanos::from_secs(100);
    let out = world.run(&plan);
    let counts = out.counts();
    assert_eq!((counts.finished, counts.unfinished, counts.failed), (20, 20, 0));
    assert!(out.ended < ms(2_000), "{:?}", out.ended);
}
