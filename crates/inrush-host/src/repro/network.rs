//! What lies between the two sides, and the settings of their namespace.

use super::actor::wait_for;
use crate::sys::namespace;
use crate::sys::path::{Segment, Watcher};
use inrush_core::errno::Errno;
use inrush_core::repro::script::{Call, Came};
use rustix::event::PollFlags;
use std::net::SocketAddr;

/// What a segment on this host takes at most.
const PATIENCE_MS: u32 = 2_000;

/// The network.
#[derive(Debug, Default)]
pub(super) struct Network {
    watcher: Option<Watcher>,
}

impl Network {
    /// Does one thing.
    pub(super) fn carry_out(&mut self, call: Call, server: Option<SocketAddr>) -> Came {
        let result = match call {
            Call::Sysctl(name, value) => namespace::sysctl(name, value),
            Call::Prohibit(ip) => namespace::prohibit(ip.into()),
            Call::Watch => Watcher::open().map(|watcher| self.watcher = Some(watcher)),
            Call::RejectSyn => self.answer(server, |watcher, syn| watcher.reject(syn)),
            Call::ForgeReset => self.answer(server, |watcher, data| watcher.reset(data)),
            _ => Err(Errno::EOPNOTSUPP),
        };
        result.map_or_else(Came::Unable, |()| Came::Done)
    }

    fn answer(
        &self,
        server: Option<SocketAddr>,
        act: impl FnOnce(&Watcher, &Segment) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let watcher = self.watcher.as_ref().ok_or(Errno::EINVAL)?;
        let server = server.ok_or(Errno::EINVAL)?;
        wait_for(watcher.as_fd(), PollFlags::IN, PATIENCE_MS);
        act(watcher, &watcher.seen(server).ok_or(Errno::ETIMEDOUT)?)
    }
}
