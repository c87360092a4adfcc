//! Messages of connections whose server has agreed to compress (RFC 7692). Between two messages
//! nothing is kept of a connection but what its next ones may refer to, as far as they may.

use super::conn::DEFLATE;
use super::incoming::{Breach, Piece};
use super::messages::{TAG, tag};
use super::{LoadSwarm, State};
use crate::failure::ProtocolError;
use crate::protocol::ws_deflate::{
    Agreed, Compressor, Decompressor, MESSAGE_BYTES, Stream, Window,
};
use crate::protocol::ws_frame::COMPRESSED;
use crate::swarm::{ConnId, Orders};
use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The window when no smaller one was agreed.
const ANY_BITS: u8 = 15;
/// Connections of a worker that may be inside a compressed message at once: 180 MB.
const STREAMS: usize = 4_096;
/// How far back our own messages refer at most. A sender may refer to less than was agreed (RFC
/// 7692 §7.2.1), and what a message costs grows with this: 32 us for 2^15, 6 us for 2^12
/// (PROMISES.md).
const SAID_BITS: u8 = 12;

/// What compression needs, by slot; nothing of connections without it.
#[derive(Debug, Default)]
pub(super) struct Compressed {
    compressor: Compressor,
    decompressor: Decompressor,
    /// Of those that have one; boxed, because the nodes of a map are half empty.
    contexts: BTreeMap<u32, Box<Context>>,
    /// Messages that come in pieces.
    streams: BTreeMap<u32, Stream>,
    /// Reused: a message, and its payload.
    message: Vec<u8>,
    payload: Vec<u8>,
}

/// What messages of one connection may refer to, if to anything.
#[derive(Debug)]
struct Context {
    /// Base-2 logarithm of our window.
    bits: u8,
    /// What we said, if our messages refer to it,
    said: Option<Window>,
    /// and what the server said, if its do.
    heard: Option<Window>,
}

impl Compressed {
    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        self.contexts.remove(&slot);
        if let Some(stream) = self.streams.remove(&slot) {
            self.decompressor.end(stream);
        }
    }
}

impl LoadSwarm {
    /// Its server will understand compressed messages, and may send such.
    pub(super) fn agree_to_compress(&mut self, slot: u32, agreed: Agreed) {
        let c = &mut self.conns[slot as usize];
        c.flags |= DEFLATE;
        c.rx.allow_compressed();
        self.snapshot.counts.compressed += 1;
        let context = Context {
            bits: agreed.client_bits,
            said: agreed.client_takes_over.then(|| Window::new(agreed.client_bits.min(SAID_BITS))),
            heard: agreed.server_takes_over.then(|| Window::new(agreed.server_bits)),
        };
        let some = context.said.is_some() || context.heard.is_some() || context.bits < ANY_BITS;
        if some {
            self.compressed.contexts.insert(slot, Box::new(context));
        }
    }

    /// Writes our message, compressed.
    #[cold]
    pub(super) fn compress_message(&mut self, id: ConnId, seq: u32, orders: &mut Orders) {
        let number = self.shard.number(id.slot);
        let mut message = core::mem::take(&mut self.compressed.message);
        message.clear();
        message.extend_from_slice(&self.payload);
        if self.tagged {
            message[..TAG].copy_from_slice(&tag(number, seq));
        }
        self.put_compressed(id, self.opcode, &message, seq, orders);
        self.compressed.message = message;
    }

    /// Writes any message, compressed. What the socket does not take of it is kept: once it refers
    /// to others it cannot be rendered again.
    #[cold]
    pub(super) fn put_compressed(
        &mut self,
        id: ConnId,
        op: u8,
        message: &[u8],
        seq: u32,
        orders: &mut Orders,
    ) {
        let Compressed { compressor, contexts, payload, .. } = &mut self.compressed;
        let (bits, said) = match contexts.get_mut(&id.slot) {
            Some(context) => (context.bits, context.said.as_mut()),
            None => (ANY_BITS, None),
        };
        let mut payload = core::mem::take(payload);
        payload.clear();
        compressor.compress(bits, said, message, &mut payload);
        self.put_frame(id, op | COMPRESSED, &payload, seq, orders);
        self.compressed.payload = payload;
    }

    /// Takes in a piece of a compressed message; what it says is taken in as it comes, so that its
    /// length costs no memory.
    #[cold]
    pub(super) fn compressed_piece(
        &mut self,
        now: Nanos,
        id: ConnId,
        piece: Piece<'_>,
        orders: &mut Orders,
    ) {
        let Compressed { decompressor, contexts, streams, .. } = &mut self.compressed;
        let mut heard = contexts.get_mut(&id.slot).and_then(|context| context.heard.take());
        let mut decompressor = core::mem::take(decompressor);
        let under_way = streams.remove(&id.slot).filter(|_| !piece.start);
        let full = streams.len() >= STREAMS && !piece.is_whole();
        let stream = match under_way {
            Some(stream) => Ok(stream),
            None if full => Err(ProtocolError::NoRoom),
            None => decompressor.begin(heard.as_ref()),
        };
        let said = stream.and_then(|mut stream| {
            let window = heard.as_mut();
            let (bytes, last) = (piece.bytes, piece.end);
            let said = decompressor.feed(&mut stream, window, bytes, last, MESSAGE_BYTES, |got| {
                self.snapshot.counts.received_bytes += got.bytes.len() as u64;
                let (bytes, start, end) = (got.bytes, got.start, got.end);
                let piece = Piece { bytes, start, end, behind: &[], ..piece };
                self.message(now, id, &[], piece, orders);
                self.conns[id.slot as usize].state == State::Open
            });
            if said.is_ok() && !piece.end && self.conns[id.slot as usize].state == State::Open {
                self.compressed.streams.insert(id.slot, stream);
            } else {
                decompressor.end(stream);
            }
            said
        });
        self.compressed.decompressor = decompressor;
        if let Some(context) = self.compressed.contexts.get_mut(&id.slot) {
            context.heard = heard;
        }
        if let Err(error) = said {
            self.violated(now, id, Breach::told(error, piece.bytes), orders);
        }
    }
}
