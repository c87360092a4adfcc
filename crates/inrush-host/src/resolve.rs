//! Names to addresses: once, before descriptors are spent, by the system's own resolver, because
//! that is the one whose failures users see.

use crate::sys::{code, limits};
use inrush_core::errno::Errno;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Addresses of a name, in the resolver's order, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one.
    pub addresses: Vec<SocketAddr>,
    /// From call to answer; zero for a literal address.
    pub took: Duration,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The resolver's words.
    pub text: String,
    /// Its errno, when it kept one.
    pub errno: Option<Errno>,
    /// No descriptor was free: then the resolver's words are no evidence (FAILURES §4).
    pub out_of_descriptors: bool,
    /// It has addresses, but none of the family that was asked for.
    pub other_family: bool,
}

/// Looks up `host`. IPv4 or IPv6 only when asked.
pub fn lookup(host: &str, port: u16, v4: bool, v6: bool) -> Result<Resolved, Unresolved> {
    let since = Instant::now();
    let (soft, _) = limits::nofile();
    let exhausted = limits::open_descriptors() + 1 >= soft;
    let unresolved = |text: String, errno| Unresolved {
        text,
        errno,
        out_of_descriptors: exhausted,
        other_family: false,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, port).to_socket_addrs().map_err(|error| {
        let errno = error.raw_os_error().map(|_| code(&error));
        unresolved(error.to_string(), errno)
    })?;
    let wanted = |a: &SocketAddr| (!v4 && !v6) || (v4 && a.is_ipv4()) || (v6 && a.is_ipv6());
    let mut addresses: Vec<SocketAddr> = found.filter(wanted).collect();
    addresses.dedup();
    if addresses.is_empty() {
        let family = if v4 { "IPv4" } else { "IPv6" };
        let text = format!("{host} has no {family} address");
        return Err(Unresolved { other_family: true, ..unresolved(text, None) });
    }
    let literal = bare.parse::<std::net::IpAddr>().is_ok();
    let took = if literal { Duration::ZERO } else { since.elapsed() };
    Ok(Resolved { addresses, took })
}

/// The address that answers one probe connect within `patience` each, and how many were made.
pub fn answering(addresses: &[SocketAddr], patience: Duration) -> (Option<SocketAddr>, u64) {
    let mut probes = 0;
    for address in addresses {
        probes += 1;
        if std::net::TcpStream::connect_timeout(address, patience).is_ok() {
            return (Some(*address), probes);
        }
    }
    (None, probes)
}
