//! Facts: what the machine says, where it says it, before and after.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// Where a fact was read. Each can be checked by a shell (`show/` prints how).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Soft RLIMIT_NOFILE of the load's processes.
    OwnDescriptorLimit,
    /// Hard RLIMIT_NOFILE of the load's processes.
    OwnDescriptorHardLimit,
    /// Most descriptors one of the load's processes held; read at its first EMFILE when it had one.
    OwnDescriptors,
    /// Descriptors of those that were not connections.
    OwnDescriptorsOther,
    /// Allocated file handles of the whole system (`/proc/sys/fs/file-nr`).
    SystemDescriptors,
    /// `fs.file-max`.
    SystemDescriptorLimit,
    /// A counter of `/proc/net/{snmp,netstat}`, of the network namespace: ("TcpExt",
    /// "ListenOverflows").
    Counter(String, String),
    /// Sockets in TIME-WAIT (`/proc/net/sockstat`).
    TimeWait,
    /// Size of `net.ipv4.ip_local_port_range`.
    PortRange,
    /// Ports of that range free towards the destination before the run, for one source.
    FreePorts,
    /// Source addresses the plan uses.
    SourceAddresses,
    /// 1 when a socket of this namespace listens on the target.
    ListenerPresent(SocketAddr),
    /// When that listener left, milliseconds since T0: `before` it was last seen, `after` it was
    /// first missed.
    ListenerLeft(SocketAddr),
    /// Connections that wait in its accept queue (Recv-Q); the most seen.
    ListenerQueue(SocketAddr),
    /// Its backlog (Send-Q).
    ListenerBacklog(SocketAddr),
    /// SYNs and ACKs it dropped itself (`sock_diag` skmem d).
    ListenerDrops(SocketAddr),
    /// Descriptors a server process holds; `after` is the most that was seen.
    ServerDescriptors(u32),
    /// Its soft limit.
    ServerDescriptorLimit(u32),
    /// 1 while the process lives.
    ServerAlive(u32),
    /// When it ended, milliseconds since T0: `before` it was last seen alive, `after` it was first
    /// seen to have ended.
    ServerEnded(u32),
    /// A connect to the target after a burst of closes: 0 answered, else its errno.
    Probe(SocketAddr),
    /// When such a connect was first refused, milliseconds since T0: `before` is the burst that it
    /// followed, `after` the refusal.
    ProbeRefused(SocketAddr),
    /// Our own send lag, 99th percentile, microseconds.
    SendLagP99,
    /// Our own CPU, percent of the cores the workers use.
    OwnCpu,
    /// Kernel memory of TCP in pages (`/proc/net/sockstat` TCP mem).
    TcpMemory,
    /// `net.ipv4.tcp_mem` high mark in pages.
    TcpMemoryLimit,
    /// Entries of the connection-tracking table.
    Conntrack,
    /// Its limit.
    ConntrackLimit,
}

/// One thing the machine said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Where it was read.
    pub source: Source,
    /// The host it was read on.
    pub host: String,
    /// Before the load.
    pub before: Option<u64>,
    /// After it, or at the failure; the extreme where the source says so.
    pub after: Option<u64>,
}

/// All facts of a run, and what could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What was read, one per source.
    pub list: Vec<Fact>,
    /// Probe name -> why it could not be read ("needs root").
    pub unavailable: BTreeMap<String, String>,
    /// Probes that could be read.
    pub available: Vec<String>,
}

impl Facts {
    /// The fact of this source.
    pub fn get(&self, source: &Source) -> Option<&Fact> {
        self.list.iter().find(|fact| fact.source == *source)
    }

    /// Its later value.
    pub fn after(&self, source: &Source) -> Option<u64> {
        self.get(source).and_then(|fact| fact.after)
    }

    /// How far it rose.
    pub fn rise(&self, source: &Source) -> Option<u64> {
        let fact = self.get(source)?;
        Some(fact.after?.saturating_sub(fact.before?))
    }

    /// Writes a fact, or its later value when it is known already.
    pub fn set(&mut self, fact: Fact) {
        match self.list.iter_mut().find(|old| old.source == fact.source && old.host == fact.host) {
            Some(old) => {
                old.before = old.before.or(fact.before);
                old.after = fact.after.or(old.after);
            }
            None => self.list.push(fact),
        }
    }

    /// Writes a fact in the place of an earlier one of the same source and host.
    pub fn replace(&mut self, fact: Fact) {
        self.list.retain(|old| old.source != fact.source || old.host != fact.host);
        self.list.push(fact);
    }

    /// A counter of the network namespace: how far it rose.
    pub fn counter(&self, group: &str, name: &str) -> Option<u64> {
        self.rise(&Source::Counter(group.into(), name.into()))
    }
}
