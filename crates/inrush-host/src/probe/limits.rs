//! Limits that are files: sysctls, `file-nr`, `meminfo`. Read before the load.

use super::kept::read_once;
use std::collections::BTreeMap;

/// What a report tells about the kernel's settings.
const SYSCTLS: [&str; 19] = [
    "fs.file-max",
    "fs.nr_open",
    "net.core.netdev_max_backlog",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "net.netfilter.nf_conntrack_max",
];

/// First and last port that the kernel gives to connect().
pub fn port_range() -> Option<(u16, u16)> {
    parse_pair(&sysctl("net.ipv4.ip_local_port_range")?)
}

/// net.core.somaxconn: what a backlog is cut to.
pub fn somaxconn() -> Option<u64> {
    sysctl("net.core.somaxconn")?.parse().ok()
}

/// fs.file-max: open files of the whole system.
pub fn file_max() -> Option<u64> {
    sysctl("fs.file-max")?.parse().ok()
}

/// net.ipv4.tcp_mem in pages: low, pressure, high.
pub fn tcp_mem() -> Option<[u64; 3]> {
    parse_three(&sysctl("net.ipv4.tcp_mem")?)
}

/// Settings that can be read, by name; words are separated by one space.
pub fn sysctls() -> BTreeMap<String, String> {
    SYSCTLS.iter().filter_map(|name| Some(((*name).to_owned(), sysctl(name)?))).collect()
}

/// `fs.file-nr`: allocated file handles, and their limit.
pub(super) fn parse_file_nr(text: &str) -> Option<(u64, u64)> {
    let [allocated, _unused, limit] = parse_three(text)?;
    Some((allocated, limit))
}

/// A line of `/proc/meminfo` in bytes.
pub(super) fn parse_meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let mut words = line.split_whitespace();
    let kib: u64 = words.next()?.parse().ok()?;
    (words.next() == Some("kB")).then(|| kib.saturating_mul(1_024))
}

fn sysctl(name: &str) -> Option<String> {
    let text = read_once(&format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn parse_pair(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once(char::is_whitespace)?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high).then_some((low, high))
}

fn parse_three(text: &str) -> Option<[u64; 3]> {
    let numbers: Vec<u64> =
        text.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_texts_are_read() {
        for (text, expected) in [
            ("32768\t60999\n", Some((32_768, 60_999))),
            ("1024 65535", Some((1_024, 65_535))),
            ("1024 65536", None),
            ("9 8", None),
            ("", None),
        ] {
            assert_eq!(parse_pair(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("620\t0\t2466177\n", Some((620, 2_466_177))),
            ("620\t0\t9223372036854775807\n", Some((620, 9_223_372_036_854_775_807))),
            ("620 0", None),
            ("620 0 x", None),
        ] {
            assert_eq!(parse_file_nr(text), expected, "{text:?}");
        }
        let meminfo = "\
MemTotal:       24654892 kB
MemFree:              20 kB
Slab:              83028 kB
HugePages_Total:       7
";
        for (name, expected) in [
            ("Slab", Some(83_028 * 1_024)),
            ("MemFree", Some(20_480)),
            ("Mem", None),
            ("HugePages_Total", None),
        ] {
            assert_eq!(parse_meminfo(meminfo, name), expected, "{name}");
        }
    }

    #[test]
    fn this_kernel_has_them() {
        let (low, high) = port_range().unwrap();
        assert!(0 < low && low <= high);
        assert!(somaxconn().unwrap() > 0);
        assert!(file_max().unwrap() > 0);
        let all = sysctls();
        assert_eq!(all["net.ipv4.ip_local_port_range"], format!("{low} {high}"));
        if let Some(tcp_mem) = tcp_mem() {
            assert!(tcp_mem.is_sorted());
        }
    }
}
