//! Bytes between the wire and the swarm of connections that speak TLS.

use super::hands::Hands;
use super::role::Role;
use super::{BUFFERS_IN_A_ROW, Loop};
use crate::sys::socket;
use inrush_core::errno::Errno;
use inrush_core::failure::{Op, TlsError};
use inrush_core::swarm::{Close, ConnId, Input};
use rustix::fd::AsFd;

/// What the peer said before our close is read so often, or it would be told of a reset.
const LAST_READS: usize = 4;

impl Hands {
    #[inline]
    pub(super) fn is_secure(&self, id: ConnId) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has(id.slot))
    }

    /// Begins TLS and says the first records. What cannot be said now waits.
    fn secure(&mut self, id: ConnId, target: u16, resume: bool) -> Result<bool, Errno> {
        let begun = self.tls.as_mut().is_some_and(|tls| tls.begin(id.slot, target, resume));
        self.say(id)?;
        Ok(begun)
    }

    /// Says how many of the bytes are out. A part at a time becomes records, and nothing while
    /// records wait here. As long as some do, the last byte is not said to be out: whoever ends a
    /// connection after its last byte must not cut them off.
    pub(super) fn send_secure(&mut self, id: ConnId, bytes: &[u8]) -> Result<usize, Errno> {
        let Some(tls) = &mut self.tls else { return Ok(bytes.len()) };
        if bytes.is_empty() || tls.owes(id.slot) {
            return Ok(0);
        }
        let mut out = usize::from(tls.was_held_back(id.slot));
        while out < bytes.len() {
            let Some(tls) = &mut self.tls else { break };
            let part = bytes.len().min(out + tls.part());
            let written = tls.write(id.slot, &bytes[out..part]);
            self.say(id)?;
            if !written {
                self.worn_out = true;
                break;
            }
            out = part;
            if let Some(tls) = self.tls.as_mut().filter(|tls| tls.owes(id.slot)) {
                tls.hold_back(id.slot);
                return Ok(out - 1);
            }
        }
        Ok(out)
    }

    /// Whether the last write was cut short because its connection may encrypt no more.
    pub(super) fn was_worn_out(&mut self) -> bool {
        std::mem::take(&mut self.worn_out)
    }

    /// Sends the records that were just made.
    fn say(&mut self, id: ConnId) -> Result<(), Errno> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let sent = match self.socket(id) {
            _ if tls.out.is_empty() => return Ok(()),
            Some(fd) if !tls.owes(id.slot) => taken(socket::send(fd.as_fd(), &tls.out)),
            _ => Ok(0),
        };
        if let Some(tls) = &mut self.tls {
            tls.sent(id.slot, *sent.as_ref().unwrap_or(&usize::MAX));
        }
        sent.map(drop)
    }

    /// Whether records of this connection wait for room.
    #[inline]
    pub(super) fn owes(&self, id: ConnId) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.owes(id.slot))
    }

    /// There is room: sends what waits.
    fn pay(&mut self, id: ConnId) -> Result<(), Errno> {
        let (Some(tls), Some(fd)) = (&self.tls, self.socket(id)) else { return Ok(()) };
        let sent = taken(socket::send(fd.as_fd(), tls.owed(id.slot)));
        if let Some(tls) = &mut self.tls {
            tls.paid(id.slot, *sent.as_ref().unwrap_or(&usize::MAX));
        }
        sent.map(drop)
    }

    /// Says close_notify, and reads what lies there: a close with unread bytes (tickets come
    /// unasked) would reset the connection.
    pub(super) fn close_secure(&mut self, id: ConnId, how: Close) {
        if how != Close::Rst {
            if let Some(tls) = &mut self.tls {
                tls.notify(id.slot);
            }
            // It ends either way: whether this was taken changes nothing.
            let _ = self.say(id);
        }
        if how == Close::Fin {
            let mut waste = [0; 16 << 10];
            for _ in 0..LAST_READS {
                if !matches!(self.recv(id, &mut waste), Some(Ok(1..))) {
                    break;
                }
            }
        }
        if how != Close::Half
            && let Some(tls) = &mut self.tls
        {
            tls.end(id.slot);
        }
    }
}

impl<R: Role> Loop<R> {
    /// Begins TLS on a connection.
    pub(super) fn secure(&mut self, id: ConnId, target: u16, resume: bool) {
        match self.hands.secure(id, target, resume) {
            Ok(true) => {}
            Ok(false) => self.input(id, Input::Tls(TlsError::Incompatible, &[])),
            Err(errno) => self.input(id, Input::Failed(Op::Write, errno)),
        }
    }

    /// There is room to write: records come before what the swarm has to say.
    pub(super) fn pay(&mut self, id: ConnId) {
        if let Err(errno) = self.hands.pay(id) {
            self.input(id, Input::Failed(Op::Write, errno));
            self.carry_out();
        }
    }

    /// As `read`, through TLS.
    pub(super) fn read_secure(&mut self, id: ConnId, last: bool) {
        for _ in 0..BUFFERS_IN_A_ROW {
            if !self.read_secure_once(id, usize::MAX, last, Self::carry_out) {
                return;
            }
        }
        self.ready.push(id);
    }

    /// Reads at most so many bytes, once, and settles what each input leads to. Says whether there
    /// may be more.
    pub(super) fn read_secure_once(
        &mut self,
        id: ConnId,
        most: usize,
        last: bool,
        settle: fn(&mut Self),
    ) -> bool {
        let left = self.hands.tls.as_ref().map_or(0, |t| t.put_left(id.slot, &mut self.buffer));
        let room = (self.buffer.len() - left).min(most);
        let Some(got) = self.hands.recv(id, &mut self.buffer[left..left + room]) else {
            return false;
        };
        let input = match got {
            Ok(0) => Input::Eof,
            Ok(n) => {
                self.take_in(id, left, n, settle);
                return self.hands.is_secure(id) && (n == room || last);
            }
            Err(Errno::EAGAIN) => return false,
            Err(errno) => Input::Failed(Op::Read, errno),
        };
        self.input(id, input);
        settle(self);
        false
    }

    /// `n` bytes came behind what was left: what they mean, in order.
    fn take_in(&mut self, id: ConnId, left: usize, n: usize, settle: fn(&mut Self)) {
        self.input(id, Input::Wire(u32::try_from(n).unwrap_or(u32::MAX)));
        let room = self.buffer.len();
        let Some(tls) = &mut self.hands.tls else { return };
        let meaning = tls.read(id.slot, &mut self.buffer[..left + n], room);
        let mut unsaid = self.hands.say(id).err();
        if let Some(resumed) = meaning.secured {
            // Without our last message the peer has not shaken hands.
            match unsaid {
                None => self.input(id, Input::Secured { resumed }),
                Some(_) if meaning.failed.is_some() => {}
                Some(errno) => {
                    unsaid = None;
                    self.input(id, Input::Failed(Op::Write, errno));
                }
            }
            settle(self);
        }
        if !meaning.plain.is_empty() {
            self.input(id, Input::Bytes(&meaning.plain));
            settle(self);
        }
        if let Some(tls) = &mut self.hands.tls {
            tls.give_back(meaning.plain);
        }
        if meaning.notified {
            self.input(id, Input::Notified);
            settle(self);
        }
        if let Some((error, words)) = meaning.failed {
            self.input(id, Input::Tls(error, &words));
        } else if let Some(errno) = unsaid {
            self.input(id, Input::Failed(Op::Write, errno));
        }
        settle(self);
    }
}

/// A full socket takes nothing.
fn taken(sent: Result<usize, Errno>) -> Result<usize, Errno> {
    match sent {
        Err(Errno::EAGAIN) => Ok(0),
        other => other,
    }
}

#[cfg(test)]
mod tests;
