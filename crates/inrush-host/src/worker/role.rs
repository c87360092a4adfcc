//! What the loop needs of a swarm. Both roles run on the same loop; only a server accepts.

use inrush_core::dispatch::encode_snapshot;
use inrush_core::errno::Errno;
use inrush_core::evidence::Fact;
use inrush_core::snapshot::Snapshot;
use inrush_core::swarm::load::LoadSwarm;
use inrush_core::swarm::serve::ServeSwarm;
use inrush_core::swarm::{Command, ConnId, Input, Orders, Step};
use inrush_core::time::Nanos;

/// A swarm as the loop sees it.
pub(super) trait Role {
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step;
    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders);
    /// Whether news that it can be written to mean anything to it.
    fn wants_room(&self, id: ConnId) -> bool;
    fn command(&mut self, now: Nanos, command: Command, orders: &mut Orders);
    /// Encodes a snapshot into `out` after `patch` has filled in what only the loop knows.
    fn emit(
        &mut self,
        now: Nanos,
        last: bool,
        out: &mut Vec<u8>,
        patch: &mut dyn FnMut(&mut Snapshot),
    );

    fn urgent(&self) -> bool {
        false
    }
    /// Facts that only the worker can read go into its next snapshot.
    fn state(&mut self, _facts: Vec<Fact>) {}
    fn closed(&mut self, _now: Nanos, _id: ConnId, _orders: &mut Orders) {}
    fn accept(&mut self, _now: Nanos, _orders: &mut Orders) -> Option<ConnId> {
        None
    }
    fn accepted(&mut self, _now: Nanos, _left: u64, _orders: &mut Orders) {}
    fn accept_failed(&mut self, _now: Nanos, _errno: Errno, _left: u64, _orders: &mut Orders) {}
}

impl Role for LoadSwarm {
    #[inline]
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        Self::poll(self, now, orders)
    }

    #[inline]
    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        Self::handle(self, now, id, input, orders);
    }

    #[inline]
    fn wants_room(&self, id: ConnId) -> bool {
        Self::wants_room(self, id)
    }

    fn command(&mut self, now: Nanos, command: Command, _orders: &mut Orders) {
        Self::command(self, now, command);
    }

    fn emit(
        &mut self,
        now: Nanos,
        last: bool,
        out: &mut Vec<u8>,
        patch: &mut dyn FnMut(&mut Snapshot),
    ) {
        let snapshot = self.snapshot(now);
        patch(snapshot);
        encode_snapshot(snapshot, last, out);
        self.clear();
    }

    fn urgent(&self) -> bool {
        Self::urgent(self)
    }

    fn state(&mut self, facts: Vec<Fact>) {
        self.state_facts(facts);
    }
}

impl Role for ServeSwarm {
    #[inline]
    fn wants_room(&self, id: ConnId) -> bool {
        Self::wants_room(self, id)
    }

    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        Self::poll(self, now, orders)
    }

    #[inline]
    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        match input {
            Input::Unwritten(tail) => self.unwritten(now, id, tail, orders),
            other => Self::handle(self, now, id, other, orders),
        }
    }

    fn command(&mut self, now: Nanos, command: Command, orders: &mut Orders) {
        Self::command(self, now, command, orders);
    }

    fn emit(
        &mut self,
        now: Nanos,
        last: bool,
        out: &mut Vec<u8>,
        patch: &mut dyn FnMut(&mut Snapshot),
    ) {
        let mut snapshot = self.take_snapshot(now);
        patch(&mut snapshot);
        encode_snapshot(&snapshot, last, out);
    }

    fn closed(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        Self::closed(self, now, id, orders);
    }

    fn accept(&mut self, now: Nanos, orders: &mut Orders) -> Option<ConnId> {
        Self::accept(self, now, orders)
    }

    fn accepted(&mut self, now: Nanos, left: u64, orders: &mut Orders) {
        Self::accepted(self, now, left, orders);
    }

    fn accept_failed(&mut self, now: Nanos, errno: Errno, left: u64, orders: &mut Orders) {
        Self::accept_failed(self, now, errno, left, orders);
    }
}
