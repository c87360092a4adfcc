//! Connections that are spoken to through TLS, or should have been.

use super::{echo, faulty, ms, serve};
use crate::world::{Act, HELLO, World, address, alert, plan, seed, talking};
use inrush_core::diagnosis::Confidence::{Likely, Proven};
use inrush_core::failure::Class;
use inrush_core::fault::{Kind, Select};
use inrush_core::plan::{Identity, Plan, Scheme, Serve};

fn through_tls(mut plan: Plan) -> Plan {
    plan.targets[0].tls = Some("localhost".into());
    plan
}

fn secure_server(plan: Serve) -> Serve {
    Serve { tls: Some(Identity { chain: String::new(), key: String::new() }), ..plan }
}

#[test]
fn a_secure_echo_is_an_echo() {
    for scheme in [Scheme::Ws, Scheme::Tcp] {
        let mut world = World::new(seed(70));
        serve(&mut world, secure_server(echo()));
        let out = world.run(&through_tls(talking(plan(scheme, 20), 20)));
        out.assert_causes(&[]);
        out.assert_healthy(20);
        let counts = out.counts();
        assert_eq!((counts.confirmed, counts.tls_full, counts.tls_resumed), (20, 20, 0));
        assert_eq!((counts.sent, counts.lost), (counts.received, 0));
        assert_eq!(out.totals.latencies.tls.count(), 20);
    }
}

/// `tls` is confirmed by its hand-shake, although nobody says a byte.
#[test]
fn an_idle_secure_stream_is_confirmed() {
    let mut world = World::new(seed(71));
    world.kernel.elsewhere.insert(address(1));
    serve(&mut world, secure_server(echo()));
    let out = world.run(&through_tls(plan(Scheme::Tcp, 20)));
    assert_eq!((out.counts().confirmed, out.counts().undecided), (20, 0));
}

#[test]
fn tls_on_a_plain_port_and_plain_text_on_a_tls_port() {
    let mut world = World::new(seed(72));
    let said = Act::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    world.script(address(1), move |_| vec![Act::ReadHello, said.clone(), Act::Drain]);
    let out = world.run(&through_tls(plan(Scheme::Ws, 20)));
    out.assert_causes(&[("scheme-mismatch", 20, Proven)]);
    out.assert_classes(&[(Class::ProtocolMismatch, 20)]);

    let mut world = World::new(seed(73));
    world.script(address(1), |_| vec![Act::ReadRequest, Act::Say(alert(10)), Act::Close]);
    let out = world.run(&plan(Scheme::Ws, 20));
    out.assert_causes(&[("scheme-mismatch", 20, Proven)]);
}

#[test]
fn alerts_in_the_hand_shake_and_after_it() {
    for (number, cause) in [(70, "tls-negotiation"), (40, "tls-negotiation")] {
        let mut world = World::new(seed(74));
        let said = Act::Say(alert(number));
        world.script(address(1), move |_| vec![Act::ReadHello, said.clone(), Act::Close]);
        let out = world.run(&through_tls(plan(Scheme::Ws, 20)));
        out.assert_causes(&[(cause, 20, Proven)]);
        out.assert_classes(&[(Class::TlsAlert, 20)]);
    }
    // TLS 1.3: the client has shaken hands when it learns that it needs a certificate.
    let mut world = World::new(seed(75));
    let hello = Act::Say(HELLO.to_vec());
    let script = [Act::ReadHello, hello, Act::Wait(ms(5)), Act::Say(alert(116)), Act::Close];
    world.script(address(1), move |_| script.to_vec());
    let out = world.run(&through_tls(plan(Scheme::Ws, 20)));
    out.assert_causes(&[("tls-certificate", 20, Proven)]);
}

#[test]
fn a_peer_that_ends_in_the_hand_shake_or_never_answers_it() {
    let mut world = World::new(seed(76));
    world.script(address(1), |_| vec![Act::ReadHello, Act::Wait(ms(3)), Act::Close]);
    let out = world.run(&through_tls(plan(Scheme::Tcp, 20)));
    out.assert_classes(&[(Class::TlsHandshakeEof, 20)]);
    out.assert_causes(&[("server-closed-without-reason", 20, Proven)]);

    let mut world = World::new(seed(77));
    let stall = secure_server(faulty(Kind::StallTls, Select::First(5)));
    serve(&mut world, stall);
    let mut plan = through_tls(plan(Scheme::Ws, 20));
    plan.timeouts.handshake = ms(2_000);
    let out = world.run(&plan);
    out.assert_classes(&[(Class::TlsHandshakeTimeout, 5)]);
    out.assert_causes(&[("server-not-answering", 5, Proven)]);
    out.assert_healthy(15);
}

/// Without a close_notify nobody knows whether all was said.
#[test]
fn an_end_without_notice_is_no_clean_end() {
    let mut world = World::new(seed(78));
    let hello = Act::Say(HELLO.to_vec());
    let notice = Act::Say(b"\x15\x03\x03\x00\x02\x01\x00".to_vec());
    world.script(address(1), move |nth| {
        let last = if nth % 2 == 0 { notice.clone() } else { Act::Wait(ms(1)) };
        vec![Act::ReadHello, hello.clone(), Act::Wait(ms(50)), last, Act::Close]
    });
    let out = world.run(&through_tls(plan(Scheme::Tcp, 20)));
    out.assert_classes(&[(Class::EofCleanClose, 10), (Class::EofUnexpected, 10)]);
}

/// What TLS says is no word of the program: the age of a hand-shake limit is seen through it.
#[test]
fn a_hand_shake_limit_and_a_silent_program_are_known_through_tls() {
    let mut world = World::new(seed(79));
    let script = [Act::ReadHello, Act::Say(HELLO.to_vec()), Act::ReadRequest];
    let close = [Act::Wait(ms(1_000)), Act::Close];
    let deadline = [&script[..], &close].concat();
    world.script(address(1), move |_| deadline.clone());
    let out = world.run(&through_tls(plan(Scheme::Ws, 40)));
    out.assert_causes(&[("server-handshake-deadline", 40, Likely)]);

    let mut world = World::new(seed(80));
    let silent = [Act::ReadHello, Act::Say(HELLO.to_vec()), Act::Drain];
    world.script(address(1), move |_| silent.to_vec());
    let mut plan = through_tls(talking(plan(Scheme::Tcp, 20), 10));
    (plan.hold, plan.timeouts.reply) = (ms(3_000), ms(1_000));
    let out = world.run(&plan);
    out.assert_classes(&[(Class::IoTimeout, 20)]);
    out.assert_causes(&[("server-not-answering", 20, Proven)]);
}
