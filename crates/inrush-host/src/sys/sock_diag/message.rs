//! The bytes of NETLINK_SOCK_DIAG (include/uapi/linux/{netlink,sock_diag,inet_diag}.h): requests
//! are written and answers read here, and nothing is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `NLMSG_ERROR`: an errno, negative; 0 is an acknowledgement.
pub(super) const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub(super) const DONE: u16 = 3;
/// `SOCK_DIAG_BY_FAMILY`: a request, and a socket in the answer.
pub(super) const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, its ancestor, which does not ask for a family: likewise.
pub(super) const OF_ANY_FAMILY: u16 = 18;

const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const HEADER: usize = 16;
const REQUEST_LENGTH: usize = HEADER + 56;
/// A field at the end of the ancestor's request that means nothing (`idiag_dbs`).
const DBS: usize = 4;
const MESSAGE_LENGTH: usize = 72;
/// `INET_DIAG_SKMEMINFO`, and where `SK_MEMINFO_DROPS` is in it.
const SKMEMINFO: u16 = 7;
const DROPS: usize = 8 * 4;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// `AF_INET` or `AF_INET6`.
    pub(super) v6: bool,
    /// Bits of the TCP states that are wanted; a look-up ignores them.
    pub(super) states: u32,
    /// The socket's own address; unspecified and 0 = any, in a dump.
    pub(super) src: SocketAddr,
    /// Its peer's address; likewise.
    pub(super) dst: SocketAddr,
    /// All sockets that match, or exactly one.
    pub(super) dump: bool,
    /// A dump of IPv4 and IPv6 sockets in one pass; the addresses are not looked at.
    pub(super) both: bool,
}

/// One socket of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) state: u8,
    pub(super) v6: bool,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    /// Unread bytes; connections in the accept queue of a listener.
    pub(super) rqueue: u32,
    /// Unacknowledged bytes; the backlog of a listener.
    pub(super) wqueue: u32,
    /// 0 = no program has it.
    pub(super) inode: u32,
    /// SYNs and ACKs that a listener dropped.
    pub(super) drops: Option<u32>,
}

/// One netlink message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// The bytes of a question.
pub(super) fn request(question: &Question, sequence: u32) -> Vec<u8> {
    let length = REQUEST_LENGTH + if question.both { DBS } else { 0 };
    let mut out = Vec::with_capacity(length);
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    let flags = if question.dump { REQUEST | DUMP } else { REQUEST };
    let family = if question.v6 { libc::AF_INET6 } else { libc::AF_INET };
    put(&u32::try_from(length).expect("72 or 76").to_ne_bytes());
    put(&if question.both { OF_ANY_FAMILY } else { BY_FAMILY }.to_ne_bytes());
    put(&flags.to_ne_bytes());
    put(&sequence.to_ne_bytes());
    put(&[0; 4]);
    put(&[u8::try_from(family).expect("2 or 10")]);
    if question.both {
        // struct inet_diag_req: lengths of addresses that nobody reads, no extension.
        put(&[0; 3]);
    } else {
        put(&[u8::try_from(libc::IPPROTO_TCP).expect("6")]);
        put(&[1 << (SKMEMINFO - 1), 0]);
        put(&question.states.to_ne_bytes());
    }
    put(&question.src.port().to_be_bytes());
    put(&question.dst.port().to_be_bytes());
    put(&address(question.src.ip(), question.v6));
    put(&address(question.dst.ip(), question.v6));
    put(&scope(question.src).to_ne_bytes());
    // INET_DIAG_NOCOOKIE: whichever socket it is.
    put(&[0xff; 8]);
    if question.both {
        put(&question.states.to_ne_bytes());
        put(&[0; DBS]);
    }
    out
}

/// The messages of one datagram.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            sequence: u32_at(bytes, 8)?,
            body: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    })
}

/// The errno of an `ERROR` message; 0 for an acknowledgement.
pub(super) fn error(body: &[u8]) -> u16 {
    let raw = u32_at(body, 0).map_or(0, u32::cast_signed);
    u16::try_from(raw.unsigned_abs()).unwrap_or(0)
}

/// The socket of a `BY_FAMILY` message.
pub(super) fn socket(body: &[u8]) -> Option<Socket> {
    let v6 = i32::from(*body.first()?) == libc::AF_INET6;
    let end = |port_at: usize, ip_at: usize| {
        let port = u16::from_be_bytes(body.get(port_at..port_at + 2)?.try_into().ok()?);
        let raw: [u8; 16] = body.get(ip_at..ip_at + 16)?.try_into().ok()?;
        let ip = match v6 {
            true => IpAddr::V6(Ipv6Addr::from(raw)),
            false => IpAddr::V4(Ipv4Addr::new(raw[0], raw[1], raw[2], raw[3])),
        };
        Some(SocketAddr::new(ip, port))
    };
    Some(Socket {
        state: *body.get(1)?,
        v6,
        src: end(4, 8)?,
        dst: end(6, 24)?,
        rqueue: u32_at(body, 56)?,
        wqueue: u32_at(body, 60)?,
        inode: u32_at(body, 68)?,
        drops: attribute(body.get(MESSAGE_LENGTH..)?, SKMEMINFO).and_then(|a| u32_at(a, DROPS)),
    })
}

/// The first attribute of this kind.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0)?);
        let payload = bytes.get(4..length)?;
        if u16_at(bytes, 2)? == kind {
            return Some(payload);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

fn address(ip: IpAddr, v6: bool) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) if v6 && ip.is_unspecified() => [0; 16],
        IpAddr::V4(ip) if v6 => ip.to_ipv6_mapped().octets(),
        IpAddr::V4(ip) => {
            let mut out = [0; 16];
            out[..4].copy_from_slice(&ip.octets());
            out
        }
    }
}

/// A link-local address means nothing without its interface.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener_answer() -> Vec<u8> {
        let mut body = vec![2, 10, 0, 0];
        body.extend(8_080_u16.to_be_bytes());
        body.extend([0; 2]);
        body.extend(address("127.0.0.1".parse().unwrap(), false));
        body.extend([0; 16 + 4 + 8 + 4]);
        for number in [3_u32, 8, 0, 4_242] {
            body.extend(number.to_ne_bytes());
        }
        body.extend([5, 0, 8, 0, 1, 0, 0, 0]);
        body.extend([40, 0, 7, 0]);
        (0..9_u32).for_each(|n| body.extend((n * 11).to_ne_bytes()));
        let mut out = Vec::new();
        out.extend(u32::try_from(body.len() + HEADER).unwrap().to_ne_bytes());
        out.extend(BY_FAMILY.to_ne_bytes());
        out.extend([0; 2]);
        out.extend(77_u32.to_ne_bytes());
        out.extend([0; 4]);
        out.extend(body);
        out
    }

    #[test]
    fn an_answer_is_read() {
        let bytes = listener_answer();
        let all: Vec<Message<'_>> = messages(&bytes).collect();
        assert_eq!((all.len(), all[0].kind, all[0].sequence), (1, BY_FAMILY, 77));
        let expected = Socket {
            state: 10,
            v6: false,
            src: "127.0.0.1:8080".parse().unwrap(),
            dst: "0.0.0.0:0".parse().unwrap(),
            rqueue: 3,
            wqueue: 8,
            inode: 4_242,
            drops: Some(88),
        };
        assert_eq!(socket(all[0].body), Some(expected));
    }

    #[test]
    fn cut_or_senseless_bytes_end_the_answer() {
        let bytes = listener_answer();
        for length in 0..bytes.len() {
            assert_eq!(messages(&bytes[..length]).count(), 0, "{length}");
        }
        let body = messages(&bytes).next().unwrap().body;
        for length in 0..body.len() {
            let got = socket(&body[..length]);
            assert_eq!(got.is_some(), length >= MESSAGE_LENGTH, "{length}");
            assert!(got.is_none_or(|socket| socket.drops.is_none()));
        }
        assert_eq!(messages(&[0; 64]).count(), 0, "a length below its own header");
        assert_eq!(attribute(&[0; 16], SKMEMINFO), None);
        assert_eq!(error(&(-2_i32).to_ne_bytes()), 2);
        assert_eq!(error(&[]), 0);
    }

    #[test]
    fn a_question_has_its_fields_where_the_kernel_reads_them() {
        let question = Question {
            v6: true,
            states: 0x400,
            src: "[::1]:80".parse().unwrap(),
            dst: "0.0.0.0:0".parse().unwrap(),
            dump: true,
            both: false,
        };
        let bytes = request(&question, 5);
        assert_eq!(u32_at(&bytes, 0), Some(72));
        assert_eq!(u16_at(&bytes, 6), Some(REQUEST | DUMP));
        assert_eq!(bytes[16..20], [10, 6, 64, 0]);
        assert_eq!(u32_at(&bytes, 20), Some(0x400));
        assert_eq!(bytes[24..28], [0, 80, 0, 0]);
        assert_eq!((bytes[43], &bytes[44..60]), (1, &[0; 16][..]));
        assert_eq!(bytes[64..72], [0xff; 8]);
    }
}
