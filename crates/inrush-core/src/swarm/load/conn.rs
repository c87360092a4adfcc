//! What is kept of one connection while it lives. Everything that can be derived is not here.

use crate::protocol::ws_frame::Decoder;
use crate::time::Nanos;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// connect() is under way.
    Connect,
    /// TLS shakes hands.
    Tls,
    /// The upgrade request is out.
    Upgrade,
    /// In use.
    Open,
    /// We sent our Close and await the peer's.
    Closing,
    /// It has failed; its last words are read.
    Dying,
    /// It has failed; its last look is ordered.
    Looking,
    /// Nothing is left of it.
    Gone,
}

/// An answer in parts, a message in pieces, or a control frame in pieces lies in a side map.
pub(super) const IN_PARTS: u16 = 1;
/// Control bytes that could not be written yet lie in a side map.
pub(super) const OWED: u16 = 2;
/// It has been opening for more than 1 s and no longer counts against the window.
pub(super) const OVERDUE: u16 = 4;
/// The server's program has shown itself.
pub(super) const CONFIRMED: u16 = 8;
/// It sends nothing any more: its lifetime is over, or the hold.
pub(super) const QUIET: u16 = 16;
/// Its first reply was compared with the echo.
pub(super) const COMPARED: u16 = 32;
/// connect() has succeeded.
pub(super) const CONNECTED: u16 = 64;
/// This life replaces a failed one.
pub(super) const AGAIN: u16 = 128;
/// Control bytes, or more than one thing, were written in this batch: an unwritten tail is kept
/// and not rendered again.
pub(super) const CONTROL: u16 = 256;
/// Something was written in this batch.
pub(super) const WROTE: u16 = 512;
/// What it reads and writes is not what is on the wire: TLS lies between.
pub(super) const SECURE: u16 = 1024;
/// The peer's close_notify has come.
pub(super) const NOTIFIED: u16 = 2048;
/// We are closing because the peer is: its Close has come and was answered.
pub(super) const PEER_CLOSED: u16 = 4096;
/// Messages may be compressed: the server has agreed.
pub(super) const DEFLATE: u16 = 16384;
/// Through TLS: the program has said a byte.
pub(super) const HEARD: u16 = 8192;

/// One connection: 96 B, held by a test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conn {
    /// When the state began; open: the intended time of message 0 (open loop) or of the one under
    /// way (closed loop).
    pub(super) since: Nanos,
    /// When connect() was called.
    pub(super) born: Nanos,
    /// When the last byte came; of a WebSocket whose messages are no pings, of a message.
    pub(super) heard: Nanos,
    /// Bytes the program read.
    pub(super) bytes_in: u64,
    /// Bytes the kernel took.
    pub(super) bytes_out: u64,
    /// Where the decoder stands.
    pub(super) rx: Decoder,
    /// Messages sent: the next one's sequence number.
    pub(super) sent: u32,
    /// Sequence number of the next reply in order.
    pub(super) received: u32,
    /// Bytes of the request or message under way that are not written; rendered again, not kept.
    pub(super) tx_left: u32,
    /// Bytes so far of the message that is coming in, when it comes in pieces.
    pub(super) message_bytes: u32,
    /// connect() took so many microseconds.
    pub(super) connect_us: u32,
    /// Lives of this slot.
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) flags: u16,
}

impl Conn {
    /// A slot that has not lived.
    pub(super) fn unborn() -> Self {
        Self {
            since: Nanos::ZERO,
            born: Nanos::ZERO,
            heard: Nanos::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            rx: Decoder::default(),
            sent: 0,
            received: 0,
            tx_left: 0,
            message_bytes: 0,
            connect_us: 0,
            generation: 0,
            state: State::Gone,
            flags: 0,
        }
    }

    /// Begins a life.
    pub(super) fn begin(&mut self, now: Nanos, flags: u16) {
        let generation = self.generation.wrapping_add(1);
        *self = Self {
            since: now,
            born: now,
            generation,
            state: State::Connect,
            flags,
            ..Self::unborn()
        };
    }

    #[inline]
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The server's program has said something; what TLS says is not its word.
    #[inline]
    pub(super) fn has_heard(&self) -> bool {
        if self.is(SECURE) { self.is(HEARD) } else { self.bytes_in > 0 }
    }

    #[inline]
    pub(super) fn opening(&self) -> bool {
        matches!(self.state, State::Connect | State::Tls | State::Upgrade)
    }

    /// Messages without an answer, those that were overtaken not counted.
    #[inline]
    pub(super) fn outstanding(&self) -> u32 {
        self.sent.wrapping_sub(self.received)
    }

    /// When connect() was answered; when it was called if it never was.
    pub(super) fn connected_at(&self) -> Nanos {
        self.born + Nanos::from_micros(u64::from(self.connect_us))
    }
}

#[cfg(test)]
mod tests {
    use super::Conn;

    #[test]
    fn a_connection_stays_small() {
        assert_eq!(size_of::<Conn>(), 96);
    }
}
