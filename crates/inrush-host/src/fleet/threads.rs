//! Workers in this process: a thread each.

use crate::link::pair;
use crate::sys::{code, table};
use crate::worker;
use inrush_core::errno::Errno;
use rustix::fd::{AsRawFd, OwnedFd};
use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

/// Starts `count` workers in threads. Gives the captain's ends of their links.
pub fn start(count: u32, listener: Option<&OwnedFd>) -> Result<(Vec<OwnedFd>, Threads), Errno> {
    let (mut ends, mut handles) = (Vec::new(), Vec::new());
    for index in 0..count {
        let (ours, theirs) = pair()?;
        let listener = match listener {
            Some(fd) => Some(fd.try_clone().map_err(|error| code(&error))?),
            None => None,
        };
        let thread = Builder::new().name(format!("worker-{index}"));
        // A limit is one per table: several loops share the process's, as people expect of it, and
        // a server's descriptors are looked for in its process (`--server-pid`).
        let handle = if count == 1 && listener.is_none() {
            spawn_apart(thread, theirs)
        } else {
            // Its captain sees a broken link, and says so with the numbers it knows.
            thread.spawn(move || {
                let _ = worker::run(theirs, listener);
            })
        };
        handles.push(handle.map_err(|error| code(&error))?);
        ends.push(ours);
    }
    Ok((ends, Threads(handles)))
}

/// Starts a worker whose thread has a descriptor table of its own.
fn spawn_apart(thread: Builder, theirs: OwnedFd) -> io::Result<JoinHandle<()>> {
    let (say, hear) = mpsc::channel();
    let number = theirs.as_raw_fd();
    let handle = thread.spawn(move || {
        let control = table::separate(number);
        // The captain waits for this word, or for the end of the thread.
        let _ = say.send(());
        if let Ok(control) = control {
            let _ = worker::run(control, None);
        }
    })?;
    let _ = hear.recv();
    drop(theirs);
    Ok(handle)
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
