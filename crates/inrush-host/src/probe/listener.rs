//! The accept queues of the targets that are served on this host: who listens, how many wait, how
//! many were dropped. Nothing is said about targets elsewhere.

use super::environment::host;
use crate::sys::sock_diag::{Listener, SockDiag};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::time::Nanos;
use std::net::{SocketAddr, UdpSocket};

/// Its name among the probes.
const NAME: &str = "sock_diag";
/// Targets watched at most.
const TARGETS: usize = 256;
/// With more targets than this a SO_REUSEPORT group is looked at by one of its sockets: dumps for
/// all would take longer than the time between two looks.
const GROUPS: usize = 8;

/// Listeners of the targets, and the most that was seen of each.
#[derive(Debug)]
pub struct ListenerWatch {
    diag: SockDiag,
    host: String,
    watched: Vec<Watched>,
    groups: bool,
    failed: Option<Errno>,
}

#[derive(Debug)]
struct Watched {
    target: SocketAddr,
    /// The address is one of this host's: that nobody listens there is a fact about the target.
    local: bool,
    queue: u64,
    /// When it was last seen.
    seen: Option<Nanos>,
    /// It is there.
    present: bool,
}

impl ListenerWatch {
    /// Opens what is read later: one descriptor. `None` where `sock_diag` is not to be had.
    pub fn open(targets: &[SocketAddr]) -> Option<Self> {
        let watch = |target: &SocketAddr| Watched {
            target: *target,
            local: is_local(*target),
            queue: 0,
            seen: None,
            present: false,
        };
        Some(Self {
            diag: SockDiag::open().ok()?,
            host: host(),
            watched: targets.iter().take(TARGETS).map(watch).collect(),
            groups: targets.len() <= GROUPS,
            failed: None,
        })
    }

    /// Looks at all of them, `now` after T0.
    pub fn look(&mut self, now: Nanos, facts: &mut Facts) {
        for watched in &mut self.watched {
            let found = match self.groups {
                true => self.diag.listener_group(watched.target),
                false => self.diag.listener(watched.target),
            };
            match found {
                // A server of ours that listens on all addresses is not the one elsewhere.
                Ok(found) => watched.state(now, found.filter(|_| watched.local), &self.host, facts),
                Err(errno) => self.failed = Some(errno),
            }
        }
        match self.failed {
            Some(errno) => {
                let why = format!("{} ({})", errno.meaning(), errno.symbol());
                facts.unavailable.insert(NAME.into(), why);
            }
            None if facts.available.iter().any(|name| name == NAME) => {}
            None => facts.available.push(NAME.into()),
        }
    }
}

impl Watched {
    fn state(&mut self, now: Nanos, found: Option<Listener>, host: &str, facts: &mut Facts) {
        let target = self.target;
        let mut set = |source: Source, value: u64| {
            let before = facts.get(&source).and_then(|fact| fact.before).or(Some(value));
            facts.set(Fact { source, host: host.to_owned(), before, after: Some(value) });
        };
        let Some(listener) = found else {
            // Absence says something where the address is ours.
            if self.local {
                set(Source::ListenerPresent(target), 0);
            }
            if let Some(seen) = self.seen.filter(|_| self.present) {
                let (before, after) = (Some(seen.as_millis()), Some(now.as_millis()));
                let (source, host) = (Source::ListenerLeft(target), host.to_owned());
                facts.replace(Fact { source, host, before, after });
            }
            self.present = false;
            return;
        };
        (self.seen, self.present) = (Some(now), true);
        self.queue = self.queue.max(u64::from(listener.queue));
        set(Source::ListenerPresent(target), 1);
        set(Source::ListenerQueue(target), self.queue);
        set(Source::ListenerBacklog(target), u64::from(listener.backlog));
        set(Source::ListenerDrops(target), u64::from(listener.drops));
    }
}

/// Whether the address is one of this host's (and this namespace's). Needs a descriptor for a
/// moment; no packet is sent.
fn is_local(target: SocketAddr) -> bool {
    let ip = target.ip().to_canonical();
    // With the scope that an address of a link is nothing without.
    let mut any_port = target;
    any_port.set_port(0);
    ip.is_loopback()
        || ip.is_unspecified()
        || UdpSocket::bind(any_port).is_ok()
        || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::{self, Options};

    #[test]
    fn a_queue_is_watched_and_its_end_is_told() {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        let to = socket::local_addr(&listener).unwrap();
        let far: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let mut watch = ListenerWatch::open(&[to, far]).unwrap();
        let mut facts = Facts::default();
        watch.look(Nanos::ZERO, &mut facts);
        let options = Options::default();
        let clients: Vec<_> =
            (0..3).map(|_| socket::connect(to, None, &options).unwrap()).collect();
        watch.look(Nanos::from_millis(300), &mut facts);
        drop((socket::accept(&listener), socket::accept(&listener)));
        watch.look(Nanos::from_millis(700), &mut facts);
        let both = |facts: &Facts, source| facts.get(&source).map(|f| (f.before, f.after));
        let queue = both(&facts, Source::ListenerQueue(to));
        assert_eq!(queue, Some((Some(0), Some(3))), "the most seen stays");
        assert_eq!(facts.after(&Source::ListenerBacklog(to)), Some(4));
        assert_eq!(facts.rise(&Source::ListenerDrops(to)), Some(0));
        socket::stop_listening(listener);
        drop(clients);
        assert_eq!(both(&facts, Source::ListenerLeft(to)), None);
        watch.look(Nanos::from_millis(1_500), &mut facts);
        watch.look(Nanos::from_millis(9_000), &mut facts);
        assert_eq!(both(&facts, Source::ListenerPresent(to)), Some((Some(1), Some(0))));
        assert_eq!(both(&facts, Source::ListenerLeft(to)), Some((Some(700), Some(1_500))));
        assert_eq!(both(&facts, Source::ListenerPresent(far)), None, "it is not ours to know");
        assert_eq!(facts.available, [NAME]);
    }

    #[test]
    fn nobody_listens_on_an_address_of_ours() {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        let to = socket::local_addr(&listener).unwrap();
        socket::stop_listening(listener);
        let mut facts = Facts::default();
        ListenerWatch::open(&[to]).unwrap().look(Nanos::ZERO, &mut facts);
        assert_eq!(facts.after(&Source::ListenerPresent(to)), Some(0));
    }

    #[test]
    fn a_listener_on_all_addresses_here_is_not_the_one_elsewhere() {
        let listener = socket::listen("0.0.0.0:0".parse().unwrap(), 4).unwrap();
        let port = socket::local_addr(&listener).unwrap().port();
        let (here, far) = ([127, 0, 0, 1], [192, 0, 2, 1]);
        let targets = [SocketAddr::from((here, port)), SocketAddr::from((far, port))];
        let mut facts = Facts::default();
        ListenerWatch::open(&targets).unwrap().look(Nanos::ZERO, &mut facts);
        let present = |at: usize| facts.after(&Source::ListenerPresent(targets[at]));
        assert_eq!((present(0), present(1)), (Some(1), None));
        assert_eq!(facts.after(&Source::ListenerDrops(targets[1])), None);
    }
}
