//! What lies between two sockets, and what a kernel forgets: FAILURES rows 11 and 21.

use super::kernel::{Event, Kernel, Kind, Segment};
use super::socket::{Owner, SockId};
use inrush_core::errno::Errno;
use inrush_core::time::Nanos;

impl Kernel {
    /// From here on nothing that goes to this socket arrives.
    pub(crate) fn cut_off(&mut self, id: SockId) {
        self.socks[id].cut_off = true;
    }

    /// TCP_USER_TIMEOUT.
    pub(crate) fn give_up_after(&mut self, id: SockId, patience: Nanos) {
        self.socks[id].gives_up = Some(patience);
    }

    /// The kernel has no such connection any more, and says nothing (21c).
    pub(crate) fn lose(&mut self, id: SockId) {
        self.socks[id].owner = Owner::Nobody;
        self.forget(id);
    }

    /// ICMP "port unreachable" answers the SYN: no segment came in (11).
    pub(crate) fn reject(&mut self, id: SockId) {
        self.counters.icmp_unreachables += 1;
        self.socks[id].error = Some(Errno::ECONNREFUSED);
        self.forget(id);
        self.wake(id);
    }

    /// A RST in the name of the other side, which did not send it (21, forgetful).
    pub(crate) fn forge_reset(&mut self, id: SockId) {
        let (to, from) = (self.socks[id].local, self.socks[id].remote);
        let segment = Segment { from, to, cookie: false, kind: Kind::Rst };
        self.plan(self.now, Event::Arrive(segment));
    }
}
