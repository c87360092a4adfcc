//! Workers in child processes: `inrush worker`, one per descriptor limit. Each inherits the worker
//! ends of its links, and a server's also the listening socket.

use crate::link::pair;
use crate::sys::code;
use inrush_core::errno::Errno;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Child processes; killed when dropped.
#[derive(Debug, Default)]
pub struct Children(Vec<Child>);

/// Starts one process with `loops` workers. Gives the captain's ends of their links.
pub fn start(
    children: &mut Children,
    loops: u32,
    listener: Option<&OwnedFd>,
) -> Result<Vec<OwnedFd>, Errno> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..loops {
        let (a, b) = pair()?;
        inherit(&b, true)?;
        ours.push(a);
        theirs.push(b);
    }
    let numbers: Vec<String> = theirs.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let program = std::env::current_exe().map_err(|error| code(&error))?;
    let mut command = Command::new(program);
    command.arg("worker").arg("--control").arg(numbers.join(","));
    command.arg("--parent").arg(std::process::id().to_string());
    if let Some(listener) = listener {
        inherit(listener, true)?;
        command.arg("--listener").arg(listener.as_raw_fd().to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // Ctrl-C goes to the terminal's whole group; what it means is the captain's to say.
    command.process_group(0);
    let child = command.spawn().map_err(|error| code(&error));
    if let Some(listener) = listener {
        inherit(listener, false)?;
    }
    children.0.push(child?);
    Ok(ours)
}

impl Children {
    /// Process ids of all that were started.
    pub fn pids(&self) -> Vec<u32> {
        self.0.iter().map(Child::id).collect()
    }

    /// Waits until all are over.
    pub fn join(mut self) {
        for child in &mut self.0 {
            // One that cannot be waited for is gone already.
            let _ = child.wait();
        }
        self.0.clear();
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may be over; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn inherit(fd: &OwnedFd, on: bool) -> Result<(), Errno> {
    let flags = if on { FdFlags::empty() } else { FdFlags::CLOEXEC };
    fcntl_setfd(fd.as_fd(), flags).map_err(crate::sys::errno)
}
