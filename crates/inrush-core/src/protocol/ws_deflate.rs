//! Compression of WebSocket messages (RFC 7692, permessage-deflate): what is offered and agreed,
//! and the way from a message to its compressed payload and back. It knows no frames.

mod codec;
mod offer;
#[cfg(test)]
mod tests;

pub use codec::{Compressor, Decompressor, Inflated, MESSAGE_BYTES, Stream, Window};
pub use offer::{Agreed, Offer, OfferError, accept, answered};
