//! Whether text is UTF-8 when it comes in pieces that are cut anywhere, inside a character too.

use simdutf8::compat::from_utf8;

/// A validator of one text: 5 bytes, whatever the text's length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// Beginning of a character whose end is to come.
    cut: [u8; 3],
    length: u8,
    bad: bool,
}

impl Utf8 {
    /// Takes in the next bytes. False once the text can no longer become UTF-8, and from then on.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 && !self.bad {
            let [byte, rest @ ..] = bytes else { return true };
            bytes = rest;
            let length = usize::from(self.length);
            let mut character = [0; 4];
            character[..length].copy_from_slice(&self.cut[..length]);
            character[length] = *byte;
            self.take_end(&character[..=length]);
        }
        if !self.bad {
            self.take_end(bytes);
        }
        !self.bad
    }

    /// Whether all that came is UTF-8 and no character is cut.
    pub fn done(&self) -> bool {
        !self.bad && self.length == 0
    }

    /// Keeps the character that `bytes` end within, if they do.
    fn take_end(&mut self, bytes: &[u8]) {
        self.length = 0;
        let Err(error) = from_utf8(bytes) else { return };
        let end = &bytes[error.valid_up_to()..];
        match (error.error_len(), self.cut.get_mut(..end.len()), u8::try_from(end.len())) {
            (None, Some(cut), Ok(length)) => {
                cut.copy_from_slice(end);
                self.length = length;
            }
            _ => self.bad = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8;

    #[test]
    fn it_is_small() {
        assert!(size_of::<Utf8>() <= 8);
    }

    /// Whether it may go on, and whether it is whole; by the standard library.
    fn expected(text: &[u8]) -> (bool, bool) {
        match core::str::from_utf8(text) {
            Ok(_) => (true, true),
            Err(error) => (error.error_len().is_none(), false),
        }
    }

    #[test]
    fn every_cut_and_every_byte_alone_agree_with_the_standard_library() {
        let check = |text: &[u8]| {
            for cut in 0..=text.len() {
                let mut utf8 = Utf8::default();
                let first = utf8.feed(&text[..cut]);
                assert_eq!((first, utf8.done()), expected(&text[..cut]), "{text:x?} {cut}");
                let second = utf8.feed(&text[cut..]);
                assert_eq!((second, utf8.done()), expected(text), "{text:x?} {cut}");
            }
            let mut utf8 = Utf8::default();
            for (end, byte) in (1..).zip(text) {
                let so_far = utf8.feed(&[*byte]);
                assert_eq!((so_far, utf8.done()), expected(&text[..end]), "{text:x?} {end}");
            }
        };
        check(b"");
        check(
            "plain, κόσμε, 好, 𝄞 and more than sixty-four bytes of it for the wide lanes"
                .as_bytes(),
        );
        check(b"\xf4\x90\x80\x80");
        check(b"\xf0\x80\x80\x80");
        check(b"\xed\xa0\x80");
        check(b"\xc0\xaf");
        check(b"ok\xff");
        check(b"\x80");
        check(b"\xe2\x82");
        check(b"\xe2\x82a");
        for first in 0xc0..=0xff {
            for second in [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0] {
                check(&[first, second, 0x80, 0x80]);
            }
        }
    }
}
