//! What one accepted connection keeps, and what becomes of each thing that happens to it.

use super::{SNIFF_PATIENCE, ServeSwarm};
use crate::errno::Errno;
use crate::failure::{Look, Op, Outcome, Phase, Signature, tcp_state};
use crate::fault::Kind;
use crate::plan::{Mode, Proto};
use crate::protocol::ws_frame::{Decoder, Utf8, opcode};
use crate::swarm::{Close, Order, Orders};
use crate::time::Nanos;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A server that reads slowly reads this often.
const SLOW_READ: Nanos = Nanos::from_millis(10);
/// First and longest distance of two looks for bytes that shall stay unread.
const LOOKS: (Nanos, Nanos) = (Nanos::from_millis(2), Nanos::from_millis(512));

/// A look at our own socket alone: a server has no target whose other side could be looked up.
pub(super) const NO_TARGET: u16 = u16::MAX;

/// How far a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// No connection: the slot is in the free list.
    #[default]
    Free,
    /// TLS shakes hands.
    Securing,
    /// The protocol is not known, or the upgrade request is not whole.
    Fresh,
    /// The answer to the upgrade is held back.
    Stalled,
    /// A bare stream in use.
    Tcp,
    /// A WebSocket in use.
    Ws,
    /// We sent a Close frame and await the peer's.
    Parting,
    /// Whatever comes is read and forgotten.
    Mute,
    /// Its close has been ordered; the host has not reported it yet.
    Gone,
}

/// What is to be done once all output is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing.
    #[default]
    None,
    /// close().
    Fin,
    /// Abort.
    Rst,
    /// FIN, then wait for the peer's: a close with unread bytes would abort and take our last
    /// words with it.
    Half,
}

/// One bit each.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(super) enum Flag {
    /// Counts as opening.
    Opening = 1024,
    /// Counts as open.
    Opened = 1,
    /// Counted as finished or failed.
    Booked = 2048,
    /// Bytes wait in `Rare::tail`.
    Tail = 2,
    /// The socket took less than it was given; the next `Writable` goes on.
    Blocked = 4,
    /// Reading was stopped until the tail is short.
    Paused = 8,
    /// Reading is off for good, by a fault.
    Deaf = 16,
    /// The message in parts is text.
    Text = 32,
    /// The stall of the upgrade is over.
    Stalled = 64,
    /// To be closed when the first bytes lie unread.
    Unread = 128,
    /// FIN went out.
    HalfClosed = 256,
    /// Messages may be compressed: it was agreed.
    Deflate = 4096,
    /// A fault that happens once per connection has happened.
    Spent = 512,
}

/// One connection. Rare buffers are in [`Rare`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conn {
    /// Which life of the slot.
    pub(super) generation: u32,
    /// Number of its accept in this worker, from 0; saturates.
    pub(super) ordinal: u32,
    /// When it was accepted.
    pub(super) born: Nanos,
    /// Next push, or the end of our patience; zero is none.
    pub(super) timer: Nanos,
    /// Bits into the plan's faults.
    pub(super) faults: u32,
    /// Saturate.
    pub(super) bytes_in: u32,
    pub(super) bytes_out: u32,
    pub(super) flags: u16,
    pub(super) state: State,
    pub(super) ending: Ending,
    pub(super) decoder: Decoder,
}

/// What few connections need; gone when all of it is empty.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// An upgrade request or a message in parts.
    pub(super) parts: Vec<u8>,
    /// Of the text in `parts`.
    pub(super) utf8: Utf8,
    /// A control frame in parts.
    pub(super) control: Vec<u8>,
    /// Output the socket did not take, and how much of it has been given since.
    pub(super) tail: Vec<u8>,
    pub(super) given: usize,
    /// Replies held back, by the time they are due.
    pub(super) held: VecDeque<(Nanos, Vec<u8>)>,
    /// Further moments; at most one of each kind.
    pub(super) alarms: Vec<(Nanos, Alarm)>,
}

/// What is due at a moment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The stalled upgrade is answered.
    Upgrade,
    /// It has said nothing that decides: it is a bare stream.
    TakeAsTcp,
    /// One byte is read.
    Read,
    /// Whether bytes have come; the next look is twice as far.
    Look(Nanos),
    /// A Close frame with this code.
    CloseCode(u16),
}

impl Conn {
    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u16 != 0
    }

    pub(super) fn set(&mut self, flag: Flag, on: bool) {
        if on {
            self.flags |= flag as u16;
        } else {
            self.flags &= !(flag as u16);
        }
    }
}

impl Rare {
    pub(super) fn bytes(&self) -> usize {
        let held: usize = self.held.iter().map(|(_, reply)| reply.len()).sum();
        self.parts.len() + self.control.len() + self.tail.len() + held
    }

    pub(super) fn is_empty(&self) -> bool {
        let nothing = self.held.is_empty() && self.alarms.is_empty() && self.utf8.done();
        nothing && self.bytes() == 0
    }
}

impl ServeSwarm {
    /// Greets, unless a fault ends it first.
    pub(super) fn begin(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.fault(slot, |k| matches!(k, Kind::RstAfterAccept)).is_some() {
            self.commit();
            self.close(slot, Close::Rst, orders);
        } else if self.fault(slot, |k| matches!(k, Kind::CloseAfterAccept)).is_some() {
            self.commit();
            self.close(slot, Close::Fin, orders);
        } else if self.plan.tls.is_some() {
            self.secure(slot, orders);
        } else {
            self.welcome(now, slot, orders);
        }
        if self.gate.dies_at(self.accepted) {
            self.commit();
            orders.push(Order::Die);
        }
    }

    /// It can be spoken to.
    pub(super) fn welcome(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        self.deafen(now, slot, orders);
        match self.plan.proto {
            Proto::Tcp => self.enter_tcp(now, slot),
            Proto::Auto => {
                self.opened(slot);
                if self.plan.mode == Mode::Push {
                    self.alarm(slot, now + SNIFF_PATIENCE, Alarm::TakeAsTcp);
                }
            }
            Proto::Ws => {}
        }
        if self.plan.proto != Proto::Ws {
            self.greet(now, slot, orders);
        }
    }

    /// From here on it is a bare stream.
    pub(super) fn enter_tcp(&mut self, now: Nanos, slot: u32) {
        self.conn(slot).state = State::Tcp;
        self.silence(slot, Alarm::TakeAsTcp);
        self.opened(slot);
        self.schedule_push(now, slot);
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now: Nanos, slot: u32, bytes: &[u8], orders: &mut Orders) {
        if self.plan.tls.is_none() {
            self.count_in(slot, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        let conn = self.conn(slot);
        if conn.faults != 0 && self.fault(slot, |k| matches!(k, Kind::RstOnFirstByte)).is_some() {
            self.commit();
            return self.close(slot, Close::Rst, orders);
        }
        if self.conn(slot).ending != Ending::None || self.speaks_no_tls(now, slot, orders) {
            return;
        }
        match self.conn(slot).state {
            State::Fresh => self.sniff(now, slot, bytes, orders),
            State::Stalled => self.keep_parts(slot, bytes, orders),
            State::Tcp => self.stream(now, slot, bytes, orders),
            State::Ws | State::Parting => self.frames(now, slot, bytes, orders),
            State::Securing | State::Mute | State::Gone | State::Free => {}
        }
    }

    /// So many bytes came off the wire.
    pub(super) fn count_in(&mut self, slot: u32, bytes: u32) {
        let conn = self.conn(slot);
        conn.bytes_in = conn.bytes_in.saturating_add(bytes);
    }

    /// A read of a bare stream is a message: there are no others.
    pub(super) fn stream(&mut self, now: Nanos, slot: u32, bytes: &[u8], orders: &mut Orders) {
        self.counts.received += 1;
        self.counts.received_bytes += bytes.len() as u64;
        if self.plan.mode == Mode::Echo {
            self.reply(now, slot, opcode::BINARY, bytes, orders);
        }
    }

    /// The peer's FIN: what we still owe is written, then it is closed.
    pub(super) fn peer_ended(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let conn = *self.conn(slot);
        if self.fault(slot, |k| matches!(k, Kind::Leak)).is_some() {
            return;
        }
        if conn.has(Flag::Unread) {
            self.commit();
        }
        let whole = match conn.state {
            State::Fresh => self.rare.get(&slot).is_none_or(|rare| rare.parts.is_empty()),
            State::Ws => !conn.decoder.mid_message(),
            State::Securing => conn.bytes_in == 0,
            _ => true,
        };
        if !whole && conn.ending == Ending::None {
            self.failed(now, slot, Op::Read, Outcome::Eof { mid_message: true });
        }
        if !conn.has(Flag::Tail) {
            return self.close(slot, Close::Fin, orders);
        }
        if conn.ending != Ending::Rst {
            self.end(now, slot, Ending::Fin);
        }
    }

    /// A call on it failed: nothing more can be said.
    pub(super) fn broke(
        &mut self,
        now: Nanos,
        slot: u32,
        op: Op,
        errno: Errno,
        orders: &mut Orders,
    ) {
        if self.fault(slot, |k| matches!(k, Kind::Leak)).is_some() {
            return;
        }
        let conn = self.conn(slot);
        if conn.ending == Ending::None && conn.state != State::Mute {
            self.failed(now, slot, op, Outcome::Errno(errno));
        }
        self.close(slot, Close::Fin, orders);
    }

    /// Counts and books a connection that ended otherwise than in order.
    pub(super) fn failed(&mut self, now: Nanos, slot: u32, op: Op, outcome: Outcome) {
        let websocket = self.plan.proto == Proto::Ws;
        let phase = match self.conn(slot).state {
            State::Fresh | State::Stalled if websocket => Phase::Upgrade,
            State::Securing => Phase::Tls,
            State::Parting => Phase::Close,
            _ => Phase::Open,
        };
        if !self.conn(slot).has(Flag::Booked) {
            self.conn(slot).set(Flag::Booked, true);
            self.counts.failed += 1;
            self.book(now, Signature { phase, op, outcome }, Some(slot));
        }
    }

    /// The kernel has bytes of the peer that nobody read: now a close aborts.
    pub(super) fn looked(&mut self, slot: u32, look: Look, orders: &mut Orders) {
        let over = look.bytes_received > 0 || look.state == tcp_state::CLOSE;
        if self.conn(slot).has(Flag::Unread) && over {
            self.commit();
            self.close(slot, Close::Fin, orders);
        }
    }

    /// Faults that stop reading at accept.
    fn deafen(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let deaf = |k: Kind| matches!(k, Kind::Leak | Kind::CloseOnFirstByte | Kind::SlowRead);
        let Some(kind) = self.fault(slot, deaf) else { return };
        self.conn(slot).set(Flag::Deaf, true);
        orders.push(Order::ReadOn(self.id(slot), false));
        match kind {
            Kind::SlowRead => self.alarm(slot, now + SLOW_READ, Alarm::Read),
            Kind::CloseOnFirstByte => {
                self.conn(slot).set(Flag::Unread, true);
                self.alarm(slot, now + LOOKS.0, Alarm::Look(LOOKS.0));
                return;
            }
            _ => {}
        }
        self.commit();
    }

    /// Reads one byte, and again later.
    pub(super) fn read_slowly(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        orders.push(Order::Read(self.id(slot), 1));
        self.alarm(slot, now + SLOW_READ, Alarm::Read);
    }

    /// Looks whether bytes have come, and again later.
    pub(super) fn look(&mut self, now: Nanos, slot: u32, after: Nanos, orders: &mut Orders) {
        orders.push(Order::Look(self.id(slot), NO_TARGET));
        let after = (after * 2).min(LOOKS.1);
        self.alarm(slot, now + after, Alarm::Look(after));
    }
}

#[cfg(test)]
mod tests {
    use super::Conn;

    #[test]
    fn a_connection_is_small() {
        let size = size_of::<Conn>();
        assert!(size <= 72, "{size}");
    }
}
