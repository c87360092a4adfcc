//! Clocks: the monotonic one that a run is told by, and the CPU time that it costs us.
#![allow(unsafe_code, reason = "getrusage, which rustix does not have")]

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};
use std::num::NonZeroU64;

/// CLOCK_MONOTONIC in nanoseconds; the same for all processes of this host. About 20 ns.
#[inline]
pub fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// Wall clock in milliseconds since 1970, for reports only: it can jump.
pub fn unix_ms() -> u64 {
    read(ClockId::Realtime) / 1_000_000
}

/// CPU time of the calling thread in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}

/// CPU time of this process, all threads, in nanoseconds.
pub fn process_cpu_ns() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of this process and of its children that have ended and been waited for, in
/// nanoseconds; of the children to the microsecond.
pub fn process_and_children_cpu_ns() -> u64 {
    process_cpu_ns() + children_cpu_ns()
}

/// How late the kernel may wake this thread, in nanoseconds, so as to wake several at once
/// (PR_SET_TIMERSLACK); 0 = as the process began, usually 50,000.
pub fn set_timer_slack(ns: u64) {
    // A slack that cannot be set makes us less exact, which our own send lag then shows.
    let _ = set_current_timer_slack(NonZeroU64::new(ns));
}

#[inline]
fn read(clock: ClockId) -> u64 {
    let at = clock_gettime(clock);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(at.tv_sec) * 1_000_000_000 + part(at.tv_nsec)
}

fn children_cpu_ns() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes one rusage to this place, which outlives the call. It fails for an
    // unknown first argument only, and then the zeroes stay.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    // SAFETY: rusage is plain numbers, for which all zeroes is a value.
    let usage = unsafe { usage.assume_init() };
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}

fn nanos(time: libc::timeval) -> u64 {
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_usec) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn burn(ns: u64) {
        let until = thread_cpu_ns() + ns;
        while thread_cpu_ns() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn clocks_advance_and_cpu_time_is_ours() {
        let (now_before, process_before) = (now(), process_cpu_ns());
        burn(2_000_000);
        assert!(now() - now_before >= 2_000_000);
        assert!(process_cpu_ns() - process_before >= 2_000_000);
        // 2020-01-01 and 2200-01-01.
        assert!((1_577_836_800_000..7_258_118_400_000).contains(&unix_ms()));
    }

    #[test]
    fn children_count_once_they_were_waited_for() {
        let before = children_cpu_ns();
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let mut child = Command::new("sh").args(["-c", busy]).stdin(Stdio::null()).spawn().unwrap();
        child.wait().unwrap();
        assert!(children_cpu_ns() > before, "a loop of 20,000 turns costs something");
        assert!(process_and_children_cpu_ns() > children_cpu_ns());
    }

    #[test]
    fn timer_slack_is_that_of_the_thread() {
        set_timer_slack(1);
        assert_eq!(rustix::thread::current_timer_slack().unwrap(), 1);
        set_timer_slack(0);
        assert!(rustix::thread::current_timer_slack().unwrap() > 1);
    }
}
