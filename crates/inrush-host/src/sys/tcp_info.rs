//! `TCP_INFO`: what the kernel knows about one of our sockets, readable after its death, too, until
//! it is closed (FAILURES §0.4).
#![allow(unsafe_code, reason = "getsockopt(TCP_INFO), which rustix does not have")]

use inrush_core::failure::Look;
use rustix::fd::{AsFd, AsRawFd};

/// Bytes of `struct tcp_info` up to and with `tcpi_sndbuf_limited` (include/uapi/linux/tcp.h).
const LENGTH: usize = 192;

/// What is used of `struct tcp_info`. What an older kernel does not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// TCP state, as in `include/net/tcp_states.h`.
    pub state: u8,
    /// Retransmissions of what is unacknowledged now, in a row.
    pub retransmits: u8,
    /// Unanswered zero-window or keep-alive probes.
    pub probes: u8,
    /// Segments in flight.
    pub unacked: u32,
    /// Milliseconds since the last segment with data came in.
    pub last_data_recv_ms: u32,
    /// Milliseconds since the last ACK came in.
    pub last_ack_recv_ms: u32,
    /// Smoothed round trip, microseconds.
    pub rtt_us: u32,
    /// Retransmissions in the whole life.
    pub total_retrans: u32,
    /// Bytes of ours that were acknowledged, SYN counted as one.
    pub bytes_acked: u64,
    /// Bytes that came in, FIN counted as one.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments that came in.
    pub segs_in: u32,
    /// Bytes that wait to be sent for the first time.
    pub notsent_bytes: u32,
    /// Time with something to send or in flight, microseconds.
    pub busy_time_us: u64,
    /// Of that, time the peer's window was closed, microseconds.
    pub rwnd_limited_us: u64,
}

/// What the kernel knows about this socket; `None` when it is no TCP socket.
#[inline]
pub fn read(fd: impl AsFd) -> Option<TcpInfo> {
    let mut bytes = [0_u8; LENGTH];
    let mut length = libc::socklen_t::try_from(LENGTH).expect("192");
    // SAFETY: the descriptor is open as long as it is borrowed; the kernel writes at most `length`
    // bytes to `bytes`, and how many it wrote to `length`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return None;
    }
    Some(parse(&bytes[..LENGTH.min(length as usize)]))
}

/// Reads a `struct tcp_info` as far as it goes; kernels only ever append to it.
fn parse(bytes: &[u8]) -> TcpInfo {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let u32_at = |at: usize| {
        bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
    };
    let u64_at = |at: usize| {
        bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    TcpInfo {
        state: byte(0),
        retransmits: byte(2),
        probes: byte(3),
        unacked: u32_at(24),
        last_data_recv_ms: u32_at(52),
        last_ack_recv_ms: u32_at(56),
        rtt_us: u32_at(68),
        total_retrans: u32_at(100),
        bytes_acked: u64_at(120),
        bytes_received: u64_at(128),
        segs_out: u32_at(136),
        segs_in: u32_at(140),
        notsent_bytes: u32_at(144),
        busy_time_us: u64_at(168),
        rwnd_limited_us: u64_at(176),
    }
}

impl TcpInfo {
    /// Writes what a look keeps.
    pub fn fill(&self, look: &mut Look) {
        look.state = self.state;
        look.bytes_received = self.bytes_received;
        look.bytes_acked = self.bytes_acked;
        look.unacked = self.unacked;
        look.total_retrans = self.total_retrans;
        look.segs_in = self.segs_in;
        look.rtt_us = self.rtt_us;
        look.last_ack_recv_ms = self.last_ack_recv_ms;
        look.rwnd_limited_percent = self.rwnd_limited_percent();
    }

    fn rwnd_limited_percent(&self) -> u8 {
        let percent = self.rwnd_limited_us.saturating_mul(100).checked_div(self.busy_time_us);
        u8::try_from(percent.unwrap_or(0).min(100)).expect("at most 100")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::{self, Options};
    use inrush_core::failure::tcp_state;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fd::OwnedFd;

    fn wait(fd: &OwnedFd, flags: PollFlags) {
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(fd, flags)], Some(&patience)).unwrap(), 1);
    }

    fn look(fd: &OwnedFd) -> Look {
        let mut look = Look::default();
        read(fd).unwrap().fill(&mut look);
        look
    }

    #[test]
    fn a_life_is_told_from_handshake_to_reset() {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let to = socket::local_addr(&listener).unwrap();
        let client = socket::connect(to, None, &Options::default()).unwrap();
        wait(&listener, PollFlags::IN);
        let server = socket::accept(&listener).unwrap();
        assert_eq!(look(&client).state, tcp_state::ESTABLISHED);
        assert_eq!(look(&client).bytes_acked, 1, "the SYN");
        assert!(look(&client).rtt_us > 0);
        socket::send(&server, b"hello").unwrap();
        wait(&client, PollFlags::IN);
        assert_eq!(look(&client).bytes_received, 5);
        socket::recv(&client, &mut [0; 8]).unwrap();
        socket::shutdown_write(&server);
        wait(&client, PollFlags::IN);
        let fin = look(&client);
        assert_eq!((fin.state, fin.bytes_received), (tcp_state::CLOSE_WAIT, 6), "the FIN is one");
        socket::set_linger_zero(&server);
        drop(server);
        wait(&client, PollFlags::ERR);
        let dead = look(&client);
        assert_eq!((dead.state, dead.bytes_received), (tcp_state::CLOSE, 6), "readable when dead");
        assert!(dead.segs_in >= 3);
    }

    #[test]
    fn what_is_no_tcp_socket_has_none() {
        assert_eq!(read(std::fs::File::open("/dev/null").unwrap()), None);
    }

    #[test]
    fn an_older_and_shorter_structure_is_read_as_far_as_it_goes() {
        let mut bytes = [0; LENGTH];
        bytes[0] = 1;
        bytes[100..104].copy_from_slice(&7_u32.to_ne_bytes());
        bytes[128..136].copy_from_slice(&9_u64.to_ne_bytes());
        bytes[168..176].copy_from_slice(&200_u64.to_ne_bytes());
        bytes[176..184].copy_from_slice(&150_u64.to_ne_bytes());
        let whole = parse(&bytes);
        assert_eq!((whole.state, whole.total_retrans, whole.bytes_received), (1, 7, 9));
        assert_eq!(whole.rwnd_limited_percent(), 75);
        let old = parse(&bytes[..104]);
        assert_eq!((old.total_retrans, old.bytes_received, old.rwnd_limited_percent()), (7, 0, 0));
        assert_eq!(parse(&[]), TcpInfo::default());
    }
}
