//! One load run from the captain's side: prepare, begin, hold, close, and everything that happens
//! in between. It waits for its workers, for a signal and for the next second, and for nothing
//! else.

use super::children::{self, Children};
use super::collect::{Collector, Point};
use super::evidence::Evidence;
use super::threads::{self, Threads};
use super::{Life, Member};
use crate::sys::poll::Poller;
use crate::sys::signal::Signals;
use crate::sys::{clock, limits};
use inrush_core::dispatch::ToCaptain;
use inrush_core::errno::Errno;
use inrush_core::evidence::Facts;
use inrush_core::latency::Latencies;
use inrush_core::plan::{Expect, Job, Plan};
use inrush_core::report::{Series, StoppedBy};
use inrush_core::snapshot::Snapshot;
use inrush_core::swarm::Command;
use inrush_core::time::Nanos;
use std::time::{Duration, Instant};

/// Between `Begin` and T0, so that every worker has read it.
const HEAD_START_NS: u64 = 20_000_000;
/// A second is closed this late at the latest.
const LATEST: Nanos = Nanos::from_secs(3);
/// Workers have so long to get ready, and to end after they were told to.
const PATIENCE: Duration = Duration::from_secs(30);
/// On a stop, workers drain 5 s and their closes wait 1 s: later they are given up.
const STOP_PATIENCE: Nanos = Nanos::from_secs(15);
const SIGNALS: u64 = u64::MAX;

/// Where the workers live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// So many threads of this process.
    Threads(u32),
    /// A process for each entry, with so many loops.
    Children(Vec<u32>),
}

/// What the run is asked for beside its plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the workers live.
    pub home: Home,
    /// Processes of the server on this host.
    pub server_pids: Vec<u32>,
    /// Process whose children are servers too (the built-in server).
    pub server_parent: Option<u32>,
    /// Whether counters are read.
    pub evidence: bool,
    /// Local ports in use towards the first target when the plan was checked
    /// ([`super::evidence::ports_in_use`]).
    pub ports_in_use: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections are being started.
    Ramp,
    /// All are started.
    Hold,
    /// The hold is over or was ended.
    Drain,
    /// Connections are being closed.
    Close,
}

/// What a watcher sees each second and at each change of stage.
#[derive(Debug)]
pub struct View<'a> {
    /// Since T0.
    pub now: Nanos,
    /// Where the run stands.
    pub stage: Stage,
    /// When the hold ends, once that is known.
    pub hold_until: Option<Nanos>,
    /// Everything so far.
    pub totals: &'a Snapshot,
    /// Most open at once so far.
    pub peak: u64,
    /// What the machine said so far.
    pub facts: &'a Facts,
    /// Seconds that have ended since the last view.
    pub seconds: &'a [Point],
    /// What happened since the last view, without distributions.
    pub news: &'a Snapshot,
    /// Whether the run stops before its time.
    pub stopping: bool,
}

/// Sees a run go by. It is called between two waits, so it must be quick.
pub trait Watch {
    /// Looks, and says whether the run shall stop (`--abort-on-fail`).
    fn see(&mut self, view: &View<'_>) -> bool;
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// All workers' snapshots, merged.
    pub totals: Snapshot,
    /// Most open at once.
    pub peak: u64,
    /// Per second.
    pub series: Series,
    /// What the machine said.
    pub facts: Facts,
    /// Connections of workers that died.
    pub unknown: u64,
    /// Workers that died.
    pub workers_lost: u32,
    /// Probe connects.
    pub probes: u64,
    /// Why it ended.
    pub stopped_by: StoppedBy,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// T0, Unix milliseconds.
    pub started_unix_ms: u64,
    /// From T0 to the end.
    pub duration: Nanos,
    /// Descriptors of one process at most.
    pub descriptors_peak: u64,
    /// Resident memory of our load processes at its highest.
    pub rss_bytes_peak: Option<u64>,
    /// Growth per connection at the peak: resident, and of the kernel.
    pub user_bytes_per_connection: Option<u64>,
    /// The same of the kernel's memory.
    pub kernel_bytes_per_connection: Option<u64>,
}

/// Why a run did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// A worker could not be started.
    Launch(Errno),
    /// A worker refused its job.
    Refused(String),
    /// A worker died or did not answer before T0.
    Silent,
}

/// Runs the plan.
pub fn run(plan: &Plan, options: &Options, watch: &mut dyn Watch) -> Result<Story, NotBegun> {
    let signals = Signals::catch().map_err(NotBegun::Launch)?;
    let mut evidence = Evidence::open(plan, options);
    let crew = Crew::launch(plan, &options.home).map_err(NotBegun::Launch)?;
    let mut storm = Storm::prepare(plan, crew, signals)?;
    evidence.before(&storm.crew.pids());
    storm.begin();
    storm.sail(watch, &mut evidence);
    Ok(storm.end(evidence))
}

/// The workers and the homes they live in.
struct Crew {
    members: Vec<Member>,
    children: Children,
    threads: Option<Threads>,
}

impl Crew {
    fn launch(plan: &Plan, home: &Home) -> Result<Self, Errno> {
        let mut children = Children::default();
        let (ends, threads) = match home {
            Home::Threads(count) => {
                let (ends, threads) = threads::start(*count, None)?;
                (ends, Some(threads))
            }
            Home::Children(loops) => {
                let mut ends = Vec::new();
                for loops in loops {
                    ends.extend(children::start(&mut children, *loops, None)?);
                }
                (ends, None)
            }
        };
        let count = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        let join = |(shard, end): (inrush_core::plan::Shard, _)| {
            let mut member = Member::new(end, u64::from(shard.connections));
            member.prepare(Job::Load(shard));
            member
        };
        let members = plan.shards(count).zip(ends).map(join).collect();
        Ok(Self { members, children, threads })
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = self.children.pids();
        if self.threads.is_some() {
            pids.push(std::process::id());
        }
        pids
    }
}

struct Storm<'a> {
    plan: &'a Plan,
    crew: Crew,
    poller: Poller,
    signals: Signals,
    collector: Collector,
    news: Snapshot,
    zero_ns: u64,
    started_unix_ms: u64,
    stage: Stage,
    hold_until: Option<Nanos>,
    stopped: Option<(StoppedBy, Nanos)>,
    signal: Option<i32>,
    /// A second signal came.
    hurried: bool,
    second: u64,
    ended: Nanos,
}

impl<'a> Storm<'a> {
    fn prepare(plan: &'a Plan, mut crew: Crew, signals: Signals) -> Result<Self, NotBegun> {
        let mut poller = Poller::new().map_err(NotBegun::Launch)?;
        for (i, member) in crew.members.iter().enumerate() {
            poller.add_level(member, i as u64).map_err(NotBegun::Launch)?;
        }
        poller.add_level(&signals, SIGNALS).map_err(NotBegun::Launch)?;
        let (mut ready, since) = (0, Instant::now());
        while ready < crew.members.len() {
            if since.elapsed() > PATIENCE {
                return Err(NotBegun::Silent);
            }
            poller.wait(Some(100_000_000));
            for member in &mut crew.members {
                member.flush();
                member.hear(|_, message| {
                    ready += usize::from(matches!(message, ToCaptain::Ready { .. }));
                });
                match &member.life {
                    Life::Refused(why) => return Err(NotBegun::Refused(why.clone())),
                    Life::Lost => return Err(NotBegun::Silent),
                    _ => {}
                }
            }
        }
        Ok(Self {
            plan,
            crew,
            poller,
            signals,
            collector: Collector::new(),
            news: Snapshot::default(),
            zero_ns: 0,
            started_unix_ms: 0,
            stage: Stage::Ramp,
            hold_until: None,
            stopped: None,
            signal: None,
            hurried: false,
            second: 0,
            ended: Nanos::ZERO,
        })
    }

    fn begin(&mut self) {
        self.zero_ns = clock::now() + HEAD_START_NS;
        self.started_unix_ms = clock::unix_ms() + HEAD_START_NS / 1_000_000;
        for member in &mut self.crew.members {
            member.begin(self.zero_ns);
        }
    }

    fn sail(&mut self, watch: &mut dyn Watch, evidence: &mut Evidence) {
        while self.crew.members.iter().any(|member| !member.over()) {
            let wait = self.next_wake() - self.now();
            let count = self.poller.wait(Some(wait.0));
            let signalled = (0..count).any(|i| self.poller.ready(i).token == SIGNALS);
            if signalled && self.take_signal() {
                break;
            }
            let stage = self.stage;
            let urgent = self.hear_all(evidence);
            self.advance();
            let second = self.close_seconds(evidence);
            // The end of the ramp is when the server holds most: its descriptors are read there.
            if urgent || second || stage != self.stage {
                let gauges = self.collector.gauges(&self.crew.members);
                evidence.look(self.now(), &self.crew.pids(), gauges.open);
                if self.show(watch, evidence) {
                    self.stop(StoppedBy::Threshold);
                }
            }
            if self.given_up() {
                break;
            }
        }
        self.ended = self.now();
        self.collector.gauges(&self.crew.members);
        self.close_last_second();
        self.show(watch, evidence);
        self.collector.close();
    }

    fn show(&mut self, watch: &mut dyn Watch, evidence: &Evidence) -> bool {
        let news = std::mem::take(&mut self.news);
        let seconds = std::mem::take(&mut self.collector.ended);
        watch.see(&View {
            now: self.now(),
            stage: self.stage,
            hold_until: self.hold_until,
            totals: &self.collector.totals,
            peak: self.collector.peak,
            facts: evidence.facts(),
            seconds: &seconds,
            news: &news,
            stopping: self.stopped.is_some(),
        })
    }

    /// Takes in what the workers say. True when something should be looked at now.
    fn hear_all(&mut self, evidence: &mut Evidence) -> bool {
        let (collector, news) = (&mut self.collector, &mut self.news);
        let (mut urgent, now) = (false, Nanos(clock::now().saturating_sub(self.zero_ns)));
        for member in &mut self.crew.members {
            if member.over() {
                continue;
            }
            member.flush();
            member.hear(|_, message| {
                let (ToCaptain::Snapshot(mut s) | ToCaptain::Finished(mut s)) = message else {
                    return;
                };
                collector.add(&s);
                // News is what failed; distributions are in the totals and in the series.
                s.latencies = Latencies::default();
                news.merge(&s);
                evidence.told(&s.facts);
                if s.burst {
                    evidence.burst(now);
                }
                urgent |= s.counts.failed > 0;
            });
            if member.over() {
                // A closed link is readable for ever; without this the wait would spin.
                let _ = self.poller.remove(&*member);
            }
        }
        collector.gauges(&self.crew.members);
        urgent
    }

    /// The next stage, when its time has come.
    fn advance(&mut self) {
        let (now, gauges) = (self.now(), self.collector.totals.gauges);
        if self.plan.max_time.is_some_and(|limit| now >= limit) {
            self.stop(StoppedBy::MaxTime);
        }
        if self.stopped.is_some() {
            return;
        }
        if self.stage == Stage::Ramp && gauges.ramped {
            let until = self.collector.totals.ramp_ended + self.plan.hold;
            self.hold_until = Some(until);
            self.stage = Stage::Hold;
            self.tell_all(Command::Hold(until));
        }
        if self.stage == Stage::Hold && self.hold_until.is_some_and(|until| now >= until) {
            self.stage = Stage::Drain;
        }
        if self.stage == Stage::Drain && gauges.settled {
            self.stage = Stage::Close;
            let unanswered = self.collector.totals.counts.unanswered();
            self.tell_all(Command::Close { unanswered });
        }
    }

    /// Ends all seconds that every worker has told of, or that are 3 s over.
    fn close_seconds(&mut self, evidence: &mut Evidence) -> bool {
        let (now, mut closed) = (self.now(), false);
        loop {
            let end = Nanos::from_secs(self.second + 1);
            let told = |member: &Member| member.over() || member.at >= end;
            let all_told = self.crew.members.iter().all(told);
            if now < end || !(all_told || now >= end + LATEST) {
                return closed;
            }
            self.close_last_second();
            evidence.second(now);
            closed = true;
        }
    }

    fn close_last_second(&mut self) {
        let loops = u32::try_from(self.crew.members.len()).unwrap_or(u32::MAX);
        let loops = loops.min(limits::cores());
        let descriptors = self.crew.members.iter().map(|m| m.gauges.descriptors).max();
        self.collector.close_second(self.second, loops, descriptors.unwrap_or(0));
        self.second += 1;
    }

    fn take_signal(&mut self) -> bool {
        let Some(signal) = self.signals.take() else { return false };
        self.hurried = self.signal.is_some();
        self.signal = Some(signal);
        self.stop(StoppedBy::Signal);
        self.hurried
    }

    fn stop(&mut self, why: StoppedBy) {
        if self.stopped.is_none() {
            self.stopped = Some((why, self.now()));
            self.stage = Stage::Drain;
            self.tell_all(Command::Stop);
        }
    }

    fn tell_all(&mut self, command: Command) {
        for member in &mut self.crew.members {
            member.tell(command);
        }
    }

    fn given_up(&self) -> bool {
        self.stopped.is_some_and(|(_, since)| self.now() > since + STOP_PATIENCE)
    }

    fn next_wake(&self) -> Nanos {
        let mut wake = Nanos::from_secs(self.second + 1).max(self.now() + Nanos::from_millis(5));
        if let (Some(limit), None) = (self.plan.max_time, self.stopped) {
            wake = wake.min(limit);
        }
        if let (Some(until), Stage::Hold) = (self.hold_until, self.stage) {
            wake = wake.min(until);
        }
        wake
    }

    fn now(&self) -> Nanos {
        Nanos(clock::now().saturating_sub(self.zero_ns))
    }

    fn end(mut self, mut evidence: Evidence) -> Story {
        // A second signal waits for nobody: what was under way is unfinished, and nobody is lost.
        let left = |member: &&Member| self.hurried && !member.over();
        let lost = |member: &&Member| !left(member) && member.life != Life::Finished;
        let under_way = |member: &Member| member.told.attempted - member.told.decided;
        let members = || self.crew.members.iter();
        let unfinished: u64 = members().filter(left).map(under_way).sum();
        let unknown: u64 = members().filter(lost).map(under_way).sum();
        let workers_lost = members().filter(lost).count();
        let all_ended = workers_lost == 0 && members().filter(left).count() == 0;
        self.collector.totals.counts.unfinished += unfinished;
        let matched = matches!(self.plan.messages.expect, Expect::Echo | Expect::Reply);
        if !all_ended && matched {
            // What became of such a worker's messages is not known; lost they are not.
            let counts = &mut self.collector.totals.counts;
            counts.messages_unfinished = counts.sent.saturating_sub(counts.received + counts.lost);
        }
        evidence.after(self.now());
        let finished_early = self.stage < Stage::Drain;
        let stopped_by = match self.stopped {
            Some((why, _)) => why,
            None if finished_early => StoppedBy::NothingLeft,
            None => StoppedBy::Completed,
        };
        if all_ended {
            std::mem::take(&mut self.crew.children).join();
            if let Some(threads) = self.crew.threads.take() {
                threads.join();
            }
        }
        let memory = evidence.memory(self.collector.peak);
        Story {
            peak: self.collector.peak,
            unknown,
            workers_lost: u32::try_from(workers_lost).unwrap_or(u32::MAX),
            probes: evidence.probes(),
            stopped_by,
            signal: self.signal,
            started_unix_ms: self.started_unix_ms,
            duration: self.ended,
            descriptors_peak: self.collector.descriptors_peak,
            rss_bytes_peak: memory.rss_peak,
            user_bytes_per_connection: memory.user_per_connection,
            kernel_bytes_per_connection: memory.kernel_per_connection,
            facts: evidence.into_facts(),
            totals: self.collector.totals,
            series: self.collector.series,
        }
    }
}
