//! Child processes of the bench: started on one core, awaited with a limit, their CPU taken from
//! the kernel's account, and ended when they are dropped.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What cannot be measured, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Which core the client and which the server gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// For `inrush run` and for the reference.
    pub(crate) client: usize,
    /// For `inrush serve`.
    pub(crate) server: usize,
}

impl Cores {
    /// The first and the last core that this process may use.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None).map_err(|e| format!("sched_getaffinity: {e}"))?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (cores.next(), cores.next_back()) {
            (Some(server), Some(client)) => Ok(Self { client, server }),
            _ => Err("needs two cores: one for the client, one for the server".into()),
        }
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// With which status.
    pub(crate) status: ExitStatus,
    /// User and system time of it and of the children it waited for.
    pub(crate) cpu: Duration,
}

/// A running child; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts `command` on `core`, or on all of ours. The mask of the thread that forks is
    /// inherited, so this thread takes it on for the moment of the fork.
    pub(crate) fn start(command: &mut Command, core: Option<usize>) -> Result<Self> {
        let spawn = |command: &mut Command| {
            let child = command.spawn().map(Self);
            child.map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))
        };
        let Some(core) = core else {
            return spawn(command);
        };
        let affinity = |set: &CpuSet| {
            sched_setaffinity(None, set).map_err(|e| format!("sched_setaffinity: {e}"))
        };
        let ours = sched_getaffinity(None).map_err(|e| format!("sched_getaffinity: {e}"))?;
        let mut one = CpuSet::new();
        one.set(core);
        affinity(&one)?;
        let child = spawn(command);
        affinity(&ours)?;
        child
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Waits for the end, at most `limit`. The kernel adds a child's CPU to ours when it is
    /// reaped; as only one child is reaped at a time, the difference is that child's.
    pub(crate) fn wait(mut self, limit: Duration) -> Result<Ended> {
        if !self.ends_within(limit)? {
            return Err(format!("still running after {limit:?}, ended"));
        }
        let before = children_cpu()?;
        let status = self.0.wait().map_err(|e| format!("wait: {e}"))?;
        Ok(Ended { status, cpu: children_cpu()?.saturating_sub(before) })
    }

    /// Whether the child has ended, or does so within `limit`; it is not reaped here.
    pub(crate) fn ends_within(&self, limit: Duration) -> Result<bool> {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty());
        let pidfd = pidfd.map_err(|e| format!("pidfd_open: {e}"))?;
        readable_within(&pidfd, limit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid(), Signal::TERM);
            if !self.ends_within(Duration::from_secs(5)).unwrap_or(false) {
                let _ = self.0.kill();
            }
            let _ = self.0.wait();
        }
    }
}

/// `inrush serve` on a core of its own, with a port of its own.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    // The order matters: the process ends first, while its standard output still has a reader.
    _process: Running,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one, with `extra` arguments, and waits until it says where it listens.
    pub(crate) fn start(binary: &Path, extra: &[&str], core: usize, log: File) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "127.0.0.1:0", "--processes", "1", "--threads", "1"]).args(extra);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = Running::start(&mut command, Some(core))?;
        let stdout = process.0.stdout.take().expect("its standard output is a pipe");
        if !readable_within(&stdout, Duration::from_secs(10))? {
            return Err("inrush serve said nothing for 10 s".into());
        }
        let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
        stdout.read_line(&mut line).map_err(|e| format!("inrush serve: {e}"))?;
        let address = line.strip_prefix("listening on ").and_then(|l| l.split_whitespace().next());
        let address = address.and_then(|a| a.parse().ok());
        let address = address.ok_or_else(|| format!("inrush serve began with {line:?}"))?;
        Ok(Self { address, _process: process, _stdout: stdout })
    }
}

fn readable_within(fd: impl AsFd, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    loop {
        let rest = Timespec::try_from(until.saturating_duration_since(Instant::now()))
            .map_err(|e| format!("{limit:?}: {e}"))?;
        match poll(&mut fds, Some(&rest)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(|n| n > 0).map_err(|e| format!("poll: {e}")),
        }
    }
}

fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| format!("getrusage: {e}"))?;
    Ok(cpu_of(&usage))
}

fn cpu_of(usage: &Usage) -> Duration {
    let micros = |seconds: i64, micros: i64| {
        u64::try_from(seconds * 1_000_000 + micros).expect("the kernel counts upwards from 0")
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    Duration::from_micros(
        micros(user.tv_sec(), user.tv_usec()) + micros(system.tv_sec(), system.tv_usec()),
    )
}
