//! SIGINT and SIGTERM as something a poller can wait for.

use super::code;
use inrush_core::errno::Errno;
use rustix::fd::{AsFd, BorrowedFd};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Caught signals. Their default action is back when it is dropped.
#[derive(Debug)]
pub struct Signals {
    woken: UnixStream,
    which: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl Signals {
    /// Catches both from now on. Three descriptors.
    pub fn catch() -> Result<Self, Errno> {
        let (woken, wake) = UnixStream::pair().map_err(|error| code(&error))?;
        woken.set_nonblocking(true).map_err(|error| code(&error))?;
        let which = Arc::new(AtomicUsize::new(0));
        let mut ids = Vec::new();
        for (signal, number) in [(SIGINT, 2), (SIGTERM, 15)] {
            let wake = wake.try_clone().map_err(|error| code(&error))?;
            // The number is stored before the pipe wakes us: actions run in this order.
            ids.push(
                flag::register_usize(signal, Arc::clone(&which), number).map_err(|e| code(&e))?,
            );
            ids.push(low_level::pipe::register(signal, wake).map_err(|error| code(&error))?);
        }
        Ok(Self { woken, which, ids })
    }

    /// The last one that came since the last call.
    pub fn take(&mut self) -> Option<i32> {
        let mut bytes = [0; 16];
        while matches!(self.woken.read(&mut bytes), Ok(n) if n > 0) {}
        match self.which.swap(0, Ordering::SeqCst) {
            0 => None,
            number => i32::try_from(number).ok(),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}
