//! Workers in this process: a thread each.

use crate::link::pair;
use crate::sys::code;
use crate::worker;
use inrush_core::errno::Errno;
use rustix::fd::OwnedFd;
use std::thread::JoinHandle;

/// Starts `count` workers in threads. Gives the captain's ends of their links.
pub fn start(count: u32, listener: Option<&OwnedFd>) -> Result<(Vec<OwnedFd>, Threads), Errno> {
    let (mut ends, mut handles) = (Vec::new(), Vec::new());
    for index in 0..count {
        let (ours, theirs) = pair()?;
        let listener = match listener {
            Some(fd) => Some(fd.try_clone().map_err(|error| code(&error))?),
            None => None,
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        let handle = thread
            .spawn(move || {
                // Its captain sees a broken link, and says so with the numbers it knows.
                let _ = worker::run(theirs, listener);
            })
            .map_err(|error| code(&error))?;
        ends.push(ours);
        handles.push(handle);
    }
    Ok((ends, Threads(handles)))
}

/// Running worker threads.
#[derive(Debug)]
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until all are over.
    pub fn join(self) {
        for handle in self.0 {
            // A panic has been printed by the thread itself and shows as a lost worker.
            let _ = handle.join();
        }
    }
}
