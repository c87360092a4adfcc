//! Drives a server as plain data: a host of numbers carries out its orders.

mod accepting;
mod compressing;
mod echoing;
mod misbehaving;
mod upgrading;

use super::ServeSwarm;
use crate::errno::Errno;
use crate::fault::{Fault, Kind, Select};
use crate::plan::{Mode, OnEmfile, Proto, Serve};
use crate::protocol::ws_frame::{apply_mask, put_head};
use crate::swarm::{Close, ConnId, Input, Order, Orders, Step};
use crate::time::Nanos;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

/// An upgrade request with the key of RFC 6455 §1.3.
pub(super) const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A plan without faults: echo, sniffed.
pub(super) fn plan() -> Serve {
    Serve {
        index: 0,
        seed: 7,
        mode: Mode::Echo,
        proto: Proto::Auto,
        tls: None,
        greeting: vec![],
        push_every: Nanos::from_secs(1),
        max_connections: 0,
        faults: vec![],
        on_emfile: OnEmfile::Pause,
        spare_descriptors: 0,
    }
}

pub(super) fn faulty(kind: Kind) -> Serve {
    Serve { faults: vec![Fault { kind, select: Select::All }], ..plan() }
}

/// A client's frame.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, first, payload.len(), Some(MASK));
    let from = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[from..], MASK, 0);
    out
}

/// A server's frame.
pub(super) fn answer(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, first, payload.len(), None);
    out.extend_from_slice(payload);
    out
}

/// A host of numbers: sockets take `room` bytes each, then block.
pub(super) struct Host {
    pub(super) swarm: ServeSwarm,
    pub(super) now: Nanos,
    /// What each socket took.
    pub(super) out: BTreeMap<u32, Vec<u8>>,
    /// What each socket still takes; without an entry, everything.
    pub(super) room: BTreeMap<u32, usize>,
    /// Orders other than writes, in order.
    pub(super) log: Vec<Order>,
    orders: Orders,
}

impl Host {
    /// A host whose server has been polled once.
    pub(super) fn new(plan: Serve) -> Self {
        let mut host = Self {
            swarm: ServeSwarm::new(plan),
            now: Nanos::ZERO,
            out: BTreeMap::new(),
            room: BTreeMap::new(),
            log: Vec::new(),
            orders: Orders::default(),
        };
        host.settle();
        host
    }

    pub(super) fn accept(&mut self) -> ConnId {
        let id = self.swarm.accept(self.now, &mut self.orders).expect("below the limit");
        self.carry_out();
        self.out.remove(&id.slot);
        self.input(id, Input::Accepted);
        id
    }

    pub(super) fn websocket(&mut self) -> ConnId {
        let id = self.accept();
        self.bytes(id, REQUEST);
        let head = self.take(id);
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        id
    }

    pub(super) fn bytes(&mut self, id: ConnId, bytes: &[u8]) {
        self.input(id, Input::Bytes(bytes));
    }

    pub(super) fn input(&mut self, id: ConnId, input: Input<'_>) {
        self.swarm.handle(self.now, id, input, &mut self.orders);
        self.carry_out();
        self.settle();
    }

    pub(super) fn failed(&mut self, errno: Errno) {
        self.swarm.accept_failed(self.now, errno, 0, &mut self.orders);
        self.carry_out();
    }

    pub(super) fn accepted(&mut self, left: u64) {
        self.swarm.accepted(self.now, left, &mut self.orders);
        self.carry_out();
    }

    pub(super) fn command(&mut self, command: crate::swarm::Command) {
        self.swarm.command(self.now, command, &mut self.orders);
        self.carry_out();
        self.settle();
    }

    /// Room in a socket that was full.
    pub(super) fn make_room(&mut self, id: ConnId, bytes: usize) {
        self.room.insert(id.slot, bytes);
        self.input(id, Input::Writable);
    }

    /// Lets time pass and does what is due on the way.
    pub(super) fn pass(&mut self, time: Nanos) {
        let until = self.now + time;
        loop {
            match self.settle() {
                Step::Sleep(next) if next <= until => self.now = next,
                _ => break,
            }
        }
        self.now = until;
        self.settle();
    }

    /// Polls until nothing is due.
    pub(super) fn settle(&mut self) -> Step {
        for _ in 0..10_000 {
            let step = self.swarm.poll(self.now, &mut self.orders);
            let due = self.orders.list.len();
            assert!(due <= 4, "one due thing: {:?}", self.orders.list);
            self.carry_out();
            if step != Step::Again {
                return step;
            }
        }
        panic!("it is never done")
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self, id: ConnId) -> Vec<u8> {
        self.out.remove(&id.slot).unwrap_or_default()
    }

    /// Orders other than writes since the last time.
    pub(super) fn logged(&mut self) -> Vec<Order> {
        core::mem::take(&mut self.log)
    }

    pub(super) fn faults(&mut self) -> u64 {
        self.swarm.take_snapshot(self.now).counts.faults
    }

    fn carry_out(&mut self) {
        let orders = core::mem::take(&mut self.orders);
        let mut written = Vec::new();
        for order in orders.list {
            if let Order::Write(id, range) = order {
                assert!(!written.contains(&id), "one write per connection and batch");
                written.push(id);
                self.write(id, &orders.bytes[range.start as usize..range.end as usize]);
                continue;
            }
            if let Order::Close(id, _) = order {
                assert!(!written.contains(&id), "a close never races its last write");
                self.swarm.closed(self.now, id, &mut self.orders);
            }
            self.log.push(order);
        }
        if !self.orders.list.is_empty() {
            self.carry_out();
        }
    }

    fn write(&mut self, id: ConnId, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        let room = self.room.get(&id.slot).copied().unwrap_or(usize::MAX);
        let (taken, tail) = bytes.split_at(bytes.len().min(room));
        self.room.entry(id.slot).and_modify(|room| *room -= taken.len());
        self.out.entry(id.slot).or_default().extend_from_slice(taken);
        if !tail.is_empty() {
            self.swarm.unwritten(self.now, id, tail, &mut self.orders);
        }
    }
}
