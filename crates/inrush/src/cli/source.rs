//! Source addresses: one, a range, or a network; at most 65,536 in all.

use crate::cli::units::wrong;
use inrush_core::units::UnitError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Most addresses of one run.
pub(crate) const LIMIT: usize = 65_536;

/// One `--source-ip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceRange {
    v6: bool,
    first: u128,
    last: u128,
}

impl SourceRange {
    /// All its addresses, in order.
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpAddr> {
        (self.first..=self.last).map(move |number| address(self.v6, number))
    }
}

impl FromStr for SourceRange {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (v6, first, last) = if let Some((network, bits)) = text.split_once('/') {
            network_of(network, bits)?
        } else if let Some((first, last)) = text.split_once('-') {
            let ((v6, first), (v6_last, last)) = (number(first)?, number(last)?);
            if v6 != v6_last {
                return wrong("the two ends are of different families", "");
            }
            (v6, first, last)
        } else {
            let (v6, first) = number(text)?;
            (v6, first, first)
        };
        if first > last {
            return wrong("the range ends before it begins", "write 127.0.1.1-127.0.1.20");
        }
        if last - first >= LIMIT as u128 {
            return wrong("more than 65,536 addresses", "write a smaller range");
        }
        Ok(Self { v6, first, last })
    }
}

fn number(text: &str) -> Result<(bool, u128), UnitError> {
    match text.trim().parse() {
        Ok(IpAddr::V4(v4)) => Ok((false, u32::from(v4).into())),
        Ok(IpAddr::V6(v6)) => Ok((true, v6.into())),
        Err(_) => wrong(
            format!("'{text}' is no address"),
            "write 127.0.1.1, 127.0.1.1-127.0.1.20 or 127.0.1.0/24",
        ),
    }
}

/// An IPv4 network without its own and its broadcast address: no host has those.
fn network_of(network: &str, bits: &str) -> Result<(bool, u128, u128), UnitError> {
    let (v6, base) = number(network)?;
    let width = if v6 { 128 } else { 32 };
    let bits = match bits.parse::<u32>() {
        Ok(bits) if bits <= width => bits,
        _ => return wrong(format!("'/{bits}' is no prefix length"), "write 127.0.1.0/24"),
    };
    let host_bits = width - bits;
    if host_bits > 16 {
        return wrong(
            "more than 65,536 addresses",
            if v6 { "write /112 or longer" } else { "write /16 or longer" },
        );
    }
    let mask = (1_u128 << host_bits) - 1;
    let (first, last) = (base & !mask, base | mask);
    let inner = u128::from(!v6 && host_bits >= 2);
    Ok((v6, first + inner, last - inner))
}

fn address(v6: bool, number: u128) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if !v6 => Ipv4Addr::from(number).into(),
        _ => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_networks() {
        for (text, count, first, last) in [
            ("127.0.0.1", 1, "127.0.0.1", "127.0.0.1"),
            ("127.0.1.1-127.0.1.20", 20, "127.0.1.1", "127.0.1.20"),
            ("10.1.2.7/24", 254, "10.1.2.1", "10.1.2.254"),
            ("10.1.2.6/31", 2, "10.1.2.6", "10.1.2.7"),
            ("10.1.2.7/32", 1, "10.1.2.7", "10.1.2.7"),
            ("10.1.0.0/16", 65_534, "10.1.0.1", "10.1.255.254"),
            ("::1", 1, "::1", "::1"),
            ("fd00::/126", 4, "fd00::", "fd00::3"),
        ] {
            let all: Vec<_> = text.parse::<SourceRange>().unwrap().addresses().collect();
            assert_eq!(all.len(), count, "{text}");
            assert_eq!(all[0].to_string(), first);
            assert_eq!(all[count - 1].to_string(), last);
        }
        for text in
            ["", "x", "10.0.0.0/8", "10.0.0.9-10.0.0.1", "1.2.3.4/33", "fd00::/64", "::1-1.2.3.4"]
        {
            assert!(text.parse::<SourceRange>().is_err(), "{text}");
        }
    }
}
