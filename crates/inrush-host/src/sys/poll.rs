//! Readiness and precise wake-ups: epoll, waited for with nanoseconds. Each descriptor is
//! registered once and carries the caller's token.
#![allow(unsafe_code, reason = "epoll_wait for kernels and sandboxes without epoll_pwait2")]

use super::errno;
use inrush_core::errno::Errno;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags as Flags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno as Code;

/// Events taken at once: 64 cost the same as 512 and keep the time between two looks short.
const BATCH: usize = 64;

/// One readiness queue. One descriptor.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
    /// epoll_pwait2 is missing (Linux < 5.11) or forbidden (old seccomp profiles).
    coarse: bool,
}

/// What one event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token of its descriptor.
    pub token: u64,
    /// Reading gives something: bytes, the end, or the error.
    pub read: bool,
    /// It can be written to; never together with an error.
    pub write: bool,
    /// Its end or its error has come: read on to 0 or the error, even after a short read.
    pub last: bool,
}

impl Poller {
    /// An empty queue.
    pub fn new() -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(errno)?;
        Ok(Self { epoll, events: Vec::with_capacity(BATCH), coarse: false })
    }

    /// An empty queue that never calls epoll_pwait2.
    pub fn with_fallback() -> Result<Self, Errno> {
        Ok(Self { coarse: true, ..Self::new()? })
    }

    /// Watches a connection for everything, edge-triggered: each change is told once.
    #[inline]
    pub fn add(&self, fd: impl AsFd, token: u64) -> Result<(), Errno> {
        self.register(fd, token, Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET)
    }

    /// Watches a listening socket that other processes watch, too: each connection wakes one.
    pub fn add_listener(&self, fd: impl AsFd, token: u64) -> Result<(), Errno> {
        self.register(fd, token, Flags::IN | Flags::EXCLUSIVE)
    }

    /// Watches something that is read seldom: told again and again until it was read.
    pub fn add_level(&self, fd: impl AsFd, token: u64) -> Result<(), Errno> {
        self.register(fd, token, Flags::IN)
    }

    /// Watches it no more. Closing a descriptor that was not duplicated does the same.
    pub fn remove(&self, fd: impl AsFd) -> Result<(), Errno> {
        epoll::delete(&self.epoll, fd).map_err(errno)
    }

    /// Waits at most so many nanoseconds, `None` = for ever, and says how many events there are:
    /// at most 64. A signal ends the wait with 0.
    pub fn wait(&mut self, timeout: Option<u64>) -> usize {
        let timeout = timeout.map(timespec);
        if !self.coarse {
            self.events.clear();
            let space = spare_capacity(&mut self.events);
            match epoll::wait(&self.epoll, space, timeout.as_ref()) {
                Err(Code::NOSYS | Code::PERM) => self.coarse = true,
                // EINTR alone is left: the queue and the buffer are ours and alive.
                Err(_) => return 0,
                Ok(_) => return self.events.len(),
            }
        }
        self.wait_coarse(timeout.as_ref())
    }

    /// The event number `i` of the last wait.
    #[inline]
    pub fn ready(&self, i: usize) -> Ready {
        let Event { flags, data, .. } = self.events[i];
        let last = flags.intersects(Flags::RDHUP | Flags::ERR | Flags::HUP);
        Ready {
            token: data.u64(),
            read: last || flags.contains(Flags::IN),
            write: flags.contains(Flags::OUT) && !flags.intersects(Flags::ERR | Flags::HUP),
            last,
        }
    }

    #[inline]
    fn register(&self, fd: impl AsFd, token: u64, flags: Flags) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token), flags).map_err(errno)
    }

    /// ppoll waits on the queue itself, with nanoseconds; epoll_wait, which counts milliseconds,
    /// then only collects. No timer is needed, so no descriptor and no token of our own.
    fn wait_coarse(&mut self, timeout: Option<&Timespec>) -> usize {
        self.events.clear();
        let mut queue = [PollFd::new(&self.epoll, PollFlags::IN)];
        if !matches!(poll(&mut queue, timeout), Ok(n) if n > 0) {
            return 0;
        }
        let mut raw = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let space = i32::try_from(BATCH).expect("64");
        // SAFETY: the descriptor is open as long as `self` lives, and the kernel writes at most
        // BATCH events to `raw`, which has that many and outlives the call.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), raw.as_mut_ptr(), space, 0) };
        let count = usize::try_from(count).unwrap_or(0);
        self.events.extend(raw[..count].iter().map(|event| {
            let (flags, data) = (Flags::from_bits_retain(event.events), event.u64);
            Event { flags, data: EventData::new_u64(data) }
        }));
        count
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).field("coarse", &self.coarse).finish()
    }
}

#[inline]
fn timespec(ns: u64) -> Timespec {
    let part = |n: u64| i64::try_from(n).expect("a u64 divided by 10^9, or the rest of it");
    Timespec { tv_sec: part(ns / 1_000_000_000), tv_nsec: part(ns % 1_000_000_000) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tests::forbid;
    use crate::sys::{clock, socket};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    const SECOND: Option<u64> = Some(1_000_000_000);

    fn both(test: impl Fn(Poller)) {
        test(Poller::new().unwrap());
        test(Poller::with_fallback().unwrap());
    }

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
    }

    fn all(poller: &mut Poller, timeout: Option<u64>) -> Vec<Ready> {
        (0..poller.wait(timeout)).map(|i| poller.ready(i)).collect()
    }

    #[test]
    fn each_change_is_told_once_and_a_level_until_it_is_read() {
        both(|mut poller| {
            let ((edge, far), (level, knock)) = (pair(), pair());
            poller.add(&edge, 7 << 32 | 1).unwrap();
            poller.add_level(&level, u64::MAX).unwrap();
            let writable = Ready { token: 7 << 32 | 1, read: false, write: true, last: false };
            assert_eq!(all(&mut poller, SECOND), [writable]);
            assert_eq!(all(&mut poller, Some(0)), []);
            rustix::io::write(&far, b"x").unwrap();
            assert_eq!(all(&mut poller, SECOND), [Ready { read: true, ..writable }]);
            assert_eq!(all(&mut poller, Some(0)), []);
            rustix::io::write(&knock, b"x").unwrap();
            let knocked = Ready { token: u64::MAX, read: true, write: false, last: false };
            assert_eq!(all(&mut poller, SECOND), [knocked]);
            assert_eq!(all(&mut poller, SECOND), [knocked]);
            poller.remove(&level).unwrap();
            drop(far);
            let end = all(&mut poller, SECOND);
            assert_eq!(end, [Ready { read: true, write: false, last: true, ..writable }]);
            assert_eq!(poller.remove(&level), Err(Errno(2)), "ENOENT");
        });
    }

    #[test]
    fn a_refusal_is_read_and_never_written() {
        both(|mut poller| {
            let closed = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
            let to = socket::local_addr(&closed).unwrap();
            socket::stop_listening(closed);
            let options = socket::Options::default();
            // Linux refuses on loopback before connect() returns; both are right.
            if let Ok(fd) = socket::connect(to, None, &options) {
                poller.add(&fd, 5).unwrap();
                let refused = Ready { token: 5, read: true, write: false, last: true };
                assert_eq!(all(&mut poller, SECOND), [refused]);
                assert_eq!(socket::recv(&fd, &mut [0; 1]), Err(Errno::ECONNREFUSED));
            }
        });
    }

    #[test]
    fn a_listener_wakes_a_waiting_process() {
        both(|mut poller| {
            let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 8).unwrap();
            poller.add_listener(&listener, 1).unwrap();
            let to = socket::local_addr(&listener).unwrap();
            assert_eq!(all(&mut poller, Some(0)), []);
            let _client = socket::connect(to, None, &socket::Options::default()).unwrap();
            assert_eq!(all(&mut poller, SECOND).len(), 1);
            let _server = socket::accept(&listener).unwrap();
            assert_eq!(all(&mut poller, Some(0)), []);
        });
    }

    #[test]
    fn a_wait_is_never_short_and_not_rounded_to_milliseconds() {
        both(|mut poller| {
            clock::set_timer_slack(1);
            let fastest = (0..50).map(|_| {
                let since = clock::now();
                assert_eq!(poller.wait(Some(200_000)), 0);
                clock::now() - since
            });
            let fastest = fastest.min().unwrap();
            clock::set_timer_slack(0);
            assert!((200_000..1_000_000).contains(&fastest), "{fastest} ns");
        });
    }

    #[test]
    fn many_events_come_in_batches() {
        both(|mut poller| {
            let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
            for (i, (fd, _)) in pairs.iter().enumerate() {
                poller.add(fd, i as u64).unwrap();
            }
            let mut seen: Vec<u64> = all(&mut poller, SECOND).iter().map(|r| r.token).collect();
            assert_eq!(seen.len(), BATCH);
            seen.extend(all(&mut poller, SECOND).iter().map(|r| r.token));
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<u64>>());
        });
    }

    #[test]
    fn without_epoll_pwait2_the_other_way_is_taken_by_itself() {
        std::thread::spawn(|| {
            forbid(libc::SYS_epoll_pwait2, libc::ENOSYS);
            let mut poller = Poller::new().unwrap();
            let (fd, _far) = pair();
            assert_eq!(poller.wait(Some(200_000)), 0);
            assert!(poller.coarse);
            poller.add(&fd, 3).unwrap();
            assert_eq!(all(&mut poller, SECOND).len(), 1);
        })
        .join()
        .unwrap();
    }
}
