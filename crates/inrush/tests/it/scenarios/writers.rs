//! Two writers on one connection without a lock, and what only looks like them: garbage, wrong
//! lengths, a write whose rest is forgotten.

use crate::harness::{run, serve};
use crate::report::Report;
use crate::servers::{Guest, Server};
use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;

const CAUSE: &str = "two-writers-on-one-connection";
/// What messages of these tests are long.
const SIZE: usize = 64;

/// A text frame that declares this length.
fn frame(payload: &[u8], declared: usize) -> Vec<u8> {
    let declared = u8::try_from(declared).expect("short frames");
    assert!(declared < 126);
    [&[0x81, declared], payload].concat()
}

/// The next text of a client, unmasked; `None` when it closes.
fn message(guest: &mut Guest) -> Option<Vec<u8>> {
    loop {
        let mut head = [0; 6];
        guest.stream.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(head[1] & 0x7f)];
        guest.stream.read_exact(&mut body).ok()?;
        body.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        match head[0] & 15 {
            1 => return Some(body),
            8 => return None,
            _ => {}
        }
    }
}

/// Every second connection is echoed in order, the others as `wrong` says.
fn every_second(wrong: impl Fn(&Guest, &[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Server {
    Server::of_speakers(move |guest| {
        if guest.index % 2 == 0 {
            return guest.web_socket();
        }
        let Some(mut guest) = guest.upgrade() else { return };
        while let Some(message) = message(&mut guest) {
            for (at, part) in wrong(&guest, &message).iter().enumerate() {
                if (at > 0 && guest.sleep(Duration::from_millis(10))) || !guest.say(part) {
                    return;
                }
            }
        }
    })
}

fn storm(server: &Server) -> Report {
    run(&format!("ws://{} -c 40 -r max -d 1s -m 5/s -s {SIZE}B", server.address)).report()
}

#[test]
fn the_built_in_server_does_it_on_every_fiftieth_reply() {
    let place = tempfile::tempdir().expect("there is room");
    let file = place.path().join("serve.json");
    let options = format!("--fault interleave-frames@every:50 --json {}", file.display());
    let server = serve(&options);
    let report = run(&format!("ws://{} -c 100 -r max -d 1s -m 5/s", server.address)).report();
    let faults = server.stop(&file)["faults"].as_u64().expect("a count");
    assert!((8..=10).contains(&faults), "{faults}\n{report}");
    report.assert_causes(&[(CAUSE, faults)]);
    report.assert_proven(CAUSE);
    assert_eq!(report.classes(), [("ws-protocol-error", faults)].into());
    assert_eq!(report.connections("finished"), 100 - faults, "\n{report}");
    assert_eq!((report.messages("lost"), report.messages("corrupted")), (faults, 0), "\n{report}");
    let evidence = report.card(CAUSE)["evidence"][0]["text"].as_str().expect("text");
    let shown = "at byte 32 of an echo of 64 bytes begins a text frame of 64 bytes: 81 40 30";
    assert!(evidence.contains(shown), "\n{report}");
    let sample = &report.json["failures"]["classes"][0]["samples"][0];
    assert_eq!(sample["message_offset"], 32, "{sample:#}");
}

#[test]
fn a_stream_has_no_frames_to_interleave() {
    let place = tempfile::tempdir().expect("there is room");
    let file = place.path().join("serve.json");
    let server = serve(&format!("--fault interleave-frames --json {}", file.display()));
    let report = run(&format!("tcp://{} -c 10 -r max -d 500ms -m 10/s", server.address)).report();
    report.assert_causes(&[]);
    report.assert_healthy(10);
    assert_eq!(server.stop(&file)["faults"], 0);
}

#[test]
fn in_pushed_texts_too() {
    let server = serve("--mode push --push-rate 20/s --fault interleave-frames@every:50");
    let line = format!("ws://{} -c 20 -r max -d 1s --expect push", server.address);
    let json = run(&line).arg("--json").arg("-").finish().json();
    let failed = json["connections"]["failed"].as_u64().expect("a count");
    assert!((4..=9).contains(&failed), "{json:#}");
    let cards = json["diagnoses"].as_array().expect("a list");
    assert_eq!((cards.len(), &cards[0]["cause"]), (1, &CAUSE.into()), "{json:#}");
    assert_eq!(cards[0]["confidence"], "proven", "{json:#}");
    assert_eq!(json["connections"]["finished"], 20 - failed, "{json:#}");
}

/// One thread answers in two writes, another one says something of its own whenever it likes; they
/// share nothing but the socket. What comes of it is up to the scheduler.
#[test]
fn two_threads_that_share_a_socket() {
    let server = Server::of_speakers(|guest| {
        if guest.index % 2 == 0 {
            return guest.web_socket();
        }
        let Some(mut guest) = guest.upgrade() else { return };
        let Ok(mut socket) = guest.stream.try_clone() else { return };
        let (wake, woken) = channel::<Vec<u8>>();
        let second = std::thread::spawn(move || {
            for says in woken {
                if std::io::Write::write_all(&mut socket, &says).is_err() {
                    return;
                }
            }
        });
        while let Some(message) = message(&mut guest) {
            let heartbeat = guest.index % 4 == 1;
            let says = if heartbeat { b"\x89\x00".to_vec() } else { frame(&message, SIZE) };
            let reply = frame(&message, SIZE);
            let begun = guest.say(&reply[..30]);
            let _ = wake.send(says);
            std::thread::yield_now();
            if !begun || !guest.say(&reply[30..]) {
                break;
            }
        }
        drop(wake);
        let _ = second.join();
    });
    let line = format!("ws://{} -c 40 -r max -d 2s -m 20/s -s {SIZE}B", server.address);
    let report = run(&line).report();
    let failed = report.connections("failed");
    assert!((1..=20).contains(&failed), "\n{report}");
    report.assert_causes(&[(CAUSE, failed)]);
    report.assert_proven(CAUSE);
    assert_eq!(report.connections("finished"), 40 - failed, "\n{report}");
    assert_eq!(report.messages("corrupted"), 0, "\n{report}");
}

/// The rest of the first frame comes 10 ms later, and its end another 10 ms.
#[test]
fn frames_inside_frames_that_come_in_pieces() {
    let server = every_second(|guest, message| {
        let reply = frame(message, SIZE);
        let inside = if guest.index % 4 == 1 { &b"\x89\x02hi"[..] } else { &reply };
        let begun = [&reply[..20], inside].concat();
        vec![
            begun[..30.min(begun.len())].to_vec(),
            [&begun[30.min(begun.len())..], &reply[20..60]].concat(),
            reply[60..].to_vec(),
        ]
    });
    let report = storm(&server);
    report.assert_causes(&[(CAUSE, 20)]);
    report.assert_proven(CAUSE);
    assert_eq!(report.connections("finished"), 20, "\n{report}");
}

/// A server that changes some bytes of every second connection's replies, which are text.
fn spoils(garbage: &'static [u8]) -> Server {
    every_second(move |_, message| {
        let mut wrong = message.to_vec();
        wrong[40..40 + garbage.len()].copy_from_slice(garbage);
        vec![frame(&wrong, SIZE)]
    })
}

/// RFC 6455 §8.1: no text goes on after it.
#[test]
fn garbage_that_is_no_utf8_is_a_protocol_violation() {
    for garbage in [&b"\x81\x40"[..], b"\x89\x00", b"\xff\xfe\xfd", b"\x81\x7e"] {
        let report = storm(&spoils(garbage));
        report.assert_causes(&[("protocol-violation", 20)]);
        assert_eq!(report.connections("finished"), 20, "\n{report}");
    }
}

#[test]
fn garbage_is_a_corrupted_reply() {
    for garbage in [&b"Z"[..], b"\x00\x00", "é".as_bytes()] {
        let report = storm(&spoils(garbage));
        assert_eq!((report.causes().len(), report.code), (0, 99), "\n{report}");
        report.assert_healthy(40);
        assert!(report.messages("corrupted") >= 20 * 4, "\n{report}");
        assert_eq!(report.messages("lost"), 0, "\n{report}");
    }
}

#[test]
fn a_wrong_length_is_a_protocol_violation() {
    for declared in [SIZE - 10, SIZE - 1, SIZE + 1, SIZE + 30] {
        let server = every_second(move |_, message| vec![frame(message, declared)]);
        let report = storm(&server);
        report.assert_causes(&[("protocol-violation", 20)]);
        assert_eq!(report.connections("finished"), 20, "{declared}\n{report}");
    }
}

/// One writer that forgets the rest of a short write: a frame lies inside another, too.
#[test]
fn a_write_cut_short_is_not_proven_to_be_two_writers() {
    let server = every_second(|_, message| vec![frame(message, SIZE)[..40].to_vec()]);
    let report = storm(&server);
    report.assert_causes(&[(CAUSE, 20)]);
    assert_eq!(report.card(CAUSE)["confidence"], "likely", "\n{report}");
}
