//! Connections that never get as far as being used.

use super::{echo, every_second, faulty, ms, serve};
use crate::world::{Act, OWN, Scripted, World, address, plan, seed, talking, target};
use inrush_core::diagnosis::Confidence::{Likely, Proven};
use inrush_core::failure::Class;
use inrush_core::fault::{Kind, Select};
use inrush_core::plan::{Expect, OnEmfile, Payload, Rate, Schedule, Scheme, Serve};
use inrush_core::time::Nanos;
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn a_closed_port_has_nobody_listening() {
    for scheme in [Scheme::Tcp, Scheme::Ws] {
        let out = World::new(seed(1)).run(&plan(scheme, 100));
        out.assert_causes(&[("nothing-listening", 100, Proven)]);
        out.assert_classes(&[(Class::Refused, 100)]);
        assert!(out.ended < ms(10), "nothing is left to be waited for: {:?}", out.ended);
    }
}

/// A closed loopback port inside the range of local ports answers itself now and then: here once in
/// a hundred tries.
#[test]
fn of_many_tries_at_a_closed_port_none_is_connected_to_itself() {
    let mut plan = plan(Scheme::Tcp, 2_000);
    plan.targets[0].address.set_port(40_000);
    let mut world = World::new(seed(2));
    world.kernel.ports = (40_000, 40_099);
    let out = world.run(&plan);
    out.assert_causes(&[("nothing-listening", 2_000, Proven)]);
    let alone = |row: &&inrush_core::tally::Row| {
        row.key.signature.outcome == inrush_core::failure::Outcome::SelfConnected
    };
    let met: u64 = out.totals.tally.rows.iter().filter(alone).map(|row| row.count).sum();
    assert!(met > 0, "the world has no such trap");
    assert_eq!(out.counts().opened, 0);
}

#[test]
fn half_of_two_targets_refuses_and_the_other_half_is_unharmed() {
    let mut world = World::new(seed(3));
    serve(&mut world, echo());
    let mut plan = talking(plan(Scheme::Ws, 40), 50);
    plan.targets.push(target(Scheme::Ws, address(2)));
    let out = world.run(&plan);
    out.assert_causes(&[("nothing-listening", 20, Proven)]);
    out.assert_healthy(20);
    assert_eq!((out.counts().sent, out.counts().lost), (out.counts().received, 0));
}

#[test]
fn a_reset_after_the_request() {
    let mut world = World::new(seed(4));
    every_second(&mut world, &[Act::ReadRequest, Act::Reset]);
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("server-closed-abortively", 30, Likely)]);
    out.assert_classes(&[(Class::ResetOnRead, 30)]);
    out.assert_healthy(30);

    let mut world = World::new(seed(4));
    serve(&mut world, faulty(Kind::RstOnFirstByte, Select::Every(2)));
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_classes(&[(Class::ResetOnRead, 30)]);
    out.assert_healthy(30);
}

#[test]
fn a_close_while_the_request_lies_unread() {
    let mut world = World::new(seed(5));
    every_second(&mut world, &[Act::AwaitUnread, Act::Close]);
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("server-closed-with-unread-data", 30, Likely)]);
    out.assert_classes(&[(Class::ResetOnRead, 30)]);
    out.assert_healthy(30);
    assert_eq!(out.counters.aborts_on_close, 30);
}

#[test]
fn a_fin_after_the_request() {
    let mut world = World::new(seed(6));
    every_second(&mut world, &[Act::ReadRequest, Act::Close]);
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("server-closed-without-reason", 30, Proven)]);
    out.assert_classes(&[(Class::EofUnexpected, 30)]);
    out.assert_healthy(30);
}

/// Whether the request had been read decides between FIN and RST; the deadline is the same.
#[test]
fn a_handshake_deadline_of_a_second_is_one_cause_however_it_is_met() {
    let mut world = World::new(seed(7));
    world.script(address(1), |nth| match nth % 2 {
        0 => vec![Act::ReadRequest, Act::Wait(ms(1_000)), Act::Close],
        _ => vec![Act::AwaitUnread, Act::Wait(ms(1_000)), Act::Close],
    });
    let out = world.run(&plan(Scheme::Ws, 100));
    out.assert_causes(&[("server-handshake-deadline", 100, Likely)]);
    out.assert_classes(&[(Class::EofUnexpected, 50), (Class::ResetOnRead, 50)]);
}

#[test]
fn a_hundred_closes_a_millisecond_after_the_request_are_no_deadline() {
    let mut world = World::new(seed(8));
    world.script(address(1), |_| vec![Act::ReadRequest, Act::Wait(ms(1)), Act::Close]);
    let out = world.run(&plan(Scheme::Ws, 100));
    out.assert_causes(&[("server-closed-without-reason", 100, Proven)]);
}

#[test]
fn a_503_is_a_rejection_also_when_the_request_lay_unread() {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 16\r\n\r\nback in a minute";
    for first in [Act::ReadRequest, Act::AwaitUnread] {
        let mut world = World::new(seed(9));
        every_second(&mut world, &[first, Act::Say(answer.to_vec()), Act::Close]);
        let out = world.run(&plan(Scheme::Ws, 60));
        out.assert_causes(&[("server-rejected-upgrade", 30, Proven)]);
        out.assert_classes(&[(Class::WsBadHandshake, 30)]);
        out.assert_healthy(30);
        let example = &out.totals.tally.rows[0].examples[0];
        assert!(example.last_words.ends_with(b"back in a minute"));
    }
    let mut world = World::new(seed(9));
    serve(&mut world, faulty(Kind::RejectUpgrade(503), Select::Every(2)));
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("server-rejected-upgrade", 30, Proven)]);
    out.assert_healthy(30);
}

/// A head of 12 KiB in pieces, then a body: the body is what is kept, with the headers that tell.
#[test]
fn a_long_head_hides_neither_the_reason_nor_the_place() {
    let noise = format!("X-Noise: {}\r\n", "n".repeat(1_000)).repeat(12);
    let head = format!(
        "HTTP/1.1 302 Found\r\nSet-Cookie: id=secret\r\n{noise}Location: https://h/ws\r\n\
         Content-Length: 700\r\nServer: edge\r\n\r\n"
    );
    let body = "go there! ".repeat(70);
    let kept = format!(
        "HTTP/1.1 302 Found\r\nLocation: https://h/ws\r\nServer: edge\r\n\r\n{}",
        &body[..512]
    );
    for (first, last) in [(Act::ReadRequest, Act::Drain), (Act::AwaitUnread, Act::Close)] {
        let mut world = World::new(seed(46));
        let (start, rest) = body.split_at(100);
        let said = [[head.as_bytes(), start.as_bytes()].concat(), rest.as_bytes().to_vec()];
        let [one, two] = said.map(Act::Say);
        every_second(&mut world, &[first, one, Act::Wait(ms(20)), two, last]);
        let out = world.run(&plan(Scheme::Ws, 60));
        out.assert_causes(&[("server-rejected-upgrade", 30, Proven)]);
        out.assert_healthy(30);
        for (example, _) in out.examples() {
            assert_eq!(String::from_utf8_lossy(&example.last_words), kept);
        }
        let card = &out.diagnoses()[0];
        let command = card.remedy[0].command.as_deref().unwrap();
        assert!(command.starts_with("inrush run wss://h/ws -c 60"), "{command}");
    }
}

#[test]
fn garbage_is_no_web_socket_server() {
    let mut world = World::new(seed(10));
    let garbage = Act::Say(b"\x05\x00\x0bwhat do you want?\r\n\r\n".to_vec());
    every_second(&mut world, &[Act::ReadRequest, garbage, Act::Drain]);
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("not-a-websocket-server", 30, Proven)]);
    out.assert_classes(&[(Class::WsHandshakeMalformed, 30)]);
    out.assert_healthy(30);

    let mut world = World::new(seed(10));
    serve(&mut world, faulty(Kind::GarbageUpgrade, Select::Every(2)));
    let out = world.run(&plan(Scheme::Ws, 60));
    out.assert_causes(&[("not-a-websocket-server", 30, Proven)]);
}

#[test]
fn one_that_accepts_and_never_answers() {
    for first in [Act::ReadRequest, Act::Hold] {
        let mut world = World::new(seed(11));
        every_second(&mut world, &[first, Act::Hold]);
        let mut plan = plan(Scheme::Ws, 40);
        plan.timeouts.handshake = ms(500);
        let out = world.run(&plan);
        out.assert_causes(&[("server-not-answering", 20, Proven)]);
        out.assert_classes(&[(Class::WsHandshakeTimeout, 20)]);
        out.assert_healthy(20);
        assert_eq!(out.counts().handshakes_timed_out, 20);
    }
}

/// Nobody ever calls accept(): the queue takes its backlog and one more, SYNs beyond are dropped.
#[test]
fn a_full_queue_overflows_and_those_in_it_are_not_accepted() {
    let mut world = World::new(seed(12));
    world.serve(address(1), 1, faulty(Kind::StallAccept, Select::All));
    let mut plan = plan(Scheme::Ws, 40);
    (plan.timeouts.connect, plan.timeouts.handshake) = (ms(1_500), ms(2_000));
    let out = world.run(&plan);
    out.assert_causes(&[
        ("accept-queue-overflow", 38, Proven),
        ("server-not-accepting", 2, Likely),
    ]);
    out.assert_classes(&[(Class::ConnectTimeout, 38), (Class::WsHandshakeTimeout, 2)]);
    // Each of the 38 sent its SYN twice.
    assert_eq!(out.counters.listen_overflows, 2 * 38);
}

/// FAILURES row 1c, number by number: 9 connect at once and 91 a second later, all hundred count as
/// connected, the server gets 18, and the counter says 173.
#[test]
fn a_hundred_into_a_queue_of_eight_are_eighteen() {
    let mut world = World::new(seed(13));
    let slow = Scripted::new(|_| vec![Act::Hold]).slowly(ms(5));
    world.spawn(address(1), 8, Box::new(slow));
    let counted = Rc::new(Cell::new(None));
    let counters = Rc::clone(&counted);
    world.change_at(ms(2_000), move |kernel| counters.set(Some(kernel.counters)));
    let mut plan = plan(Scheme::Tcp, 100);
    plan.hold = ms(2_500);
    let out = world.run(&plan);
    assert_eq!((out.counts().connected, out.counts().confirmed), (100, 18));
    assert_eq!(out.totals.latencies.connect.above(ms(900)), 91);
    let counters = counted.get().unwrap();
    assert_eq!((counters.cookies_for_full_queue, counters.listen_overflows), (82, 173));
    out.assert_causes(&[("ghost-connections", 82, Proven)]);
    out.assert_classes(&[(Class::ConnectedNotServed, 82)]);
    assert_eq!(out.counts().opened, 100);
    out.assert_healthy(18);
}

/// The same as WebSockets. A ghost's request is let in late when it is sent again and there is room
/// (row 1c): nine each time. The others are ghosts for good.
#[test]
fn ghosts_that_ask_are_let_in_nine_at_a_time() {
    let mut world = World::new(seed(14));
    let served = || vec![Act::ReadRequest, Act::Accept, Act::EchoFrames(u32::MAX)];
    let slow = Scripted::new(move |_| served()).slowly(ms(5));
    world.spawn(address(1), 8, Box::new(slow));
    let mut plan = plan(Scheme::Ws, 100);
    (plan.hold, plan.timeouts.handshake) = (ms(3_000), ms(1_000));
    let out = world.run(&plan);
    // The first request goes out after the ACK, when one may have been accepted already; the next
    // ones 204 and 408 ms later.
    let held = out.totals.gauges.held;
    assert!((36..=38).contains(&held), "{held}");
    out.assert_causes(&[("ghost-connections", 100 - held, Proven)]);
    out.assert_classes(&[(Class::WsHandshakeTimeout, 100 - held)]);
    out.assert_healthy(held);
}

/// FAILURES row 1d1: `tcp_abort_on_overflow` and a queue that fills between SYN-ACK and ACK.
#[test]
fn a_queue_that_fills_before_the_last_ack_resets_when_it_is_told_to() {
    let mut world = World::new(seed(15));
    world.kernel.abort_on_overflow = true;
    // The wire is long, so that all SYNs are there before the first ACK.
    world.kernel.link.delay = (ms(20), ms(20));
    world.serve(address(1), 8, faulty(Kind::StallAccept, Select::All));
    let mut plan = plan(Scheme::Ws, 9);
    plan.timeouts.handshake = ms(1_000);
    world.change_at(ms(30), |kernel| {
        kernel.listeners.get_mut(&address(1)).unwrap().backlog = 3;
    });
    let out = world.run(&plan);
    assert_eq!(out.counts().connected, 9);
    out.assert_classes(&[(Class::ResetOnRead, 5), (Class::WsHandshakeTimeout, 4)]);
}

#[test]
fn a_server_without_descriptors_is_named_from_its_process() {
    for on_emfile in [OnEmfile::Pause, OnEmfile::Die] {
        let mut world = World::new(seed(16));
        let server = serve(&mut world, Serve { on_emfile, ..echo() });
        world.limit_of(server, 64);
        world.watched.push(server);
        let mut plan = talking(plan(Scheme::Ws, 100), 10);
        (plan.hold, plan.timeouts.handshake) = (ms(500), ms(1_000));
        let out = world.run(&plan);
        let held = 64 - OWN;
        assert_eq!(out.open_max(server), held);
        match on_emfile {
            OnEmfile::Pause => {
                out.assert_causes(&[("server-out-of-descriptors", 100 - held, Proven)]);
                out.assert_classes(&[(Class::WsHandshakeTimeout, 100 - held)]);
            }
            // FAILURES row 1a: what waits in the queue of a listener that closes is reset.
            _ => assert_eq!(out.counts().failed, 100 - held),
        }
        out.assert_healthy(held);
        assert_eq!(out.counts().received, out.counts().sent);
    }
}

/// An idle stream never finds out by itself: the look at the end of the hold says it.
#[test]
fn an_idle_stream_to_such_a_server_is_not_served() {
    let mut world = World::new(seed(17));
    let server = serve(&mut world, echo());
    world.limit_of(server, 64);
    world.watched.push(server);
    let out = world.run(&plan(Scheme::Tcp, 100));
    let held = 64 - OWN;
    out.assert_causes(&[("server-out-of-descriptors", 100 - held, Proven)]);
    out.assert_classes(&[(Class::ConnectedNotServed, 100 - held)]);
    assert_eq!((out.counts().opened, out.counts().confirmed), (100, held));
    out.assert_healthy(held);
}

#[test]
fn our_own_limit_is_our_own_and_the_open_ones_live_on() {
    let mut world = World::new(seed(18));
    serve(&mut world, echo());
    world.limit = 64;
    let mut plan = talking(plan(Scheme::Ws, 100), 20);
    plan.connect_rate = Rate::Every { count: 200, per: Nanos::from_secs(1) };
    let out = world.run(&plan);
    let held = 64 - OWN;
    out.assert_causes(&[("client-out-of-descriptors", 100 - held, Proven)]);
    out.assert_classes(&[(Class::FdExhaustedProcess, 100 - held)]);
    out.assert_healthy(held);
    assert_eq!(out.counts().received, out.counts().sent);
    assert!(out.counts().received >= held * 20);
}

/// One source and one destination have 28,232 ports (FAILURES row 9a); a second source has as many.
#[test]
fn local_ports_run_out() {
    let mut world = World::new(seed(19));
    world.serve(address(1), 65_535, echo());
    let mut plan = plan(Scheme::Tcp, 28_240);
    plan.hold = ms(10);
    let out = world.run(&plan);
    out.assert_causes(&[("client-out-of-ports", 8, Proven)]);
    out.assert_healthy(28_232);
}

#[test]
fn syns_that_are_filtered_time_out() {
    let mut world = World::new(seed(20));
    world.kernel.filtered.insert(address(1));
    world.kernel.elsewhere.insert(address(1));
    let out = world.run(&plan(Scheme::Tcp, 30));
    out.assert_classes(&[(Class::ConnectTimeout, 30)]);
    // 1, 2, 3, 4, 5, 7 s: tcp_syn_linear_timeouts (row 1b); then our own limit of 10 s.
    assert_eq!(out.counters.syn_retrans, 30 * 6);
    assert_eq!(out.ended.as_millis() / 100, 100);
}

/// Two loops share the work; each numbers its own.
#[test]
fn shards_of_a_run_add_up() {
    for workers in [2, 3, 7] {
        let mut world = World::new(seed(21));
        serve(&mut world, faulty(Kind::RejectUpgrade(503), Select::First(10)));
        world.workers = workers;
        let out = world.run(&talking(plan(Scheme::Ws, 100), 20));
        out.assert_causes(&[("server-rejected-upgrade", 10, Proven)]);
        out.assert_healthy(90);
        assert_eq!(out.counts().received, out.counts().sent);
    }
}

/// A server may answer as soon as it has the key. The rest of the request still goes out whole, and
/// only then the first message.
#[test]
fn an_answer_that_comes_before_the_end_of_the_request() {
    for schedule in [Schedule::Every(ms(10)), Schedule::Closed] {
        let mut world = World::new(seed(22));
        // The request has 153 bytes, of which the last four are its end; they go out one by one.
        world.kernel.link.sndbuf = (1, 1);
        world.kernel.link.rcvbuf = (149, 149);
        world.kernel.taps = true;
        world.change_at(Nanos::from_micros(100), |kernel| {
            let servers = kernel.socks.iter_mut().filter(|sock| sock.local == address(1));
            servers.for_each(|sock| sock.snd_room = 4_096);
        });
        world.script(address(1), |_| vec![Act::ReadKey, Act::Accept, Act::Drain]);
        let mut plan = plan(Scheme::Ws, 3);
        plan.messages.schedule = schedule;
        plan.messages.expect = Expect::Push;
        plan.messages.payload = Payload::Generated(20);
        plan.hold = ms(200);
        let out = world.run(&plan);
        out.assert_causes(&[]);
        for (_, bytes) in out.wires() {
            let request = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            assert_eq!(request, Some(149), "{}", bytes.escape_ascii());
        }
    }
}
