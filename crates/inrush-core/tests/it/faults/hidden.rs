//! Failures that something else could hide: a full window of messages, a lifetime that ends, a
//! write that fails before what was said is read.

use super::ms;
use crate::world::{Act, Scripted, World, address, plan, seed, talking};
use inrush_core::errno::Errno;
use inrush_core::failure::{Class, Look, Op, Outcome, Phase, ProtocolError};
use inrush_core::plan::Scheme;
use inrush_core::protocol::ws_handshake::{Asked, read_request, render_answer};
use inrush_core::swarm::load::LoadSwarm;
use inrush_core::swarm::{ConnId, Input, Order, Orders};
use inrush_core::time::Nanos;

/// Messages that can no longer be sent do not postpone those that were.
#[test]
fn a_server_that_falls_silent_is_found_although_the_window_is_full() {
    for (scheme, window) in [(Scheme::Tcp, 2), (Scheme::Ws, 30)] {
        let mut world = World::new(seed(70));
        let begin = if scheme == Scheme::Ws { vec![Act::ReadRequest, Act::Accept] } else { vec![] };
        world.script(address(1), move |_| {
            let echo =
                if scheme == Scheme::Ws { Act::EchoFrames(5) } else { Act::EchoStream(5, 64) };
            [begin.clone(), vec![echo, Act::Hold]].concat()
        });
        let mut plan = talking(plan(scheme, 10), 50);
        plan.messages.max_outstanding = window;
        (plan.hold, plan.timeouts.reply) = (ms(3_000), ms(400));
        let out = world.run(&plan);
        assert_eq!(out.counts().failed, 10, "{:#?}", out.counts());
        assert!(out.counts().lost >= 20, "{:#?}", out.counts());
        let ages = out.totals.tally.rows.iter().flat_map(|row| &row.examples).map(|one| one.age);
        assert!(ages.max() < Some(ms(700)), "five messages, then 400 ms without a reply");
    }
}

/// The end of a lifetime is no end of the question whether anybody served it.
#[test]
fn a_lifetime_hides_nobody_who_was_not_served() {
    let mut world = World::new(seed(71));
    world.script(address(1), |_| vec![Act::Hold]);
    let mut talks = talking(plan(Scheme::Tcp, 10), 10);
    (talks.hold, talks.timeouts.reply) = (ms(2_000), ms(5_000));
    talks.lifetime = Some((ms(300), ms(300)));
    let out = world.run(&talks);
    out.assert_classes(&[(Class::ConnectedNotServed, 10)]);

    // Idle ones in the queue of a server that never accepts.
    let mut world = World::new(seed(72));
    let never = Scripted::new(|_| vec![]).slowly(Nanos::from_secs(1_000));
    world.spawn(address(1), 64, Box::new(never));
    let mut idle = plan(Scheme::Tcp, 10);
    (idle.hold, idle.lifetime) = (ms(2_000), Some((ms(300), ms(300))));
    let out = world.run(&idle);
    out.assert_classes(&[(Class::ConnectedNotServed, 10)]);
}

/// A write fails before what was said is read: that is the reason, in whatever phase.
#[test]
fn a_reason_that_lay_unread_when_a_write_failed_is_the_reason() {
    let check = |upgraded: bool, said: &[u8], expected: ProtocolError, words: &[u8]| {
        let shard = plan(Scheme::Ws, 1).shards(1).next().expect("one of one");
        let (mut swarm, mut orders) = (LoadSwarm::new(shard), Orders::default());
        let id = ConnId { slot: 0, generation: 1 };
        swarm.poll(ms(1), &mut orders);
        assert!(matches!(orders.list[..], [Order::Open { id: opened, .. }] if opened == id));
        orders.clear();
        let mut tell = |input| swarm.handle(ms(2), id, input, &mut orders);
        tell(Input::Writable);
        if upgraded {
            let Asked::Upgrade { key, .. } = read_request(&orders.bytes) else { panic!() };
            let (key, mut answer) = (key.to_vec(), Vec::new());
            render_answer(&key, None, None, &mut answer);
            swarm.handle(ms(3), id, Input::Bytes(&answer), &mut orders);
        }
        let mut tell = |input| swarm.handle(ms(4), id, input, &mut orders);
        tell(Input::Failed(Op::Write, Errno::EPIPE));
        tell(Input::Bytes(said));
        tell(Input::Failed(Op::Read, Errno::ECONNRESET));
        tell(Input::Looked(Look::default()));
        let rows = &swarm.snapshot(ms(5)).tally.rows;
        let [row] = &rows[..] else { panic!("{rows:#?}") };
        let (failure, phase) = (&row.examples[0], row.key.signature.phase);
        assert_eq!(row.key.signature.outcome, Outcome::Protocol(expected));
        assert_eq!(phase, if upgraded { Phase::Open } else { Phase::Upgrade });
        assert_eq!(failure.later.map(|later| later.op), Some(Op::Write), "{failure:#?}");
        assert_eq!(failure.last_words, words, "{failure:#?}");
    };
    check(true, b"\x88\x0d\x03\xf4restarting!", ProtocolError::Closed(1012), b"restarting!");
    // Its noise is longer than what is kept of it.
    let noise = format!("X-Noise: {}\r\n", "n".repeat(2_000));
    let refusal = format!("HTTP/1.1 503 Busy\r\n{noise}Retry-After: 9\r\n\r\nfull");
    let kept = b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n\r\nfull";
    check(false, refusal.as_bytes(), ProtocolError::Status(503), kept);
}
