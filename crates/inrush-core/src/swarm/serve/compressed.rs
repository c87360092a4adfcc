//! Compressed messages on the server's side (RFC 7692). Neither side takes a context over, so that
//! a connection costs nothing between two messages: a server for a million of them has no room for
//! two windows each.

use super::ServeSwarm;
use super::conn::{Flag, State};
use super::websocket::Piece;
use crate::failure::ProtocolError;
use crate::protocol::ws_deflate::{Agreed, Compressor, Decompressor, MESSAGE_BYTES};
use crate::protocol::ws_frame::opcode;
use crate::swarm::Orders;
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The window when none was asked for.
const ANY_BITS: u8 = 15;

/// What all connections share.
#[derive(Debug, Default)]
pub(super) struct Compressed {
    compressor: Compressor,
    decompressor: Decompressor,
    /// Of connections whose client has asked for a smaller window.
    bits: BTreeMap<u32, u8>,
}

impl Compressed {
    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        self.bits.remove(&slot);
    }
}

impl ServeSwarm {
    /// Its client will understand compressed messages, and may send such.
    pub(super) fn agree_to_compress(&mut self, slot: u32, agreed: Agreed) {
        let conn = self.conn(slot);
        conn.set(Flag::Deflate, true);
        conn.decoder.allow_compressed();
        self.counts.compressed += 1;
        if agreed.server_bits < ANY_BITS {
            self.compressed.bits.insert(slot, agreed.server_bits);
        }
    }

    /// Takes in a piece of a compressed message; it is answered when it is whole.
    #[cold]
    pub(super) fn compressed_piece(
        &mut self,
        now: Nanos,
        slot: u32,
        piece: Piece<'_>,
        whole: bool,
        end: bool,
        orders: &mut Orders,
    ) {
        let payload = if whole {
            let mut payload = core::mem::take(&mut self.scratch);
            payload.clear();
            piece.unmask(&mut payload);
            payload
        } else {
            // Whether it is UTF-8 shows once it is decompressed.
            match self.gather(now, slot, piece, false, end, orders) {
                Some(payload) => payload,
                None => return,
            }
        };
        let mut message = Vec::new();
        let said = self.compressed.decompressor.decompress(None, &payload, MESSAGE_BYTES, |got| {
            message.extend_from_slice(got.bytes);
            true
        });
        if whole {
            self.scratch = payload;
        }
        let text = self.conn(slot).has(Flag::Text);
        let kind = if text { opcode::TEXT } else { opcode::BINARY };
        match said {
            Err(error) => self.violated(now, slot, error, orders),
            Ok(()) if text && simdutf8::basic::from_utf8(&message).is_err() => {
                self.violated(now, slot, ProtocolError::Utf8, orders);
            }
            Ok(()) => self.reply(now, slot, kind, &message, orders),
        }
    }

    /// A reply as it goes out compressed, its last byte changed if it is to be `corrupted`; `None`
    /// on a connection that is not compressed.
    #[inline]
    pub(super) fn compressed_reply(
        &mut self,
        slot: u32,
        reply: &[u8],
        corrupted: bool,
    ) -> Option<Vec<u8>> {
        let conn = self.conn(slot);
        if !conn.has(Flag::Deflate) || conn.state != State::Ws {
            return None;
        }
        let bits = self.compressed.bits.get(&slot).copied().unwrap_or(ANY_BITS);
        let mut out = Vec::new();
        match reply.split_last().filter(|_| corrupted) {
            None => self.compressed.compressor.compress(bits, None, reply, &mut out),
            Some((last, rest)) => {
                let changed = [rest, &[last ^ 1]].concat();
                self.compressed.compressor.compress(bits, None, &changed, &mut out);
            }
        }
        Some(out)
    }
}
