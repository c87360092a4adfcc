//! What the loop needs of a program: the swarms as they are, or a scripted server. The same list as
//! the host's, so that a swarm is driven here as there.

use inrush_core::errno::Errno;
use inrush_core::evidence::Fact;
use inrush_core::snapshot::Snapshot;
use inrush_core::swarm::load::LoadSwarm;
use inrush_core::swarm::serve::ServeSwarm;
use inrush_core::swarm::{Command, ConnId, Input, Orders, Step};
use inrush_core::time::Nanos;

pub(crate) trait Role {
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step;
    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders);
    fn command(&mut self, _now: Nanos, _command: Command, _orders: &mut Orders) {}
    /// Shows a snapshot to `hear` after `patch`, and begins the next one.
    fn emit(&mut self, _now: Nanos, _hear: &mut dyn FnMut(&Snapshot)) {}
    fn urgent(&self) -> bool {
        false
    }
    fn state(&mut self, _facts: Vec<Fact>) {}
    /// For whoever reads a failed test.
    fn told(&self) -> String {
        String::new()
    }
    fn closed(&mut self, _now: Nanos, _id: ConnId, _orders: &mut Orders) {}
    fn accept(&mut self, _now: Nanos, _orders: &mut Orders) -> Option<ConnId> {
        None
    }
    fn accepted(&mut self, _now: Nanos, _left: u64, _orders: &mut Orders) {}
    fn accept_failed(&mut self, _now: Nanos, _errno: Errno, _left: u64, _orders: &mut Orders) {}
}

impl Role for LoadSwarm {
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        Self::poll(self, now, orders)
    }

    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        Self::handle(self, now, id, input, orders);
    }

    fn command(&mut self, now: Nanos, command: Command, _orders: &mut Orders) {
        Self::command(self, now, command);
    }

    fn emit(&mut self, now: Nanos, hear: &mut dyn FnMut(&Snapshot)) {
        hear(self.snapshot(now));
        self.clear();
    }

    fn urgent(&self) -> bool {
        Self::urgent(self)
    }

    fn state(&mut self, facts: Vec<Fact>) {
        self.state_facts(facts);
    }

    fn told(&self) -> String {
        format!("{self:?}")
    }
}

impl Role for ServeSwarm {
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        Self::poll(self, now, orders)
    }

    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        Self::handle(self, now, id, input, orders);
    }

    fn command(&mut self, now: Nanos, command: Command, orders: &mut Orders) {
        Self::command(self, now, command, orders);
    }

    fn emit(&mut self, now: Nanos, hear: &mut dyn FnMut(&Snapshot)) {
        hear(&self.take_snapshot(now));
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
