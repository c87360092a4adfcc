//! Connections end while they are in use.

use crate::harness::run;
use crate::report::Report;
use crate::servers::{Guest, Server};
use std::time::Duration;

/// A quarter is reset, a quarter is closed, and half live on.
fn misuse(guest: Guest) {
    match guest.index % 4 {
        0 => guest.reset(),
        1 => guest.close(),
        _ => guest.hold(),
    }
}

fn check(report: &Report) {
    let causes = report.causes();
    let resets: u64 = causes
        .iter()
        .filter(|(cause, _)| {
            ["server-closed-with-unread-data", "server-closed-abortively"].contains(*cause)
        })
        .map(|(_, count)| count)
        .sum();
    assert_eq!(resets, 10, "\n{report}");
    assert_eq!(causes["server-closed-without-reason"], 10, "\n{report}");
    assert_eq!(causes.values().sum::<u64>(), 20, "\n{report}");
    assert_eq!(report.code, 99);
    assert_eq!(report.classes()["reset-on-read"], 10);
    // None of them was silently opened again.
    assert_eq!(report.connections("attempted"), 40);
    assert_eq!(report.connections("reconnects"), 0);
    assert_eq!(report.connections("opened"), 40);
    assert_eq!(report.connections("held"), 20);
    assert_eq!(report.connections("finished"), 20);
}

#[test]
fn a_reset_and_a_close_of_streams_in_use_are_told_apart() {
    let server = Server::of_speakers(|mut guest| {
        if guest.index % 4 < 2 {
            guest.echo(3, 64);
            misuse(guest);
        } else {
            guest.echo(usize::MAX, 64);
        }
    });
    let report = run(&format!("tcp://{} -c 40 -r max -d 1s -m 10/s", server.address)).report();
    check(&report);
    assert_eq!(report.classes()["eof-clean-close"], 10);
    // Nothing was on its way when they ended: the peer had answered all it had read.
    assert_eq!(report.messages("received"), report.messages("sent"), "\n{report}");
    assert!(report.messages("received") >= 20 * 3 + 20 * 8, "\n{report}");
}

#[test]
fn idle_web_sockets_learn_of_it_too() {
    let server = Server::of_speakers(|guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        if guest.index % 4 < 2 {
            guest.sleep(Duration::from_millis(300));
            misuse(guest);
        } else {
            guest.drain();
        }
    });
    let report = run(&format!("ws://{} -c 40 -r max -d 700ms", server.address)).report();
    check(&report);
    // A WebSocket never ends in order without a Close frame.
    assert_eq!(report.classes()["eof-unexpected"], 10);
    assert_eq!(report.connections("close_unanswered"), 20);
}

#[test]
fn a_close_frame_gives_the_reason() {
    let server = Server::of_speakers(|guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        if guest.index % 2 == 0 {
            guest.say(b"\x88\x0c\x03\xf5\x1b[2Jpwned!");
        }
        guest.drain();
    });
    let report = run(&format!("ws://{} -c 40 -r max -d 500ms", server.address)).report();
    report.assert_causes(&[("server-closed-with-reason", 20)]);
    let card = report.card("server-closed-with-reason").to_string();
    assert!(card.contains("1013"), "{card}");
    assert!(!card.contains("\\u001b"), "an escape sequence of the peer: {card}");
}

/// A peer that ignores our Close is its own business: we had begun to end it.
#[test]
fn an_unanswered_close_is_counted_and_no_failure() {
    let server = Server::of_speakers(|guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        guest.drain();
    });
    let report = run(&format!("ws://{} -c 20 -r max -d 200ms", server.address)).report();
    report.assert_causes(&[]);
    report.assert_healthy(20);
    assert_eq!(report.connections("close_unanswered"), 20);
}

/// Several codes in one run: each is told with its name, its text and its count.
#[test]
fn close_codes_are_told_one_by_one() {
    const CODES: [(u16, &str, &str); 5] = [
        (1001, "going away", "deploy"),
        (1008, "policy violation", "token \u{1b}[31mexpired"),
        (1011, "internal error", ""),
        (1013, "try again later", "later"),
        (4000, "private to this application", "mine"),
    ];
    let server = Server::of_speakers(|guest| {
        let (code, _, text) = CODES[guest.index % CODES.len()];
        let Some(mut guest) = guest.upgrade() else { return };
        let length = u8::try_from(2 + text.len()).expect("it is short");
        guest.say(&[&[0x88, length], &code.to_be_bytes()[..], text.as_bytes()].concat());
        guest.drain();
    });
    let report = run(&format!("ws://{} -c 50 -r max -d 300ms", server.address)).report();
    report.assert_causes(&[("server-closed-with-reason", 50)]);
    let codes = report.json["failures"]["close_codes"].as_array().expect("it is a list");
    assert_eq!(codes.len(), CODES.len());
    let card = report.card("server-closed-with-reason").to_string();
    for (code, name, text) in CODES {
        let one = codes.iter().find(|one| one["code"] == code).expect("each is there");
        assert_eq!((&one["name"], &one["count"]), (&name.into(), &10.into()));
        let texts: Vec<String> = match text {
            "" => vec![],
            text => vec![text.replace('\u{1b}', "\\x1b")],
        };
        assert_eq!(one["texts"], serde_json::json!(texts));
        assert!(card.contains(&format!("code {code} ({name}) on 10")), "{card}");
    }
}
