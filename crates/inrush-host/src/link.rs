//! One end of a channel between captain and worker: framed messages over a socket pair. It never
//! blocks unless asked to, and never holds more than one message limit in each direction.

use inrush_core::dispatch::{LIMIT, Malformed};
use inrush_core::errno::Errno;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno as Code;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socketpair};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// One end.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    inbox: Vec<u8>,
    taken: usize,
    outbox: Vec<u8>,
}

/// Why a link is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The other side is gone.
    Ended,
    /// It speaks something else.
    Malformed(Malformed),
    /// The kernel says so.
    Errno(Errno),
}

/// Both ends of a fresh link, close-on-exec and non-blocking.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(crate::sys::errno)
}

impl Link {
    /// Speaks over this socket.
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd, inbox: Vec::new(), taken: 0, outbox: Vec::new() }
    }

    /// Whether everything was handed to the kernel.
    pub fn drained(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Queues what `encode` appends and writes what the kernel takes.
    pub fn send(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), Broken> {
        encode(&mut self.outbox);
        self.flush()
    }

    /// Writes what the kernel takes.
    pub fn flush(&mut self) -> Result<(), Broken> {
        let mut written = 0;
        let result = loop {
            if written == self.outbox.len() {
                break Ok(());
            }
            match send(&self.fd, &self.outbox[written..], SendFlags::NOSIGNAL) {
                Ok(n) => written += n,
                Err(Code::AGAIN) => break Ok(()),
                Err(Code::INTR) => {}
                Err(Code::PIPE | Code::CONNRESET) => break Err(Broken::Ended),
                Err(code) => break Err(Broken::Errno(crate::sys::errno(code))),
            }
        };
        self.outbox.drain(..written);
        result
    }

    /// Waits until everything is written.
    pub fn flush_all(&mut self) -> Result<(), Broken> {
        loop {
            self.flush()?;
            if self.outbox.is_empty() {
                return Ok(());
            }
            self.wait(PollFlags::OUT);
        }
    }

    /// The next whole message, if it is here.
    pub fn receive<M>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<Option<(M, usize)>, Malformed>,
    ) -> Result<Option<M>, Broken> {
        loop {
            match decode(&self.inbox[self.taken..]).map_err(Broken::Malformed)? {
                Some((message, length)) => {
                    self.taken += length;
                    if self.taken == self.inbox.len() {
                        self.inbox.clear();
                        self.taken = 0;
                    }
                    return Ok(Some(message));
                }
                None if !self.read_more()? => return Ok(None),
                None => {}
            }
        }
    }

    /// The next message, waited for.
    pub fn receive_waiting<M>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<Option<(M, usize)>, Malformed>,
    ) -> Result<M, Broken> {
        loop {
            if let Some(message) = self.receive(&decode)? {
                return Ok(message);
            }
            self.wait(PollFlags::IN);
        }
    }

    fn wait(&self, flags: PollFlags) {
        // An interrupted or failed wait is met by the next read or write.
        let _ = poll(&mut [PollFd::new(&self.fd, flags)], None);
    }

    fn read_more(&mut self) -> Result<bool, Broken> {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        if self.inbox.len() > LIMIT + CHUNK {
            return Err(Broken::Malformed(Malformed::TooLong));
        }
        let from = self.inbox.len();
        self.inbox.resize(from + CHUNK, 0);
        let got = recv(&self.fd, &mut self.inbox[from..], RecvFlags::empty());
        let taken = got.as_ref().map_or(0, |(_, n)| *n);
        self.inbox.truncate(from + taken);
        match got {
            Ok((_, 0)) => Err(Broken::Ended),
            Ok(_) => Ok(true),
            Err(Code::AGAIN | Code::INTR) => Ok(false),
            Err(Code::CONNRESET) => Err(Broken::Ended),
            Err(code) => Err(Broken::Errno(crate::sys::errno(code))),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inrush_core::dispatch::{ToWorker, decode_to_worker, encode_to_worker};

    #[test]
    fn messages_arrive_whole_and_the_end_is_noticed() {
        let (a, b) = pair().unwrap();
        let (mut captain, mut worker) = (Link::new(a), Link::new(b));
        captain.send(|out| encode_to_worker(&ToWorker::Begin(7), out)).unwrap();
        assert_eq!(worker.receive(decode_to_worker), Ok(Some(ToWorker::Begin(7))));
        assert_eq!(worker.receive(decode_to_worker), Ok(None));
        drop(captain);
        assert_eq!(worker.receive(decode_to_worker), Err(Broken::Ended));
    }
}
