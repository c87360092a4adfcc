//! The server that is started when no target is named: it works, and nothing is left behind.

use crate::harness::run;
use crate::report::Report;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

/// Marks every process of one test, however it was started.
const MARK: &str = "TEST_OF_INRUSH";

/// Running processes whose environment has the mark.
fn marked(mark: &str) -> Vec<OwnedFd> {
    let wanted = format!("{MARK}={mark}");
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").expect("it is mounted");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(has_mark)
        .filter_map(|pid| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok())
        .collect()
}

/// Whether it ends within some seconds; a pidfd becomes readable at that moment.
fn ends(process: &OwnedFd) -> bool {
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience)) == Ok(1)
}

#[test]
fn a_run_without_a_target_has_its_own_server() {
    for (line, mark) in [("", "ws"), ("--scheme tcp -m 10/s", "tcp"), ("--processes 2", "two")] {
        let report = run(&format!("-c 50 -r max -d 300ms {line}")).env(MARK, mark).report();
        report.assert_causes(&[]);
        report.assert_healthy(50);
        assert_eq!(marked(mark).len(), 0, "{line}: a process was left behind");
    }
}

#[test]
fn nothing_outlives_a_run_that_is_killed() {
    let mark = "killed";
    let line = "-c 50 -r max -d 1m --processes 2 --ndjson -";
    let mut running = run(line).env(MARK, mark).start();
    running.lines().until_open(50);
    let processes = marked(mark);
    // Itself, two workers, the server.
    assert!(processes.len() >= 4, "{}", processes.len());
    running.signal(Signal::KILL);
    assert!(processes.iter().all(ends), "a process outlived its parent");
}

/// A terminal sends Ctrl-C to all processes of its foreground group, workers and server included.
#[test]
fn ctrl_c_in_a_terminal_is_for_the_run_alone() {
    let mark = "terminal";
    let line = "-c 50 -r max -d 1m -m 20/s --processes 2 --ndjson -";
    let mut running = run(line).env(MARK, mark).grouped().start();
    let lines = running.lines();
    lines.until("messages", |line| line["received"].as_u64() > Some(0));
    running.signal_group(Signal::INT);
    let report = Report::new(lines.summary(), running.finish().code);
    assert_eq!(report.code, 130);
    report.assert_healthy(50);
    assert_eq!((report.messages("lost"), report.messages("unfinished")), (0, 0), "\n{report}");
    assert_eq!(marked(mark).len(), 0, "a process was left behind");
}

#[test]
fn a_run_that_is_interrupted_ends_its_server() {
    let mark = "interrupted";
    let mut running = run("-c 50 -r max -d 1m --ndjson -").env(MARK, mark).start();
    running.lines().until_open(50);
    running.signal(Signal::INT);
    let finished = running.finish();
    assert_eq!(finished.code, 130, "{finished:?}");
    assert_eq!(marked(mark).len(), 0, "a process was left behind");
}
