//! Messages after the hand-shake, put together of the records they come in. Each is judged by its
//! header, before anything of it is kept.

/// Type and length (RFC 8446 §4).
const HEADER: usize = 4;

/// What is to be done with a message of this type and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is read once it is whole.
    Keep,
    /// That it came is all that counts.
    Skip,
    /// It may not come here.
    Refuse,
}

/// A message that is not allowed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal;

/// A message whose end has not come; most connections never have one.
#[derive(Debug, Default)]
pub(super) struct Late {
    message: Vec<u8>,
    /// So many bytes of a message that is not kept are still to come.
    skip: usize,
}

impl Late {
    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.message.len()
    }

    /// The next message that is whole with these bytes, which move on: its type and body. Of one
    /// that is skipped its type is told as soon as its header is there.
    pub(super) fn next(
        &mut self,
        bytes: &mut &[u8],
        judge: impl FnOnce(u8, usize) -> Fate,
    ) -> Result<Option<(u8, Vec<u8>)>, Refusal> {
        self.skip -= cut(bytes, self.skip).len();
        if self.message.len() < HEADER {
            let missing = HEADER - self.message.len();
            self.message.extend_from_slice(cut(bytes, missing));
            let Some((kind, length)) = self.header() else { return Ok(None) };
            match judge(kind, length) {
                Fate::Keep => {}
                Fate::Skip => {
                    (self.message, self.skip) = (Vec::new(), length);
                    return Ok(Some((kind, Vec::new())));
                }
                Fate::Refuse => return Err(Refusal),
            }
        }
        let Some((kind, length)) = self.header() else { return Ok(None) };
        let missing = HEADER + length - self.message.len();
        self.message.extend_from_slice(cut(bytes, missing));
        if self.message.len() < HEADER + length {
            return Ok(None);
        }
        let body = self.message.split_off(HEADER);
        self.message = Vec::new();
        Ok(Some((kind, body)))
    }

    fn header(&self) -> Option<(u8, usize)> {
        let [kind, a, b, c, ..] = *self.message.as_slice() else { return None };
        Some((kind, usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
    }
}

/// Takes at most so many off the front.
fn cut<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_judged_by_their_header_whatever_the_pieces() {
        // One of 3 bytes, one of none, one of 600 that is skipped, one of 2; one of 16 MiB.
        let mut wire = vec![4, 0, 0, 3, 7, 8, 9, 0, 0, 0, 0, 1, 0, 2, 88];
        wire.extend([1; 600]);
        wire.extend([4, 0, 0, 2, 5, 6]);
        let judge = |kind, length| match (kind, length) {
            (1, _) => Fate::Skip,
            (_, ..=3) => Fate::Keep,
            _ => Fate::Refuse,
        };
        for piece in [1, 3, 7, 1_000] {
            let (mut late, mut found, mut most) = (Late::default(), Vec::new(), 0);
            for mut bytes in wire.chunks(piece) {
                while let Some(message) = late.next(&mut bytes, judge).unwrap() {
                    found.push(message);
                }
                assert!(bytes.is_empty());
                most = most.max(late.kept());
            }
            let expected = [(4, vec![7, 8, 9]), (0, vec![]), (1, vec![]), (4, vec![5, 6])];
            assert_eq!(found, expected, "{piece}");
            assert!(most <= 6 && late.kept() == 0, "what is skipped is not kept: {most}");
            let mut long: &[u8] = &[4, 0xff, 0xff, 0xff];
            assert_eq!(late.next(&mut long, judge), Err(Refusal), "before anything of it came");
        }
    }
}
