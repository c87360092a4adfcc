//! Both sides of a script and what lies between them, and the facts that the machine tells.

use super::actor::Actor;
use super::network::Network;
use super::server::Server;
use crate::probe::Probes;
use crate::probe::environment::host;
use crate::probe::limits::port_range;
use crate::probe::listener::ListenerWatch;
use crate::probe::process::ServerWatch;
use crate::sys::sock_diag::SockDiag;
use crate::sys::{clock, limits, socket, tcp_info};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::failure::{Look, Peer};
use inrush_core::repro::script::{Call, Came, Side, Turn};
use inrush_core::repro::{Machine, Played, play};
use inrush_core::time::Nanos;
use std::net::SocketAddr;

/// How a script went, and what the machine said.
#[derive(Debug)]
pub struct Shown {
    /// The calls and what failed.
    pub played: Played,
    /// What was read before and after.
    pub facts: Facts,
    /// Where the server listened; the unspecified address when none did.
    pub server: SocketAddr,
}

/// Plays the script of this name. The process should have a network of its own and one thread.
pub fn show(name: &str, script: &[Turn]) -> Result<Shown, Errno> {
    let mut stage = Stage::open(name)?;
    let played = play(script, &mut stage);
    stage.facts_after();
    let server = stage.server.address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
    Ok(Shown { played, facts: stage.facts, server })
}

/// The machine that a script is played on.
struct Stage {
    begun: u64,
    client: Actor,
    server: Server,
    network: Network,
    /// Opened first: later there may be no descriptor left.
    diag: Option<SockDiag>,
    probes: Probes,
    process: ServerWatch,
    listener: Option<ListenerWatch>,
    facts: Facts,
}

impl Stage {
    fn open(name: &str) -> Result<Self, Errno> {
        let server = Server::start(name)?;
        let mut probes = Probes::open();
        probes.before();
        let mut stage = Self {
            begun: clock::now(),
            client: Actor::default(),
            network: Network::default(),
            diag: SockDiag::open().ok(),
            probes,
            process: ServerWatch::new(server.pid()),
            listener: None,
            facts: Facts::default(),
            server,
        };
        let now = stage.elapsed();
        stage.process.look(now, &mut stage.facts);
        Ok(stage)
    }

    fn elapsed(&self) -> Nanos {
        Nanos(clock::now().saturating_sub(self.begun))
    }

    /// The server listens, or does not any more, when the client comes.
    fn watch_listener(&mut self) {
        if self.listener.is_none()
            && let Some(server) = self.server.address
        {
            self.listener = ListenerWatch::open(&[server]);
            self.look_around();
        }
    }

    fn look_around(&mut self) {
        let now = self.elapsed();
        if let Some(listener) = &mut self.listener {
            listener.look(now, &mut self.facts);
        }
        self.process.look(now, &mut self.facts);
    }

    /// What this process held at its worst.
    fn own_descriptors(&mut self) {
        let held = limits::open_descriptors();
        if self.facts.after(&Source::OwnDescriptors).is_some_and(|most| most >= held) {
            return;
        }
        let (soft, hard) = limits::nofile();
        self.set(Source::OwnDescriptors, held);
        self.set(Source::OwnDescriptorLimit, soft);
        self.set(Source::OwnDescriptorHardLimit, hard);
    }

    fn set(&mut self, source: Source, value: u64) {
        self.facts.set(Fact { source, host: host(), before: Some(value), after: Some(value) });
    }

    fn facts_after(&mut self) {
        self.own_descriptors();
        self.look_around();
        self.probes.after(&mut self.facts);
        self.set(Source::SourceAddresses, 1);
        if let Some((low, high)) = port_range() {
            self.set(Source::PortRange, u64::from(high.saturating_sub(low)) + 1);
        }
    }
}

impl Machine for Stage {
    fn now(&mut self) -> Nanos {
        self.elapsed()
    }

    fn carry_out(&mut self, number: usize, turn: &Turn) -> Came {
        let came = match turn.side {
            Side::Client => {
                self.client.server = self.server.address;
                let connects =
                    matches!(turn.call, Call::Connect(_) | Call::BeginConnect | Call::Exhaust);
                if connects {
                    self.watch_listener();
                }
                self.client.carry_out(turn)
            }
            Side::Server => self.server.carry_out(number, turn),
            Side::Network => self.network.carry_out(turn.call, self.server.address),
        };
        if matches!(turn.call, Call::Exhaust | Call::Die) {
            self.own_descriptors();
            self.look_around();
        }
        came
    }

    fn look(&mut self, connection: u8) -> Option<Look> {
        let fd = self.client.socket(connection)?;
        let mut look = Look::default();
        tcp_info::read(fd)?.fill(&mut look);
        look.local = socket::local_addr(fd);
        let ends = look.local.zip(self.server.address);
        look.peer = match (&mut self.diag, ends) {
            (Some(diag), Some((local, server))) => diag.peer(local, server).unwrap_or(Peer::Unseen),
            _ => Peer::Unseen,
        };
        Some(look)
    }
}
