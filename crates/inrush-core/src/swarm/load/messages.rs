//! Sending: a message when it is due, what a full socket left over, control frames. One writer per
//! connection by construction: everything leaves through this file.

use super::conn::{CONTROL, DEFLATE, OWED, QUIET, State, WROTE};
use super::opening::MASK;
use super::{LoadSwarm, size};
use crate::pace::draw;
use crate::plan::{Payload, Schedule};
use crate::protocol::ws_frame::{self, opcode};
use crate::swarm::{ConnId, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// Bytes of the tag: 8 hexadecimal digits of the connection, 8 of the sequence.
pub(super) const TAG: usize = 16;

/// Control bytes kept of one connection; a peer that sends pings faster than it reads loses pongs.
const OWED_CONTROL: usize = 4_096;

/// What the socket of a connection did not take, and is not rendered again.
#[derive(Debug, Default)]
pub(super) struct Owed {
    bytes: Vec<u8>,
    /// Of control frames that came later than the first.
    control: usize,
}

/// One message without its tag, and whether it has one.
pub(super) fn template(payload: &Payload) -> (Vec<u8>, bool) {
    match payload {
        Payload::Generated(size) => {
            let letters = (b'a'..=b'z').cycle().take(*size as usize).collect();
            (letters, *size as usize >= TAG)
        }
        Payload::Fixed(bytes) => (bytes.clone(), false),
    }
}

/// The tag of message `seq` of connection `number`, lower case.
pub(super) fn tag(number: u64, seq: u32) -> [u8; TAG] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let value = number << 32 | u64::from(seq);
    let mut tag = [0; TAG];
    for (i, digit) in tag.iter_mut().enumerate() {
        *digit = DIGITS[(value >> (60 - 4 * i) & 15) as usize];
    }
    tag
}

/// Reads a tag back: low half of the connection's number, and the sequence.
pub(super) fn read_tag(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut value = 0_u64;
    for byte in bytes.get(..TAG)? {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some(((value >> 32) as u32, (value & 0xffff_ffff) as u32))
}

impl Owed {
    /// The end of a request.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, control: 0 }
    }
}

impl LoadSwarm {
    /// Sends the message that was due at `due`; one that cannot be sent is counted and its place in
    /// the schedule is given up, so sequence numbers have no holes.
    #[inline]
    pub(super) fn send(&mut self, now: Nanos, due: Nanos, id: ConnId, orders: &mut Orders) {
        let closed = self.shard.plan.messages.schedule == Schedule::Closed;
        let expects = self.expects_replies();
        let most = self.shard.plan.messages.max_outstanding;
        let gap = self.open_loop_gap();
        let c = &mut self.conns[id.slot as usize];
        if c.tx_left > 0 || c.is(OWED) || (expects && c.outstanding() >= most) {
            self.snapshot.counts.unsent += u64::from(!closed);
            if let Some(gap) = gap {
                // What comes after the hole moves on, what was sent before it stays due.
                c.since += gap;
                let next = c.sent;
                self.holes.entry(id.slot).or_default().add(next);
            }
            return;
        }
        if closed {
            c.since = due;
        }
        let seq = c.sent;
        c.sent = c.sent.wrapping_add(1);
        if !expects {
            c.received = c.sent;
        }
        self.outstanding += u64::from(expects);
        let counts = &mut self.snapshot.counts;
        counts.sent += 1;
        counts.sent_bytes += self.payload.len() as u64;
        if !closed {
            // A closed loop has no schedule that it could be late for.
            self.snapshot.latencies.lag.record(now - due);
        }
        if self.conns[id.slot as usize].is(DEFLATE) && self.opcode != opcode::PING {
            self.compress_message(id, seq, orders);
        } else {
            self.put_message(id, seq, None, orders);
        }
    }

    /// When message `seq` was to be sent.
    #[inline]
    pub(super) fn due_of(&self, slot: u32, seq: u32) -> Nanos {
        let c = &self.conns[slot as usize];
        match self.shard.plan.messages.schedule {
            Schedule::Every(gap) => {
                let holes = if self.holes.is_empty() { None } else { self.holes.get(&slot) };
                let moved = gap * holes.map_or(0, |holes| holes.after(seq));
                c.since + gap * u64::from(seq) - moved
            }
            Schedule::Idle | Schedule::Closed => c.since,
        }
    }

    /// Writes what is left of the message or request under way, then what is owed.
    pub(super) fn write_on(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        let c = &self.conns[id.slot as usize];
        if c.tx_left > 0 {
            let (left, last) = (c.tx_left, c.sent.wrapping_sub(1));
            match c.state {
                State::Upgrade => self.put_request(id, Some(left), orders),
                State::Open | State::Closing => self.put_message(id, last, Some(left), orders),
                _ => {}
            }
        }
        let c = &mut self.conns[id.slot as usize];
        if c.is(OWED) && matches!(c.state, State::Open | State::Closing) {
            let owed = self.owed.remove(&id.slot).unwrap_or_default().bytes;
            c.flags = c.flags & !OWED | CONTROL;
            c.bytes_out += owed.len() as u64;
            orders.write(id, |out| out.extend_from_slice(&owed));
            self.read_on(id, orders);
        }
        self.go_on_closed_loop(now, id, orders);
    }

    /// A closed loop whose next message found the socket full goes on when there is room.
    fn go_on_closed_loop(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        let c = &self.conns[id.slot as usize];
        let closed = self.shard.plan.messages.schedule == Schedule::Closed;
        if !closed || c.state != State::Open {
            return;
        }
        if !self.expects_replies() {
            self.arm(now, id.slot);
        } else if c.outstanding() == 0 && c.tx_left == 0 && !c.is(QUIET) && self.may_send() {
            let heard = c.heard;
            self.send(heard, heard, id, orders);
        }
    }

    /// The tail of the last write was not taken.
    pub(super) fn unwritten(&mut self, id: ConnId, tail: &[u8]) {
        let c = &mut self.conns[id.slot as usize];
        c.bytes_out = c.bytes_out.saturating_sub(tail.len() as u64);
        if c.is(CONTROL) {
            c.flags |= OWED;
            self.owed.entry(id.slot).or_default().bytes.extend_from_slice(tail);
        } else {
            c.tx_left = size(tail.len());
        }
    }

    /// Writes a control frame, after what is still unwritten; says whether there was room for it.
    pub(super) fn put_control(
        &mut self,
        id: ConnId,
        op: u8,
        body: &[u8],
        orders: &mut Orders,
    ) -> bool {
        let waits = self.conns[id.slot as usize].is(OWED);
        let owed = self.owed.get_mut(&id.slot).filter(|_| waits);
        if let Some(owed) = owed {
            if op != opcode::CLOSE && owed.control > OWED_CONTROL {
                return false;
            }
            owed.control += ws_frame::head_len(body.len(), true) + body.len();
        }
        // Masks of control frames count down while those of messages count up.
        self.controls = self.controls.wrapping_add(1);
        self.put_frame(id, op, body, !self.controls, orders);
        true
    }

    /// Bytes that are kept because the socket did not take them.
    pub(super) fn owed_bytes(&self, slot: u32) -> usize {
        if !self.conns[slot as usize].is(OWED) {
            return 0;
        }
        self.owed.get(&slot).map_or(0, |owed| owed.bytes.len())
    }

    /// Writes bytes that are not rendered again, after what is still unwritten. A bare stream has
    /// them without a frame; `seq` tells masks apart.
    pub(super) fn put_frame(
        &mut self,
        id: ConnId,
        op: u8,
        body: &[u8],
        seq: u32,
        orders: &mut Orders,
    ) {
        let (ws, mask) = (self.is_ws(id.slot), self.mask(id, seq));
        let c = &mut self.conns[id.slot as usize];
        let render = |out: &mut Vec<u8>| {
            if ws {
                ws_frame::put_head(out, 0x80 | op, body.len(), Some(mask));
            }
            let from = out.len();
            out.extend_from_slice(body);
            if ws {
                ws_frame::apply_mask(&mut out[from..], mask, 0);
            }
        };
        if c.tx_left > 0 || c.is(OWED) {
            render(&mut self.owed.entry(id.slot).or_default().bytes);
            c.flags |= OWED;
            return;
        }
        c.flags |= CONTROL;
        let head = if ws { ws_frame::head_len(body.len(), true) } else { 0 };
        c.bytes_out += (head + body.len()) as u64;
        orders.write(id, render);
    }

    #[inline]
    fn put_message(&mut self, id: ConnId, seq: u32, left: Option<u32>, orders: &mut Orders) {
        let ws = self.is_ws(id.slot);
        let mask = if ws { self.mask(id, seq) } else { [0; 4] };
        let number = self.shard.number(id.slot);
        let (payload, tagged) = (&self.payload, self.tagged);
        let op = self.opcode;
        let mut written = 0;
        orders.write(id, |out| {
            let from = out.len();
            if ws {
                ws_frame::put_head(out, 0x80 | op, payload.len(), Some(mask));
            }
            let body = out.len();
            out.extend_from_slice(payload);
            if tagged {
                out[body..body + TAG].copy_from_slice(&tag(number, seq));
            }
            if ws {
                ws_frame::apply_mask(&mut out[body..], mask, 0);
            }
            if let Some(left) = left {
                let whole = out.len() - from;
                out.drain(from..from + whole - left as usize);
            }
            written = out.len() - from;
        });
        let c = &mut self.conns[id.slot as usize];
        c.bytes_out += written as u64;
        c.tx_left = 0;
        // Two messages of one batch may both stay unwritten: only one could be rendered again.
        c.flags |= if c.is(WROTE) { CONTROL } else { WROTE };
    }

    #[inline]
    fn mask(&self, id: ConnId, seq: u32) -> [u8; 4] {
        // Each life of a connection masks in its own way (RFC 6455 §5.3).
        let life = u64::from(id.generation) << 52;
        let number = (self.shard.number(id.slot) << 32 | u64::from(seq)) ^ life;
        ((draw(self.shard.plan.seed, MASK, number) >> 32) as u32).to_ne_bytes()
    }

    /// A new input or wake-up: what was written before is carried out.
    #[inline]
    pub(super) fn begin_batch(&mut self, slot: u32) {
        self.conns[slot as usize].flags &= !(CONTROL | WROTE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_and_nothing_else_does() {
        assert_eq!(&tag(0x1234, 0xff), b"00001234000000ff");
        assert_eq!(read_tag(&tag(7, 9)), Some((7, 9)));
        assert_eq!(read_tag(b"00001234000000fg"), None);
        assert_eq!(read_tag(b"short"), None);
    }
}
