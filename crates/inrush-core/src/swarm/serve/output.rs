//! The one writer of a connection: every byte leaves through [`ServeSwarm::say`], what the socket
//! did not take is kept in order, and an end comes after the last byte.

use super::conn::{Alarm, Ending, Flag, NO_TARGET, Rare, State};
use super::{CLOSE_PATIENCE, DRAIN_PATIENCE, ServeSwarm};
use crate::failure::{Op, Outcome, ProtocolError};
use crate::fault::Kind;
use crate::swarm::{Close, Order, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// Reading stops when more than this is unwritten, and goes on when less than [`LOW_WATER`] is.
const HIGH_WATER: usize = 64 << 10;
const LOW_WATER: usize = 16 << 10;
/// Of a tail, so much is given to the socket at a time.
const CHUNK: usize = 256 << 10;
/// Replies of one connection held back at once; beyond, the oldest goes out early.
const HELD: usize = 1024;

impl ServeSwarm {
    /// Sends what `render` appends, after all that was said before.
    pub(super) fn say(
        &mut self,
        now: Nanos,
        slot: u32,
        orders: &mut Orders,
        render: impl FnOnce(&mut Vec<u8>),
    ) {
        if matches!(self.conn(slot).state, State::Gone | State::Free) {
            return;
        }
        let length = if self.conn(slot).has(Flag::Tail) {
            self.with_rare(slot, |rare| {
                rare.compact();
                let before = rare.tail.len();
                render(&mut rare.tail);
                rare.tail.len() - before
            })
        } else {
            append(orders, self.id(slot), render)
        };
        let conn = self.conn(slot);
        conn.bytes_out = conn.bytes_out.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        if conn.has(Flag::Tail) {
            self.relieve(slot, orders);
            self.within_budget(now, slot, orders);
        }
        let first_write = |kind| matches!(kind, Kind::CloseAfterFirstWrite);
        if self.conn(slot).faults != 0 && self.fault_once(slot, first_write).is_some() {
            self.conn(slot).set(Flag::Spent, true);
            self.commit();
            self.end(now, slot, Ending::Fin);
        }
    }

    /// Keeps what the socket did not take; it goes on at the next `Writable`.
    pub(super) fn keep_tail(&mut self, now: Nanos, slot: u32, tail: &[u8], orders: &mut Orders) {
        if tail.is_empty() {
            return;
        }
        self.conn(slot).set(Flag::Blocked, true);
        if self.conn(slot).has(Flag::Tail) {
            self.with_rare(slot, |rare| rare.given = rare.given.saturating_sub(tail.len()));
        } else {
            self.conn(slot).set(Flag::Tail, true);
            self.with_rare(slot, |rare| {
                rare.tail.extend_from_slice(tail);
                rare.given = 0;
            });
            self.within_budget(now, slot, orders);
        }
        self.relieve(slot, orders);
    }

    /// The socket takes more.
    pub(super) fn writable(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.conn(slot).has(Flag::Blocked) {
            self.conn(slot).set(Flag::Blocked, false);
            if self.conn(slot).ending != Ending::None && self.stopping.is_none() {
                self.conn(slot).timer = now + DRAIN_PATIENCE;
            }
            self.go_on(now, slot, orders);
        } else if self.conn(slot).has(Flag::Unread) {
            // An edge-triggered poller says "writable" again when bytes came in.
            orders.push(Order::Look(self.id(slot), NO_TARGET));
        }
    }

    /// Gives the socket the next part of the tail, or ends what is to be ended after it.
    pub(super) fn go_on(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let conn = *self.conn(slot);
        if matches!(conn.state, State::Gone | State::Free) || conn.has(Flag::Blocked) {
            return;
        }
        if conn.has(Flag::Tail) {
            let id = self.id(slot);
            let more = self.with_rare(slot, |rare| {
                let from = rare.given;
                rare.given = rare.tail.len().min(from + CHUNK);
                let part = &rare.tail[from..rare.given];
                if !part.is_empty() {
                    append(orders, id, |out| out.extend_from_slice(part));
                }
                !part.is_empty()
            });
            if more {
                return self.soon.push_back(slot);
            }
            self.with_rare(slot, |rare| {
                rare.tail = Vec::new();
                rare.given = 0;
            });
            self.conn(slot).set(Flag::Tail, false);
            self.relieve(slot, orders);
        }
        match conn.ending {
            Ending::None => {}
            Ending::Fin => self.close(slot, Close::Fin, orders),
            Ending::Rst => self.close(slot, Close::Rst, orders),
            Ending::Half if conn.has(Flag::HalfClosed) => {}
            Ending::Half => {
                self.conn(slot).set(Flag::HalfClosed, true);
                self.conn(slot).timer = now + CLOSE_PATIENCE;
                orders.push(Order::Close(self.id(slot), Close::Half));
            }
        }
    }

    /// Ends it once everything is taken. Never in the batch of its last write: the host has to say
    /// first whether that was taken whole.
    pub(super) fn end(&mut self, now: Nanos, slot: u32, how: Ending) {
        let conn = self.conn(slot);
        conn.ending = how;
        let patience = if conn.has(Flag::Tail) { DRAIN_PATIENCE } else { CLOSE_PATIENCE };
        conn.timer = now + patience;
        if !conn.has(Flag::Tail) {
            self.soon.push_back(slot);
        }
        self.leave_open(slot);
    }

    /// Orders its close now. The slot is free when the host has reported it.
    pub(super) fn close(&mut self, slot: u32, how: Close, orders: &mut Orders) {
        if matches!(self.conn(slot).state, State::Gone | State::Free) {
            return;
        }
        orders.push(Order::Close(self.id(slot), how));
        self.ended(slot);
        self.forget(slot);
        self.conn(slot).state = State::Gone;
    }

    /// Drops all buffers and moments of a slot.
    pub(super) fn forget(&mut self, slot: u32) {
        if let Some(rare) = self.rare.remove(&slot) {
            self.kept -= rare.bytes();
        }
        self.compressed.forget(slot);
        self.wheel.clear(slot);
    }

    /// Changes rare buffers, and keeps the account of their bytes.
    pub(super) fn with_rare<T>(&mut self, slot: u32, change: impl FnOnce(&mut Rare) -> T) -> T {
        let rare = self.rare.entry(slot).or_default();
        let before = rare.bytes();
        let result = change(rare);
        self.kept = self.kept + rare.bytes() - before;
        if rare.is_empty() {
            self.rare.remove(&slot);
        }
        result
    }

    /// Sets the moment of this kind of alarm.
    pub(super) fn alarm(&mut self, slot: u32, at: Nanos, alarm: Alarm) {
        self.silence(slot, alarm);
        self.with_rare(slot, |rare| rare.alarms.push((at, alarm)));
    }

    /// Forgets the moment of this kind of alarm.
    pub(super) fn silence(&mut self, slot: u32, alarm: Alarm) {
        if self.rare.contains_key(&slot) {
            let kind = core::mem::discriminant(&alarm);
            self.with_rare(slot, |rare| {
                rare.alarms.retain(|(_, other)| core::mem::discriminant(other) != kind);
            });
        }
    }

    /// Holds a rendered reply back until then.
    pub(super) fn hold(
        &mut self,
        now: Nanos,
        slot: u32,
        until: Nanos,
        reply: Vec<u8>,
        orders: &mut Orders,
    ) {
        let early = self.with_rare(slot, |rare| {
            let at = rare.held.partition_point(|(due, _)| *due <= until);
            rare.held.insert(at, (until, reply));
            if rare.held.len() > HELD { rare.held.pop_front() } else { None }
        });
        if let Some((_, reply)) = early {
            self.say(now, slot, orders, |out| out.extend_from_slice(&reply));
        }
        self.within_budget(now, slot, orders);
    }

    /// Whether there is room for so many more bytes in side buffers.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.kept.saturating_add(bytes) <= self.budget
    }

    /// A peer that asks and does not listen must not eat the worker's memory.
    fn within_budget(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.kept > self.budget && self.conn(slot).state != State::Gone {
            self.failed(now, slot, Op::Write, Outcome::Protocol(ProtocolError::NoRoom));
            self.close(slot, Close::Rst, orders);
        }
    }

    /// Stops reading while much is unwritten, and reads on when little is.
    pub(super) fn relieve(&mut self, slot: u32, orders: &mut Orders) {
        let conn = *self.conn(slot);
        if conn.has(Flag::Deaf) || conn.state == State::Gone {
            return;
        }
        let waiting = self.waiting(slot);
        if waiting > HIGH_WATER && !conn.has(Flag::Paused) {
            self.conn(slot).set(Flag::Paused, true);
            orders.push(Order::ReadOn(self.id(slot), false));
        } else if waiting < LOW_WATER && conn.has(Flag::Paused) {
            self.conn(slot).set(Flag::Paused, false);
            orders.push(Order::ReadOn(self.id(slot), true));
        }
    }

    /// Bytes that the socket has not taken.
    pub(super) fn waiting(&self, slot: u32) -> usize {
        self.rare.get(&slot).map_or(0, |rare| rare.tail.len() - rare.given)
    }
}

impl Rare {
    /// Forgets what the socket has taken, when that is worth the move.
    fn compact(&mut self) {
        if self.given > CHUNK && self.given > self.tail.len() / 2 {
            self.tail.drain(..self.given);
            self.given = 0;
        }
    }
}

/// Adds to the connection's write order of this batch, or begins it; returns the bytes added. One
/// order, so that a short write of its first half is never followed by its second half.
fn append(orders: &mut Orders, id: super::ConnId, render: impl FnOnce(&mut Vec<u8>)) -> usize {
    let before = orders.bytes.len();
    render(&mut orders.bytes);
    let end = u32::try_from(orders.bytes.len()).expect("one batch never renders 4 GiB");
    if orders.bytes.len() == before {
        return 0;
    }
    let from = u32::try_from(before).expect("it is below the end");
    let mine = orders.list.iter_mut().rev().find_map(|order| match order {
        Order::Write(to, range) if *to == id && range.end == from => Some(range),
        _ => None,
    });
    match mine {
        Some(range) => range.end = end,
        None => orders.list.push(Order::Write(id, from..end)),
    }
    orders.bytes.len() - before
}
