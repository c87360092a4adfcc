//! Pings against a WebSocket library that is not ours: as messages, as keep-alive, and unanswered.

use crate::harness::{run, serve};
use crate::servers::{Guest, Server};

#[test]
fn pings_as_messages_are_answered_by_pongs() {
    let theirs = Server::start(Guest::web_socket);
    let ours = serve("");
    for address in [theirs.address, ours.address] {
        let line = format!("ws://{address} -c 25 -m 20/s --frame ping -s 125B -d 1s");
        let report = run(&line).report();
        assert!(report.messages("sent") >= 25 * 18, "\n{report}");
        assert_eq!(report.messages("received"), report.messages("sent"), "\n{report}");
        assert_eq!(report.json["latency"]["rtt"]["count"], report.messages("received"));
        assert_eq!(report.json["plan"]["frame"], "ping");
        assert_eq!(report.json["latency"]["ping"], serde_json::Value::Null);
        report.assert_healthy(25);
        assert_eq!(report.code, 0);
    }
}

#[test]
fn keep_alive_is_measured_beside_the_messages() {
    let server = Server::start(Guest::web_socket);
    let line = format!("ws://{} -c 25 -m 10/s --ping-interval 100ms -d 1s", server.address);
    let report = run(&line).report();
    let pings = &report.json["messages"]["pings"];
    let (sent, answered) = (pings["sent"].as_u64().unwrap(), pings["answered"].as_u64().unwrap());
    assert!(sent >= 25 * 8 && sent - answered <= 25, "{pings}");
    assert_eq!(report.json["latency"]["ping"]["count"], answered);
    assert_eq!(report.messages("received"), report.messages("sent"), "\n{report}");
    report.assert_healthy(25);
    assert_eq!(report.code, 0);
}

/// Idle, so that only the missing pongs tell.
#[test]
fn who_answers_no_ping_and_says_nothing_has_failed() {
    let server = Server::of_speakers(|guest| {
        let even = guest.index.is_multiple_of(2);
        match (even, guest.upgrade()) {
            (true, Some(mut guest)) => guest.drain(),
            (false, Some(guest)) => guest.hold(),
            (_, None) => {}
        }
    });
    let line = "-c 20 --ping-interval 100ms --reply-timeout 500ms -d 2s";
    let report = run(&format!("ws://{} {line}", server.address)).report();
    report.assert_causes(&[("server-not-answering", 20)]);
    assert_eq!(report.classes()["io-timeout"], 20);
    assert_eq!(report.messages("lost"), 0);
    assert_eq!(report.code, 99);
}

#[test]
fn a_ping_that_is_too_long_is_a_usage_error_with_a_hint() {
    let finished = run("ws://127.0.0.1:1 --frame ping -s 126B").finish();
    assert_eq!(finished.code, 2);
    assert!(finished.stderr.contains("at most 125 bytes") && finished.stderr.contains("help: -s"));
}
