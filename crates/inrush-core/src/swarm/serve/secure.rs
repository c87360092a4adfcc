//! TLS of one accepted connection: begun after its accept, and everything else waits for it.

use super::ServeSwarm;
use super::conn::{Ending, NO_TARGET, State};
use crate::failure::{Op, Outcome, TlsError};
use crate::fault::Kind;
use crate::swarm::{Close, Order, Orders};
use crate::time::Nanos;

impl ServeSwarm {
    /// Waits for the peer's first message, or lets it wait for ours.
    pub(super) fn secure(&mut self, slot: u32, orders: &mut Orders) {
        self.conn(slot).state = State::Securing;
        let id = self.id(slot);
        if self.fault(slot, |kind| matches!(kind, Kind::StallTls)).is_some() {
            self.commit();
        } else {
            orders.push(Order::Secure { id, target: NO_TARGET, resume: true });
        }
    }

    /// The fault refuse-tls: whatever the client hello offers, no version of it is spoken here.
    pub(super) fn speaks_no_tls(&mut self, now: Nanos, slot: u32, orders: &mut Orders) -> bool {
        let conn = *self.conn(slot);
        let fresh = conn.faults != 0 && conn.state == State::Fresh;
        if !fresh || self.fault(slot, |kind| matches!(kind, Kind::RefuseTls)).is_none() {
            return false;
        }
        self.commit();
        self.conn(slot).state = State::Mute;
        // RFC 8446 §6: a fatal alert (2), protocol_version (70), in a record of its own.
        self.say(now, slot, orders, |out| out.extend_from_slice(&[0x15, 3, 3, 0, 2, 2, 70]));
        self.end(now, slot, Ending::Half);
        true
    }

    /// Hands are shaken.
    pub(super) fn secured(&mut self, now: Nanos, slot: u32, resumed: bool, orders: &mut Orders) {
        if self.conn(slot).state != State::Securing {
            return;
        }
        self.counts.tls_resumed += u64::from(resumed);
        self.counts.tls_full += u64::from(!resumed);
        self.conn(slot).state = State::Fresh;
        self.welcome(now, slot, orders);
    }

    /// TLS ended it: the peer has been told by an alert, where there is one for it.
    pub(super) fn refused_tls(
        &mut self,
        now: Nanos,
        slot: u32,
        error: TlsError,
        orders: &mut Orders,
    ) {
        self.failed(now, slot, Op::Decode, Outcome::Tls(error));
        self.close(slot, Close::Fin, orders);
    }
}
