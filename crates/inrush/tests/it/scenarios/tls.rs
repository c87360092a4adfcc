//! Connections through TLS: served, refused, cut off, and spoken to in the wrong scheme.

use crate::authority::{Authority, secure_server, trustful, trusting};
use crate::harness::{Inrush, run, serve};
use crate::servers::Server;
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// The record of a fatal alert (RFC 8446 §6).
fn alert(number: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, number]
}

#[test]
fn a_server_of_ours_is_stormed_through_tls() {
    let authority = Authority::new();
    let signed = authority.good();
    let cert = authority.file("cert.pem", &signed.chain);
    let key = authority.file("key.pem", &signed.key);
    let files = format!("--tls-cert {} --tls-key {}", cert.display(), key.display());
    let server = serve(&files);
    let trust = trusting(&authority.cacert());
    for scheme in ["wss", "tls"] {
        let line = format!("{scheme}://{} -c 50 -d 1s -m 10/s -s 40KiB {trust}", server.address);
        let report = run(&line).report();
        assert_eq!(report.code, 0, "\n{report}");
        report.assert_healthy(50);
        assert_eq!(report.messages("received"), report.messages("sent"), "\n{report}");
        assert!(report.messages("sent") > 100, "\n{report}");
        assert_eq!(report.number("/latency/tls/count"), 50);
        assert_eq!(report.number("/tls/handshakes_full"), 50);
        assert_eq!(report.number("/connections/close_unanswered"), 0);
    }
}

/// A client that reads late has said all it will: what it is owed still comes, to the last byte.
#[test]
fn a_large_reply_is_not_cut_off_by_the_end_that_follows_it() {
    let server = serve("--tls-self-signed");
    let message: Vec<u8> = (0..12_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let stream = TcpStream::connect(server.address).unwrap();
    let stream = trustful(stream);
    let (mut socket, _) = tungstenite::client("ws://127.0.0.1/", stream).unwrap();
    socket.send(tungstenite::Message::binary(message.clone())).unwrap();
    socket.get_ref().sock.shutdown(Shutdown::Write).unwrap();
    // It has begun to answer, and cannot go on before this is read.
    assert_eq!(socket.get_ref().sock.peek(&mut [0]).unwrap(), 1);
    let reply = socket.read().expect("it is not cut off");
    assert!(reply.into_data() == message);
    let mut rest = Vec::new();
    let end = socket.get_mut().read_to_end(&mut rest);
    assert_eq!((end.unwrap(), rest.len()), (0, 0), "and then close_notify");
}

/// The built-in server makes its own certificate; connections that come again go on with their
/// session, new ones never do: they stand for other machines.
#[test]
fn those_that_come_again_resume_their_session() {
    let line = "--scheme wss -c 20 -r max -d 2s -m 20/s --lifetime 300ms..500ms";
    let report = run(line).report();
    assert_eq!(report.code, 0, "\n{report}");
    let attempted = report.connections("attempted");
    assert!(attempted > 60, "\n{report}");
    let (full, resumed) =
        (report.number("/tls/handshakes_full"), report.number("/tls/handshakes_resumed"));
    assert_eq!(full + resumed, attempted, "\n{report}");
    assert!(full >= 20 && resumed * 10 > (attempted - 20) * 8, "\n{report}");
}

/// Two servers of one name know nothing of each other's sessions.
#[test]
fn sessions_are_kept_by_server_not_by_name() {
    // Each process of a server has a key of its own for its tickets.
    let server = || serve("--tls-self-signed --processes 1");
    let (one, two) = (server(), server());
    let targets = format!("wss://{}/ wss://{}/", one.address, two.address);
    let line = format!("{targets} -k -c 20 -r max -d 2s -m 20/s --lifetime 300ms..500ms");
    let report = run(&line).report();
    assert_eq!(report.code, 0, "\n{report}");
    let again = report.connections("attempted") - 20;
    let resumed = report.number("/tls/handshakes_resumed");
    assert!(again > 40 && resumed * 10 > again * 8, "\n{report}");
}

#[test]
fn a_certificate_that_is_not_accepted_is_told_with_its_reason() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let check = |name: &str, until, trust: &str, reason: &str| {
        let config = authority.config(&authority.sign(name, until), false, &[&TLS13, &TLS12]);
        let server = secure_server(config, |_, _| {});
        let report = run(&format!("wss://{}/ -c 20 -d 300ms {trust}", server.address)).report();
        assert_eq!(report.code, 99, "\n{report}");
        report.assert_causes(&[("tls-certificate", 20)]);
        report.assert_proven("tls-certificate");
        assert_eq!(report.classes(), [("tls-cert-invalid", 20)].into(), "\n{report}");
        let card = report.card("tls-certificate").to_string();
        assert!(card.contains(reason), "{card}");
    };
    let (ours, other) = (trusting(&authority.cacert()), trusting(&stranger.cacert()));
    check("127.0.0.1", 2400, "", "unknown issuer");
    check("127.0.0.1", 2400, &other, "unknown issuer");
    check("127.0.0.1", 2002, &ours, "expired");
    check("example.com", 2400, &ours, "for another name");
    let sni = format!("{ours} --sni example.com");
    let config = authority.config(&authority.sign("example.com", 2400), false, &[&TLS13]);
    let server = secure_server(config, |_, mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let report = run(&format!("tls://{} -c 20 -d 300ms {sni}", server.address)).report();
    assert_eq!(report.code, 0, "\n{report}");
    assert_eq!(report.connections("confirmed"), 20, "its hand-shake has shown the server");
}

#[test]
fn a_server_that_asks_for_our_certificate() {
    let authority = Authority::new();
    let own = authority.sign("client.example", 2400);
    let both = format!("{}{}", own.chain, own.key);
    let pair = authority.file("client.pem", &both);
    let trust = trusting(&authority.cacert());
    for versions in [&[&TLS13], &[&TLS12]] {
        let config = authority.config(&authority.good(), true, versions);
        let server = secure_server(config, |_, stream| drop(tungstenite::accept(stream).map(hold)));
        let line = format!("wss://{}/ -c 20 -d 300ms {trust}", server.address);
        let report = run(&line).report();
        report.assert_causes(&[("tls-certificate", 20)]);
        assert_eq!(report.card("tls-certificate")["culprit"], "client", "\n{report}");
        assert_eq!(report.code, 99);
        let report = run(&format!("{line} --cert {}", pair.display())).report();
        assert_eq!(report.code, 0, "\n{report}");
        report.assert_healthy(20);
    }
}

/// Answers until the peer closes.
fn hold<S: Read + Write>(mut socket: tungstenite::WebSocket<S>) {
    while socket.read().is_ok() {}
}

#[test]
fn a_server_that_speaks_no_version_of_ours() {
    let server = Server::start(|mut guest| {
        guest.await_unread();
        let mut hello = [0; 4_096];
        let _ = guest.stream.read(&mut hello);
        guest.say(&alert(70));
    });
    let report = run(&format!("wss://{}/ -c 20 -d 300ms -k", server.address)).report();
    report.assert_causes(&[("tls-negotiation", 20)]);
    assert_eq!(report.classes(), [("tls-alert", 20)].into(), "\n{report}");
    assert!(report.card("tls-negotiation").to_string().contains("protocol_version (70)"));
}

#[test]
fn plain_and_secret_mistaken_for_each_other() {
    let plain = serve("");
    let report = run(&format!("wss://{}/ -c 20 -d 300ms -k", plain.address)).report();
    report.assert_causes(&[("scheme-mismatch", 20)]);
    assert_eq!(report.classes(), [("protocol-mismatch", 20)].into(), "\n{report}");

    let http = Server::start(|mut guest| {
        guest.await_unread();
        let _ = guest.stream.read(&mut [0; 4_096]);
        guest.say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let report = run(&format!("tls://{} -c 20 -d 300ms -k", http.address)).report();
    report.assert_causes(&[("scheme-mismatch", 20)]);
    assert!(report.card("scheme-mismatch").to_string().contains("HTTP/1.1 400"), "\n{report}");

    let secret = serve("--tls-self-signed");
    let report = run(&format!("ws://{}/ -c 20 -d 300ms", secret.address)).report();
    report.assert_causes(&[("scheme-mismatch", 20)]);
    // A bare stream learns of it by the alert that comes instead of a reply.
    let report = run(&format!("tcp://{} -c 20 -d 500ms -m 10/s", secret.address)).report();
    report.assert_causes(&[("scheme-mismatch", 20)]);
}

#[test]
fn a_peer_that_ends_in_the_hand_shake_or_never_answers() {
    let server = Server::of_speakers(|mut guest| {
        let _ = guest.stream.read(&mut [0; 4_096]);
        if guest.index % 2 == 1 {
            guest.reset();
        }
    });
    let report = run(&format!("wss://{}/ -c 20 -d 300ms -k", server.address)).report();
    let expected = [("tls-handshake-eof", 10), ("reset-on-read", 10)];
    assert_eq!(report.classes(), expected.into(), "\n{report}");
    assert_eq!(report.code, 99);

    let stall = serve("--tls-self-signed --fault stall-tls@first:5");
    let line = format!("wss://{}/ -c 20 -d 300ms -k --handshake-timeout 1s", stall.address);
    let report = run(&line).report();
    assert_eq!(report.classes(), [("tls-handshake-timeout", 5)].into(), "\n{report}");
    report.assert_causes(&[("server-not-answering", 5)]);
    report.assert_healthy(15);
}

#[test]
fn a_system_without_authorities_is_found_before_the_load() {
    let line = "run wss://127.0.0.1:1/ -c 1 -d 100ms";
    let bare = |line: &str| {
        let inrush = Inrush::new(line).env("SSL_CERT_FILE", "/nonexistent/file");
        inrush.env("SSL_CERT_DIR", "/nonexistent/folder").finish()
    };
    let finished = bare(line);
    assert_eq!(finished.code, 2, "{finished:?}");
    let said = &finished.stderr;
    assert!(said.contains("install ca-certificates, or --cacert FILE, or --insecure"), "{said}");
    assert_eq!(bare(&format!("{line} -k")).code, 99, "who verifies nothing needs none");
    assert_eq!(bare(&line.replace("wss", "ws")).code, 99);
}

#[test]
fn a_server_tells_its_hand_shakes_and_what_it_refused() {
    let authority = Authority::new();
    let file = authority.file("serve.json", "");
    let server = serve(&format!("--tls-self-signed --json {}", file.display()));
    let line = format!("wss://{}/ -c 20 -d 300ms", server.address);
    assert_eq!(run(&format!("{line} -k")).report().code, 0);
    // One that does not trust it says so by an alert; one in plain text is no TLS at all.
    assert_eq!(run(&line).report().code, 99);
    assert_eq!(run(&line.replace("wss", "ws")).report().code, 99);
    let document = server.stop(&file);
    assert_eq!(document["tls"]["handshakes_full"], 20, "{document}");
    assert_eq!(document["failures"]["tls-alert"], 20, "{document}");
    assert_eq!(document["failures"]["protocol-mismatch"], 20, "{document}");
    assert_eq!((&document["failed"], &document["compressed"]), (&40.into(), &0.into()));
}

/// RFC 8446 §6.1: only a close_notify says that all was said.
#[test]
fn an_end_with_notice_and_one_without() {
    let authority = Authority::new();
    let config = authority.config(&authority.good(), false, &[&TLS13]);
    let server = secure_server(config, |index, mut stream| {
        let _ = stream.write_all(b"hello");
        // Long enough that all of them are open.
        std::thread::sleep(Duration::from_millis(500));
        if index % 2 == 0 {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    let trust = trusting(&authority.cacert());
    let line = format!("tls://{} -c 20 -r max -d 2s {trust}", server.address);
    let report = run(&line).report();
    let expected = [("eof-clean-close", 10), ("eof-unexpected", 10)];
    assert_eq!(report.classes(), expected.into(), "\n{report}");
}

#[test]
fn files_that_cannot_be_used_are_refused_before_anything_is_opened() {
    let authority = Authority::new();
    let (good, other) = (authority.good(), authority.good());
    let file = |name: &str, text: &str| authority.file(name, text).display().to_string();
    let (cert, key) = (file("cert.pem", &good.chain), file("key.pem", &good.key));
    let wrong_key = file("wrong.pem", &other.key);
    let old = authority.sign("127.0.0.1", 2002);
    let (old, old_key) = (file("old.pem", &old.chain), file("old.key", &old.key));
    let nothing = file("nothing.pem", "nothing");
    let check = |line: &str, name: &str, why: &str| {
        let finished = Inrush::new(line).finish();
        assert_eq!(finished.code, 2, "{finished:?}");
        let said = &finished.stderr;
        assert!(said.contains(name) && said.contains(why), "{line}: {said}");
    };
    let run = "run wss://127.0.0.1:1/ -c 1";
    check(&format!("{run} --cacert /nonexistent"), "'/nonexistent'", "No such file");
    check(&format!("{run} --cacert {nothing}"), &nothing, "no certificate");
    check(&format!("{run} --cert {cert} --key {wrong_key}"), &wrong_key, "does not belong");
    check(&format!("{run} --cert {cert}"), &cert, "no private key");
    check(&format!("{run} --cert {old} --key {old_key}"), &old, "expired");
    check(&format!("{run} --sni a..b"), "'a..b'", "--sni NAME");
    check("run ws://127.0.0.1:1/ -k", "--insecure", "needs a wss://");
    check("run wss://127.0.0.1:1/ --key x", "--cert", "required");
    let serve = "serve 127.0.0.1:0";
    check(&format!("{serve} --tls-cert {old} --tls-key {old_key}"), &old, "expired");
    check(&format!("{serve} --tls-cert {cert} --tls-key {wrong_key}"), &wrong_key, "belong");
    check(&format!("{serve} --tls-cert {key}"), &key, "no certificate");
    check(&format!("{serve} --fault stall-tls"), "stall-tls", "--tls-self-signed");
}
