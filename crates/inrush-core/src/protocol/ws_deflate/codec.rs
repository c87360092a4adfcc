//! Messages to compressed payloads and back. All connections of a worker share one compressor and
//! one decompressor: between two messages nothing is left of a stream but the bytes that the next
//! one may refer to, and those lie in a [`Window`], which grows with use and not beyond its bound.

use crate::failure::ProtocolError;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{Debug, Formatter, Result as Written};
use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Method, Status, Strategy,
};

/// Longest message, compressed or not: more is not decompressed.
pub const MESSAGE_BYTES: usize = 16 << 20;

/// What a sender takes off the end of a message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The same put back, and a last block without content: at its end the stream has ended exactly
/// when the message was whole, and not in the middle of a block.
const REST: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
/// Decompressed bytes are given out in pieces of at most so many.
const PIECE: usize = 64 << 10;
/// The fastest level that looks for repetitions.
const LEVEL: i32 = 1;
/// zlib has no window of 2^8 bytes. Its smallest one is for messages that refer to nothing.
const ZLIB_LEAST_BITS: u8 = 9;
const DEFLATERS: usize = 8;
/// Decompressors that are kept for the next message.
const SPARE: usize = 16;

/// The last bytes of a direction, to which its next message may refer.
#[derive(Clone, Debug)]
pub struct Window {
    bytes: Vec<u8>,
    most: usize,
}

impl Window {
    /// An empty one of at most 2^`bits` bytes, 8 to 15.
    pub fn new(bits: u8) -> Self {
        Self { bytes: Vec::new(), most: 1 << bits.clamp(8, 15) }
    }

    /// Bytes of memory behind it.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    fn push(&mut self, more: &[u8]) {
        let more = &more[more.len().saturating_sub(self.most)..];
        let over = (self.bytes.len() + more.len()).saturating_sub(self.most);
        self.bytes.drain(..over);
        if self.bytes.capacity() < self.bytes.len() + more.len() {
            // Doubled like any vector, and never beyond its bound.
            let wanted = (self.bytes.len() * 2).max(more.len()).min(self.most - self.bytes.len());
            self.bytes.reserve_exact(wanted.max(more.len()));
        }
        self.bytes.extend_from_slice(more);
    }
}

/// Compresses the messages of many connections.
#[derive(Default)]
pub struct Compressor {
    /// By window bits.
    deflate: [Option<Deflate>; DEFLATERS],
}

/// Decompresses the messages of many connections.
#[derive(Default)]
pub struct Decompressor {
    spare: Vec<Inflate>,
    piece: Box<[u8]>,
}

/// A message of which more is to come: about 44 KiB while it lasts.
pub struct Stream {
    inflate: Inflate,
    /// Bytes given out.
    total: usize,
    /// A piece was given out.
    begun: bool,
}

impl Debug for Compressor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Debug for Decompressor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

impl Debug for Stream {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        f.debug_struct("Stream").field("total", &self.total).finish_non_exhaustive()
    }
}

/// A piece of a decompressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated<'a> {
    /// May be empty only when the message is, or at its end.
    pub bytes: &'a [u8],
    /// First piece of the message.
    pub start: bool,
    /// Last piece of the message.
    pub end: bool,
}

impl Compressor {
    /// Appends the compressed payload of a message. `bits` bounds how far back it refers; `window`
    /// is what was sent before when the context is taken over.
    pub fn compress(
        &mut self,
        bits: u8,
        window: Option<&mut Window>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) {
        if message.is_empty() {
            // RFC 7692 §7.2.3.6.
            return out.push(0);
        }
        let place = usize::from(bits.clamp(8, 15) - 8);
        let deflate = self.deflate[place].get_or_insert_with(|| deflater(bits.clamp(8, 15)));
        deflate.reset();
        if let Some(window) = window {
            if !window.bytes.is_empty() {
                deflate.set_dictionary(&window.bytes).expect("it was reset and has no header");
            }
            window.push(message);
        }
        let from = out.len();
        let mut left = message;
        let mut room = message.len() / 2 + 64;
        loop {
            let (at, before) = (out.len(), deflate.total_out());
            out.resize(at + room, 0);
            let read = deflate.total_in();
            deflate
                .compress(left, &mut out[at..], DeflateFlush::SyncFlush)
                .expect("a deflater with room to write cannot fail");
            left = &left[passed(deflate.total_in(), read)..];
            let written = passed(deflate.total_out(), before);
            out.truncate(at + written);
            // zlib has flushed all once it leaves room.
            if left.is_empty() && written < room {
                break;
            }
            room = (left.len() + 64).max(room);
        }
        if out[from..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
    }
}

impl Decompressor {
    /// Gives out a message that came whole, piece by piece; `each` says whether it wants more.
    /// `window` is what came before when the context is taken over.
    ///
    /// # Errors
    /// `Deflate` when the payload is none of a compressed message, `TooBig` when the message is
    /// longer than `most` bytes; pieces have been given out before.
    pub fn decompress(
        &mut self,
        window: Option<&mut Window>,
        payload: &[u8],
        most: usize,
        each: impl FnMut(Inflated<'_>) -> bool,
    ) -> Result<(), ProtocolError> {
        let mut stream = self.begin(window.as_deref())?;
        let said = self.feed(&mut stream, window, payload, true, most, each);
        self.end(stream);
        said
    }

    /// Begins a message that comes in pieces.
    ///
    /// # Errors
    /// `Deflate` when the window cannot be taken over.
    pub fn begin(&mut self, window: Option<&Window>) -> Result<Stream, ProtocolError> {
        let mut inflate = self.spare.pop().unwrap_or_else(|| Inflate::new(false, 15));
        inflate.reset(false);
        if let Some(window) = window.filter(|window| !window.bytes.is_empty()) {
            let known = inflate.set_dictionary(&window.bytes);
            known.map_err(|_| ProtocolError::Deflate)?;
        }
        Ok(Stream { inflate, total: 0, begun: false })
    }

    /// Takes in a piece of a message's payload, and gives out what it says. What a piece costs is
    /// bounded by its length.
    ///
    /// # Errors
    /// As [`Self::decompress`]; then the message is over.
    pub fn feed(
        &mut self,
        stream: &mut Stream,
        mut window: Option<&mut Window>,
        payload: &[u8],
        last: bool,
        most: usize,
        mut each: impl FnMut(Inflated<'_>) -> bool,
    ) -> Result<(), ProtocolError> {
        if self.piece.is_empty() {
            self.piece = vec![0; PIECE].into_boxed_slice();
        }
        let Stream { inflate, total, begun } = stream;
        let mut at = 0;
        let mut give = |bytes: &[u8], end| {
            if let Some(window) = window.as_deref_mut() {
                window.push(bytes);
            }
            let start = !core::mem::replace(begun, true);
            each(Inflated { bytes, start, end })
        };
        let rest: &[u8] = if last { &REST } else { &[] };
        for (mut left, closing) in [(payload, false), (rest, true)] {
            while !(left.is_empty() && closing && !last) {
                let (read, written) = (inflate.total_in(), inflate.total_out());
                let said = inflate
                    .decompress(left, &mut self.piece[at..], InflateFlush::NoFlush)
                    .map_err(|_| ProtocolError::Deflate)?;
                left = &left[passed(inflate.total_in(), read)..];
                let got = passed(inflate.total_out(), written);
                *total += got;
                at += got;
                if *total > most {
                    return Err(ProtocolError::TooBig);
                }
                let full = at == self.piece.len();
                if full {
                    let go_on = give(&self.piece[..at], false);
                    at = 0;
                    if !go_on {
                        return Ok(());
                    }
                }
                let stuck = got == 0 && inflate.total_in() == read;
                match said {
                    // A last block may come at any place, and what follows it is another stream
                    // (§7.2.3.4).
                    Status::StreamEnd if closing && left.is_empty() => {
                        give(&self.piece[..at], true);
                        return Ok(());
                    }
                    Status::StreamEnd => inflate.reset(false),
                    Status::Ok | Status::BufError if left.is_empty() && !full => break,
                    Status::Ok | Status::BufError if stuck => return Err(ProtocolError::Deflate),
                    Status::Ok | Status::BufError => {}
                }
            }
        }
        if last {
            // It ends inside a block.
            return Err(ProtocolError::Deflate);
        }
        if at > 0 {
            give(&self.piece[..at], false);
        }
        Ok(())
    }

    /// A message is over, or given up.
    pub fn end(&mut self, stream: Stream) {
        if self.spare.len() < SPARE {
            self.spare.push(stream.inflate);
        }
    }
}

fn deflater(bits: u8) -> Deflate {
    let strategy = if bits < ZLIB_LEAST_BITS { Strategy::HuffmanOnly } else { Strategy::Default };
    Deflate::new_with_config(DeflateConfig {
        level: LEVEL,
        method: Method::Deflated,
        // Negative: without a header.
        window_bits: -i32::from(bits.max(ZLIB_LEAST_BITS)),
        mem_level: 8,
        strategy,
    })
}

/// How far a total has come in one call, which is bounded by the length of a slice.
fn passed(now: u64, before: u64) -> usize {
    usize::try_from(now - before).expect("no more than the slice that was given")
}
