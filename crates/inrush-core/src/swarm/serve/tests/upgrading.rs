//! From the first bytes to an open connection.

use super::*;

fn close(id: ConnId, how: Close) -> Order {
    Order::Close(id, how)
}

#[test]
fn an_upgrade_in_any_two_parts_is_answered_and_what_follows_is_echoed() {
    let mut bytes = REQUEST.to_vec();
    bytes.extend(frame(0x81, b"hello"));
    for cut in 1..bytes.len() {
        let mut host = Host::new(plan());
        let id = host.accept();
        host.bytes(id, &bytes[..cut]);
        host.bytes(id, &bytes[cut..]);
        let out = host.take(id);
        let text = std::string::String::from_utf8_lossy(&out).into_owned();
        assert!(text.starts_with("HTTP/1.1 101 ") && text.contains(ACCEPT), "{cut}: {text}");
        assert!(out.ends_with(&answer(0x81, b"hello")), "{cut}: {text}");
        assert_eq!((host.swarm.kept, host.swarm.rare.len()), (0, 0), "{cut}");
    }
}

#[test]
fn what_is_no_upgrade_is_refused_and_lingers_until_the_peer_ends() {
    let check = |request: &[u8], status: &str, says: &str| {
        let mut host = Host::new(plan());
        let id = host.accept();
        host.bytes(id, request);
        let out = host.take(id);
        let text = std::string::String::from_utf8_lossy(&out).into_owned();
        assert!(text.starts_with(status) && text.contains(says), "{text}");
        assert_eq!(host.logged(), [close(id, Close::Half)], "{status}");
        host.input(id, Input::Eof);
        assert_eq!(host.logged(), [close(id, Close::Fin)], "{status}");
        let snapshot = host.swarm.take_snapshot(host.now);
        assert_eq!((snapshot.counts.failed, snapshot.counts.finished), (1, 0));
    };
    check(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 426 ", "Upgrade: websocket");
    check(b"GET \x00\x01\x02 nonsense\r\n\r\n", "HTTP/1.1 400 ", "");
}

#[test]
fn a_peer_that_never_ends_is_ended_after_a_second() {
    let mut host = Host::new(plan());
    let id = host.accept();
    host.bytes(id, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    host.pass(Nanos::from_secs(2));
    assert_eq!(host.logged(), [close(id, Close::Half), close(id, Close::Fin)]);
}

#[test]
fn endless_headers_are_bounded() {
    for piece in [&b"X: hello hello hello hello\r\n"[..], b"one endless header "] {
        let mut host = Host::new(Serve { proto: Proto::Ws, ..plan() });
        let id = host.accept();
        host.bytes(id, b"GET / HTTP/1.1\r\nX: ");
        let mut most = 0;
        for _ in 0..10_000 {
            host.bytes(id, piece);
            most = most.max(host.swarm.kept);
        }
        assert!(most <= 17 << 10, "{most}");
        assert!(host.take(id).starts_with(b"HTTP/1.1 431 "));
    }
}

#[test]
fn auto_takes_silence_and_half_a_verb_as_a_stream_in_the_end() {
    let mut host = Host::new(plan());
    let id = host.accept();
    host.bytes(id, b"GE");
    assert_eq!(host.take(id), b"");
    host.pass(Nanos::from_secs(4));
    assert_eq!(host.take(id), b"GE");
    let other = host.accept();
    host.bytes(other, b"hello");
    assert_eq!(host.take(other), b"hello");
}

#[test]
fn a_greeting_is_raw_at_accept_or_the_first_message_after_the_upgrade() {
    let greeting = b"receive client's request".to_vec();
    for proto in [Proto::Auto, Proto::Tcp] {
        let mut host = Host::new(Serve { proto, greeting: greeting.clone(), ..plan() });
        let id = host.accept();
        assert_eq!(host.take(id), greeting);
    }
    let mut host = Host::new(Serve { proto: Proto::Ws, greeting: greeting.clone(), ..plan() });
    let id = host.accept();
    assert_eq!(host.take(id), b"");
    host.bytes(id, REQUEST);
    assert!(host.take(id).ends_with(&answer(0x81, &greeting)));
}

#[test]
fn the_first_offered_subprotocol_is_chosen() {
    let mut host = Host::new(plan());
    let id = host.accept();
    let mut request = REQUEST[..REQUEST.len() - 2].to_vec();
    request.extend(b"Sec-WebSocket-Protocol: mqtt, graphql-ws\r\n\r\n");
    host.bytes(id, &request);
    let out = std::string::String::from_utf8(host.take(id)).unwrap().to_lowercase();
    assert!(out.contains("sec-websocket-protocol: mqtt\r\n"), "{out}");
}
