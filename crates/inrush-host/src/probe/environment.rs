//! Where a run happens: host, kernel, cores, memory, limits, settings. Read once, for the report.

use super::kept::read_once;
use super::limits::{parse_meminfo, sysctls};
use crate::sys::limits::{cores, nofile};
use inrush_core::report::Environment;
use rustix::system::uname;
use std::collections::BTreeMap;

/// The name of this host, as every fact carries it.
pub fn host() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

/// Everything a report says about this host.
pub fn read() -> Environment {
    let name = uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (soft, hard) = nofile();
    let meminfo = read_once("/proc/meminfo").unwrap_or_default();
    Environment {
        host: host(),
        os: text(name.sysname()),
        kernel: text(name.release()),
        arch: text(name.machine()),
        cores: cores(),
        memory_bytes: parse_meminfo(&meminfo, "MemTotal").unwrap_or(0),
        limits: BTreeMap::from([("nofile_soft".into(), soft), ("nofile_hard".into(), hard)]),
        sysctl: sysctls(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_described() {
        let here = read();
        assert_eq!(here.os, "Linux");
        assert_eq!(here.arch, std::env::consts::ARCH);
        assert!(!here.host.is_empty() && here.host == host());
        assert!(here.memory_bytes > 1 << 20 && here.cores > 0);
        assert_eq!(here.limits["nofile_soft"], nofile().0);
        assert!(here.sysctl.contains_key("net.core.somaxconn"));
    }
}
