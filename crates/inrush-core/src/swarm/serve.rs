//! The server role of a swarm: accepts, greets, echoes, forgets or pushes, and misbehaves as its
//! plan says. It never touches a socket: the host accepts, reads, writes and closes.

mod compressed;
mod conn;
mod due;
mod faults;
mod gate;
mod output;
mod secure;
mod upgrade;
mod websocket;

#[cfg(test)]
mod tests;

use crate::errno::Errno;
use crate::failure::{Failure, Op, Outcome, Peer, Phase, Signature};
use crate::latency::Latencies;
use crate::plan::Serve;
use crate::snapshot::{Counts, Gauges, Snapshot};
use crate::swarm::{Command, ConnId, Input, Orders, Step};
use crate::tally::{Key, Tally};
use crate::time::Nanos;
use crate::wheel::Wheel;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use compressed::Compressed;
use conn::{Conn, Flag, Rare, State};
use faults::Faults;
use gate::Gate;

/// Bytes of side buffers (parts of messages, unwritten tails, held replies) of one worker.
const KEPT_BYTES: usize = 256 << 20;
/// How long we wait for the peer's part of an end that we began.
const CLOSE_PATIENCE: Nanos = Nanos::from_secs(1);
/// How long a tail may lie unwritten without progress once its connection has ended.
const DRAIN_PATIENCE: Nanos = Nanos::from_secs(10);
/// How long a silent (or undecided) connection may keep `--proto auto` guessing.
const SNIFF_PATIENCE: Nanos = Nanos::from_secs(3);

/// All connections of one server worker.
///
/// The host drives it so: after each call it carries out the orders, tells a short write at once
/// with [`Self::unwritten`] and a close with [`Self::closed`], and only then calls again.
#[derive(Debug)]
pub struct ServeSwarm {
    plan: Serve,
    faults: Faults,
    gate: Gate,
    conns: Vec<Conn>,
    free: Vec<u32>,
    wheel: Wheel,
    /// Rare buffers by slot; most connections have none.
    rare: BTreeMap<u32, Rare>,
    /// Bytes in `rare`, and how many they may be.
    kept: usize,
    budget: usize,
    /// Connections with something to write or to end before anything else.
    soon: VecDeque<u32>,
    /// Reused: an unmasked payload.
    scratch: Vec<u8>,
    compressed: Compressed,
    stopping: Option<Stopping>,
    live: u64,
    open: u64,
    opening: u64,
    accepted: u64,
    counts: Counts,
    open_peak: u64,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
struct Stopping {
    cursor: usize,
    until: Nanos,
}

impl ServeSwarm {
    /// A server without connections. It does not listen by itself: the host has the listener.
    pub fn new(plan: Serve) -> Self {
        Self {
            faults: Faults::new(&plan),
            gate: Gate::new(&plan),
            conns: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::with_capacity(0),
            rare: BTreeMap::new(),
            kept: 0,
            budget: KEPT_BYTES,
            soon: VecDeque::new(),
            scratch: Vec::new(),
            compressed: Compressed::default(),
            stopping: None,
            live: 0,
            open: 0,
            opening: 0,
            accepted: 0,
            counts: Counts::default(),
            open_peak: 0,
            tally: Tally::default(),
            plan,
        }
    }

    /// The host has accepted a socket: its slot, or `None` when it is one too many and the host
    /// closes it. The host registers the descriptor and calls `handle(id, Input::Accepted)`.
    pub fn accept(&mut self, now: Nanos, orders: &mut Orders) -> Option<ConnId> {
        self.counts.attempted += 1;
        let limit = u64::from(self.plan.max_connections);
        if self.stopping.is_some() || (limit > 0 && self.live >= limit) {
            return None;
        }
        let slot = self.free_slot();
        let conn = &mut self.conns[slot as usize];
        *conn = Conn {
            generation: conn.generation.wrapping_add(1),
            state: State::Fresh,
            born: now,
            ordinal: u32::try_from(self.accepted).unwrap_or(u32::MAX),
            faults: self.faults.of_connection(self.accepted),
            ..Conn::default()
        };
        conn.set(Flag::Opening, true);
        let id = ConnId { slot, generation: conn.generation };
        self.accepted += 1;
        self.live += 1;
        self.opening += 1;
        self.counts.connected += 1;
        self.counts.faults += self.gate.took_one(now, self.accepted, orders);
        Some(id)
    }

    /// At most one thing that is due.
    pub fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        self.one_due(now, orders);
        if self.stopping.is_some() && self.live == 0 {
            return Step::Done;
        }
        let next = self.next_due();
        if next <= now { Step::Again } else { Step::Sleep(next) }
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        let Some(slot) = self.live_slot(id) else { return };
        match input {
            Input::Accepted => self.begin(now, slot, orders),
            Input::Writable => self.writable(now, slot, orders),
            Input::Bytes(bytes) => self.heard(now, slot, bytes, orders),
            Input::Unwritten(tail) => self.keep_tail(now, slot, tail, orders),
            Input::Eof | Input::Notified => self.peer_ended(now, slot, orders),
            Input::Wire(bytes) => self.count_in(slot, bytes),
            Input::Secured { resumed } => self.secured(now, slot, resumed, orders),
            Input::Tls(error, _) => self.refused_tls(now, slot, error, orders),
            Input::Failed(op, errno) => self.broke(now, slot, op, errno, orders),
            Input::Looked(look) => self.looked(slot, look, orders),
            Input::SelfConnected => {}
        }
        self.rearm(slot);
    }

    /// Whether it waits for room to write, or for news of its peer.
    #[inline]
    pub fn wants_room(&self, id: ConnId) -> bool {
        let conn = self.conns.get(id.slot as usize);
        conn.is_some_and(|conn| conn.has(Flag::Blocked) || conn.has(Flag::Unread))
    }

    /// After each accept: `descriptors_left` is what the process may still open. Leaves the
    /// listener to siblings when that is less than the plan's spare.
    pub fn accepted(&mut self, _now: Nanos, descriptors_left: u64, orders: &mut Orders) {
        self.gate.left(descriptors_left, orders);
    }

    /// accept() failed.
    pub fn accept_failed(
        &mut self,
        now: Nanos,
        errno: Errno,
        descriptors_left: u64,
        orders: &mut Orders,
    ) {
        if matches!(errno, Errno::EAGAIN | Errno::EINTR) {
            return;
        }
        self.counts.accept_errors += 1;
        let signature =
            Signature { phase: Phase::Accept, op: Op::Accept, outcome: Outcome::Errno(errno) };
        self.book(now, signature, None);
        self.gate.failed(now, errno, descriptors_left, orders);
    }

    /// The host has closed this descriptor, ordered or not: the slot is free. After
    /// `Close::Half` the descriptor still lives, and this does nothing.
    pub fn closed(&mut self, _now: Nanos, id: ConnId, orders: &mut Orders) {
        let Some(slot) = self.slot_of(id) else { return };
        let conn = self.conn(slot);
        if conn.has(Flag::HalfClosed) && conn.state != State::Gone {
            return;
        }
        self.ended(slot);
        self.forget(slot);
        self.conn(slot).state = State::Free;
        self.free.push(slot);
        self.live -= 1;
        self.gate.one_closed(self.live, orders);
    }

    /// `tail`: of the bytes of its last write order, those that were not taken.
    pub fn unwritten(&mut self, now: Nanos, id: ConnId, tail: &[u8], orders: &mut Orders) {
        self.handle(now, id, Input::Unwritten(tail), orders);
    }

    /// What the captain says.
    pub fn command(&mut self, now: Nanos, command: Command, orders: &mut Orders) {
        match command {
            Command::AcceptToTheEnd => self.gate.spare_none(orders),
            Command::Stop | Command::Close { .. } if self.stopping.is_none() => {
                self.gate.stop(orders);
                self.stopping = Some(Stopping { cursor: 0, until: now + CLOSE_PATIENCE });
            }
            Command::Stop | Command::Close { .. } | Command::Hold(_) => {}
        }
    }

    /// What happened since the last one. `connected` counts accepted connections, `attempted`
    /// those refused by `max_connections` too; a message of a bare stream is one read.
    pub fn take_snapshot(&mut self, now: Nanos) -> Snapshot {
        let gauges = Gauges {
            opening: self.opening,
            open: self.open,
            closing: self.live - self.open - self.opening,
            open_peak: core::mem::replace(&mut self.open_peak, self.open),
            ramped: true,
            settled: true,
            accept_paused: self.gate.paused(),
            ..Gauges::default()
        };
        Snapshot {
            at: now,
            counts: core::mem::take(&mut self.counts),
            gauges,
            ramp_ended: Nanos::ZERO,
            tally: core::mem::take(&mut self.tally),
            latencies: Latencies::default(),
            facts: Vec::new(),
            burst: false,
            cpu: Nanos::ZERO,
        }
    }

    fn free_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.conns.push(Conn::default());
            self.wheel.push();
            u32::try_from(self.conns.len() - 1).expect("descriptors are 31-bit numbers")
        })
    }

    /// The slot of a connection that has not been freed.
    fn slot_of(&self, id: ConnId) -> Option<u32> {
        let conn = self.conns.get(id.slot as usize)?;
        (conn.generation == id.generation && conn.state != State::Free).then_some(id.slot)
    }

    /// The slot of a connection whose close has not been ordered.
    fn live_slot(&self, id: ConnId) -> Option<u32> {
        self.slot_of(id).filter(|slot| self.conns[*slot as usize].state != State::Gone)
    }

    fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.conns[slot as usize].generation }
    }

    fn conn(&mut self, slot: u32) -> &mut Conn {
        &mut self.conns[slot as usize]
    }

    /// Books a failure of ours or of a connection.
    fn book(&mut self, now: Nanos, signature: Signature, slot: Option<u32>) {
        let conn = slot.map(|slot| self.conns[slot as usize]).unwrap_or_default();
        let key = Key {
            target: 0,
            signature,
            peer: Peer::Unseen,
            fin_seen: false,
            heard: conn.bytes_in > 0,
            spoke: conn.bytes_out > 0,
        };
        let failure = Failure {
            at: now,
            connection: slot.map_or(0, |_| u64::from(conn.ordinal) + 1),
            signature,
            later: None,
            age: slot.map_or(Nanos::ZERO, |_| now - conn.born),
            bytes_in: u64::from(conn.bytes_in),
            bytes_out: u64::from(conn.bytes_out),
            fin_seen: false,
            look: None,
            last_words: Vec::new(),
            offset: None,
        };
        self.tally.book(key, failure, self.open);
    }

    /// The connection is in use: it counts as open.
    fn opened(&mut self, slot: u32) {
        let conn = self.conn(slot);
        if conn.has(Flag::Opening) {
            conn.set(Flag::Opening, false);
            conn.set(Flag::Opened, true);
            self.opening -= 1;
            self.counts.opened += 1;
            self.open += 1;
            self.open_peak = self.open_peak.max(self.open);
        }
    }

    /// It is ending: it counts as closing.
    fn leave_open(&mut self, slot: u32) {
        let conn = self.conn(slot);
        let (opened, opening) = (conn.has(Flag::Opened), conn.has(Flag::Opening));
        conn.set(Flag::Opened, false);
        conn.set(Flag::Opening, false);
        self.open -= u64::from(opened);
        self.opening -= u64::from(opening);
    }

    /// It has ended. What has not failed before has finished.
    fn ended(&mut self, slot: u32) {
        self.leave_open(slot);
        if !self.conn(slot).has(Flag::Booked) {
            self.conn(slot).set(Flag::Booked, true);
            self.counts.finished += 1;
        }
    }
}
