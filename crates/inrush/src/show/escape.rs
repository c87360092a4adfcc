//! The one place where bytes of a peer become text: nothing that reaches a terminal, a file or a
//! log can move the cursor, change colours, reverse the line or end it.

use std::borrow::Cow;
use std::fmt::Write;

/// Bytes of a peer as one line of printable text. What is no UTF-8 becomes `\xNN`, a control
/// character its escape, a character that rearranges its neighbours `\u{…}`.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&text(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// The same for text that may hold words of a peer.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !is_active(c) {
            out.push(c);
        } else if c.is_ascii() && !matches!(c, '\n' | '\r' | '\t') {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        } else {
            out.extend(c.escape_default());
        }
    }
    Cow::Owned(out)
}

/// Control characters, and the invisible ones of Unicode that change what is around them (bidi
/// controls and marks, zero width, line and paragraph separators, tags).
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_harmless() {
        for (raw, expected) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], "HTTP/1.1 200 OK\\r\\n"),
            (b"\x1b[2J\x07", "\\x1b[2J\\x07"),
            (b"\xff\xfe a", "\\xff\\xfe a"),
            (b"a\0b\x7f", "a\\x00b\\x7f"),
            ("é – ✓".as_bytes(), "é – ✓"),
            ("\u{202e}evil\u{2066}".as_bytes(), "\\u{202e}evil\\u{2066}"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"", ""),
        ] {
            assert_eq!(bytes(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn every_byte_comes_out_printable() {
        let all: Vec<u8> = (0..=255).collect();
        for pair in all.iter().flat_map(|a| all.iter().map(move |b| [*a, *b])) {
            assert!(!bytes(&pair).contains(is_active), "{pair:?}");
        }
    }
}
