//! Compression through real sockets: agreed to, declined, and used by a server that was not asked.

use crate::harness::{run, serve};
use crate::servers::{Guest, Server};

#[test]
fn compressed_replies_are_matched_like_others() {
    let server = serve("");
    let parameters = "--compress=server_max_window_bits=9,client_no_context_takeover -m 10/s";
    let binary = "--frame binary --compress -m 10/s";
    for line in ["--compress -m 10/s", "--compress -m max -s 20kB", parameters, binary] {
        let line = format!("ws://{} -c 50 -r max -d 500ms {line}", server.address);
        let report = run(&line).report();
        assert_eq!(report.code, 0, "\n{report}");
        report.assert_causes(&[]);
        report.assert_healthy(50);
        for key in ["lost", "unfinished", "late", "duplicated", "corrupted", "unsent"] {
            assert_eq!(report.messages(key), 0, "{key} in\n{report}");
        }
        assert_eq!(report.messages("received"), report.messages("sent"), "\n{report}");
        assert!(report.messages("sent") >= 50, "\n{report}");
        assert_eq!(report.messages("received_bytes"), report.messages("sent_bytes"), "\n{report}");
        assert_eq!(report.json["compression"]["agreed_connections"], 50, "\n{report}");
    }
}

#[test]
fn a_server_that_declines_is_spoken_to_as_before() {
    let server = Server::start(|guest| guest.web_socket());
    let report =
        run(&format!("ws://{} -c 20 -d 500ms -m 10/s --compress", server.address)).report();
    report.assert_causes(&[]);
    report.assert_healthy(20);
    assert_eq!(report.json["compression"]["agreed_connections"], 0, "\n{report}");
}

#[test]
fn compression_that_was_not_agreed_to_is_a_violation() {
    let server = Server::of_speakers(|guest: Guest| {
        let mut guest = guest.upgrade().expect("an upgrade");
        guest.say(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
        guest.hold();
    });
    for offer in ["", "--compress"] {
        let line = format!("ws://{} -c 5 -d 2s --expect push {offer}", server.address);
        run(&line).report().assert_causes(&[("protocol-violation", 5)]);
    }
}
