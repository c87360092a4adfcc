//! What the peer of a stream says unasked, or instead of a reply: its last words, should it end.
//! A server often says why it closes, and a stream has no frame for it.

use super::LoadSwarm;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes kept of one connection,
const BYTES: usize = 256;
/// of so many at once.
const CONNECTIONS: usize = 4_096;

/// Words by slot.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<u32, Vec<u8>>);

impl Said {
    fn keep(&mut self, slot: u32, bytes: &[u8]) {
        if self.0.len() >= CONNECTIONS && !self.0.contains_key(&slot) {
            return;
        }
        let words = self.0.entry(slot).or_default();
        words.extend_from_slice(&bytes[..bytes.len().min(BYTES - words.len())]);
    }

    /// They are forgotten.
    pub(super) fn take(&mut self, slot: u32) -> Option<Vec<u8>> {
        if self.0.is_empty() { None } else { self.0.remove(&slot) }
    }
}

impl LoadSwarm {
    /// Bytes of a stream were taken in; `unasked`: no reply was due. A reply that fits makes what
    /// was said before old.
    #[inline]
    pub(super) fn heard_say(&mut self, slot: u32, bytes: &[u8], unasked: bool) {
        if unasked || self.is_strange(slot) {
            self.said.keep(slot, bytes);
        } else {
            self.said.take(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept_of_few() {
        let mut said = Said::default();
        for slot in 0..10_000 {
            said.keep(slot, &[b'x'; 1_000]);
            said.keep(slot, b"more");
        }
        assert_eq!(said.0.len(), CONNECTIONS);
        assert_eq!(said.take(7).map(|words| words.len()), Some(BYTES));
        assert_eq!((said.take(7), said.take(9_000)), (None, None));
    }
}
