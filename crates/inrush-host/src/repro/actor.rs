//! One side of a script: its sockets by their numbers in the script, and its calls. It waits for
//! events of the kernel, a few seconds at most.

use crate::sys::limits::{self, Reserve};
use crate::sys::{namespace, path, socket};
use inrush_core::errno::Errno;
use inrush_core::repro::script::{Call, Came, Event, Turn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::channel;
use std::time::Duration;

/// What is an event in this time on this host, or none.
const PATIENCE_MS: u32 = 5_000;
/// Descriptors left to a side before it opens all of them, and threads to its user.
const FEW: u64 = 4;
const FEW_THREADS: u64 = 8;
/// The port of an address that nobody has.
const PORT: u16 = 8_080;
/// Bytes of one read.
const BUFFER: usize = 64 << 10;

/// A side.
#[derive(Debug, Default)]
pub(super) struct Actor {
    /// Where the server listens, once it does.
    pub(super) server: Option<SocketAddr>,
    listener: Option<OwnedFd>,
    sockets: BTreeMap<u8, OwnedFd>,
    /// Numbers of those it has closed.
    closed: BTreeMap<u8, RawFd>,
    hoard: Option<Reserve>,
}

impl Actor {
    /// The socket of this number.
    pub(super) fn socket(&self, connection: u8) -> Option<&OwnedFd> {
        self.sockets.get(&connection)
    }

    /// Makes one call.
    pub(super) fn carry_out(&mut self, turn: &Turn) -> Came {
        let done = |result: Result<(), Errno>| result.map_or_else(Came::Errno, |()| Came::Done);
        let able = |result: Result<(), Errno>| result.map_or_else(Came::Unable, |()| Came::Done);
        let connection = turn.connection;
        match turn.call {
            Call::Socket => done(self.make(connection)),
            Call::Listen(backlog) => done(self.listen(backlog)),
            Call::StopListening => {
                self.listener = None;
                Came::Done
            }
            Call::Connect(patience) => match self.begin(connection) {
                Ok(()) => self.connected(connection, patience),
                Err(errno) => Came::Errno(errno),
            },
            Call::BeginConnect => done(self.begin(connection)),
            Call::FinishConnect(patience) => self.connected(connection, patience),
            Call::ConnectTo(ip) => self.connect_to(connection, ip.into()),
            Call::Accept => done(self.accept(connection)),
            Call::Write(length) => self.write(connection, length),
            Call::Read(length) => self.read(connection, length),
            Call::Reply(patience) => match self.ready(connection, PollFlags::IN, patience) {
                true => Came::Done,
                false => Came::TimedOut,
            },
            Call::ShutdownWrite => {
                self.socket(connection).into_iter().for_each(socket::shutdown_write);
                Came::Done
            }
            Call::Close => self.close(connection),
            Call::Reset => {
                self.socket(connection).into_iter().for_each(socket::set_linger_zero);
                self.close(connection)
            }
            Call::Die => limits::die(),
            Call::Await(event) => self.wait(connection, event),
            Call::GiveUpAfter(ms) => {
                done(self.with(connection, |fd| socket::give_up_after(fd, ms)))
            }
            Call::Lookup(name) => look_up(name),
            Call::Exhaust => done(self.exhaust()),
            Call::Release => match self.hoard.as_mut().is_some_and(Reserve::release_one) {
                true => Came::Done,
                false => Came::Errno(Errno::EBADF),
            },
            Call::Threads(most) => threads(most),
            Call::CutOff => match (self.socket(connection), &self.listener) {
                (Some(fd), _) | (None, Some(fd)) => able(path::cut_off(fd)),
                (None, None) => Came::Errno(Errno::EBADF),
            },
            Call::Forget => match self.sockets.remove(&connection) {
                Some(fd) => able(path::forget(fd)),
                None => Came::Errno(Errno::EBADF),
            },
            Call::Sysctl(..)
            | Call::Prohibit(_)
            | Call::Watch
            | Call::RejectSyn
            | Call::ForgeReset => Came::Unable(Errno::EOPNOTSUPP),
        }
    }

    fn with<T>(
        &self,
        connection: u8,
        act: impl FnOnce(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        act(self.socket(connection).ok_or(Errno::EBADF)?)
    }

    fn make(&mut self, connection: u8) -> Result<(), Errno> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        self.sockets.insert(connection, socket::unconnected(loopback)?);
        Ok(())
    }

    fn listen(&mut self, backlog: u32) -> Result<(), Errno> {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = socket::listen(any_port, backlog).map_err(|(_, errno)| errno)?;
        self.server = socket::local_addr(&listener);
        self.listener = Some(listener);
        Ok(())
    }

    fn begin(&mut self, connection: u8) -> Result<(), Errno> {
        let server = self.server.ok_or(Errno::EINVAL)?;
        if self.socket(connection).is_none() {
            self.make(connection)?;
        }
        self.with(connection, |fd| socket::begin(fd, server))
    }

    fn connected(&self, connection: u8, patience_ms: u32) -> Came {
        if !self.ready(connection, PollFlags::OUT, patience_ms) {
            return Came::TimedOut;
        }
        let error = self.socket(connection).and_then(socket::take_error);
        error.map_or(Came::Done, Came::Errno)
    }

    fn connect_to(&mut self, connection: u8, ip: Ipv4Addr) -> Came {
        let to = SocketAddr::from((ip, PORT));
        let begun = self.make(connection);
        match begun.and_then(|()| self.with(connection, |fd| socket::begin(fd, to))) {
            Ok(()) => self.connected(connection, PATIENCE_MS),
            Err(errno) => {
                // Nothing was sent: there is nothing to look at.
                self.sockets.remove(&connection);
                Came::Errno(errno)
            }
        }
    }

    fn accept(&mut self, connection: u8) -> Result<(), Errno> {
        let listener = self.listener.as_ref().ok_or(Errno::EBADF)?;
        wait_for(listener, PollFlags::IN, PATIENCE_MS);
        let socket = socket::accept(listener)?;
        self.sockets.insert(connection, socket);
        Ok(())
    }

    fn write(&mut self, connection: u8, length: u32) -> Came {
        let result = match self.closed.get(&connection) {
            Some(number) => path::send_to_closed(*number),
            None => self.with(connection, |fd| socket::send(fd, &vec![b'x'; length as usize])),
        };
        result.map_or_else(Came::Errno, |n| Came::Bytes(u32::try_from(n).unwrap_or(u32::MAX)))
    }

    fn read(&mut self, connection: u8, length: u32) -> Came {
        let mut buffer = vec![0; BUFFER.min(length as usize)];
        let result = match self.closed.get(&connection) {
            Some(number) => path::recv_from_closed(*number),
            None if !self.ready(connection, PollFlags::IN, PATIENCE_MS) => return Came::TimedOut,
            None => self.with(connection, |fd| socket::recv(fd, &mut buffer)),
        };
        match result {
            Ok(0) => Came::Eof,
            Ok(n) => Came::Bytes(u32::try_from(n).unwrap_or(u32::MAX)),
            Err(errno) => Came::Errno(errno),
        }
    }

    fn close(&mut self, connection: u8) -> Came {
        match self.sockets.remove(&connection) {
            Some(fd) => {
                self.closed.insert(connection, fd.as_raw_fd());
                Came::Done
            }
            None => Came::Errno(Errno::EBADF),
        }
    }

    fn wait(&self, connection: u8, event: Event) -> Came {
        let wanted = match event {
            Event::Readable => PollFlags::IN,
            Event::Fin => PollFlags::RDHUP,
            // POLLHUP and POLLERR are told unasked.
            Event::Dead => PollFlags::empty(),
        };
        match self.ready(connection, wanted, PATIENCE_MS) {
            true => Came::Done,
            false => Came::TimedOut,
        }
    }

    fn exhaust(&mut self) -> Result<(), Errno> {
        let limit = limits::open_descriptors() + FEW;
        limits::set_nofile(limit)?;
        let room = usize::try_from(limit).unwrap_or(usize::MAX);
        self.hoard = Some(Reserve::hold(room));
        Ok(())
    }

    fn ready(&self, connection: u8, flags: PollFlags, patience_ms: u32) -> bool {
        self.socket(connection).is_some_and(|fd| wait_for(fd, flags, patience_ms))
    }
}

/// Whether it came in time.
pub(super) fn wait_for(fd: impl AsFd, flags: PollFlags, patience_ms: u32) -> bool {
    let patience = Duration::from_millis(patience_ms.into());
    let patience = Timespec::try_from(patience).expect("49 days at most");
    let fd = fd.as_fd();
    poll(&mut [PollFd::new(&fd, flags)], Some(&patience)).is_ok_and(|ready| ready > 0)
}

fn look_up(name: &str) -> Came {
    match crate::resolve::lookup(name, PORT, false, false) {
        Ok(_) => Came::Found,
        Err(error) => Came::NotFound { exhausted: error.out_of_descriptors },
    }
}

/// Starts threads that wait until all of them are told to end.
fn threads(most: u32) -> Came {
    if let Err(errno) = namespace::limit_threads(FEW_THREADS) {
        return Came::Unable(errno);
    }
    let mut ends = Vec::new();
    for _ in 0..most {
        let (end, ended) = channel::<()>();
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        match thread.spawn(move || ended.recv().is_err()) {
            Ok(thread) => ends.push((end, thread)),
            Err(error) => {
                join(ends);
                return Came::Errno(crate::sys::code(&error));
            }
        }
    }
    join(ends);
    // The limit does not hold for this user.
    Came::Unable(Errno::EPERM)
}

fn join(threads: Vec<(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<bool>)>) {
    let (ends, threads): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
    drop(ends);
    for thread in threads {
        // It does nothing that could panic; its answer is of no use.
        let _ = thread.join();
    }
}
