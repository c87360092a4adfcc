//! The opening hand-shake of RFC 6455 §4, both roles: a request, and the answer that proves that
//! the peer has understood it. Nothing is kept: what is expected follows from the nonce.

mod answer;
mod client;
mod server;

pub use answer::{Answer, BODY_BYTES, is_complete, keep};
pub use client::{Accepted, Request, body_of, content_length, verify, verify_offer};
pub use server::{
    Asked, first_offered, looks_like_http, read_request, render_answer, render_status,
};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::mem::MaybeUninit;
use sha1_smol::Sha1;

/// Longest head of a request or an answer, as Node has it by default.
pub const HEAD_BYTES: usize = 16 << 10;
/// Most headers of one.
const HEADERS: usize = 64;
/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: &[u8] = b"13";
/// Header of what is offered and agreed (RFC 6455 §9.1).
pub const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

type Headers<'b> = [MaybeUninit<httparse::Header<'b>>; HEADERS];

/// `Sec-WebSocket-Key` of a nonce.
#[inline]
pub fn key(nonce: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 characters");
    key
}

/// `Sec-WebSocket-Accept` that belongs to a key.
#[inline]
pub fn accept(key: &[u8]) -> [u8; 28] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    let mut accept = [0; 28];
    STANDARD.encode_slice(sha1.digest().bytes(), &mut accept).expect("20 bytes are 28 characters");
    accept
}

/// Room for headers that need not be cleared for each answer.
#[inline]
const fn no_headers<'b>() -> Headers<'b> {
    [const { MaybeUninit::uninit() }; HEADERS]
}

/// So much of a message as its head may take.
#[inline]
fn bounded(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_BYTES)]
}

/// Whether a comma-separated list has this token, in any case.
#[inline]
fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §1.3.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&key(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn tokens_of_a_list() {
        let check = |list: &str, expected| {
            assert_eq!(has_token(list.as_bytes(), b"upgrade"), expected, "{list}");
        };
        check("Upgrade", true);
        check("keep-alive ,\tUPGRADE", true);
        check("upgraded", false);
        check("", false);
    }
}
