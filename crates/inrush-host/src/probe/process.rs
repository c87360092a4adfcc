//! A server process on this host: its descriptors, its limit, whether it lives. Works across users
//! without privilege since Linux 6.2 (FAILURES §6), and without a free descriptor of our own.

use super::environment::host;
use super::kept::{Kept, read_once};
use crate::sys::limits::to_pid;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::time::Nanos;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::stat;
use rustix::process::{PidfdFlags, pidfd_open};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// Entries counted one by one where the kernel does not tell their number (Linux < 6.2).
const ENTRIES: usize = 1_000;
/// Descendants of one process, and threads of one process whose children are read.
const FAMILY: usize = 1_024;

/// One process. Holds one descriptor.
#[derive(Debug)]
pub struct ServerWatch {
    pid: u32,
    host: String,
    life: Life,
    limit: Option<u64>,
    looks: u64,
    most: Option<u64>,
    lived: Nanos,
    ended: bool,
}

/// How its end is noticed.
#[derive(Debug)]
enum Life {
    /// Becomes readable when the process ends; never means another process of the same number.
    Pidfd(OwnedFd),
    /// Cannot be read any more when the process is gone.
    Stat(Kept),
    /// It was not there to begin with.
    Gone,
}

impl ServerWatch {
    /// Begins to watch; a process that does not exist is watched as one that is gone.
    pub fn new(pid: u32) -> Self {
        let pidfd = to_pid(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let life = match pidfd {
            Some(pidfd) => Life::Pidfd(pidfd),
            None => Kept::open(&format!("/proc/{pid}/stat")).map_or(Life::Gone, Life::Stat),
        };
        let limit = descriptor_limit(pid);
        Self {
            pid,
            host: host(),
            life,
            limit,
            looks: 0,
            most: None,
            lived: Nanos::ZERO,
            ended: false,
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it runs: a process that has ended and was not waited for does not.
    pub fn alive(&self) -> bool {
        match &self.life {
            Life::Pidfd(pidfd) => {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) == Ok(0)
            }
            Life::Stat(stat) => stat.text().is_some_and(|text| parse_runs(&text)),
            Life::Gone => false,
        }
    }

    /// Descriptors it holds now.
    pub fn descriptors(&self) -> Option<u64> {
        self.alive().then(|| descriptors(self.pid))?
    }

    /// Its soft descriptor limit.
    pub fn descriptor_limit(&self) -> Option<u64> {
        self.limit
    }

    /// Reads everything, `now` after T0. The most descriptors ever seen stand: when failures are
    /// heard of, the server may have closed them already.
    pub fn look(&mut self, now: Nanos, facts: &mut Facts) {
        self.looks += 1;
        if self.looks == 1 {
            // Some runtimes raise their limit when they begin; this is still before the load.
            self.limit = descriptor_limit(self.pid).or(self.limit);
        }
        let (alive, held) = (self.alive(), self.descriptors());
        let first = (self.looks == 1).then_some(held).flatten();
        self.most = self.most.max(held);
        let mut set = |source, before, after| {
            facts.set(Fact { source, host: self.host.clone(), before, after });
        };
        set(Source::ServerAlive(self.pid), Some(u64::from(alive)), Some(u64::from(alive)));
        if alive {
            self.lived = now;
        } else if self.looks > 1 && !self.ended {
            let (lived, ended) = (self.lived.as_millis(), now.as_millis());
            set(Source::ServerEnded(self.pid), Some(lived), Some(ended));
        }
        self.ended = !alive;
        if self.limit.is_some() {
            set(Source::ServerDescriptorLimit(self.pid), self.limit, self.limit);
        }
        if let Some(most) = self.most {
            set(Source::ServerDescriptors(self.pid), first, Some(most));
        }
        self.tell_availability(facts);
    }

    fn tell_availability(&self, facts: &mut Facts) {
        let name = format!("/proc/{}/fd", self.pid);
        if self.most.is_some() {
            if !facts.available.contains(&name) {
                facts.unavailable.remove(&name);
                facts.available.push(name);
            }
            return;
        }
        let why = if self.alive() {
            "needs the same user or root before Linux 6.2"
        } else {
            "there is no such process"
        };
        facts.unavailable.insert(name, why.into());
    }
}

/// All descendants of a process, at most 1,024; empty where the kernel does not tell.
pub fn children(pid: u32) -> Vec<u32> {
    let mut known = BTreeSet::from([pid]);
    let (mut all, mut next) = (Vec::new(), 0);
    let mut parent = pid;
    loop {
        for child in children_of(parent) {
            if all.len() < FAMILY && known.insert(child) {
                all.push(child);
            }
        }
        let Some(following) = all.get(next) else { return all };
        parent = *following;
        next += 1;
    }
}

/// Those descendants of a process that run its program: workers of a server, and not whatever else
/// a shell or a test has started.
pub fn workers(pid: u32) -> Vec<u32> {
    let own = std::process::id();
    let program = program(pid);
    let mut workers = children(pid);
    workers.retain(|child| *child != own && self::program(*child) == program);
    workers
}

/// What it runs; by its name when the file is not ours to know.
fn program(pid: u32) -> Option<OsString> {
    let file = std::fs::read_link(format!("/proc/{pid}/exe")).map(PathBuf::into_os_string);
    file.ok().or_else(|| Some(read_once(&format!("/proc/{pid}/comm")).ok()?.into()))
}

fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for task in tasks.flatten().take(FAMILY) {
        let path = task.path().join("children");
        let text = path.to_str().and_then(|path| read_once(path).ok()).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    children
}

fn descriptors(pid: u32) -> Option<u64> {
    let path = format!("/proc/{pid}/fd");
    let size = u64::try_from(stat(&path).ok()?.st_size).ok()?;
    if size > 0 {
        return Some(size);
    }
    let count = std::fs::read_dir(&path).ok()?.take(ENTRIES + 1).count();
    // More than that are not counted: then it is only known that there are many.
    (count <= ENTRIES).then_some(count as u64)
}

fn descriptor_limit(pid: u32) -> Option<u64> {
    parse_open_files(&read_once(&format!("/proc/{pid}/limits")).ok()?)
}

/// The soft limit of open files in `/proc/PID/limits`.
fn parse_open_files(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Whether the state in `/proc/PID/stat` is that of a running process. The name before it may
/// hold anything, parentheses and spaces, too.
fn parse_runs(text: &str) -> bool {
    let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X' | 'x'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn spawn(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The child has written a line: it is where it was told to go.
    fn wait_for_line(child: &mut Child) {
        use std::io::{BufRead, BufReader};
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    #[test]
    fn captured_texts_are_read() {
        let limits = "\
Limit                     Soft Limit           Hard Limit           Units     
Max processes             96365                96365                processes 
Max open files            1024                 20000                files     
";
        for (text, expected) in [
            (limits, Some(1_024)),
            (
                "Max open files            unlimited            unlimited            files",
                Some(u64::MAX),
            ),
            ("Max open files            soon", None),
            ("", None),
        ] {
            assert_eq!(parse_open_files(text), expected, "{text}");
        }
        for (text, expected) in [
            ("15 (sh) S 1 15 15 0", true),
            ("15 (a) Z (b) R 1", true),
            ("15 (sh) Z 1 15", false),
            ("15 (sh) X", false),
            ("15 (sh)", false),
            ("", false),
        ] {
            assert_eq!(parse_runs(text), expected, "{text}");
        }
    }

    #[test]
    fn a_process_is_watched_to_its_end() {
        let script = "ulimit -n 77; exec 5</dev/null 6</dev/null; echo ready; read x; \
                      exec 7</dev/null; echo ready; read x";
        let mut child = spawn(script);
        wait_for_line(&mut child);
        let pid = child.id();
        let mut watch = ServerWatch::new(pid);
        assert_eq!((watch.pid(), watch.alive(), watch.descriptor_limit()), (pid, true, Some(77)));
        let mut facts = Facts::default();
        watch.look(Nanos::ZERO, &mut facts);
        let before = facts.after(&Source::ServerDescriptors(pid)).unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"on\n").unwrap();
        wait_for_line(&mut child);
        watch.look(Nanos::from_millis(700), &mut facts);
        assert_eq!(facts.get(&Source::ServerEnded(pid)), None);
        assert_eq!(facts.rise(&Source::ServerDescriptors(pid)), Some(1));
        assert_eq!(facts.after(&Source::ServerDescriptorLimit(pid)), Some(77));
        child.kill().unwrap();
        crate::sys::limits::wait_for_end(pid, std::time::Duration::from_secs(10));
        watch.look(Nanos::from_millis(1_500), &mut facts);
        watch.look(Nanos::from_millis(9_000), &mut facts);
        let ended = facts.get(&Source::ServerEnded(pid)).map(|fact| (fact.before, fact.after));
        assert_eq!(ended, Some((Some(700), Some(1_500))));
        assert!(!watch.alive(), "ended, and not waited for");
        assert_eq!(watch.descriptors(), None);
        let alive = facts.get(&Source::ServerAlive(pid)).map(|f| (f.before, f.after));
        assert_eq!(alive, Some((Some(1), Some(0))));
        assert_eq!(facts.after(&Source::ServerDescriptors(pid)), Some(before + 1), "the most");
        assert_eq!(facts.available, [format!("/proc/{pid}/fd")]);
        child.wait().unwrap();
        assert!(!watch.alive());
    }

    #[test]
    fn without_pidfd_its_stat_tells_the_end() {
        let mut child = spawn("echo ready; read x");
        wait_for_line(&mut child);
        let life = Life::Stat(Kept::open(&format!("/proc/{}/stat", child.id())).unwrap());
        let watch = ServerWatch { life, ..ServerWatch::new(child.id()) };
        assert!(watch.alive());
        child.kill().unwrap();
        crate::sys::limits::wait_for_end(child.id(), std::time::Duration::from_secs(10));
        assert!(!watch.alive(), "Z");
        child.wait().unwrap();
        assert!(!watch.alive(), "ESRCH");
    }

    #[test]
    fn nobody_is_watched_as_gone() {
        let mut facts = Facts::default();
        let mut watch = ServerWatch::new(u32::MAX);
        watch.look(Nanos::ZERO, &mut facts);
        assert!(!watch.alive());
        assert_eq!(facts.after(&Source::ServerAlive(u32::MAX)), Some(0));
        let why = &facts.unavailable[&format!("/proc/{}/fd", u32::MAX)];
        assert_eq!(why, "there is no such process");
    }

    #[test]
    fn descendants_are_found() {
        let mut child = spawn("sh -c 'sleep 60 & echo ready; wait' & wait");
        wait_for_line(&mut child);
        let family = children(child.id());
        assert_eq!(family.len(), 2, "a shell and its sleep: {family:?}");
        assert!(children(std::process::id()).contains(&family[1]));
        assert_eq!(children(u32::MAX), Vec::<u32>::new());
        assert!(workers(child.id()).contains(&family[0]), "a shell of a shell");
        assert!(!workers(std::process::id()).contains(&family[0]), "another program");
        family.iter().for_each(|pid| crate::sys::limits::terminate(*pid));
        child.wait().unwrap();
    }
}
