//! The opening hand-shake against tungstenite, in both roles, and against bytes at random.

mod oracles;

use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_handshake::{
    Asked, Request, accept, body_of, content_length, key, looks_like_http, read_request,
    render_answer, verify,
};
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};
use tungstenite::handshake::derive_accept_key;

/// Hears a tungstenite client and answers with our server.
#[derive(Default)]
struct OurServer {
    heard: Vec<u8>,
    answer: Cursor<Vec<u8>>,
}

impl Write for OurServer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.extend_from_slice(bytes);
        if let Asked::Upgrade { key, path, subprotocols, len, .. } = read_request(&self.heard) {
            assert_eq!((path, subprotocols, len), ("/chat", None, self.heard.len()));
            render_answer(key, None, None, self.answer.get_mut());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for OurServer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.answer.read(into)
    }
}

/// Says our request to a tungstenite server and keeps its answer.
struct OurClient {
    request: Cursor<Vec<u8>>,
    answer: Vec<u8>,
}

impl Read for OurClient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.request.read(into)
    }
}

impl Write for OurClient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_tungstenite_client_takes_our_answer() {
    let (_, response) = tungstenite::client("ws://localhost/chat", OurServer::default()).unwrap();
    assert_eq!(response.status(), 101);
}

#[test]
fn we_take_the_answer_of_a_tungstenite_server_and_of_no_other_nonce() {
    let (nonce, other) = ([0xa7; 16], [0xa8; 16]);
    let mut request = vec![];
    Request::new("localhost", "/", &[], &[]).render(nonce, &mut request);
    let client = OurClient { request: Cursor::new(request), answer: vec![] };
    let socket = tungstenite::accept(client).unwrap();
    let answer = &socket.get_ref().answer;
    assert_eq!(verify(answer, nonce, &[]), Ok(Some(answer.len())));
    assert_eq!(verify(answer, other, &[]), Err(ProtocolError::BadAccept));
}

proptest! {
    #![proptest_config(crate::cases(1_024))]

    #[test]
    fn accepts_are_the_same(nonce in any::<[u8; 16]>()) {
        let expected = derive_accept_key(&key(nonce));
        let ours = accept(&key(nonce));
        prop_assert_eq!(ours.as_slice(), expected.as_bytes());
    }

    /// Whatever follows, what was said of a beginning stands: only "more" may change.
    #[test]
    fn damaged_heads_are_judged_once(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        answers in any::<bool>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let nonce = [3; 16];
        let mut bytes = vec![];
        if answers {
            render_answer(&key(nonce), Some("chat"), None, &mut bytes);
        } else {
            Request::new("h", "/p", &[], &["chat".into()]).render(nonce, &mut bytes);
        }
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        bytes.extend_from_slice(&tail);
        let offered = ["chat".to_owned()];
        let (mut said, mut asked) = (Ok(None), Asked::More);
        for end in 0..=bytes.len() {
            let now = &bytes[..end];
            let verdict = verify(now, nonce, &offered);
            prop_assert!(said == Ok(None) || said == verdict, "{:?} {:?}", said, verdict);
            said = verdict;
            let request = read_request(now);
            prop_assert!(asked == Asked::More || asked == request, "{:?} {:?}", asked, request);
            asked = request;
            prop_assert!(body_of(now).len() <= end);
            let _ = (content_length(now), looks_like_http(now));
        }
    }
}
