//! A network namespace of this process alone, and what is set up in it: its loopback interface, its
//! sysctls, a forbidden way. Nothing of it is seen outside.
#![allow(unsafe_code, reason = "unshare(), and setresuid() of a process with one thread")]

use super::{code, errno};
use inrush_core::errno::Errno;
use rustix::fd::OwnedFd;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::net::Ipv4Addr;

// include/uapi/linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_NEWROUTE: u16 = 24;
const RTN_PROHIBIT: u8 = 8;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RTA_DST: u16 = 1;
// include/uapi/linux/netlink.h
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const HEADER: usize = 16;
/// The loopback interface is the first of each namespace.
const LOOPBACK: i32 = 1;
const IFF_UP: u32 = 1;
/// `nobody`: the kernel never counts the threads of root.
const NOBODY: u32 = 65_534;

/// Moves this process, which must have one thread, into a network namespace of its own whose
/// loopback interface is up. Without root it takes a user namespace, too; where those are not
/// allowed, EPERM.
pub fn enter() -> Result<(), Errno> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    // SAFETY: what is unshared are namespaces; descriptors and memory stay as they are.
    let plain = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
    if plain.is_err() {
        let both = UnshareFlags::NEWUSER | UnshareFlags::NEWNET;
        // SAFETY: as above.
        unsafe { unshare_unsafe(both) }.map_err(errno)?;
        // user_namespaces(7): the group map of somebody without rights needs setgroups denied.
        let write = |path: &str, text: String| std::fs::write(path, text).map_err(|e| code(&e));
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    loopback_up()
}

/// Writes a sysctl by its dotted name. It must be one of the network namespace.
pub fn sysctl(name: &str, value: &str) -> Result<(), Errno> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    std::fs::write(path, value).map_err(|error| code(&error))
}

/// `ip route add prohibit IP`.
pub fn prohibit(ip: Ipv4Addr) -> Result<(), Errno> {
    let mut body = Vec::with_capacity(20);
    // struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags.
    let family = u8::try_from(libc::AF_INET).expect("2");
    body.extend_from_slice(&[family, 32, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_PROHIBIT]);
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&8_u16.to_ne_bytes());
    body.extend_from_slice(&RTA_DST.to_ne_bytes());
    body.extend_from_slice(&ip.octets());
    ask(RTM_NEWROUTE, NLM_F_CREATE, &body)
}

/// Sets how many threads the user of this process may have, `more` beyond none of its own. A
/// process of root becomes one of `nobody` for good: root is never refused a thread.
pub fn limit_threads(more: u64) -> Result<(), Errno> {
    if rustix::process::getuid().is_root() {
        // SAFETY: plain numbers; the process has one thread, so that all of it changes.
        let changed = unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) } == 0;
        let error = code(&std::io::Error::last_os_error());
        // Who is root in a user namespace alone has no `nobody` there, and is limited as he is.
        if !changed && error != Errno::EINVAL {
            return Err(error);
        }
        // The kernel forgets it when rights change (prctl(2)).
        super::limits::set_pdeathsig();
    }
    let limit = getrlimit(Resource::Nproc);
    let soft = limit.maximum.map_or(more, |hard| hard.min(more));
    let wanted = Rlimit { current: Some(soft), maximum: limit.maximum };
    setrlimit(Resource::Nproc, wanted).map_err(errno)
}

fn loopback_up() -> Result<(), Errno> {
    // struct ifinfomsg: family, padding, type, index, flags, change.
    let mut body = vec![0; 4];
    body.extend_from_slice(&LOOPBACK.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    ask(RTM_NEWLINK, 0, &body)
}

/// One message to rtnetlink, and its acknowledgement.
fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
    let socket = socket()?;
    let length = u32::try_from(HEADER + body.len()).expect("it is short");
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    net::send(&socket, &message, SendFlags::empty()).map_err(errno)?;
    let mut answer = [0_u8; 1_024];
    let (length, _) = net::recv(&socket, &mut answer[..], RecvFlags::empty()).map_err(errno)?;
    // struct nlmsgerr: a negative errno, 0 for yes.
    let error = answer[..length].get(HEADER..HEADER + 4).and_then(|raw| raw.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(Errno(u16::try_from(error.unsigned_abs()).unwrap_or(0))),
        None => Err(Errno::EIO),
    }
}

fn socket() -> Result<OwnedFd, Errno> {
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    net::socket_with(AddressFamily::NETLINK, kind, flags, None).map_err(errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::limits::alone;
    use crate::sys::socket::{self, Options};

    #[test]
    fn what_is_set_up_there_is_seen_there_alone() {
        let name = "sys::namespace::tests::what_is_set_up_there_is_seen_there_alone";
        let Some(end) = alone(name) else {
            // The harness has threads: a user namespace is not to be had by such a process.
            let Ok(()) = enter() else { return };
            let listener = socket::listen("127.0.0.1:8080".parse().unwrap(), 1).unwrap();
            let to = socket::local_addr(&listener).unwrap();
            socket::connect(to, None, &Options::default()).unwrap();
            sysctl("net.ipv4.ip_local_port_range", "42000 42001").unwrap();
            assert_eq!(crate::probe::limits::port_range(), Some((42_000, 42_001)));
            let nowhere = "192.0.2.1:9".parse().unwrap();
            let try_it = || socket::connect(nowhere, None, &Options::default()).unwrap_err().1;
            assert_eq!(try_it(), Errno::ENETUNREACH);
            prohibit([192, 0, 2, 1].into()).unwrap();
            assert_eq!(try_it(), Errno::EACCES);
            return;
        };
        assert!(end.success(), "{end}");
        assert_ne!(crate::probe::limits::port_range(), Some((42_000, 42_001)));
    }
}
