//! A frame inside a text that nobody knows beforehand. What is said here is proven by the text
//! itself: it is no UTF-8 exactly where the head of a frame lies, it is some without that frame,
//! and with it all frames after it make no sense.

use super::inner::LEAST;
use crate::protocol::ws_frame::{Decoder, Event, Role};

/// A frame inside a message, of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where in the message it begins.
    pub(super) offset: usize,
    /// Where in the read.
    pub(super) at: usize,
}

/// The frame inside the last text before `broken`, where the stream broke the protocol. Both have
/// to be whole in this read, which has to begin between two frames.
pub(super) fn inside_text(read: &[u8], broken: usize) -> Option<Found> {
    let (begins, text) = last_text(read, broken)?;
    let offset = core::str::from_utf8(text).err()?.valid_up_to();
    let at = begins + offset;
    let (mut rx, mut behind) = (Decoder::default(), &read[at..]);
    match rx.next(Role::Client, &mut behind).ok()?? {
        Event::Data { text: true, bytes, end: true, .. } => {
            core::str::from_utf8(bytes).ok()?;
        }
        Event::Control { end: true, .. } => {}
        _ => return None,
    }
    let (rest, mut others) = behind.split_at_checked(text.len() - offset)?;
    let goes_on = rest.len() as u64 >= LEAST && core::str::from_utf8(rest).is_ok();
    (goes_on && are_frames(&mut others)).then_some(Found { offset, at })
}

/// The text that ends where the frame that broke the protocol begins, and where it begins itself.
fn last_text(read: &[u8], broken: usize) -> Option<(usize, &[u8])> {
    let (mut rx, mut input, mut last) = (Decoder::default(), read, None);
    loop {
        match rx.next(Role::Client, &mut input) {
            Ok(None) => return None,
            Err(_) if read.len() - input.len() == broken => return last,
            Err(_) => return None,
            Ok(Some(Event::Data { text: true, bytes, start: true, end: true, .. })) => {
                last = Some((read.len() - input.len() - bytes.len(), bytes));
            }
            Ok(Some(_)) => last = None,
        }
    }
}

fn are_frames(input: &mut &[u8]) -> bool {
    let mut rx = Decoder::default();
    loop {
        match rx.next(Role::Client, input) {
            Ok(None) => return true,
            Ok(Some(_)) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    fn text(says: &[u8]) -> Vec<u8> {
        [&[0x81, u8::try_from(says.len()).unwrap()], says].concat()
    }

    #[track_caller]
    fn check(read: &[u8], expected: Option<usize>) {
        let (mut rx, mut input) = (Decoder::default(), read);
        let broken = loop {
            match rx.next(Role::Client, &mut input) {
                Ok(None) => break read.len(),
                Ok(Some(_)) => {}
                Err(_) => break read.len() - input.len(),
            }
        };
        let found = inside_text(read, broken).map(|found| found.offset);
        assert_eq!(found, expected, "{read:02x?}");
    }

    #[test]
    fn a_frame_that_makes_a_text_nonsense_is_found() {
        let says = format!("{{\"price\":{},\"text\":\"grüße\"}}", 12_345);
        let one = text(says.as_bytes());
        for inside in [text(b"{\"other\":1}"), b"\x89\x00".to_vec(), text(b"")] {
            for at in 0..says.len() - 4 {
                if !says.is_char_boundary(at) {
                    continue;
                }
                let broken = [&one[..2 + at], &inside, &one[2 + at..]].concat();
                check(&broken, Some(at));
                check(&[&one, &broken[..], &one, b"\x8a\x00"].concat(), Some(at));
            }
        }
    }

    #[test]
    fn what_is_no_frame_inside_a_text_is_left() {
        let one = text(b"0123456789");
        let put = |at: usize, inside: &[u8]| [&one[..at], inside, &one[at..], &one].concat();
        // In order; not whole; behind the whole text; nothing of it left; binary.
        check(&[&one[..], &one].concat(), None);
        check(&put(6, b"\x81"), None);
        check(&put(12, &one), None);
        check(&put(10, b"\x89\x00"), None);
        check(&[&b"\x82\x0a01234\x89\x0056789"[..], &one].concat(), None);
        // A single writer that forgets the rest of its write.
        check(&[&one[..7], &one, &one, &one].concat(), None);
        // One that says a wrong length.
        for length in [0, 5, 11, 12, 20, 22, 23, 24, 30] {
            let mut wrong = one.clone();
            wrong[1] = length;
            check(&[&wrong[..], &one, &one].concat(), None);
            check(&[&wrong[..], &one].concat(), None);
        }
        // Garbage leaves the frames in order.
        check(&[&b"\x81\x0a01\x89\x00456789"[..], &one].concat(), None);
    }
}
