//! Heads of hand-shakes: what was said of a beginning stands, and what is read can be answered.

use super::heads::Head;
use super::{answers, requests};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_deflate::Offer;
use inrush_core::protocol::ws_handshake::{
    Accepted, Asked, HEAD_BYTES, body_of, content_length, first_offered, key, looks_like_http,
    read_request, render_answer, verify, verify_offer,
};

/// The nonce of the client whose answers are checked.
pub const NONCE: [u8; 16] = *b"the sample nonce";

/// The first byte says whether an answer or a request comes, whether `chat` was offered, and
/// whether the first zero byte stands for letters, 128 times as many as the second byte says:
/// the limit of a head is longer than what a fuzzer likes to write.
pub fn check(input: &[u8]) {
    let [how, letters, head @ ..] = input else { return };
    let mut bytes = head.to_vec();
    if let (true, Some(at)) = (how & 4 != 0, head.iter().position(|byte| *byte == 0)) {
        bytes.splice(at..=at, std::iter::repeat_n(b'a', usize::from(*letters) << 7));
    }
    if how & 1 == 0 {
        let offered = how & 2 != 0;
        answer(&bytes, offered);
        compressed(&bytes, offered);
        answers::agree(&bytes, offered);
    } else {
        request(&bytes);
        requests::agree(&bytes);
    }
}

/// The subprotocols of that client.
pub fn offers(offered: bool) -> Vec<String> {
    if offered { vec!["chat".to_owned()] } else { vec![] }
}

/// Where an input is cut: everywhere near its beginning and end, and here and there between.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let stride = length / 8 + 1;
    (0..=length).filter(move |at| *at < 9 || at % stride == 0 || length - at < 4)
}

/// What a client makes of these bytes.
pub fn answer(bytes: &[u8], offered: bool) {
    let offers = offers(offered);
    let whole = verify(bytes, NONCE, &offers);
    for cut in cuts(bytes.len()) {
        let part = verify(&bytes[..cut], NONCE, &offers);
        assert!(part == Ok(None) || part == whole, "{cut}: {part:?}, then {whole:?}");
        assert!(bytes.len() < HEAD_BYTES || cut < bytes.len() || part != Ok(None));
    }
    if let Ok(Some(length)) = whole {
        assert!(length <= bytes.len().min(HEAD_BYTES));
        assert!(bytes[..length].ends_with(b"\n"));
        assert_eq!(verify(&bytes[..length], NONCE, &offers), whole);
        let before = verify(&bytes[..length - 1], NONCE, &offers);
        assert_eq!(before, Ok(None), "its last byte ends it");
        let other = verify(bytes, [0; 16], &offers);
        assert!(other.is_err(), "it proves nothing: {other:?}");
        assert_eq!(body_of(bytes), &bytes[length..]);
        assert_eq!(content_length(bytes), Some(0), "RFC 9112 §6.3");
    }
    assert!(bytes.ends_with(body_of(bytes)));
}

/// What a client that offered compression makes of them: the same, but for extensions.
fn compressed(bytes: &[u8], offered: bool) {
    let (offers, deflate) = (offers(offered), Offer::of_browsers());
    let plain = verify(bytes, NONCE, &offers);
    match verify_offer(bytes, NONCE, &offers, Some(&deflate)) {
        Ok(Some(Accepted { head, deflate: Some(agreed) })) => {
            assert!((8..=15).contains(&agreed.server_bits), "{agreed:?}");
            assert!((8..=15).contains(&agreed.client_bits), "{agreed:?}");
            // Who offered nothing would have refused it.
            assert_eq!(plain, Err(ProtocolError::NotOffered), "{head}");
        }
        other => assert_eq!(other.map(|answer| answer.map(|it| it.head)), plain),
    }
}

/// What a server makes of these bytes.
pub fn request(bytes: &[u8]) {
    let whole = read_request(bytes);
    for cut in cuts(bytes.len()) {
        let part = read_request(&bytes[..cut]);
        assert!(part == Asked::More || part == whole, "{cut}: {part:?}, then {whole:?}");
        assert!(bytes.len() < HEAD_BYTES || cut < bytes.len() || part != Asked::More);
        let (part, whole) = (looks_like_http(&bytes[..cut]), looks_like_http(bytes));
        assert!(part.is_none() || part == whole, "{cut}");
    }
    let Asked::Upgrade { key: theirs, path, subprotocols, deflate, len } = whole else { return };
    assert!(len <= bytes.len().min(HEAD_BYTES) && !path.is_empty());
    assert_eq!(read_request(&bytes[..len - 1]), Asked::More, "its last byte ends it");
    let nonce = STANDARD.decode(theirs).expect("a key is base64");
    let nonce = nonce.try_into().expect("of 16 bytes");
    assert_eq!(key(nonce), theirs, "in its only form");
    // Whatever was offered, our answer with it is one head, and its client takes it.
    let chosen = subprotocols.and_then(first_offered);
    let offers: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    let mut answer = vec![];
    render_answer(theirs, chosen, deflate, &mut answer);
    let Some(agreed) = deflate else {
        assert_eq!(verify(&answer, nonce, &offers), Ok(Some(answer.len())), "{chosen:?}");
        return;
    };
    assert!(!agreed.server_takes_over && !agreed.client_takes_over);
    let lines = Head::read(&bytes[..len]).all("sec-websocket-extensions");
    let parts = lines.iter().flat_map(|line| line.split(|byte| *byte == b','));
    let mut read = parts.filter_map(|part| {
        let part = std::str::from_utf8(part).ok()?.trim();
        let parameters = part.strip_prefix("permessage-deflate")?.trim_start();
        Offer::parse(parameters.strip_prefix(';').unwrap_or(parameters)).ok()
    });
    let taken = |offer| match verify_offer(&answer, nonce, &offers, Some(&offer)) {
        Ok(Some(accepted)) => accepted == Accepted { head: answer.len(), deflate },
        _ => false,
    };
    assert!(read.any(taken), "one of its offers was this: {agreed:?}");
}
