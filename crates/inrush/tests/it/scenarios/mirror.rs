//! The client as a conformance suite sees it (`scripts/autobahn`), through real sockets: the
//! longest message, and how a breach is answered.

use crate::harness::run;
use crate::report::Report;
use crate::servers::{Guest, Server};
use std::io::Read;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

/// What the server's side saw of the one connection that spoke.
fn seen<T: Send + 'static>(
    serve: impl Fn(Guest) -> T + Send + Sync + 'static,
    check: impl Fn(&Report),
) -> T {
    let (tell, told) = channel();
    let tell: Arc<Mutex<Sender<T>>> = Arc::new(Mutex::new(tell));
    let server = Server::of_speakers(move |guest| {
        let saw = serve(guest);
        let _ = tell.lock().expect("nobody panics with it").send(saw);
    });
    let line = format!("ws://{}/ -c 1 -d 20s --expect mirror", server.address);
    check(&run(&line).report());
    told.recv().expect("a connection spoke")
}

/// More than any socket takes at once, in either direction, and then the server's own Close.
#[test]
fn the_longest_message_comes_back_and_the_servers_close_is_an_orderly_end() {
    let long: Vec<u8> = (0..=u8::MAX).cycle().take(16 << 20).collect();
    let messages = [Message::text("grüße"), Message::binary(long), Message::text("")];
    let serve = move |guest: Guest| {
        let mut socket = tungstenite::accept(guest.stream).expect("an upgrade");
        let same = messages.iter().all(|message| {
            socket.send(message.clone()).is_ok()
                && socket.read().is_ok_and(|answer| answer == *message)
        });
        let frame = CloseFrame { code: CloseCode::Away, reason: "enough".into() };
        socket.close(Some(frame)).expect("it is open");
        let end = std::iter::repeat_with(|| socket.read()).find_map(Result::err);
        (same, matches!(end, Some(Error::ConnectionClosed)))
    };
    let saw = seen(serve, |report| {
        assert_eq!(report.code, 0, "\n{report}");
        assert_eq!(report.connections("finished"), 1, "\n{report}");
        assert_eq!(report.messages("received"), 3, "\n{report}");
    });
    assert_eq!(saw, (true, true));
}

#[test]
fn text_that_is_no_utf8_is_answered_with_1007_before_it_ends() {
    let serve = |guest: Guest| {
        let mut guest = guest.upgrade().expect("an upgrade");
        // 256 bytes are promised, five come; the fifth cannot follow the fourth.
        guest.say(b"\x81\x7e\x01\x00abc\xf4\x90");
        let mut close = [0; 8];
        guest.stream.read_exact(&mut close).expect("a Close frame");
        let code = u16::from_be_bytes([close[6] ^ close[2], close[7] ^ close[3]]);
        (close[0], close[1], code)
    };
    let saw = seen(serve, |report| {
        report.assert_causes(&[("protocol-violation", 1)]);
    });
    assert_eq!(saw, (0x88, 0x82, 1007));
}
