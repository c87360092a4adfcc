//! Compressed messages: what was compressed comes back, and any payload decompresses to what
//! miniz_oxide makes of it, in bounds.

use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_deflate::{Compressor, Decompressor, Window};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Longest message here.
const MOST: usize = 300 << 10;
/// What a receiver puts behind a payload (RFC 7692 §7.2.2), and a last block without content, at
/// whose end the message has to end.
const REST: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// The first byte says whether messages are compressed here or payloads come from a stranger, the
/// window's bits, whether the context is taken over, and with 32 that each message is repeated as
/// often as the second byte says. The third byte says how long the pieces of the rest are.
pub fn check(input: &[u8]) {
    let [how, times, length, rest @ ..] = input else { return };
    let (bits, takes_over) = (8 + (how >> 1 & 7), how & 16 != 0);
    let parts = rest.chunks(usize::from(*length) * 16 + 1);
    let times = if how & 32 == 0 { 1 } else { usize::from(*times) };
    let mut messages = parts.map(|part| part.repeat(times.min(MOST / part.len())));
    if how & 1 == 0 {
        let payloads: Vec<Vec<u8>> = messages.collect();
        strange(bits, takes_over, &payloads);
    } else {
        // Some more than a few do not say more.
        comes_back(bits, takes_over, &mut messages.by_ref().take(8));
    }
}

/// What we compress we decompress, and so does miniz_oxide, message after message.
fn comes_back(bits: u8, takes_over: bool, messages: &mut dyn Iterator<Item = Vec<u8>>) {
    let (mut compressor, mut decompressor) = (Compressor::default(), Decompressor::default());
    let window = || takes_over.then(|| Window::new(bits));
    let (mut sent, mut received, mut known) = (window(), window(), vec![]);
    // Another connection, which shares the codec and must not be noticed.
    let mut other = Window::new(15);
    for message in messages {
        let mut payload = b"head".to_vec();
        compressor.compress(bits, sent.as_mut(), &message, &mut payload);
        let payload = payload.strip_prefix(b"head").expect("it is appended");
        assert_eq!(theirs(&known, payload).as_ref(), Some(&message));
        let got = gather(&mut decompressor, received.as_mut(), payload, message.len());
        assert_eq!(got.as_ref(), Ok(&message));
        // Without what was said before it may be no payload at all.
        let refers_back = !known.is_empty();
        if takes_over {
            remember(&mut known, &message, bits);
        }
        compressor.compress(15, Some(&mut other), b"something else", &mut vec![]);
        for window in [&sent, &received].into_iter().flatten() {
            assert!(window.held() <= 1 << bits, "{}", window.held());
        }
        if let Some(less) = message.len().checked_sub(1) {
            let mut forgets = Decompressor::default();
            let got = gather(&mut forgets, None, payload, less);
            let told = got == Err(ProtocolError::TooBig);
            assert!(refers_back || told, "one byte too long: {got:?}");
        }
    }
}

/// What a stranger says; the connection is over with the first payload that is none.
fn strange(bits: u8, takes_over: bool, payloads: &[Vec<u8>]) {
    let mut decompressor = Decompressor::default();
    let (mut window, mut known) = (takes_over.then(|| Window::new(bits)), vec![]);
    for payload in payloads {
        let theirs = theirs(&known, payload);
        match gather(&mut decompressor, window.as_mut(), payload, MOST) {
            Ok(ours) => {
                assert_eq!(Some(&ours), theirs.as_ref(), "{payload:02x?}");
                if takes_over {
                    remember(&mut known, &ours, bits);
                }
            }
            Err(error) => {
                let too_big = theirs.as_ref().is_some_and(|bytes| bytes.len() > MOST);
                assert!(theirs.is_none() || too_big, "{error:?} {payload:02x?}");
                break;
            }
        }
    }
    // The codec is shared with others, who notice nothing of it.
    let mut payload = vec![];
    Compressor::default().compress(15, None, b"ok, ok, ok, ok", &mut payload);
    let after = gather(&mut decompressor, None, &payload, 100);
    assert_eq!(after.as_deref(), Ok(&b"ok, ok, ok, ok"[..]));
}

/// All pieces, which begin and end once and are never more than `most` bytes.
fn gather(
    decompressor: &mut Decompressor,
    window: Option<&mut Window>,
    payload: &[u8],
    most: usize,
) -> Result<Vec<u8>, ProtocolError> {
    let (mut bytes, mut begun, mut ended) = (vec![], false, false);
    let result = decompressor.decompress(window, payload, most, |piece| {
        assert_eq!((piece.start, ended), (!begun, false));
        assert!(piece.end || !piece.bytes.is_empty());
        (begun, ended) = (true, piece.end);
        bytes.extend_from_slice(piece.bytes);
        assert!(bytes.len() <= most);
        true
    });
    assert!(matches!(result, Ok(()) | Err(ProtocolError::Deflate | ProtocolError::TooBig)));
    assert_eq!(result.is_ok(), ended);
    result.map(|()| bytes)
}

/// The last bytes that were said, as many as the window has.
fn remember(known: &mut Vec<u8>, message: &[u8], bits: u8) {
    known.extend_from_slice(message);
    known.drain(..known.len().saturating_sub(1 << bits));
}

/// What miniz_oxide makes of a payload that may refer to what is `known`; of what is longer than
/// [`MOST`] no more than that is sure. After a last block another stream begins (§7.2.3.4).
fn theirs(known: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let input = [payload, &REST].concat();
    let (mut rest, mut message) = (&input[..], vec![]);
    let mut known = known.to_vec();
    while !rest.is_empty() {
        let mut inflate = DecompressorOxide::new();
        let mut at = known.len();
        let from = at;
        let mut out = std::mem::take(&mut known);
        out.resize(at + 4_096, 0);
        loop {
            let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let (said, read, wrote) = decompress(&mut inflate, rest, &mut out, at, flags);
            rest = &rest[read..];
            at += wrote;
            match said {
                TINFLStatus::Done => break,
                TINFLStatus::HasMoreOutput if message.len() + at - from <= MOST => {
                    out.resize(out.len() * 2, 0);
                }
                TINFLStatus::HasMoreOutput => break,
                _ => return None,
            }
        }
        message.extend_from_slice(&out[from..at]);
        if message.len() > MOST {
            break;
        }
    }
    Some(message)
}
