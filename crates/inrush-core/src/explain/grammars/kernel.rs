//! The kernel's log, and counters as nstat, netstat -s and ss print them: a counter of zero tells
//! nothing.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar { runtime: Some(Runtime::Kernel), phrases: &[LOG], read: None, print: None },
    Grammar { runtime: Some(Runtime::Ss), phrases: &[SS], read: Some(read), print: None },
];

static LOG: &[Phrase] = &[
    mark("kernel:"),
    mark("nf_conntrack"),
    mark("TCP:"),
    mark("VFS:"),
    mark("dmesg"),
    mark("neighbour:"),
    mark("cgroup:"),
    mark("] TCP"),
    is("nf_conntrack: table full", Class::ConntrackFull).last(),
    is("ip_conntrack: table full", Class::ConntrackFull).last(),
    is("conntrack table full", Class::ConntrackFull).last(),
    is("nf_conntrack table full", Class::ConntrackFull).last(),
    is("table full, dropping packet", Class::ConntrackFull).last(),
    is("conntrack: table is full", Class::ConntrackFull).last(),
    is("nf_conntrack: falling back to vmalloc", Class::NotAConnectionFailure),
    is("Possible SYN flooding on port", Class::AcceptQueueOverflow).last(),
    is("possible SYN flooding", Class::AcceptQueueOverflow).last(),
    is("drop open request from", Class::AcceptQueueOverflow).last(),
    is("listen queue overflow", Class::AcceptQueueOverflow).last(),
    is("sonewconn", Class::AcceptQueueOverflow).with(&["listen queue"]).last(),
    is("Listen queue overflow:", Class::AcceptQueueOverflow).last(),
    is("already in queue awaiting acceptance", Class::AcceptQueueOverflow).last(),
    is("TCP: out of memory", Class::TcpMemory).last(),
    is("consider tuning tcp_mem", Class::TcpMemory).last(),
    is("too many orphaned sockets", Class::TcpMemory).last(),
    is("too many of orphaned sockets", Class::TcpMemory).last(),
    is("TCP: too many orphaned", Class::TcpMemory).last(),
    is("time wait bucket table overflow", Class::TcpMemory).weighs(SURE),
    is("neighbor table overflow", Class::NeighbourTableFull).last(),
    is("neighbour table overflow", Class::NeighbourTableFull).last(),
    is("arp_cache: neighbor table overflow", Class::NeighbourTableFull).last(),
    is("Neighbour table overflow", Class::NeighbourTableFull).last(),
    is("dst cache overflow", Class::NoBufferSpace).weighs(SURE),
    is("VFS: file-max limit", Class::FdExhaustedSystem).last(),
    is("file-max limit", Class::FdExhaustedSystem).with(&["reached"]).last(),
    is("kern.maxfiles limit exceeded", Class::FdExhaustedSystem).last(),
    is("file: table is full", Class::FdExhaustedSystem).last(),
    is("fork rejected by pids controller", Class::ThreadLimit).last(),
    is("maxproc limit exceeded by uid", Class::ThreadLimit).last(),
    is("page allocation failure", Class::NoBufferSpace)
        .with(&["tcp", "skb", "net", "alloc_skb"])
        .at(Printed::Local),
    is("mbuf", Class::NoBufferSpace).with(&["limit reached", "exhausted"]).at(Printed::Local),
    harmless("Out of memory: Killed process"),
    harmless("segfault at"),
    harmless("oom-kill:"),
    harmless("entered promiscuous mode"),
    harmless("link becomes ready"),
    harmless("EXT4-fs"),
    harmless("I/O error, dev"),
    harmless("soft lockup"),
    harmless("entered forwarding state"),
    harmless("renamed from eth0"),
    harmless("TCP: Hash tables configured"),
    harmless("Initializing cgroup"),
    harmless("blocked for more than 120 seconds"),
    harmless("TCP: cubic registered"),
    harmless("NET: Registered"),
];

static SS: &[Phrase] = &[
    mark("TcpExt*"),
    mark("TcpExtListenOverflows"),
    mark("SYNs to LISTEN sockets dropped"),
    mark("Recv-Q"),
    mark("nstat"),
    mark("TCPAbortOnMemory"),
];

/// Counters and what more than zero of them tells.
const COUNTERS: [(&str, Class, bool); 20] = [
    ("tcpextlistenoverflows", Class::AcceptQueueOverflow, true),
    ("tcpextlistendrops", Class::AcceptQueueOverflow, true),
    ("listenoverflows", Class::AcceptQueueOverflow, true),
    ("listendrops", Class::AcceptQueueOverflow, true),
    ("tcpexttcpreqqfulldrop", Class::AcceptQueueOverflow, true),
    ("tcpexttcpreqqfulldocookies", Class::AcceptQueueOverflow, true),
    ("times the listen queue of a socket overflowed", Class::AcceptQueueOverflow, false),
    ("syns to listen sockets dropped", Class::AcceptQueueOverflow, false),
    ("syns to listen sockets ignored", Class::AcceptQueueOverflow, false),
    ("listen queue overflows", Class::AcceptQueueOverflow, false),
    ("tcpexttcpabortonmemory", Class::TcpMemory, true),
    ("tcpabortonmemory", Class::TcpMemory, true),
    ("tcpexttcpmemorypressures", Class::TcpMemory, true),
    ("tcpextprunecalled", Class::TcpMemory, true),
    ("tcpexttcpwqueuetoobig", Class::TcpMemory, true),
    ("tcp ran low on memory", Class::TcpMemory, true),
    ("connections aborted due to memory pressure", Class::TcpMemory, false),
    ("nf_conntrack_full", Class::ConntrackFull, true),
    ("neighbour_table_overflows", Class::NeighbourTableFull, true),
    ("tcpexttcptimewaitoverflow", Class::TcpMemory, true),
];

fn read(text: &Text, clues: &mut Vec<Clue>) {
    for (name, class, before) in COUNTERS {
        let Some(at) = text.lower.find(name) else { continue };
        let number = if before {
            let after = &text.lower[at + name.len()..];
            let after = after.trim_start_matches([' ', '\t', ':', '=', '"']);
            number(after.split(|c: char| !c.is_ascii_digit()).next())
        } else {
            let line = text.lower[..at].rsplit('\n').next().unwrap_or_default();
            number(line.split(|c: char| !c.is_ascii_digit()).rfind(|it| !it.is_empty()))
        };
        if number.is_some_and(|number| number > 0) {
            let phrase = is("", class).last();
            clues.push(Clue { at, end: at + name.len(), phrase, runtime: Some(Runtime::Ss) });
        }
    }
    listeners(text, clues);
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

/// ss: a listener whose Recv-Q is larger than its Send-Q (its backlog) has a full accept queue.
fn listeners(text: &Text, clues: &mut Vec<Clue>) {
    for line in text.plain.lines().take(200) {
        let Some((before, after)) = line.split_once("LISTEN") else { continue };
        let mut words = after.split_whitespace();
        let queue = words.next().and_then(|word| word.parse::<u64>().ok());
        let backlog = words.next().and_then(|word| word.parse::<u64>().ok());
        let Some((queue, backlog)) = queue.zip(backlog) else { continue };
        let at = before.as_ptr() as usize - text.plain.as_ptr() as usize + before.len();
        let full = queue > 0 && queue >= backlog;
        let phrase = if full { is("", Class::AcceptQueueOverflow) } else { harmless("") };
        clues.push(Clue { at, end: at + 6, phrase, runtime: Some(Runtime::Ss) });
    }
}
