//! What lies between two sockets of this host, made by hand: packets that get lost, a connection
//! that its kernel forgets, an ICMP message, a RST in somebody's name. IPv4 only.
#![allow(unsafe_code, reason = "SO_ATTACH_FILTER and TCP_REPAIR, which rustix does not have")]

use super::{code, errno};
use inrush_core::errno::Errno;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// BPF_RET | BPF_K (include/uapi/linux/filter.h).
const BPF_RETURN: u16 = 6;
const SYN: u8 = 2;
const RST_ACK: u8 = 0x14;
const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;

/// From here on this socket's kernel throws away each packet for it, as a filter on the way does.
pub fn cut_off(fd: impl AsFd) -> Result<(), Errno> {
    // With 0: keep nothing of it.
    let mut nothing = libc::sock_filter { code: BPF_RETURN, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut nothing };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Closes a connection so that its kernel forgets it and says nothing (tcp_close() under
/// TCP_REPAIR). It needs CAP_NET_ADMIN in the namespace.
pub fn forget(fd: OwnedFd) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    set(&fd, libc::IPPROTO_TCP, libc::TCP_REPAIR, &on)
}

/// Sends to a descriptor that its owner has closed, as a program does that does not know.
pub fn send_to_closed(number: RawFd) -> Result<usize, Errno> {
    // SAFETY: nothing is read through it; at worst somebody of this process has the number again.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    super::socket::send(fd, b"late.")
}

/// The same for recv().
pub fn recv_from_closed(number: RawFd) -> Result<usize, Errno> {
    // SAFETY: as above.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    super::socket::recv(fd, &mut [0; 64])
}

fn set<T>(fd: impl AsFd, level: i32, name: i32, value: &T) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("a small structure");
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads `length` bytes
    // of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(code(&std::io::Error::last_os_error())) }
}

/// Somebody who sees each TCP packet of this namespace.
#[derive(Debug)]
pub struct Watcher {
    tcp: OwnedFd,
    icmp: OwnedFd,
}

/// A TCP segment that passed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    from: SocketAddrV4,
    to: SocketAddrV4,
    sequence: u32,
    acknowledges: u32,
    flags: u8,
    length: u32,
    /// Its IP header and the first 8 bytes behind: what ICMP quotes.
    quote: Vec<u8>,
}

impl Watcher {
    /// Begins. It needs CAP_NET_RAW in the namespace.
    pub fn open() -> Result<Self, Errno> {
        let raw = |protocol| {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            net::socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(protocol))
                .map_err(errno)
        };
        Ok(Self { tcp: raw(ipproto::TCP)?, icmp: raw(ipproto::ICMP)? })
    }

    /// The socket that tells when something passes.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }

    /// What passed by since the last time: the first SYN, or the first data, to this address.
    pub fn seen(&self, to: SocketAddr) -> Option<Segment> {
        let mut packet = [0_u8; 2_048];
        while let Ok((length, _)) = net::recv(&self.tcp, &mut packet[..], RecvFlags::empty()) {
            let segment = parse(&packet[..length.min(packet.len())]);
            let wanted = |it: &Segment| SocketAddr::from(it.to) == to && it.asks();
            if let Some(segment) = segment.filter(wanted) {
                return Some(segment);
            }
        }
        None
    }

    /// Says to its sender that the port cannot be reached (ICMP type 3, code 3).
    pub fn reject(&self, segment: &Segment) -> Result<(), Errno> {
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&segment.quote);
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let to = SocketAddrV4::new(*segment.from.ip(), 0);
        net::sendto(&self.icmp, &message, SendFlags::empty(), &to).map_err(errno).map(|_| ())
    }

    /// Ends the connection in the name of whom the segment went to.
    pub fn reset(&self, segment: &Segment) -> Result<(), Errno> {
        let packet = segment.reset();
        let to = SocketAddrV4::new(*segment.from.ip(), 0);
        net::sendto(&self.tcp, &packet, SendFlags::empty(), &to).map_err(errno).map(|_| ())
    }
}

impl Segment {
    /// A SYN, or data.
    fn asks(&self) -> bool {
        self.flags & SYN != 0 || self.length > 0
    }

    /// RFC 9293 §3.5.2: the sequence number that it acknowledged is in its window.
    fn reset(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(TCP_HEADER);
        packet.extend_from_slice(&self.to.port().to_be_bytes());
        packet.extend_from_slice(&self.from.port().to_be_bytes());
        packet.extend_from_slice(&self.acknowledges.to_be_bytes());
        let next = self.sequence.wrapping_add(self.length);
        packet.extend_from_slice(&next.to_be_bytes());
        packet.extend_from_slice(&[0x50, RST_ACK, 0, 0, 0, 0, 0, 0]);
        let length = u16::try_from(TCP_HEADER).expect("20").to_be_bytes();
        let (from, to) = (self.to.ip().octets(), self.from.ip().octets());
        let sum = checksum(&[&from, &to, &[0, 6], &length, &packet]);
        packet[16..18].copy_from_slice(&sum.to_be_bytes());
        packet
    }
}

/// An IPv4 packet with TCP in it.
fn parse(packet: &[u8]) -> Option<Segment> {
    let header = usize::from(packet.first()? & 15) * 4;
    let tcp = packet.get(header..).filter(|tcp| tcp.len() >= TCP_HEADER)?;
    if header < IP_HEADER || packet[9] != 6 {
        return None;
    }
    let ip = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let number = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    let data = tcp.len().saturating_sub(usize::from(tcp[12] >> 4) * 4);
    Some(Segment {
        from: SocketAddrV4::new(ip(12), port(0)),
        to: SocketAddrV4::new(ip(16), port(2)),
        sequence: number(4),
        acknowledges: number(8),
        flags: tcp[13],
        length: u32::try_from(data).ok()?,
        quote: packet[..header + 8].to_vec(),
    })
}

/// RFC 1071. Each part but the last must be of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN over loopback, as tcpdump shows it.
    fn syn() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0x3c, 0xce];
        packet.extend_from_slice(&[127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend_from_slice(&[0xa4, 0x10, 0x1f, 0x90, 0, 0, 0, 7, 0, 0, 0, 9]);
        packet.extend_from_slice(&[0x50, SYN, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn a_packet_is_read_and_answered() {
        let segment = parse(&syn()).unwrap();
        assert_eq!(segment.from, "127.0.0.1:42000".parse().unwrap());
        assert_eq!(segment.to, "127.0.0.1:8080".parse().unwrap());
        assert!(segment.asks());
        assert_eq!((segment.sequence, segment.acknowledges, segment.length), (7, 9, 0));
        assert_eq!(segment.quote, syn()[..28]);
        let reset = segment.reset();
        assert_eq!(reset[..8], [0x1f, 0x90, 0xa4, 0x10, 0, 0, 0, 9]);
        let addresses = [127, 0, 0, 1, 127, 0, 0, 1, 0, 6, 0, 20];
        assert_eq!(checksum(&[&addresses, &reset]), 0, "the sum of what is right is nought");
    }

    #[test]
    fn what_is_cut_short_is_no_segment() {
        for length in 0..40 {
            assert_eq!(parse(&syn()[..length]), None, "{length}");
        }
        let mut udp = syn();
        udp[9] = 17;
        assert_eq!(parse(&udp), None);
    }
}
