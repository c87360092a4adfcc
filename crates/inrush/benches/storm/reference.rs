//! The yardstick: the least that a WebSocket client can do on epoll. It upgrades, checks nothing,
//! keeps no statistics and closes in order: Close frame, await the answer, close().

use crate::child::Result;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

/// As many as `inrush run -r max` has opening at once.
const AT_ONCE: usize = 512;
/// A text frame with 20 bytes of payload, masked with 0x01010101.
const ECHO: [u8; 26] = *b"\x81\x94\x01\x01\x01\x01abcdefghijklmnopqrst";
/// What comes back for it: the same without the mask.
const ECHOED: u32 = 22;
/// Close 1000, masked with zeroes.
const CLOSE: [u8; 8] = *b"\x88\x82\x00\x00\x00\x00\x03\xe8";
/// A client that nobody answers gives up after this.
const STUCK: Duration = Duration::from_secs(30);

/// What the reference is to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The server.
    pub(crate) to: SocketAddrV4,
    /// Source addresses, taken in turn.
    pub(crate) sources: Vec<Ipv4Addr>,
    /// Connections.
    pub(crate) connections: usize,
    /// The upgrade request, byte for byte.
    pub(crate) request: Vec<u8>,
    /// How long to hold after the last upgrade.
    pub(crate) hold: Duration,
    /// Whether to send in a closed loop from the upgrade to the end of the hold.
    pub(crate) echo: bool,
}

/// What it did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// From the first connect() to the last 101.
    pub(crate) open_seconds: f64,
    /// Echoes received.
    pub(crate) echoes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Upgrading,
    Open,
    Closing,
}

struct Conn {
    fd: Option<OwnedFd>,
    state: State,
    /// Bytes of the echo that are still to come; 0 when nothing is under way.
    due: u32,
}

struct Client {
    task: Task,
    epoll: OwnedFd,
    conns: Vec<Conn>,
    events: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    opening: usize,
    open: usize,
    closed: usize,
    /// Connections with an echo under way.
    busy: usize,
    echoes: u64,
    echoing: bool,
}

/// Opens all, holds, closes all.
pub(crate) fn run(task: Task) -> Result<Done> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| format!("epoll: {e}"))?;
    let mut client = Client {
        epoll,
        conns: Vec::with_capacity(task.connections),
        events: Vec::with_capacity(AT_ONCE),
        buffer: vec![0; 65_536].into_boxed_slice(),
        opening: 0,
        open: 0,
        closed: 0,
        busy: 0,
        echoes: 0,
        echoing: task.echo,
        task,
    };
    let begin = Instant::now();
    client.open_all()?;
    let open_seconds = begin.elapsed().as_secs_f64();
    client.hold()?;
    client.close_all()?;
    Ok(Done { open_seconds, echoes: client.echoes })
}

impl Client {
    fn open_all(&mut self) -> Result<()> {
        while self.open < self.task.connections {
            while self.opening < AT_ONCE && self.conns.len() < self.task.connections {
                self.connect().map_err(|e| format!("connect: {e}"))?;
            }
            self.turn(STUCK, true)?;
        }
        Ok(())
    }

    fn hold(&mut self) -> Result<()> {
        let until = Instant::now() + self.task.hold;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            self.turn(rest, false)?;
        }
        self.echoing = false;
        while self.busy > 0 {
            self.turn(STUCK, true)?;
        }
        Ok(())
    }

    fn close_all(&mut self) -> Result<()> {
        let mut next = 0;
        while self.closed < self.conns.len() {
            while next < self.conns.len() && next < self.closed + AT_ONCE {
                self.conns[next].state = State::Closing;
                self.send(next, &CLOSE)?;
                next += 1;
            }
            self.turn(STUCK, true)?;
        }
        Ok(())
    }

    fn connect(&mut self) -> rustix::io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        let id = self.conns.len();
        if !self.task.sources.is_empty() {
            let source = self.task.sources[id % self.task.sources.len()];
            setsockopt(&fd, IpBindAddressNoPort, &true)
                .map_err(|e| Errno::from_raw_os_error(e as i32))?;
            net::bind(&fd, &SocketAddrV4::new(source, 0))?;
        }
        match net::connect(&fd, &self.task.to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(e) => return Err(e),
        }
        use epoll::EventFlags as F;
        let data = epoll::EventData::new_u64(id as u64);
        epoll::add(&self.epoll, &fd, data, F::IN | F::OUT | F::RDHUP | F::ET)?;
        self.conns.push(Conn { fd: Some(fd), state: State::Connecting, due: 0 });
        self.opening += 1;
        Ok(())
    }

    /// Waits once and serves what came. `must` makes silence an error.
    fn turn(&mut self, limit: Duration, must: bool) -> Result<()> {
        use epoll::EventFlags as F;
        let limit = Timespec::try_from(limit).map_err(|e| e.to_string())?;
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit)) {
            Ok(0) if must => return Err(format!("no event for {STUCK:?}")),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(format!("epoll_wait: {e}")),
        }
        for event in &events {
            let flags = event.flags;
            let id = usize::try_from(event.data.u64()).expect("it was an index");
            if flags.contains(F::OUT) && self.conns[id].state == State::Connecting {
                self.conns[id].state = State::Upgrading;
                let request = std::mem::take(&mut self.task.request);
                self.send(id, &request)?;
                self.task.request = request;
            }
            if flags.intersects(F::IN | F::RDHUP | F::HUP | F::ERR) {
                self.readable(id)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn readable(&mut self, id: usize) -> Result<()> {
        let Some(fd) = &self.conns[id].fd else { return Ok(()) };
        let got = match net::recv(fd, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((got, _)) => got,
            Err(Errno::AGAIN) => return Ok(()),
            Err(e) => return Err(format!("connection {id}: {e}")),
        };
        match self.conns[id].state {
            State::Closing => {
                self.conns[id].fd = None;
                self.closed += 1;
            }
            _ if got == 0 => return Err(format!("connection {id} ended before we closed it")),
            State::Connecting | State::Upgrading => {
                self.conns[id].state = State::Open;
                self.opening -= 1;
                self.open += 1;
                if self.echoing {
                    self.busy += 1;
                    self.send_echo(id)?;
                }
            }
            State::Open => {
                let got = u32::try_from(got).expect("a buffer is smaller");
                let due = self.conns[id].due.checked_sub(got);
                let due = due.ok_or_else(|| format!("connection {id}: more than was sent"))?;
                self.conns[id].due = due;
                if due == 0 {
                    self.echoes += 1;
                    if self.echoing {
                        self.send_echo(id)?;
                    } else {
                        self.busy -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn send_echo(&mut self, id: usize) -> Result<()> {
        self.conns[id].due = ECHOED;
        self.send(id, &ECHO)
    }

    fn send(&self, id: usize, bytes: &[u8]) -> Result<()> {
        let Some(fd) = &self.conns[id].fd else { return Ok(()) };
        match net::send(fd, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(sent) => Err(format!("connection {id}: only {sent} of {} bytes", bytes.len())),
            Err(e) => Err(format!("connection {id}: {e}")),
        }
    }
}
