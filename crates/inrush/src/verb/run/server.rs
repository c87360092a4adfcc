//! The built-in server: `inrush serve` as a child process on a free loopback port.

use crate::exit;
use crate::show::error::Problem;
use inrush_core::capacity::processes_needed;
use inrush_host::sys::limits;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the process that must not be outlived.
pub(crate) const PARENT: &str = "INRUSH_SERVE_PARENT";
/// After SIGTERM it has so long to end.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_WORDS: &str = "listening on ";

/// Where a server of ours says that it listens; `None` when it does not.
pub(crate) fn first_address(child: &mut Child) -> Option<SocketAddr> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // It is read no further: with --quiet there is no second line.
        let _ = BufReader::new(stdout.take(4_096)).read_line(&mut line);
    }
    let rest = line.strip_prefix(FIRST_WORDS)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A running server of ours; ended when dropped.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl BuiltIn {
    /// Starts it with room for so many connections.
    pub(crate) fn start(connections: u32, tls: bool) -> Result<Self, Problem> {
        let limit = limits::nofile().1;
        let needed = processes_needed(u64::from(connections), limit);
        // One to spare: processes do not fill to the last descriptor at the same moment.
        let processes = if needed > 1 { needed + 1 } else { 1 };
        let program = std::env::current_exe().map_err(|error| problem(&error.to_string()))?;
        let mut child = Command::new(program)
            .args(["serve", "127.0.0.1:0", "--quiet", "--processes", &processes.to_string()])
            .args(tls.then_some("--tls-self-signed"))
            .env(PARENT, std::process::id().to_string())
            .env_remove("INRUSH_QUIET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C is for the run alone: it still needs its server while it drains.
            .process_group(0)
            .spawn()
            .map_err(|error| problem(&error.to_string()))?;
        match first_address(&mut child) {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(problem("it did not say where it listens"))
            }
        }
    }

    /// Its process; workers are its children.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BuiltIn {
    fn drop(&mut self) {
        limits::terminate(self.child.id());
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => limits::wait_for_end(self.child.id(), Duration::from_millis(200)),
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn problem(why: &str) -> Problem {
    Problem {
        code: "built_in_server",
        exit_code: exit::OWN_FAILURE,
        message: "the built-in server did not start".into(),
        why: vec![why.into()],
        help: vec!["inrush serve 127.0.0.1:0        shows why".into()],
    }
}
