//! What the loop does with its hands: sockets by slot, the poller, the listener, a look at the
//! server's side. Every call gives the kernel's own answer back.

use super::{CONTROL, LISTENER, token};
use crate::link::Link;
use crate::probe::limits::port_range;
use crate::sys::limits::{self, Reserve};
use crate::sys::poll::Poller;
use crate::sys::sock_diag::SockDiag;
use crate::sys::{socket, tcp_info};
use crate::tls::{self, Layer};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Source};
use inrush_core::failure::{Look, Op, Peer};
use inrush_core::plan::{Job, Proto, Reconnect, Scheme, Target};
use inrush_core::swarm::{Close, ConnId};
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Sockets, poller, listener.
pub(super) struct Hands {
    pub(super) poller: Poller,
    sockets: Vec<Option<OwnedFd>>,
    targets: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    options: socket::Options,
    diag: Option<SockDiag>,
    /// Targets at which the server's side of one of our connections was seen.
    seen: Vec<bool>,
    listener: Option<OwnedFd>,
    accepting: bool,
    /// When anything is spoken through TLS.
    pub(super) tls: Option<Layer>,
    /// A connection may encrypt nothing more, which its swarm has to be told.
    pub(super) worn_out: bool,
    /// Slots that are not read now.
    paused: BTreeSet<u32>,
    /// A slot whose write was cut short in this batch: what follows must not overtake.
    blocked: Option<u32>,
    /// Whether a connection could be answered by its own port.
    may_meet_itself: bool,
    /// Whether one could, once nobody listens.
    in_port_range: bool,
    /// Descriptors before the first connection, of all loops that share the table.
    own: u64,
    said_exhausted: bool,
    said_full: bool,
    open: u64,
    limit: u64,
    spare: Reserve,
}

impl Hands {
    pub(super) fn new(job: &Job, link: &Link, listener: Option<OwnedFd>) -> Result<Self, String> {
        let poller = Poller::new().map_err(no_poller)?;
        poller.add_level(link.as_fd(), CONTROL).map_err(no_poller)?;
        let (targets, sources, options, slots) = match job {
            Job::Load(shard) => {
                let plan = &shard.plan;
                let options = socket::Options {
                    nodelay: plan.nodelay,
                    sndbuf: plan.sndbuf_bytes,
                    rcvbuf: plan.rcvbuf_bytes,
                };
                let targets = plan.targets.iter().map(|target| target.address).collect();
                (targets, plan.sources.clone(), options, shard.connections as usize)
            }
            Job::Serve(_) => (
                Vec::new(),
                Vec::new(),
                socket::Options { nodelay: true, sndbuf: None, rcvbuf: None },
                0,
            ),
        };
        let tls = secrecy(job)?;
        let mut diag = SockDiag::open().ok();
        let in_port_range = in_port_range(&targets);
        let served = |diag: &mut SockDiag| {
            targets.iter().all(|to: &SocketAddr| matches!(diag.listener(*to), Ok(Some(_))))
        };
        let may_meet_itself = in_port_range && !diag.as_mut().is_some_and(served);
        let mut hands = Self {
            poller,
            sockets: Vec::with_capacity(slots),
            seen: vec![false; targets.len()],
            targets,
            sources,
            options,
            diag,
            listener,
            accepting: false,
            tls,
            worn_out: false,
            paused: BTreeSet::new(),
            blocked: None,
            may_meet_itself,
            in_port_range,
            own: 0,
            said_exhausted: false,
            said_full: false,
            open: 0,
            limit: limits::nofile().0,
            spare: Reserve::hold(usize::from(matches!(job, Job::Serve(_)))),
        };
        hands.accept_on(true);
        Ok(hands)
    }

    /// All loops are ready and none has begun: what is held now are no connections.
    pub(super) fn count_own(&mut self) {
        self.own = limits::open_descriptors();
    }

    pub(super) fn begin_batch(&mut self) {
        self.blocked = None;
    }

    pub(super) fn open(&mut self, id: ConnId, source: u16, target: u16) -> Result<(), (Op, Errno)> {
        let from = self.sources.get(usize::from(source)).copied();
        let fd = socket::connect(self.targets[usize::from(target)], from, &self.options)?;
        self.poller.add(fd.as_fd(), token(id)).map_err(|errno| (Op::Socket, errno))?;
        self.put(id, fd);
        Ok(())
    }

    #[inline]
    pub(super) fn send(&mut self, id: ConnId, bytes: &[u8]) -> Result<usize, Errno> {
        if self.blocked == Some(id.slot) {
            return Ok(0);
        }
        if self.is_secure(id) {
            return self.send_secure(id, bytes);
        }
        let Some(fd) = self.socket(id) else { return Ok(bytes.len()) };
        let written = match socket::send(fd.as_fd(), bytes) {
            Err(Errno::EAGAIN) => 0,
            other => other?,
        };
        if written < bytes.len() {
            self.blocked = Some(id.slot);
        }
        Ok(written)
    }

    #[inline]
    pub(super) fn recv(&self, id: ConnId, buffer: &mut [u8]) -> Option<Result<usize, Errno>> {
        self.socket(id).map(|fd| socket::recv(fd.as_fd(), buffer))
    }

    pub(super) fn close(&mut self, id: ConnId, how: Close) {
        if self.is_secure(id) {
            self.close_secure(id, how);
        }
        let Some(place) = self.sockets.get_mut(id.slot as usize) else { return };
        if how == Close::Half {
            if let Some(fd) = place {
                socket::shutdown_write(fd.as_fd());
            }
            return;
        }
        if let Some(fd) = place.take() {
            if how == Close::Rst {
                socket::set_linger_zero(fd.as_fd());
            }
            self.open -= 1;
            self.paused.remove(&id.slot);
        }
    }

    /// TCP_INFO of our socket and the server's side of it.
    pub(super) fn look(&mut self, id: ConnId, target: u16) -> Look {
        let mut look = Look::default();
        let Some(Some(fd)) = self.sockets.get(id.slot as usize) else { return look };
        if let Some(info) = tcp_info::read(fd.as_fd()) {
            info.fill(&mut look);
        }
        look.local = socket::local_addr(fd.as_fd());
        let target = usize::from(target);
        let (to, seen) = (self.targets.get(target).copied(), self.seen.get_mut(target));
        look.peer = match (&mut self.diag, look.local, to, seen) {
            (Some(diag), Some(local), Some(to), Some(seen)) => server_side(diag, local, to, seen),
            _ => Peer::Unseen,
        };
        look
    }

    #[inline]
    pub(super) fn is_self_connected(&self, id: ConnId) -> bool {
        self.may_meet_itself
            && self.socket(id).is_some_and(|fd| {
                let local = socket::local_addr(fd.as_fd());
                local.is_some() && local == socket::peer_addr(fd.as_fd())
            })
    }

    /// Nobody listens there (any more): from now on a connection can meet itself.
    pub(super) fn refused(&mut self) {
        self.may_meet_itself = self.in_port_range;
    }

    /// What the worker's process held at its first EMFILE.
    pub(super) fn exhausted(&mut self, errno: Errno) -> Option<Vec<Fact>> {
        if errno != Errno::EMFILE || std::mem::replace(&mut self.said_exhausted, true) {
            return None;
        }
        let (soft, hard) = limits::nofile();
        let held = limits::open_descriptors();
        let fact = |source, value| Fact {
            source,
            host: crate::probe::environment::host(),
            before: None,
            after: Some(value),
        };
        Some(vec![
            fact(Source::OwnDescriptors, held),
            fact(Source::OwnDescriptorsOther, self.own.min(held)),
            fact(Source::OwnDescriptorLimit, soft),
            fact(Source::OwnDescriptorHardLimit, hard),
        ])
    }

    #[inline]
    pub(super) fn is_paused(&self, id: ConnId) -> bool {
        !self.paused.is_empty() && self.paused.contains(&id.slot)
    }

    pub(super) fn pause(&mut self, id: ConnId, on: bool) {
        if on {
            self.paused.insert(id.slot);
        } else {
            self.paused.remove(&id.slot);
        }
    }

    pub(super) fn accept_on(&mut self, on: bool) {
        if let Some(listener) = &self.listener
            && on != self.accepting
        {
            // A listener that cannot be added is met again by the next order; nothing is lost.
            let done = if on {
                self.poller.add_listener(listener.as_fd(), LISTENER)
            } else {
                self.poller.remove(listener.as_fd())
            };
            if done.is_ok() {
                self.accepting = on;
            }
        }
    }

    pub(super) fn stop_listening(&mut self) {
        self.accept_on(false);
        self.listener = None;
    }

    pub(super) fn accept(&self) -> Option<Result<OwnedFd, Errno>> {
        let listener = self.listener.as_ref().filter(|_| self.accepting)?;
        Some(socket::accept(listener.as_fd()))
    }

    pub(super) fn admit(&mut self, id: ConnId, fd: OwnedFd) -> Result<(), Errno> {
        self.poller.add(fd.as_fd(), token(id))?;
        self.put(id, fd);
        Ok(())
    }

    /// Accepts one with the spare descriptor and closes it.
    pub(super) fn shed(&mut self) {
        if let Some(listener) = &self.listener {
            self.spare.release_one();
            drop(socket::accept(listener.as_fd()));
            self.spare.refill();
        }
    }

    /// Counted, not asked: a stat per accept would be seen in the profile.
    pub(super) fn descriptors_left(&self) -> u64 {
        self.limit.saturating_sub(self.open + limits::OWN_USE)
    }

    /// A server's process is three quarters full: its captain should hear of it at once.
    pub(super) fn just_filled(&mut self) -> bool {
        let full = self.listener.is_some() && (self.open + limits::OWN_USE) * 4 >= self.limit * 3;
        full && !std::mem::replace(&mut self.said_full, full)
    }

    fn put(&mut self, id: ConnId, fd: OwnedFd) {
        let slot = id.slot as usize;
        if slot >= self.sockets.len() {
            self.sockets.resize_with(slot + 1, || None);
        }
        self.sockets[slot] = Some(fd);
        self.open += 1;
    }

    #[inline]
    pub(super) fn socket(&self, id: ConnId) -> Option<&OwnedFd> {
        self.sockets.get(id.slot as usize)?.as_ref()
    }
}

/// Absence means something where others were seen, or where a listener of this namespace stands
/// for a loopback address. Another address may be led elsewhere although somebody listens on it
/// (DNAT of a published container port): of it nothing is concluded before one was `seen`.
fn server_side(diag: &mut SockDiag, local: SocketAddr, to: SocketAddr, seen: &mut bool) -> Peer {
    match diag.peer(local, to) {
        Ok(Peer::Absent) if *seen => Peer::Absent,
        Ok(Peer::Absent) => match diag.listener(to) {
            Ok(Some(_)) if to.ip().to_canonical().is_loopback() => Peer::Absent,
            Ok(Some(_)) => Peer::Unseen,
            _ => Peer::NotLocal,
        },
        Ok(peer) => {
            *seen = true;
            peer
        }
        Err(_) => Peer::Unseen,
    }
}

fn no_poller(errno: Errno) -> String {
    format!("epoll: {} ({})", errno.meaning(), errno.symbol())
}

/// TLS as the job wants it.
fn secrecy(job: &Job) -> Result<Option<Layer>, String> {
    let layer = match job {
        Job::Load(shard) => {
            let plan = &shard.plan;
            if plan.targets.iter().all(|target| target.tls.is_none()) {
                return Ok(None);
            }
            let resumes = plan.lifetime.is_some() || plan.reconnect != Reconnect::Never;
            tls::Client::new(&plan.tls, resumes).map(|client| {
                let of = |target: &Target| {
                    let name = target.tls.clone()?;
                    Some((client.of_target(target.scheme == Scheme::Ws), name))
                };
                Layer::clients(plan.targets.iter().map(of).collect())
            })
        }
        Job::Serve(serve) => match &serve.tls {
            Some(identity) => {
                tls::Server::new(identity, serve.proto != Proto::Tcp).map(Layer::servers)
            }
            None => return Ok(None),
        },
    };
    layer.map(Some).map_err(|why| format!("TLS: {why}"))
}

fn in_port_range(targets: &[SocketAddr]) -> bool {
    let (low, high) = port_range().unwrap_or((32_768, 60_999));
    targets.iter().any(|to| to.ip().is_loopback() && (low..=high).contains(&to.port()))
}
