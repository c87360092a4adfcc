//! Compressed messages on the server's side (RFC 7692). Neither side takes a context over, so that
//! a connection costs nothing between two messages: a server for a million of them has no room for
//! two windows each.

use super::ServeSwarm;
use super::conn::{Flag, State};
use super::websocket::Piece;
use crate::failure::ProtocolError;
use crate::protocol::ws_deflate::{Agreed, Compressor, Decompressor, MESSAGE_BYTES, Stream};
use crate::protocol::ws_frame::opcode;
use crate::swarm::Orders;
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The window when none was asked for.
const ANY_BITS: u8 = 15;
/// Connections of a worker that may be inside a compressed message at once: 180 MB.
const STREAMS: usize = 4_096;

/// What all connections share.
#[derive(Debug, Default)]
pub(super) struct Compressed {
    compressor: Compressor,
    decompressor: Decompressor,
    /// Of connections whose client has asked for a smaller window.
    bits: BTreeMap<u32, u8>,
    /// Messages that come in pieces.
    streams: BTreeMap<u32, Stream>,
}

impl Compressed {
    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        self.bits.remove(&slot);
        if let Some(stream) = self.streams.remove(&slot) {
            self.decompressor.end(stream);
        }
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
        (start, end): (bool, bool),
        orders: &mut Orders,
    ) {
        let begun = self.compressed.streams.remove(&slot).filter(|_| !start);
        if begun.is_none() && !end && self.compressed.streams.len() >= STREAMS {
            return self.no_room(now, slot, orders);
        }
        let mut payload = core::mem::take(&mut self.scratch);
        payload.clear();
        piece.unmask(&mut payload);
        let mut message = match begun {
            Some(_) => self.with_rare(slot, |rare| core::mem::take(&mut rare.parts)),
            None => Vec::new(),
        };
        let decompressor = &mut self.compressed.decompressor;
        let stream = begun.map_or_else(|| decompressor.begin(None), Ok);
        let said = stream.and_then(|mut stream| {
            let said = decompressor.feed(&mut stream, None, &payload, end, MESSAGE_BYTES, |got| {
                message.extend_from_slice(got.bytes);
                true
            });
            if end || said.is_err() {
                decompressor.end(stream);
            } else {
                self.compressed.streams.insert(slot, stream);
            }
            said
        });
        self.scratch = payload;
        let text = self.conn(slot).has(Flag::Text);
        let kind = if text { opcode::TEXT } else { opcode::BINARY };
        match said {
            Err(error) => self.violated(now, slot, error, orders),
            Ok(()) if !end && !self.has_room(message.len()) => self.no_room(now, slot, orders),
            Ok(()) if !end => self.with_rare(slot, |rare| rare.parts = message),
            // Whether it is UTF-8 shows once it is decompressed.
            Ok(()) if text && simdutf8::basic::from_utf8(&message).is_err() => {
                self.violated(now, slot, ProtocolError::Utf8, orders);
            }
            Ok(()) => self.take_message(now, slot, kind, &message, orders),
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
