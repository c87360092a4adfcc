//! A descriptor table for one thread alone. The kernel takes its short ways through a table only
//! while nobody shares it: a loop whose captain shares it opens 10 % fewer connections per second.
#![allow(unsafe_code, reason = "descriptors are named by number across a change of table")]

use super::errno;
use inrush_core::errno::Errno;
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::mem::ManuallyDrop;

/// Gives the calling thread a table with `number` and the standard ones in it, and `number` to the
/// caller. Where that is forbidden (seccomp profiles of containers), a duplicate in the old table.
///
/// Called first thing in a thread that owns no descriptor; whoever owns `number` keeps it open
/// until this returns.
pub fn separate(number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: this thread owns no descriptor yet, so what becomes of the others in its copy of the
    // table concerns nobody; the table of all other threads stays as it is.
    if unsafe { unshare_unsafe(UnshareFlags::FILES) }.is_err() {
        // SAFETY: its owner keeps it open meanwhile.
        let shared = unsafe { BorrowedFd::borrow_raw(number) };
        return fcntl_dupfd_cloexec(shared, 3).map_err(errno);
    }
    for other in open_numbers().into_iter().filter(|other| *other > 2 && *other != number) {
        // SAFETY: this copy of the descriptor has no owner: those of other threads are in their
        // table, and this thread had none.
        drop(unsafe { OwnedFd::from_raw_fd(other) });
    }
    // SAFETY: it is open, because it was copied with the table, and the copy has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Numbers that are open in the calling thread's table.
fn open_numbers() -> Vec<RawFd> {
    // A captain without a free descriptor leaves none for the folder either: then all are kept.
    let Ok(entries) = std::fs::read_dir("/proc/thread-self/fd") else { return Vec::new() };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.collect();
    // One was the folder's own, which is closed by now.
    numbers.into_iter().filter(|number| is_open(*number)).collect()
}

fn is_open(number: RawFd) -> bool {
    // SAFETY: fcntl tells whether the number is open at all, and nothing is closed by the wrapper.
    let fd = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    rustix::io::fcntl_getfd(&*fd).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::pair;
    use crate::sys::tests::forbid;
    use rustix::fd::AsRawFd;

    #[test]
    fn a_thread_has_its_own_and_the_others_keep_theirs() {
        let (ours, theirs) = pair().unwrap();
        let (ours_number, number) = (ours.as_raw_fd(), theirs.as_raw_fd());
        let thread = std::thread::spawn(move || {
            let taken = separate(number).unwrap();
            assert!(!is_open(ours_number), "not in the new table");
            assert_eq!(open_numbers().into_iter().filter(|n| *n > 2).count(), 1);
            rustix::io::write(&taken, b"x").unwrap();
        });
        thread.join().unwrap();
        assert!(is_open(ours_number) && is_open(number));
        drop(theirs);
        let mut bytes = [0; 2];
        assert_eq!(rustix::io::read(&ours, &mut bytes), Ok(1));
        assert_eq!(rustix::io::read(&ours, &mut bytes), Ok(0), "the thread's end is gone with it");
    }

    #[test]
    fn where_it_is_forbidden_the_old_table_serves() {
        let (ours, theirs) = pair().unwrap();
        let (ours_number, number) = (ours.as_raw_fd(), theirs.as_raw_fd());
        let thread = std::thread::spawn(move || {
            forbid(libc::SYS_unshare, libc::EPERM);
            let taken = separate(number).unwrap();
            assert!(is_open(ours_number), "nothing of the others' is closed");
            assert_ne!(taken.as_raw_fd(), number, "its owner still has the other");
            rustix::io::write(&taken, b"x").unwrap();
        });
        thread.join().unwrap();
        drop(theirs);
        let mut bytes = [0; 2];
        assert_eq!(rustix::io::read(&ours, &mut bytes), Ok(1));
        assert_eq!(rustix::io::read(&ours, &mut bytes), Ok(0));
    }
}
