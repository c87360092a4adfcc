//! The captain's side: many workers, one run. Cut, launch, collect, merge, stop. It does not care
//! in which home a worker lives: it knows only the links.

pub mod children;
pub mod collect;
pub mod evidence;
pub mod serving;
pub mod storm;
pub mod threads;

use crate::link::{Broken, Link};
use inrush_core::dispatch::{ToCaptain, ToWorker, decode_to_captain, encode_to_worker};
use inrush_core::plan::Job;
use inrush_core::snapshot::Gauges;
use inrush_core::swarm::Command;
use inrush_core::time::Nanos;
use rustix::fd::OwnedFd;

/// One worker as its captain sees it.
#[derive(Debug)]
pub struct Member {
    link: Link,
    /// Connections of its shard: what is unknown when it dies.
    pub connections: u64,
    /// Its last word about how things stand.
    pub gauges: Gauges,
    /// Attempts it has told of, and what became of them.
    pub told: Told,
    /// When its last message was made.
    pub at: Nanos,
    /// Where it is in its life.
    pub life: Life,
}

/// Sums a worker has told of: what it never told is unknown when it dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Attempts.
    pub attempted: u64,
    /// Of them decided: finished, failed or unfinished.
    pub decided: u64,
}

/// Where a worker is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Not ready yet.
    Preparing,
    /// At work.
    Running,
    /// It has sent its last snapshot.
    Finished,
    /// It cannot do its job.
    Refused(String),
    /// It is gone without a last word.
    Lost,
}

impl Member {
    /// A worker at the other end of this socket.
    pub fn new(control: OwnedFd, connections: u64) -> Self {
        Self {
            link: Link::new(control),
            connections,
            gauges: Gauges::default(),
            told: Told::default(),
            at: Nanos::ZERO,
            life: Life::Preparing,
        }
    }

    /// Gives it its job.
    pub fn prepare(&mut self, job: Job) {
        let message = ToWorker::Prepare(Box::new(job));
        self.say(&message);
    }

    /// T0 is this moment of CLOCK_MONOTONIC.
    pub fn begin(&mut self, zero_ns: u64) {
        self.say(&ToWorker::Begin(zero_ns));
        if self.life == Life::Preparing {
            self.life = Life::Running;
        }
    }

    /// Tells it something, if it still listens.
    pub fn tell(&mut self, command: Command) {
        if self.life == Life::Running {
            self.say(&ToWorker::Tell(command));
        }
    }

    /// Everything it has said, in order. A broken link makes it lost.
    pub fn hear(&mut self, mut each: impl FnMut(&mut Self, ToCaptain)) {
        loop {
            match self.link.receive(decode_to_captain) {
                Ok(Some(ToCaptain::Refused(why))) => self.life = Life::Refused(why),
                Ok(Some(message)) => {
                    if let ToCaptain::Snapshot(s) | ToCaptain::Finished(s) = &message {
                        self.gauges = s.gauges;
                        self.at = s.at;
                        self.told.attempted += s.counts.attempted;
                        self.told.decided +=
                            s.counts.finished + s.counts.failed + s.counts.unfinished;
                    }
                    if matches!(message, ToCaptain::Finished(_)) {
                        self.life = Life::Finished;
                    }
                    each(self, message);
                }
                Ok(None) => return,
                Err(_) if self.life == Life::Finished => return,
                Err(_) => {
                    if !matches!(self.life, Life::Refused(_)) {
                        self.life = Life::Lost;
                    }
                    return;
                }
            }
        }
    }

    /// Whether nothing more will come from it.
    pub fn over(&self) -> bool {
        !matches!(self.life, Life::Preparing | Life::Running)
    }

    fn say(&mut self, message: &ToWorker) {
        // One that cannot be written to is met by the next hear().
        let _: Result<(), Broken> = self.link.send(|out| encode_to_worker(message, out));
    }

    pub(crate) fn flush(&mut self) {
        let _: Result<(), Broken> = self.link.flush();
    }
}

impl rustix::fd::AsFd for Member {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.link.as_fd()
    }
}
