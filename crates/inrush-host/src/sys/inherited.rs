//! Descriptors that our parent process left open for us.
#![allow(unsafe_code, reason = "a number becomes an owned descriptor here and nowhere else")]

use inrush_core::errno::Errno;
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes over descriptor `number`. It is closed on exec from now on.
///
/// The caller names each number once: it was given by the parent on our command line for us alone.
pub fn take(number: i32) -> Result<OwnedFd, Errno> {
    if number < 3 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the borrow ends in this statement, and fcntl tells whether the number is open at all.
    let open = unsafe { fcntl_getfd(BorrowedFd::borrow_raw(number)) };
    open.map_err(super::errno)?;
    // SAFETY: it is open (just asked), was inherited for us, and nothing else in this process
    // knows its number: arguments are read once, before anything is opened.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(super::errno)?;
    Ok(fd)
}
