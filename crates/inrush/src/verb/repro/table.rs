//! A full connection-tracking table. Its size is one for the whole host: a process of its own
//! lowers it for a moment and puts it back, also when those that asked for it are killed. It leaves
//! the host's own connections as much room as they had, and a little.

use super::outcome::Outcome;
use super::stage::Wish;
use super::storm;
use crate::exit;
use inrush_core::errno::Errno;
use inrush_core::repro::{Scenario, Storm};
use inrush_host::repro::own_network;
use inrush_host::sys::{conntrack, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Entries more than the host has now.
const ROOM: u64 = 64;
/// A table that needs more of our connections than this cannot be filled in a moment.
const FEW: u64 = 4_000;

/// The process that puts the value back; it does when this is dropped, or its owner dies.
struct Guard {
    child: Child,
    ask: Option<ChildStdin>,
}

/// Shows it. The process must still be in the host's network.
pub(super) fn run(scenario: &'static Scenario, storm: Storm, wish: Wish) -> Outcome {
    let skipped = |what: &str, errno: Errno| {
        let reason = format!("{what}: {} ({})", errno.meaning(), errno.symbol());
        Outcome::skipped(scenario, reason)
    };
    let held = match conntrack::count() {
        Ok(held) => held + ROOM,
        Err(errno) => return skipped("no connection tracking", errno),
    };
    if held > FEW {
        let reason = format!("this host tracks {} connections, too many to fill up", held - ROOM);
        return Outcome::skipped(scenario, reason);
    }
    let guard = match Guard::start(scenario.name, held) {
        Ok(guard) => guard,
        Err(errno) => return skipped("net.netfilter.nf_conntrack_max", errno),
    };
    if let Err(errno) = own_network() {
        return skipped("no network namespace of its own", errno);
    }
    if let Err(errno) = conntrack::track() {
        return skipped("no rule of nf_tables", errno);
    }
    let line = format!("{} -c {}", storm.run, held + ROOM);
    let outcome = storm::run_line(scenario, storm.serve, &line, wish);
    drop(guard);
    outcome
}

impl Guard {
    fn start(name: &str, max: u64) -> Result<Self, Errno> {
        let program = std::env::current_exe().map_err(|_| Errno::EIO)?;
        let mut command = Command::new(program);
        command.args(["worker", "--table", name, "--parent", "0"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // What ends a terminal's group must not end it before it has put the value back.
        command.process_group(0);
        let mut child = command.spawn().map_err(|_| Errno::EIO)?;
        let (mut ask, answer) = (child.stdin.take(), child.stdout.take());
        if let Some(ask) = &mut ask {
            // When it is gone its answer is missing, too.
            let _ = writeln!(ask, "{max}");
        }
        let guard = Self { child, ask };
        let mut line = String::new();
        if let Some(answer) = answer {
            let _ = BufReader::new(answer.take(64)).read_line(&mut line);
        }
        match line.trim().parse() {
            Ok(0) => Ok(guard),
            Ok(number) => Err(Errno(number)),
            Err(_) => Err(Errno::EIO),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.child.wait();
    }
}

/// The process that lowers the value, says whether it could, and puts it back when nobody holds
/// its other end any more.
pub(super) fn guard() -> u8 {
    // SIGINT and SIGTERM are left to whoever asked: its end is ours.
    let _signals = signal::Signals::catch();
    let mut line = String::new();
    let mut ask = BufReader::new(std::io::stdin().lock());
    let wanted = ask.read_line(&mut line).ok().and_then(|_| line.trim().parse::<u64>().ok());
    let Some(wanted) = wanted else { return exit::USAGE };
    let old = match conntrack::max() {
        // It is never raised: then it would not be full.
        Ok(old) if wanted < old => old,
        Ok(_) => return answer(Errno::EINVAL),
        Err(errno) => return answer(errno),
    };
    if let Err(errno) = conntrack::set_max(wanted) {
        return answer(errno);
    }
    let code = answer(Errno(0));
    // Until the end of the other side, however it came.
    let _ = std::io::copy(&mut ask, &mut std::io::sink());
    match conntrack::set_max(old) {
        Ok(()) => code,
        Err(_) => exit::OWN_FAILURE,
    }
}

fn answer(errno: Errno) -> u8 {
    // Nobody is there to be told: then the value goes back at once.
    let _ = crate::show::out::print(&format!("{}\n", errno.0));
    if errno.0 == 0 { exit::HELD } else { exit::OWN_FAILURE }
}
