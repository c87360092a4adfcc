//! Servers written against `std::net` alone, so that the program is not judged by itself. Each
//! connection gets a thread; what a thread waits for ends when its server is dropped.

use rustix::net::sockopt::{set_socket_linger, set_socket_reuseaddr};
use rustix::net::{self, AddressFamily, Shutdown, SocketFlags, SocketType};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A listening server; its threads end when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    listener: Arc<TcpListener>,
    accepted: Arc<AtomicUsize>,
    stop: Arc<Stop>,
    accepting: Option<JoinHandle<()>>,
}

/// One connection a server has accepted.
pub(crate) struct Guest {
    pub(crate) stream: TcpStream,
    /// From 0, in the order of accept().
    pub(crate) index: usize,
    /// When it was accepted.
    since: Instant,
    stop: Arc<Stop>,
}

/// Set once, when the server ends.
#[derive(Default)]
struct Stop {
    over: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Returns when the server ends, or after this long.
    fn wait(&self, at_most: Duration) -> bool {
        let over = self.over.lock().expect("nobody panics with it");
        *self.changed.wait_timeout_while(over, at_most, |over| !*over).expect("as above").0
    }
}

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3_600);

impl Server {
    /// On a free port of 127.0.0.1, with a long queue.
    pub(crate) fn start(each: impl Fn(Guest) + Send + Sync + 'static) -> Self {
        Self::on(listen(4_096), None, each)
    }

    /// The same, but only those that speak are numbered: a probe connect says nothing, and must not
    /// take the place of a connection of the run.
    pub(crate) fn of_speakers(each: impl Fn(Guest) + Send + Sync + 'static) -> Self {
        let speakers = AtomicUsize::new(0);
        Self::start(move |mut guest| {
            if guest.await_unread() {
                guest.index = speakers.fetch_add(1, Ordering::SeqCst);
                each(guest);
            }
        })
    }

    /// On a listener; between two accepts it pauses this long.
    pub(crate) fn on(
        listener: TcpListener,
        pause: Option<Duration>,
        each: impl Fn(Guest) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let (listener, accepted) = (Arc::new(listener), Arc::new(AtomicUsize::new(0)));
        let (stop, each) = (Arc::new(Stop::default()), Arc::new(each));
        let ours = (Arc::clone(&listener), Arc::clone(&accepted), Arc::clone(&stop));
        let accepting = std::thread::spawn(move || {
            let (listener, accepted, stop) = ours;
            while let Ok((stream, _)) = listener.accept() {
                let index = accepted.fetch_add(1, Ordering::SeqCst);
                let since = Instant::now();
                let guest = Guest { stream, index, since, stop: Arc::clone(&stop) };
                let each = Arc::clone(&each);
                std::thread::spawn(move || each(guest));
                if pause.is_some_and(|pause| stop.wait(pause)) {
                    return;
                }
            }
        });
        Self { address, listener, accepted, stop, accepting: Some(accepting) }
    }

    /// Connections it has accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst) as u64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.stop.over.lock().expect("nobody panics with it") = true;
        self.stop.changed.notify_all();
        // accept() in the other thread ends with EINVAL.
        let _ = net::shutdown(&*self.listener, Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Guest {
    /// Waits; true when the server ends first.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        self.stop.wait(time)
    }

    /// Keeps the connection and never touches it, until the server ends.
    pub(crate) fn hold(self) {
        self.stop.wait(FOREVER);
    }

    /// Reads a request to its empty line; false when the peer ended before.
    pub(crate) fn read_request(&mut self) -> bool {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => seen.push(byte[0]),
                _ => return false,
            }
        }
        true
    }

    /// Waits until this long after it was accepted.
    pub(crate) fn sleep_until_age(&self, age: Duration) {
        self.stop.wait((self.since + age).saturating_duration_since(Instant::now()));
    }

    /// Waits until something lies unread in the receive queue; false when the peer ends instead.
    pub(crate) fn await_unread(&self) -> bool {
        self.stream.peek(&mut [0]).is_ok_and(|count| count > 0)
    }

    /// Says something; a peer that is gone does not matter.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// RST: nothing that was sent is awaited (SO_LINGER 0, FAILURES row 5b).
    pub(crate) fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("it is a socket");
    }

    /// FIN, once everything the peer has sent so far is read.
    pub(crate) fn close(self) {}

    /// Reads and forgets until the peer ends.
    pub(crate) fn drain(&mut self) {
        let mut buffer = [0; 4_096];
        while matches!(self.stream.read(&mut buffer), Ok(1..)) {}
    }

    /// Sends everything back until the peer ends, at most `messages` of `length` bytes.
    pub(crate) fn echo(&mut self, messages: usize, length: usize) {
        let mut message = vec![0; length];
        for _ in 0..messages {
            let whole = self.stream.read_exact(&mut message).is_ok();
            if !whole || !self.say(&message) {
                return;
            }
        }
    }

    /// An orderly WebSocket that echoes until the peer closes it.
    pub(crate) fn web_socket(self) {
        let Ok(mut socket) = tungstenite::accept(self.stream) else { return };
        while let Ok(message) = socket.read() {
            let spoken = message.is_text() || message.is_binary();
            if spoken && socket.send(message).is_err() {
                return;
            }
        }
    }

    /// Only the opening hand-shake; what follows is up to the caller.
    pub(crate) fn upgrade(self) -> Option<Self> {
        let ours = self.stream.try_clone().ok()?;
        tungstenite::accept(self.stream).ok()?;
        Some(Self { stream: ours, ..self })
    }
}

/// A listener on a free port of 127.0.0.1 whose queue takes `backlog` connections and one more.
pub(crate) fn listen(backlog: i32) -> TcpListener {
    listen_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), backlog)
}

/// The same on an address.
pub(crate) fn listen_at(address: SocketAddrV4, backlog: i32) -> TcpListener {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = net::socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("a descriptor");
    set_socket_reuseaddr(&socket, true).expect("it is a socket");
    net::bind(&socket, &address).expect("the port is free");
    net::listen(&socket, backlog).expect("it is bound");
    socket.into()
}

/// A port of the ephemeral range where nobody listens, on an address of 127/8 that belongs to the
/// caller alone, so that no other test can be given the port meanwhile. It is even: those are what
/// connect() draws first, so that connections may meet themselves.
pub(crate) fn closed(last: u8) -> SocketAddrV4 {
    let host = Ipv4Addr::new(127, 77, 0, last);
    let listener = listen_at(SocketAddrV4::new(host, 0), 1);
    let port = listener.local_addr().expect("it is bound").port();
    SocketAddrV4::new(host, port & !1)
}
