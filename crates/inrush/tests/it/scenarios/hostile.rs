//! Servers that mean harm: endless answers, huge frames, escape sequences. Memory stays bounded,
//! the run ends, and the cause has a name.

use crate::harness::{Inrush, run};
use crate::report::Report;
use crate::servers::{Guest, Server};

/// 1 GiB of addresses: an answer that is kept as a whole ends the program.
const CEILING: &str = "ulimit -v 1048576";
/// What is resident may grow to this.
const RESIDENT: u64 = 64 << 20;

fn check(attack: impl Fn(Guest) + Send + Sync + 'static, cause: &str) -> Report {
    let server =
        Server::start(
            move |guest| {
                if guest.index % 2 == 0 { guest.web_socket() } else { attack(guest) }
            },
        );
    let line = format!("ws://{} -c 20 -r max -d 500ms --handshake-timeout 3s", server.address);
    let report = Inrush::run_after(CEILING, &line).report();
    report.assert_causes(&[(cause, 10)]);
    for key in ["held", "finished"] {
        assert_eq!(report.connections(key), 10, "{key} in\n{report}");
    }
    let resident = report.number("/client/rss_bytes_peak");
    assert!(resident < RESIDENT, "{resident}");
    report
}

/// Says the same until the peer is gone.
fn for_ever(guest: &mut Guest, bytes: &[u8]) {
    while guest.say(bytes) {}
}

#[test]
fn headers_without_end() {
    let attack = |mut guest: Guest| {
        guest.read_request();
        guest.say(b"HTTP/1.1 101 Switching Protocols\r\n");
        for_ever(&mut guest, &b"X-More: of the same\r\n".repeat(1_000));
    };
    check(attack, "message-over-limit");
}

#[test]
fn a_body_without_end() {
    let attack = |mut guest: Guest| {
        guest.read_request();
        guest.say(b"HTTP/1.1 500 Oops\r\n\r\n");
        for_ever(&mut guest, &[b'x'; 65_536]);
    };
    check(attack, "server-rejected-upgrade");
}

#[test]
fn a_line_without_end() {
    let attack = |mut guest: Guest| {
        guest.read_request();
        for_ever(&mut guest, &[b'x'; 65_536]);
    };
    check(attack, "not-a-websocket-server");
}

/// RFC 6455 §5.2: the highest bit of a length must be 0.
#[test]
fn a_frame_of_impossible_length() {
    let attack = |guest: Guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        guest.say(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff");
        for_ever(&mut guest, &[0; 65_536]);
    };
    check(attack, "protocol-violation");
}

/// It is allowed to be that long, and would never end: that is said at its first bytes.
#[test]
fn a_frame_of_an_exabyte() {
    let attack = |guest: Guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        guest.say(b"\x82\x7f\x0f\xff\xff\xff\xff\xff\xff\xff");
        for_ever(&mut guest, &[0; 65_536]);
    };
    check(attack, "message-over-limit");
}

#[test]
fn a_frame_of_an_exabyte_of_which_nothing_comes() {
    let attack = |guest: Guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        guest.say(b"\x82\x7f\x0f\xff\xff\xff\xff\xff\xff\xff");
        guest.hold();
    };
    check(attack, "message-over-limit");
}

#[test]
fn fragments_without_end() {
    let attack = |guest: Guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        guest.say(b"\x02\x01x");
        let fragment = [&b"\x00\x7e\xff\xff"[..], &[b'x'; 65_535]].concat();
        for_ever(&mut guest, &fragment);
    };
    check(attack, "message-over-limit");
}

#[test]
fn frames_of_garbage() {
    let attack = |guest: Guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        for_ever(&mut guest, &[0xff; 65_536]);
    };
    check(attack, "protocol-violation");
}

/// Pings that are never read back: what is owed to the peer is bounded too.
#[test]
fn pings_without_end() {
    let server = Server::start(|guest| {
        let Some(mut guest) = guest.upgrade() else { return };
        let ping = [&b"\x89\x7d"[..], &[b'p'; 125]].concat();
        for_ever(&mut guest, &ping.repeat(500));
    });
    let line = format!("ws://{} -c 10 -r max -d 1s", server.address);
    let report = Inrush::run_after(CEILING, &line).report();
    assert!(report.number("/client/rss_bytes_peak") < RESIDENT, "\n{report}");
    report.assert_causes(&[]);
    report.assert_healthy(10);
    assert_eq!(report.connections("close_unanswered"), 10, "\n{report}");
}

/// No byte of a peer reaches a terminal as it is.
#[test]
fn escape_sequences_are_shown_not_obeyed() {
    let in_the_body = b"HTTP/1.1 503 No\r\nContent-Length: 15\r\n\r\n\x1b[2J\x9b2Jclosed\r\n";
    let in_the_head = b"HTTP/1.1 503 \x1b]0;pwned\x07\r\nServer: \x1b[2J\x9b2J\r\n\r\n";
    for answer in [&in_the_body[..], &in_the_head[..]] {
        let server = Server::start(move |mut guest| {
            guest.read_request();
            guest.say(answer);
            guest.drain();
        });
        let line = format!("ws://{} -c 10 -r max -d 200ms --color", server.address);
        let (coloured, plain) =
            (run(&line).arg("always").finish(), run(&line).arg("never").finish());
        for finished in [&coloured, &plain] {
            assert_eq!(finished.code, 99, "{finished:?}");
            let shown = format!("{}{}", finished.stdout, finished.stderr);
            for bad in ["\x1b[2J", "\x1b]0;", "\x07", "\u{9b}", "\r"] {
                assert!(!shown.contains(bad), "{bad:?} in {finished:?}");
            }
            assert!(shown.contains("\\x1b"), "{finished:?}");
        }
        assert!(!plain.stdout.contains('\x1b'), "{plain:?}");
    }
}
