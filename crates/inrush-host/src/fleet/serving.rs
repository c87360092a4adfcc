//! A server from its captain's side: one listening socket shared by all its processes, one more
//! process when they fill, a line now and then.

use super::children::{self, Children};
use super::threads::{self, Threads};
use super::{Life, Member};
use crate::sys::poll::Poller;
use crate::sys::signal::Signals;
use crate::sys::{clock, limits, socket};
use inrush_core::dispatch::ToCaptain;
use inrush_core::errno::Errno;
use inrush_core::failure::{Class, Op, classify};
use inrush_core::fault::Kind;
use inrush_core::plan::{Job, Proto, Serve};
use inrush_core::snapshot::{Counts, Gauges, Snapshot};
use inrush_core::swarm::Command;
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SIGNALS: u64 = u64::MAX;
/// More processes than this are never added by themselves.
const PROCESSES: usize = 256;
/// A process of several leaves the listener with fewer descriptors left than this.
const SPARE: u32 = 32;
/// Connections are told to end, and this long is waited for them.
const STOP_PATIENCE: Duration = Duration::from_millis(2_500);

/// What is asked of a server beside what its workers are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 = any.
    pub address: SocketAddr,
    /// Its listen backlog.
    pub backlog: u32,
    /// So many processes; `None` = one per core and more when they fill.
    pub processes: Option<u32>,
    /// Event loops, shared by all processes, at least one each; `None` = one per core.
    pub threads: Option<u32>,
    /// What each worker is told.
    pub serve: Serve,
}

/// How a server stands, once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Seconds since it began.
    pub seconds: u64,
    /// Sums since it began.
    pub counts: Counts,
    /// Now.
    pub gauges: Gauges,
    /// Processes.
    pub processes: u32,
    /// Soft descriptor limit of each.
    pub descriptor_limit: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The last standing.
    pub standing: Standing,
    /// Connections that ended otherwise than in order, by what was seen.
    pub failures: BTreeMap<Class, u64>,
    /// The signal that ended it; `None` when its last process died.
    pub signal: Option<i32>,
}

/// A server whose socket listens.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    /// Where.
    pub address: SocketAddr,
    /// Soft descriptor limit of each process.
    pub descriptor_limit: u64,
    options: Options,
    signals: Signals,
    poller: Poller,
    members: Vec<Member>,
    children: Children,
    threads: Option<Threads>,
    grows: bool,
    to_the_end: bool,
    totals: Snapshot,
    failures: BTreeMap<Class, u64>,
    zero_ns: u64,
}

impl Server {
    /// Listens, and starts its workers.
    pub fn start(options: Options) -> Result<Self, (Op, Errno)> {
        let other = |errno| (Op::Socket, errno);
        let signals = Signals::catch().map_err(other)?;
        limits::raise_nofile();
        let kinds: Vec<Kind> = options.serve.faults.iter().map(|fault| fault.kind).collect();
        let listener = socket::listen(options.address, options.backlog)?;
        let address = socket::local_addr_of(&listener).unwrap_or(options.address);
        for kind in &kinds {
            if let Kind::FdLimit(limit) = kind {
                limits::set_nofile(u64::from(*limit)).map_err(other)?;
            }
        }
        let poller = Poller::new().map_err(other)?;
        poller.add_level(&signals, SIGNALS).map_err(other)?;
        let mut server = Self {
            listener,
            address,
            descriptor_limit: limits::nofile().0,
            grows: false,
            to_the_end: false,
            signals,
            poller,
            members: Vec::new(),
            children: Children::default(),
            threads: None,
            totals: Snapshot::default(),
            failures: BTreeMap::new(),
            zero_ns: clock::now(),
            options,
        };
        server.launch(&kinds).map_err(other)?;
        Ok(server)
    }

    /// Serves until a signal comes or its last process dies; `each` is told once a second.
    pub fn serve(mut self, each: &mut dyn FnMut(&Standing)) -> End {
        let begun = Instant::now();
        let mut said = 0;
        let signal = loop {
            self.poller.wait(Some(100_000_000));
            if let Some(signal) = self.signals.take() {
                break Some(signal);
            }
            self.hear();
            if self.members.iter().all(Member::over) {
                break None;
            }
            self.make_room();
            let seconds = begun.elapsed().as_secs();
            if seconds > said {
                said = seconds;
                each(&self.standing(seconds));
            }
        };
        if signal.is_some() {
            self.wind_up();
        }
        End { standing: self.standing(begun.elapsed().as_secs()), failures: self.failures, signal }
    }

    fn launch(&mut self, kinds: &[Kind]) -> Result<(), Errno> {
        let faults = &self.options.serve.faults;
        let one_loop = faults.iter().any(|fault| fault.kind.wants_one_loop(fault.select));
        let dies =
            kinds.iter().any(|k| matches!(k, Kind::DieAfterTime(_) | Kind::DieAfterCount(_)));
        let cores = self.options.threads.unwrap_or_else(limits::cores).max(1);
        let processes = match self.options.processes {
            _ if one_loop || dies => 1,
            Some(count) => count.max(1),
            None => cores,
        };
        if processes == 1 {
            let loops = if one_loop { 1 } else { cores };
            let (ends, threads) = threads::start(loops, Some(&self.listener))?;
            self.threads = Some(threads);
            return ends.into_iter().try_for_each(|end| self.admit(end, 0));
        }
        self.grows = self.options.processes.is_none();
        for index in 0..processes {
            let over = u32::from(index < cores % processes);
            self.add_process((cores / processes + over).max(1))?;
        }
        Ok(())
    }

    fn add_process(&mut self, loops: u32) -> Result<(), Errno> {
        let ends = children::start(&mut self.children, loops, Some(&self.listener))?;
        ends.into_iter().try_for_each(|end| self.admit(end, SPARE))
    }

    fn admit(&mut self, end: OwnedFd, spare: u32) -> Result<(), Errno> {
        let index = self.members.len();
        let mut member = Member::new(end, 0);
        let mut serve = self.options.serve.clone();
        serve.index = u32::try_from(index).unwrap_or(u32::MAX);
        serve.spare_descriptors = spare;
        member.prepare(Job::Serve(serve));
        // T0 may lie before it is ready: a server has no common start.
        member.begin(self.zero_ns);
        self.poller.add_level(&member, index as u64)?;
        self.members.push(member);
        Ok(())
    }

    fn hear(&mut self) {
        let (totals, failures) = (&mut self.totals, &mut self.failures);
        let ws = self.options.serve.proto == Proto::Ws;
        for member in &mut self.members {
            if member.over() {
                continue;
            }
            member.flush();
            member.hear(|_, message| {
                if let ToCaptain::Snapshot(snapshot) | ToCaptain::Finished(snapshot) = message {
                    totals.counts.merge(&snapshot.counts);
                    for row in &snapshot.tally.rows {
                        let class = classify(row.key.signature, row.key.heard, ws);
                        *failures.entry(class).or_default() += row.count;
                    }
                }
            });
            if member.over() {
                // A closed link is readable for ever; without this the wait would spin.
                let _ = self.poller.remove(&*member);
            }
        }
    }

    /// One more process when all are three quarters full; or, when there can be no more and all are
    /// nearly full, each may go on to its last descriptor.
    fn make_room(&mut self) {
        if self.threads.is_some() {
            return;
        }
        let full = |part: u64| {
            let alive = self.members.iter().filter(|member| !member.over());
            alive.clone().all(|m| m.gauges.descriptors >= self.descriptor_limit * part / 100)
        };
        if self.grows && self.members.len() < PROCESSES && full(75) {
            // Without another process the others go on until they are full.
            self.grows = self.add_process(1).is_ok();
        } else if !self.grows && !self.to_the_end && full(99) {
            self.to_the_end = true;
            self.members.iter_mut().for_each(|member| member.tell(Command::AcceptToTheEnd));
        }
    }

    fn wind_up(&mut self) {
        self.members.iter_mut().for_each(|member| member.tell(Command::Stop));
        let since = Instant::now();
        while since.elapsed() < STOP_PATIENCE && !self.members.iter().all(Member::over) {
            self.poller.wait(Some(50_000_000));
            self.hear();
            if self.signals.take().is_some() {
                return;
            }
        }
    }

    fn standing(&self, seconds: u64) -> Standing {
        let mut gauges = Gauges::default();
        for member in self.members.iter().filter(|member| member.life == Life::Running) {
            gauges.merge(&member.gauges);
        }
        Standing {
            seconds,
            counts: self.totals.counts,
            gauges,
            processes: u32::try_from(self.children.pids().len().max(1)).unwrap_or(u32::MAX),
            descriptor_limit: self.descriptor_limit,
        }
    }
}
