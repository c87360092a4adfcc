//! Connection tracking: the kernel tracks the connections of a namespace once a rule there asks for
//! their state. One such rule is set by hand (nf_tables), and the size of the table, which is one
//! for the whole host, is read and written.

use super::{code, errno};
use inrush_core::errno::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::fs;

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

// include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFTABLES: u16 = 10;
const NEW_TABLE: u16 = NFTABLES << 8;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFTABLES << 8 | 6;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const NESTED: u16 = 0x8000;
const IPV4: u8 = 2;
const LOCAL_OUT: u32 = 3;
const HEADER: usize = 16;

/// Entries that the host's table may have.
pub fn max() -> Result<u64, Errno> {
    number(MAX)
}

/// Entries of this network namespace.
pub fn count() -> Result<u64, Errno> {
    number(COUNT)
}

/// Sets how many entries each namespace of the host may have.
pub fn set_max(max: u64) -> Result<(), Errno> {
    fs::write(MAX, max.to_string()).map_err(|error| code(&error))
}

fn number(path: &str) -> Result<u64, Errno> {
    let text = fs::read_to_string(path).map_err(|error| code(&error))?;
    text.trim().parse().map_err(|_| Errno::EIO)
}

/// From here on each connection of this namespace is tracked.
pub fn track() -> Result<(), Errno> {
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let protocol = Some(netlink::NETFILTER);
    let socket = net::socket_with(AddressFamily::NETLINK, kind, flags, protocol).map_err(errno)?;
    net::send(&socket, &batch(), SendFlags::empty()).map_err(errno)?;
    let mut answers = 0;
    let mut buffer = [0_u8; 4_096];
    while answers < 3 {
        let (length, _) = net::recv(&socket, &mut buffer[..], RecvFlags::empty()).map_err(errno)?;
        let mut rest = &buffer[..length];
        while let Some(error) = rest.get(HEADER..HEADER + 4).and_then(|raw| raw.try_into().ok()) {
            let error = i32::from_ne_bytes(error);
            if error != 0 {
                return Err(Errno(u16::try_from(error.unsigned_abs()).unwrap_or(0)));
            }
            answers += 1;
            let length = rest[..4].try_into().map_or(0, u32::from_ne_bytes) as usize;
            rest = rest.get(length.next_multiple_of(4).max(HEADER)..).unwrap_or(&[]);
        }
    }
    Ok(())
}

/// A table, a chain for what goes out, and a rule that loads the state of its connection.
fn batch() -> Vec<u8> {
    let name = |kind, name: &str| attribute(kind, format!("{name}\0").as_bytes());
    let number = |kind, value: u32| attribute(kind, &value.to_be_bytes());
    let nest = |kind, parts: &[Vec<u8>]| attribute(kind | NESTED, &parts.concat());
    let table = name(1, "inrush");
    let hook = nest(4, &[number(1, LOCAL_OUT), number(2, 0)]);
    let chain = [name(1, "inrush"), name(3, "out"), hook, name(7, "filter")].concat();
    // Register 1 takes the state (key 0).
    let state = nest(2, &[number(1, 1), number(2, 0)]);
    let expressions = nest(4, &[nest(1, &[name(1, "ct"), state])]);
    let rule = [name(1, "inrush"), name(2, "out"), expressions].concat();
    [
        message(BATCH_BEGIN, 0, 0, NFTABLES, &[]),
        message(NEW_TABLE, CREATE | ACK, IPV4, 0, &table),
        message(NEW_CHAIN, CREATE | ACK, IPV4, 0, &chain),
        message(NEW_RULE, CREATE | ACK, IPV4, 0, &rule),
        message(BATCH_END, 0, 0, NFTABLES, &[]),
    ]
    .concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("it is short");
    let mut out = length.to_ne_bytes().to_vec();
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn message(kind: u16, flags: u16, family: u8, resource: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + 4 + body.len()).expect("it is short");
    let mut out = length.to_ne_bytes().to_vec();
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[family, 0]);
    out.extend_from_slice(&resource.to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_words_and_say_their_length() {
        assert_eq!(attribute(1, b"ct\0"), [7, 0, 1, 0, b'c', b't', 0, 0]);
        let mut rest = &batch()[..];
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            kinds.push(u16::from_ne_bytes(rest[4..6].try_into().unwrap()));
            rest = &rest[length..];
        }
        assert_eq!(kinds, [BATCH_BEGIN, NEW_TABLE, NEW_CHAIN, NEW_RULE, BATCH_END]);
    }
}
