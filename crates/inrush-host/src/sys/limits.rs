//! Descriptors, cores, and the life and death of processes. Counting descriptors needs none.

use super::errno;
use inrush_core::capacity;
use inrush_core::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open, stat};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, getrlimit, kill_process,
    pidfd_open, set_parent_process_death_signal, setrlimit,
};
use std::time::Duration;

/// Descriptors of a process that are no connections, at most, the reserve included.
pub const OWN_USE: u64 = capacity::OWN_DESCRIPTORS + capacity::RESERVE;

/// RLIMIT_NOFILE of this process: soft, hard. Unlimited is `u64::MAX`.
pub fn nofile() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

/// Raises the soft limit to the hard one, which needs no privilege; gives both as they are then.
pub fn raise_nofile() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    // When it is refused the limit is what it was, and the caller sees it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    nofile()
}

/// Sets the soft limit; EINVAL above the hard one.
pub fn set_nofile(soft: u64) -> Result<(), Errno> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), ..limit }).map_err(errno)
}

/// Descriptors of the calling thread's table, which is the process's unless it has its own.
const FOLDER: &str = "/proc/thread-self/fd";

/// Descriptors this process holds; of a thread with a table of its own, those in there.
pub fn open_descriptors() -> u64 {
    // Since Linux 6.2 the size of this folder is their number.
    let size = stat(FOLDER).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    if size > 0 {
        return size;
    }
    match std::fs::read_dir(FOLDER) {
        // One of them is the folder itself.
        Ok(entries) => (entries.count() as u64).saturating_sub(1),
        Err(error) if super::code(&error) == Errno::EMFILE => nofile().0,
        Err(_) => 0,
    }
}

/// Descriptors held so that something of ours can always be opened. They are open on /dev/null, so
/// the kernel's EMFILE stays the real one.
#[derive(Debug, Default)]
pub struct Reserve {
    held: Vec<OwnedFd>,
    size: usize,
}

impl Reserve {
    /// Holds `n`, or as many as there are.
    pub fn hold(n: usize) -> Self {
        let mut reserve = Self { held: Vec::with_capacity(n), size: n };
        reserve.refill();
        reserve
    }

    /// Gives one back to the process; false when none is left.
    pub fn release_one(&mut self) -> bool {
        self.held.pop().is_some()
    }

    /// Takes back what was released, as far as there is; true when it is full again.
    pub fn refill(&mut self) -> bool {
        while self.held.len() < self.size {
            match open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(fd) => self.held.push(fd),
                Err(_) => return false,
            }
        }
        true
    }
}

/// Cores the calling thread may run on; at least 1.
pub fn cores() -> u32 {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => set.count().max(1),
        // More than 1,024 processors do not fit into the set.
        Err(_) => std::thread::available_parallelism()
            .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
    }
}

/// Lets the kernel kill this process when the thread that started it ends (PR_SET_PDEATHSIG).
pub fn set_pdeathsig() {
    // It cannot fail for a valid signal; the end of our pipes is the second string to this bow.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

/// Ends this process at once when `parent` is gone, now or later. 0 = nobody is known: only later.
pub fn die_with_parent(parent: u32) {
    set_pdeathsig();
    // It may have died before the call; then we belong to somebody else already.
    let now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent != 0 && u32::try_from(now) != Ok(parent) {
        die();
    }
}

/// Ends this process at once, as a crash does: nothing is flushed, nothing is said.
pub fn die() -> ! {
    loop {
        // SIGKILL to oneself is delivered before kill() returns.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Asks a process to end (SIGTERM). One that is gone already is left in peace.
pub fn terminate(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        // ESRCH: it has ended, which is what was wanted.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Ends a process of ours at once (SIGKILL).
pub fn kill(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        // ESRCH: it has ended, which is what was wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Whether there is such a process, whoever's it is.
pub fn exists(pid: u32) -> bool {
    let asked = to_pid(pid).map(rustix::process::test_kill_process);
    asked.is_some_and(|answer| answer != Err(rustix::io::Errno::SRCH))
}

/// Waits until a process has ended, `patience` at most. A child's end is still to be collected.
pub fn wait_for_end(pid: u32, patience: Duration) {
    let end = to_pid(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let timeout = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    match end {
        Some(end) => {
            // Whether it ended or the patience did, the caller asks next.
            let _ = poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&timeout));
        }
        None => std::thread::sleep(patience.min(Duration::from_millis(10))),
    }
}

/// Columns of the terminal on stdout, else on stderr; `None` when neither is one.
pub fn terminal_width() -> Option<u16> {
    let width = |fd| rustix::termios::tcgetwinsize(fd).ok().map(|size| size.ws_col);
    let known = width(rustix::stdio::stdout()).or_else(|| width(rustix::stdio::stderr()));
    known.filter(|columns| *columns > 0)
}

pub(crate) fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Runs a test again, by its path, in a process of its own and gives its end; `None` there. Limits
/// and deaths belong to a whole process, and other tests live in this one.
#[cfg(test)]
pub(crate) fn alone(path: &str) -> Option<std::process::ExitStatus> {
    const ALONE: &str = "INRUSH_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return None;
    }
    let program = std::env::current_exe().expect("a test runs");
    let mut command = std::process::Command::new(program);
    command.args(["--exact", path, "--test-threads=1"]).env(ALONE, "1");
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    Some(command.status().expect("it ran just now"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    #[test]
    fn descriptors_are_counted_when_none_is_left() {
        if let Some(end) = alone("sys::limits::tests::descriptors_are_counted_when_none_is_left") {
            assert!(end.success(), "{end}");
            return;
        }
        let (_, hard) = nofile();
        assert_eq!(raise_nofile(), (hard, hard));
        set_nofile(64).unwrap();
        assert_eq!(nofile(), (64, hard));
        assert_eq!(set_nofile(hard.saturating_add(1)), Err(Errno::EINVAL));
        let before = open_descriptors();
        let mut reserve = Reserve::hold(8);
        assert_eq!(open_descriptors(), before + 8);
        let mut all = Reserve::hold(64);
        // Inherited ones can have numbers beyond the limit, which holds for numbers.
        assert!(open_descriptors() >= 64);
        assert_eq!(open_descriptors(), before + 8 + all.held.len() as u64);
        assert!(!all.refill(), "none is left");
        assert!(std::fs::File::open("/dev/null").is_err());
        assert!(reserve.release_one());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!reserve.refill());
        drop(file);
        assert!(reserve.refill());
        drop((reserve, all));
        assert_eq!(open_descriptors(), before);
    }

    #[test]
    fn death_is_immediate() {
        let Some(end) = alone("sys::limits::tests::death_is_immediate") else { die() };
        assert_eq!(end.signal(), Some(9));
    }

    #[test]
    fn a_process_whose_parent_is_gone_dies() {
        let Some(end) = alone("sys::limits::tests::a_process_whose_parent_is_gone_dies") else {
            die_with_parent(getppid().unwrap().as_raw_nonzero().get().cast_unsigned());
            let signal = rustix::process::parent_process_death_signal().unwrap();
            assert_eq!(signal, Some(Signal::KILL));
            die_with_parent(0);
            die_with_parent(u32::MAX);
            return;
        };
        assert_eq!(end.signal(), Some(9));
    }

    #[test]
    fn the_end_of_a_process_is_awaited() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        wait_for_end(child.id(), Duration::from_millis(1));
        assert!(child.try_wait().unwrap().is_none());
        assert!(exists(child.id()));
        terminate(child.id());
        wait_for_end(child.id(), Duration::from_secs(10));
        assert_eq!(child.try_wait().unwrap().unwrap().signal(), Some(15));
        assert!(!exists(child.id()) && !exists(u32::MAX));
    }

    #[test]
    fn there_is_a_core_and_a_limit() {
        assert!((1..=65_536).contains(&cores()));
        let (soft, hard) = nofile();
        assert!(0 < soft && soft <= hard);
    }
}
