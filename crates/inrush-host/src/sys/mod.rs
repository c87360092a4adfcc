//! The operating system, one call at a time: the only unsafe code of the project. A port to another
//! system provides `socket`, `poll`, `clock`, `limits`, `signal` and `inherited` with these
//! signatures; `tcp_info` and `sock_diag` may know nothing there (`None`, `Err`), and everything
//! above this folder stays as it is.

pub mod clock; // monotonic time, CPU time, timer slack
pub mod conntrack; // the table of tracked connections
pub mod inherited; // descriptors our parent left open
pub mod limits; // descriptors, cores, life and death of processes
pub mod namespace; // a network of this process alone
pub mod path; // what lies between two sockets
pub mod poll; // readiness and precise wake-ups
pub mod signal; // SIGINT and SIGTERM
pub mod sock_diag; // the other side of our sockets, when it is on this host
pub mod socket; // non-blocking sockets
pub mod table; // a descriptor table for one thread alone
pub mod tcp_info; // what the kernel knows about one socket

use inrush_core::errno::Errno;

/// The same number, as the core's type.
#[inline]
pub fn errno(e: rustix::io::Errno) -> Errno {
    // Linux: include/linux/err.h, MAX_ERRNO is 4095.
    Errno(u16::try_from(e.raw_os_error()).unwrap_or(0))
}

/// The error number inside an error of std; EIO when it has none.
pub fn code(error: &std::io::Error) -> Errno {
    error.raw_os_error().and_then(|raw| u16::try_from(raw).ok()).map_or(Errno::EIO, Errno)
}

#[cfg(test)]
#[allow(unsafe_code, reason = "a seccomp filter, which no library of ours sets")]
pub(crate) mod tests {
    use super::*;

    /// A filter as container runtimes have it, for the calling thread: this system call fails so.
    pub(crate) fn forbid(call: libc::c_long, errno: libc::c_int) {
        let statement = |code: u32, k: u32, jt, jf| libc::sock_filter {
            code: u16::try_from(code).unwrap(),
            jt,
            jf,
            k,
        };
        let number = u32::try_from(call).unwrap();
        let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
        let mut program = [
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 0, 1),
            statement(libc::BPF_RET | libc::BPF_K, refused, 0, 0),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        ];
        let program = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        // SAFETY: both concern the calling thread alone; the program outlives the call.
        let result = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        assert_eq!(result, 0, "seccomp filters can be set by everybody");
    }

    #[test]
    fn numbers_stay_what_they_are() {
        assert_eq!(errno(rustix::io::Errno::CONNREFUSED), Errno::ECONNREFUSED);
        assert_eq!(code(&std::io::Error::from_raw_os_error(24)), Errno::EMFILE);
        assert_eq!(code(&std::io::Error::other("no number")), Errno::EIO);
    }
}
