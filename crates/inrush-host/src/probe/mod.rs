//! Readers of facts: what the machine says before, during and after a run. Each is one reader and
//! one pure parser. What cannot be read is told as such and fails nothing.

pub mod counters; // /proc/net/{snmp,netstat}
pub mod environment; // where the run happens
mod kept; // a file that stays open
pub mod limits; // sysctls and the kernel's tables
pub mod listener; // accept queues on this host
pub mod process; // a server's process on this host
pub mod sockstat; // /proc/net/sockstat

use counters::Counters;
use inrush_core::evidence::{Fact, Facts, Source};
use kept::Kept;
use rustix::param::page_size;
use sockstat::Sockstat;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The files of a run, open from before the load to after it: at most seven descriptors.
#[derive(Debug)]
pub struct Probes {
    host: String,
    snmp: Option<Kept>,
    netstat: Option<Kept>,
    sockstat: Option<Kept>,
    file_nr: Option<Kept>,
    meminfo: Option<Kept>,
    conntrack: Option<Kept>,
    conntrack_limit: Option<u64>,
    tcp_memory_limit: Option<u64>,
    unavailable: BTreeMap<String, String>,
    available: Vec<String>,
    before: Reading,
}

/// Everything at one moment.
#[derive(Debug, Default)]
struct Reading {
    counters: Counters,
    sockstat: Option<Sockstat>,
    /// Allocated file handles and their limit.
    files: Option<(u64, u64)>,
    conntrack: Option<u64>,
}

impl Probes {
    /// Opens what can be opened.
    pub fn open() -> Self {
        let (mut unavailable, mut available) = (BTreeMap::new(), Vec::new());
        let mut keep = |name: &str, path: &str| match Kept::open(path) {
            Ok(kept) => {
                available.push(name.to_owned());
                Some(kept)
            }
            Err(why) => {
                unavailable.insert(name.to_owned(), why);
                None
            }
        };
        let snmp = keep("snmp", "/proc/net/snmp");
        let netstat = keep("netstat", "/proc/net/netstat");
        let sockstat = keep("sockstat", "/proc/net/sockstat");
        let file_nr = keep("file-nr", "/proc/sys/fs/file-nr");
        let meminfo = keep("meminfo", "/proc/meminfo");
        let conntrack = keep("conntrack", "/proc/sys/net/netfilter/nf_conntrack_count");
        let limit = kept::read_once("/proc/sys/net/netfilter/nf_conntrack_max").ok();
        Self {
            host: environment::host(),
            snmp,
            netstat,
            sockstat,
            file_nr,
            meminfo,
            conntrack,
            conntrack_limit: limit.and_then(|text| text.trim().parse().ok()),
            tcp_memory_limit: limits::tcp_mem().map(|[_low, _pressure, high]| high),
            unavailable,
            available,
            before: Reading::default(),
        }
    }

    /// Reads everything as it is before the load.
    pub fn before(&mut self) {
        self.before = self.read();
    }

    /// Reads everything again and writes what it was and what it is. May be called more than once.
    pub fn after(&mut self, facts: &mut Facts) {
        let (before, after) = (&self.before, self.read());
        counters::state(&before.counters, &after.counters, &self.host, facts);
        let mut set = |source, before: Option<u64>, after: Option<u64>| {
            if before.is_some() || after.is_some() {
                facts.set(Fact { source, host: self.host.clone(), before, after });
            }
        };
        let (old, new) = (before.sockstat, after.sockstat);
        set(Source::TimeWait, old.map(|s| s.time_wait), new.map(|s| s.time_wait));
        set(Source::TcpMemory, old.map(|s| s.memory_pages), new.map(|s| s.memory_pages));
        set(Source::TcpMemoryLimit, self.tcp_memory_limit, self.tcp_memory_limit);
        let (old, new) = (before.files, after.files);
        set(Source::SystemDescriptors, old.map(|f| f.0), new.map(|f| f.0));
        set(Source::SystemDescriptorLimit, old.map(|f| f.1), new.map(|f| f.1));
        set(Source::Conntrack, before.conntrack, after.conntrack);
        if after.conntrack.is_some() {
            set(Source::ConntrackLimit, self.conntrack_limit, self.conntrack_limit);
        }
        for name in &self.available {
            if !facts.available.contains(name) {
                facts.available.push(name.clone());
            }
        }
        facts.unavailable.extend(self.unavailable.clone());
    }

    /// Memory the kernel uses for its own tables (Slab) and TCP's buffers, in bytes. MemAvailable
    /// would mislead: it counts the slab of live sockets as free (measured).
    pub fn kernel_memory_bytes(&mut self) -> Option<u64> {
        let meminfo = self.meminfo.as_ref()?.text()?;
        let slab = limits::parse_meminfo(&meminfo, "Slab")?;
        let pages = self.sockstat_now().map_or(0, |stat| stat.memory_pages);
        Some(slab.saturating_add(pages.saturating_mul(page_size() as u64)))
    }

    /// Memory nobody uses, in bytes (MemFree).
    pub fn free_memory_bytes(&mut self) -> Option<u64> {
        limits::parse_meminfo(&self.meminfo.as_ref()?.text()?, "MemFree")
    }

    /// Memory that can be had without swapping, in bytes (MemAvailable). Right only before the
    /// load.
    pub fn available_memory_bytes(&self) -> Option<u64> {
        limits::parse_meminfo(&self.meminfo.as_ref()?.text()?, "MemAvailable")
    }

    /// Sockets in TIME-WAIT.
    pub fn time_wait(&self) -> Option<u64> {
        self.sockstat_now().map(|stat| stat.time_wait)
    }

    /// File handles the system may still open.
    pub fn files_left(&self) -> Option<u64> {
        let (open, limit) = limits::parse_file_nr(&text(&self.file_nr)?)?;
        Some(limit.saturating_sub(open))
    }

    fn read(&self) -> Reading {
        let mut counters = Counters::new();
        for file in [&self.snmp, &self.netstat] {
            if let Some(text) = text(file) {
                counters.append(&mut counters::parse(&text));
            }
        }
        Reading {
            counters,
            sockstat: self.sockstat_now(),
            files: text(&self.file_nr).and_then(|text| limits::parse_file_nr(&text)),
            conntrack: text(&self.conntrack).and_then(|text| text.trim().parse().ok()),
        }
    }

    fn sockstat_now(&self) -> Option<Sockstat> {
        sockstat::parse(&text(&self.sockstat)?)
    }
}

/// Resident memory of a process in bytes; `None` = this one. This one's file is kept open by the
/// first call, which therefore belongs before the load.
pub fn rss_bytes(pid: Option<u32>) -> Option<u64> {
    static OWN: OnceLock<Option<Kept>> = OnceLock::new();
    let statm = match pid.filter(|pid| *pid != std::process::id()) {
        None => OWN.get_or_init(|| Kept::open("/proc/self/statm").ok()).as_ref()?.text()?,
        Some(pid) => kept::read_once(&format!("/proc/{pid}/statm")).ok()?,
    };
    Some(parse_resident_pages(&statm)?.saturating_mul(page_size() as u64))
}

fn text(file: &Option<Kept>) -> Option<String> {
    file.as_ref()?.text()
}

/// The second number of `statm`.
fn parse_resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::listener::ListenerWatch;
    use super::process::ServerWatch;
    use super::*;
    use crate::sys::limits::{Reserve, alone, open_descriptors, set_nofile};
    use crate::sys::socket::{self, Options};
    use inrush_core::time::Nanos;

    #[test]
    fn a_run_leaves_its_traces() {
        let mut probes = Probes::open();
        probes.before();
        let refused = |_| {
            let closed = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
            let to = socket::local_addr(&closed).unwrap();
            socket::stop_listening(closed);
            socket::connect(to, None, &Options::default())
        };
        let refusals = (0..5).map(refused).count() as u64;
        let mut facts = Facts::default();
        probes.after(&mut facts);
        probes.after(&mut facts);
        // Others use this network, too: never fewer than ours.
        assert!(facts.counter("Tcp", "OutRsts").unwrap() >= refusals);
        assert!(facts.counter("Tcp", "AttemptFails").unwrap() >= refusals);
        assert!(facts.counter("TcpExt", "ListenOverflows").is_some(), "told without having moved");
        assert!(facts.get(&Source::TimeWait).unwrap().before.is_some());
        let files = facts.after(&Source::SystemDescriptors).unwrap();
        assert!(0 < files && files < facts.after(&Source::SystemDescriptorLimit).unwrap());
        let known = |name: &str| facts.available.iter().filter(|n| *n == name).count();
        assert_eq!((known("netstat"), known("snmp"), known("sockstat")), (1, 1, 1));
        let conntrack = facts.get(&Source::Conntrack).is_some();
        assert_ne!(conntrack, facts.unavailable.contains_key("conntrack"));
    }

    #[test]
    fn nothing_needs_a_descriptor_while_the_run_lasts() {
        let name = "probe::tests::nothing_needs_a_descriptor_while_the_run_lasts";
        if let Some(end) = alone(name) {
            assert!(end.success(), "{end}");
            return;
        }
        let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let to = socket::local_addr(&listener).unwrap();
        let own = std::process::id();
        set_nofile(64).unwrap();
        let before = open_descriptors();
        let (mut probes, mut server) = (Probes::open(), ServerWatch::new(own));
        let mut listeners = ListenerWatch::open(&[to]).unwrap();
        let mut facts = Facts::default();
        probes.before();
        server.look(Nanos::ZERO, &mut facts);
        assert!(rss_bytes(None).is_some());
        assert!(open_descriptors() - before <= 9, "of the 24 that are ours");
        let _all = Reserve::hold(64);
        assert!(std::fs::File::open("/dev/null").is_err());
        probes.after(&mut facts);
        server.look(Nanos::ZERO, &mut facts);
        listeners.look(Nanos::ZERO, &mut facts);
        assert!(rss_bytes(Some(own)).is_some() && probes.kernel_memory_bytes().is_some());
        assert!(facts.counter("TcpExt", "ListenOverflows").is_some());
        assert_eq!(facts.after(&Source::ServerDescriptors(own)), Some(open_descriptors()));
        assert_eq!(facts.after(&Source::ServerDescriptorLimit(own)), Some(64));
        assert_eq!(facts.after(&Source::ServerAlive(own)), Some(1));
        assert_eq!(facts.after(&Source::ListenerPresent(to)), Some(1));
    }

    #[test]
    fn memory_is_read() {
        let mut probes = Probes::open();
        assert!(probes.kernel_memory_bytes().unwrap() > 1 << 20);
        assert!(probes.free_memory_bytes().unwrap() > 0);
        let own = rss_bytes(None).unwrap();
        assert!(own > 1 << 20 && rss_bytes(Some(std::process::id())).unwrap() > 1 << 20);
        assert_eq!(rss_bytes(Some(u32::MAX)), None);
        for (text, expected) in [("900 123 80 1 0 70 0\n", Some(123)), ("900", None), ("a b", None)]
        {
            assert_eq!(parse_resident_pages(text), expected, "{text}");
        }
    }
}
