//! The upgrade goes wrong: closed, reset, rejected, answered with garbage, never answered.

use crate::harness::{alone, run, serve};
use crate::report::Report;
use crate::servers::{Guest, Server};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Every second connection is misused, the others are served.
fn every_second(misuse: impl Fn(Guest) + Send + Sync + 'static) -> Server {
    Server::start(
        move |guest| if guest.index % 2 == 0 { guest.web_socket() } else { misuse(guest) },
    )
}

fn ws(server: &Server, line: &str) -> Report {
    run(&format!("ws://{} -r max {line}", server.address)).report()
}

/// Which of the two ways a server resets without a FIN cannot be told from here.
fn assert_reset(report: &Report, count: u64) {
    let causes = report.causes();
    let expected = ["server-closed-with-unread-data", "server-closed-abortively"];
    assert!(causes.keys().all(|cause| expected.contains(cause)), "\n{report}");
    assert_eq!(causes.values().sum::<u64>(), count, "\n{report}");
    assert_eq!(report.code, 99);
}

#[test]
fn a_reset_right_after_the_request() {
    let server = every_second(|mut guest| {
        guest.read_request();
        guest.reset();
    });
    let report = ws(&server, "-c 60 -d 300ms");
    assert_reset(&report, 30);
    report.assert_healthy(30);
}

#[test]
fn a_close_while_the_request_lies_unread() {
    let server = every_second(|guest| {
        guest.await_unread();
        guest.close();
    });
    let report = ws(&server, "-c 60 -d 300ms");
    assert_reset(&report, 30);
    report.assert_healthy(30);
}

#[test]
fn a_fin_right_after_the_request() {
    let server = every_second(|mut guest| {
        guest.read_request();
        guest.close();
    });
    let report = ws(&server, "-c 60 -d 300ms");
    report.assert_causes(&[("server-closed-without-reason", 30)]);
    assert_eq!(report.classes()["eof-unexpected"], 30);
    report.assert_healthy(30);
}

/// A constant age alone is no deadline: it must be long against the time a connect takes.
#[test]
fn a_hundred_closes_a_millisecond_after_the_request_are_no_deadline() {
    let _alone = alone();
    let server = Server::start(|mut guest| {
        guest.read_request();
        guest.sleep(Duration::from_millis(1));
        guest.close();
    });
    let report = ws(&server, "-c 100 -d 300ms");
    report.assert_causes(&[("server-closed-without-reason", 100)]);
}

/// Closes each connection a second after accept(). One thread closes all: a hundred timers of a
/// busy host would not go off within the 20 ms that make a deadline.
fn server_with_a_deadline(reads: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let (say, heard) = channel::<Guest>();
    std::thread::spawn(move || {
        for guest in heard {
            guest.sleep_until_age(Duration::from_secs(1));
            guest.close();
        }
    });
    Server::of_speakers(move |mut guest| {
        if reads(guest.index) {
            guest.read_request();
        }
        let _ = say.send(guest);
    })
}

#[test]
fn all_closed_after_a_second_is_the_servers_deadline() {
    let _alone = alone();
    let server = server_with_a_deadline(|_| true);
    let report = run(&format!("ws://{} -c 100 -r 500/s -d 300ms", server.address)).report();
    report.assert_causes(&[("server-handshake-deadline", 100)]);
    assert_eq!(report.card("server-handshake-deadline")["culprit"], "server");
}

/// Whether the request had been read decides between FIN and RST; the deadline is the same.
#[test]
fn a_deadline_is_one_cause_however_it_is_met() {
    let _alone = alone();
    let server = server_with_a_deadline(|index| index % 2 == 0);
    let report = run(&format!("ws://{} -c 100 -r 500/s -d 300ms", server.address)).report();
    report.assert_causes(&[("server-handshake-deadline", 100)]);
    assert_eq!(report.classes().len(), 2, "\n{report}");
}

#[test]
fn a_503_without_words_of_a_limit_is_a_rejection() {
    let server = every_second(|mut guest| {
        guest.read_request();
        guest
            .say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 16\r\n\r\nback in a minute");
        guest.drain();
    });
    let report = ws(&server, "-c 60 -d 300ms");
    report.assert_causes(&[("server-rejected-upgrade", 30)]);
    report.assert_proven("server-rejected-upgrade");
    assert_eq!(report.classes()["ws-bad-handshake"], 30);
    report.assert_healthy(30);
    let card = report.card("server-rejected-upgrade").to_string();
    assert!(card.contains("503") && card.contains("back in a minute"), "{card}");
}

/// What the server said last is read even when a reset stands behind it (FAILURES §0.2).
#[test]
fn a_503_is_heard_although_the_request_lay_unread() {
    let server = Server::start(|mut guest| {
        guest.await_unread();
        guest
            .say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 16\r\n\r\nback in a minute");
        guest.close();
    });
    let report = ws(&server, "-c 40 -d 300ms");
    report.assert_causes(&[("server-rejected-upgrade", 40)]);
}

#[test]
fn the_built_in_fault_says_the_same() {
    let server = serve("--fault reject-upgrade:503@every:2");
    let report = run(&format!("ws://{} -c 60 -d 300ms", server.address)).report();
    report.assert_causes(&[("server-rejected-upgrade", 30)]);
    report.assert_healthy(30);
}

/// The number open is the same at every refusal, and the words name a limit.
#[test]
fn a_server_that_is_full_says_so() {
    let server = Server::of_speakers(|mut guest| {
        if guest.index < 10 {
            return guest.web_socket();
        }
        guest.read_request();
        guest.say(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 20\r\n\r\ntoo many connections",
        );
        guest.drain();
    });
    let report = run(&format!("ws://{} -c 40 -r 200/s -d 300ms", server.address)).report();
    report.assert_causes(&[("server-connection-limit", 30)]);
    report.assert_healthy(10);
}

#[test]
fn garbage_is_no_web_socket_server() {
    let server = every_second(|mut guest| {
        guest.read_request();
        guest.say(b"\x05\x00\x0bwhat do you want?\r\n\r\n");
        guest.drain();
    });
    let report = ws(&server, "-c 60 -d 300ms");
    report.assert_causes(&[("not-a-websocket-server", 30)]);
    assert_eq!(report.classes()["ws-handshake-malformed"], 30);
    report.assert_healthy(30);

    let server = serve("--fault garbage-upgrade@every:2");
    let report = run(&format!("ws://{} -c 60 -d 300ms", server.address)).report();
    report.assert_causes(&[("not-a-websocket-server", 30)]);
    report.assert_healthy(30);
}

#[test]
fn one_that_accepts_and_never_answers() {
    for reads in [true, false] {
        let server = every_second(move |mut guest| {
            if reads {
                guest.read_request();
            }
            guest.hold();
        });
        let report = ws(&server, "-c 40 -d 300ms --handshake-timeout 500ms");
        report.assert_causes(&[("server-not-answering", 20)]);
        assert_eq!(report.classes()["ws-handshake-timeout"], 20);
        report.assert_healthy(20);
    }
}

/// A redirect behind 8 KiB of headers: where it leads, and the run that goes there, are told; the
/// samples have the beginning of its body.
#[test]
fn a_redirect_is_told_with_the_run_that_follows_it() {
    let noise = format!("X-Noise: {}\r\n", "n".repeat(1_000)).repeat(8);
    let answer = format!(
        "HTTP/1.1 301 Moved Permanently\r\n{noise}Location: https://chat.example/ws?v=2\r\n\
         Content-Length: 9\r\n\r\nover here"
    );
    let server = every_second(move |mut guest| {
        guest.read_request();
        guest.say(answer.as_bytes());
    });
    let report = ws(&server, "-c 60 -d 300ms");
    report.assert_causes(&[("server-rejected-upgrade", 30)]);
    report.assert_healthy(30);
    let card = report.card("server-rejected-upgrade");
    let command = card["remedies"][0]["command"].as_str().expect("it is a command");
    assert!(command.starts_with("inrush run 'wss://chat.example/ws?v=2' -c 60"), "{command}");
    assert!(card.to_string().contains("it redirects to \\\"https://chat.example/ws?v=2\\\""));
    let sample = report.json["failures"]["classes"][0]["samples"][0]["last_words"].as_str();
    let kept = "HTTP/1.1 301 Moved Permanently\\r\\nLocation: https://chat.example/ws?v=2\\r\\n\
        \\r\\nover here";
    assert_eq!(sample, Some(kept));
}

#[test]
fn who_asks_to_wait_or_for_a_proof_is_quoted() {
    let server = Server::of_speakers(|mut guest| {
        guest.read_request();
        let answer = match guest.index % 3 {
            0 => "429 Too Many Requests\r\nRetry-After: 7",
            1 => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"chat\"",
            _ => "404 Not Found",
        };
        guest.say(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    });
    let report = run(&format!("ws://{}/chat -c 30 -r max -d 300ms", server.address)).report();
    report.assert_causes(&[("server-rejected-upgrade", 30)]);
    let card = report.card("server-rejected-upgrade").to_string();
    for line in [
        "status 401 (10), 404 (10), 429 (10)",
        "it asks to wait 7 s before the next try",
        "on 401 it asks for Basic",
        "-H 'Authorization: Basic BASE64'",
        "no WebSocket at /chat",
    ] {
        assert!(card.contains(line), "{line}\n{card}");
    }
}

/// One answer for all: a cache's. The key of each connection is another.
#[test]
fn an_answer_out_of_a_cache_is_not_for_us() {
    let server = Server::start(|mut guest| {
        guest.read_request();
        let headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nAge: 31\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        guest.say(format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n").as_bytes());
        guest.drain();
    });
    let report = ws(&server, "-c 20 -d 300ms");
    report.assert_causes(&[("not-a-websocket-server", 20)]);
    let card = report.card("not-a-websocket-server").to_string();
    assert!(card.contains("came back for different keys: a cache or proxy"), "{card}");
    assert!(card.contains("Age: 31"), "{card}");
}
