//! Answers other than 101, and what the card makes of them.

use super::super::fixture::{Lab, Seen};
use super::*;
use crate::diagnosis::Diagnosis;
use crate::failure::{Op, Outcome, Phase};

fn status(code: u16, answer: &str) -> Seen {
    let outcome = Outcome::Protocol(ProtocolError::Status(code));
    Seen::new(Phase::Upgrade, Op::Decode, outcome).words(answer.as_bytes())
}

fn card(lab: &Lab, count: u64) -> Diagnosis {
    lab.expect(&[("server-rejected-upgrade", count, Confidence::Proven)]).remove(0)
}

fn lines(card: &Diagnosis) -> Vec<&str> {
    card.because.iter().map(|line| line.text.as_str()).collect()
}

fn commands(card: &Diagnosis) -> Vec<&str> {
    card.remedy.iter().filter_map(|remedy| remedy.command.as_deref()).collect()
}

#[test]
fn status_headers_and_body_are_shown_escaped() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nServer: x\r\n\r\n\u{1b}[31mback soon";
    let lab = Lab::ws().opened(40).book(60, status(503, answer).open(0, 40));
    let lab = lab.book(2, status(404, "HTTP/1.1 404 Not Found\r\n\r\n"));
    let card = card(&lab, 62);
    let expected = [
        "status 404 (2), 503 (60)",
        "503 Service Unavailable · Server: x",
        "its body: \"\\x1b[31mback soon\"",
        "404 Not Found",
    ];
    assert_eq!(lines(&card), expected);
    assert!(card.seen_as[0].contains("HTTP status 503 instead of 101 (60)"));
    assert!(commands(&card)[0].ends_with("-r 50/s"));
    assert!(commands(&card)[1].ends_with("http://127.0.0.1:8080/PATH"), "{:?}", commands(&card));
}

/// What other programs print has the status in it.
#[test]
fn the_same_in_other_words_has_this_status() {
    let lab = Lab::ws().book(5, status(404, "HTTP/1.1 404 Not Found\r\n\r\n"));
    let card = card(&lab, 5);
    assert!(!card.same_as.concat().contains("503"), "{:?}", card.same_as);
    assert!(card.same_as.contains(&"Node \"Unexpected server response: 404\"".into()));
    assert!(card.same_as.contains(&"Rust \"HTTP error: 404 Not Found\"".into()));
}

#[test]
fn a_redirect_names_its_place_and_the_run_that_goes_there() {
    let check = |code: u16, location: &str, line: &str, command: Option<&str>| {
        let answer = format!("HTTP/1.1 {code} Moved\r\nLocation: {location}\r\n\r\n");
        let card = card(&Lab::ws().book(9, status(code, &answer)), 9);
        assert!(lines(&card).contains(&line), "{:?}", lines(&card));
        match command {
            Some(command) => assert_eq!(commands(&card)[0], command),
            None => assert!(!commands(&card).concat().contains("inrush run"), "{card:?}"),
        }
    };
    let to = |url: &str| format!("inrush run {url} -c 1000 -r max -d 1s");
    let line = "it redirects to \"https://h/ws\"";
    check(301, "https://h/ws", line, Some(&to("wss://h/ws")));
    let line = "it redirects to \"/ws?room=1\"";
    check(302, "/ws?room=1", line, Some(&to("'ws://127.0.0.1:8080/ws?room=1'")));
    check(307, "ws://other:9/", "it redirects to \"ws://other:9/\"", Some(&to("ws://other:9/")));
    check(308, "/", "that is where it was asked: following it would never end", None);
    check(303, "ftp://h/", "that is no address of a WebSocket", None);
    let hostile = "http://h/';reboot;'";
    let command = to(r"'ws://h/'\'';reboot;'\'''");
    check(302, hostile, &format!("it redirects to \"{hostile}\""), Some(&command));
}

#[test]
fn who_asks_to_wait_is_quoted() {
    let check = |code, wait: &str, line: &str| {
        let answer = format!("HTTP/1.1 {code} Busy\r\nRetry-After: {wait}\r\n\r\n");
        let card = card(&Lab::ws().book(9, status(code, &answer)), 9);
        assert!(lines(&card).contains(&line), "{:?}", lines(&card));
        assert!(commands(&card)[0].ends_with("-r 50/s"));
    };
    check(429, "30", "it asks to wait 30 s before the next try");
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    check(503, date, &format!("it asks to come back after \"{date}\""));
}

#[test]
fn who_wants_a_proof_is_told_apart_by_its_scheme() {
    let check = |code, header: &str, line: &str, flag: &str| {
        let answer = format!("HTTP/1.1 {code} No\r\n{header}\r\n");
        let card = card(&Lab::ws().book(9, status(code, &answer)), 9);
        assert!(lines(&card).contains(&line), "{:?}", lines(&card));
        assert!(commands(&card)[0].ends_with(flag), "{:?}", commands(&card));
    };
    let basic = "WWW-Authenticate: Basic realm=\"x\"\r\n";
    check(401, basic, "on 401 it asks for Basic", "-H 'Authorization: Basic BASE64'");
    let bearer = "-H 'Authorization: Bearer TOKEN'";
    check(401, "WWW-Authenticate: Bearer\r\n", "on 401 it asks for Bearer", bearer);
    let digest = "WWW-Authenticate: digest nonce=1\r\n";
    check(401, digest, "on 401 it asks for digest", "-H 'Cookie: NAME=ID'");
    check(403, "", "on 403 it does not say which proof it wants", bearer);
}

#[test]
fn an_older_version_is_named() {
    let answer = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 7\r\n\
        Upgrade: TLS/1.2\r\n\r\n";
    let card = card(&Lab::ws().book(9, status(426, answer)), 9);
    assert!(lines(&card).contains(&"it speaks WebSocket version 8, 7, we speak 13 (RFC 6455)"));
    assert!(lines(&card).contains(&"it wants an upgrade to TLS/1.2"));
    assert!(commands(&card)[0].ends_with("--subprotocol NAME"));
}

#[test]
fn a_path_without_a_websocket_is_named() {
    for code in [200, 404, 405] {
        let mut lab = Lab::ws();
        lab.plan.targets[0].path = "/chat?token=secret".into();
        let answer = format!("HTTP/1.1 {code} x\r\n\r\n");
        let card = card(&lab.book(9, status(code, &answer)), 9);
        let text = &card.remedy[0].text;
        assert_eq!(text, "no WebSocket at /chat: find the path that answers 101");
        assert!(!format!("{card:?}").contains("secret"));
    }
}
