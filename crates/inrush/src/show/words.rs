//! Names of things as the outputs write them: sources of facts, phases, what a run was asked.

use crate::show::number;
use inrush_core::evidence::Source;
use inrush_core::failure::{Outcome, Signature};
use inrush_core::plan::{Expect, Frame, Payload, Plan, Schedule};
use inrush_core::report::{Report, StoppedBy};

/// Where a fact was read, as a shell can check it.
pub(crate) fn source(source: &Source) -> String {
    match source {
        Source::OwnDescriptorLimit => "getrlimit(RLIMIT_NOFILE) soft".into(),
        Source::OwnDescriptorHardLimit => "getrlimit(RLIMIT_NOFILE) hard".into(),
        Source::OwnDescriptors => "/proc/self/fd".into(),
        Source::OwnDescriptorsOther => "/proc/self/fd other than connections".into(),
        Source::SystemDescriptors => "/proc/sys/fs/file-nr".into(),
        Source::SystemDescriptorLimit => "/proc/sys/fs/file-max".into(),
        Source::Counter(group, name) => format!("{} {group} {name}", counter_file(group)),
        Source::TimeWait => "/proc/net/sockstat TCP tw".into(),
        Source::PortRange => "/proc/sys/net/ipv4/ip_local_port_range".into(),
        Source::FreePorts => "sock_diag free local ports".into(),
        Source::SourceAddresses => "plan source addresses".into(),
        Source::ListenerPresent(address) => format!("sock_diag listener {address}"),
        Source::ListenerLeft(address) => format!("sock_diag listener {address} left, ms"),
        Source::ListenerQueue(address) => format!("sock_diag {address} Recv-Q"),
        Source::ListenerBacklog(address) => format!("sock_diag {address} Send-Q"),
        Source::ListenerDrops(address) => format!("sock_diag {address} drops"),
        Source::ServerDescriptors(pid) => format!("/proc/{pid}/fd"),
        Source::ServerDescriptorLimit(pid) => format!("/proc/{pid}/limits open files"),
        Source::ServerAlive(pid) => format!("/proc/{pid}"),
        Source::ServerEnded(pid) => format!("/proc/{pid} ended, ms"),
        Source::Probe(address) => format!("connect() to {address}"),
        Source::ProbeRefused(address) => format!("connect() to {address} refused, ms"),
        Source::SendLagP99 => "send lag p99 microseconds".into(),
        Source::OwnCpu => "CPU percent of the worker loops".into(),
        Source::TcpMemory => "/proc/net/sockstat TCP mem".into(),
        Source::TcpMemoryLimit => "/proc/sys/net/ipv4/tcp_mem".into(),
        Source::Conntrack => "/proc/sys/net/netfilter/nf_conntrack_count".into(),
        Source::ConntrackLimit => "/proc/sys/net/netfilter/nf_conntrack_max".into(),
    }
}

fn counter_file(group: &str) -> &'static str {
    if group.ends_with("Ext") { "/proc/net/netstat" } else { "/proc/net/snmp" }
}

/// `EMFILE` and 24; the symbol is missing for a number without a name.
pub(crate) fn errno(signature: &Signature) -> Option<(Option<&'static str>, u16)> {
    match signature.outcome {
        Outcome::Errno(errno) => Some((Some(errno.symbol()).filter(|name| *name != "E?"), errno.0)),
        _ => None,
    }
}

/// `completed`.
pub(crate) fn stopped_by(why: StoppedBy) -> &'static str {
    match why {
        StoppedBy::Completed => "completed",
        StoppedBy::NothingLeft => "nothing_left",
        StoppedBy::MaxTime => "max_time",
        StoppedBy::Threshold => "threshold",
        StoppedBy::Signal => "signal",
    }
}

/// `echo`.
pub(crate) fn expect(expect: Expect) -> &'static str {
    match expect {
        Expect::Echo => "echo",
        Expect::Reply => "reply",
        Expect::Push => "push",
        Expect::None => "none",
        Expect::Mirror => "mirror",
    }
}

/// `text`.
pub(crate) fn frame(frame: Frame) -> &'static str {
    match frame {
        Frame::Text => "text",
        Frame::Binary => "binary",
        Frame::Ping => "ping",
    }
}

/// Length of one message in bytes.
pub(crate) fn payload_bytes(payload: &Payload) -> u64 {
    match payload {
        Payload::Generated(size) => u64::from(*size),
        Payload::Fixed(bytes) => bytes.len() as u64,
    }
}

/// What was asked, in one line: `ws://h/ · 10,000 connections at 1k/s, hold 1m, idle`.
pub(crate) fn plan(plan: &Plan) -> String {
    let first = plan.targets.first().map_or("no target", |target| target.url.as_str());
    let others = plan.targets.len().saturating_sub(1);
    let targets = if others > 0 { format!("{first} and {others} more") } else { first.to_owned() };
    let connections = number::count(plan.connections.into());
    let noun = if plan.connections == 1 { "connection" } else { "connections" };
    let rate = number::rate(plan.connect_rate);
    let at = if rate == "max" { "as fast as possible".into() } else { format!("at {rate}") };
    let hold = number::time(plan.hold);
    let schedule = number::schedule(plan.messages.schedule);
    let size = match plan.messages.schedule {
        Schedule::Idle => String::new(),
        _ => format!(", {}", number::bytes(payload_bytes(&plan.messages.payload))),
    };
    let pings = plan.messages.frame == Frame::Ping && plan.messages.schedule != Schedule::Idle;
    let kind = if pings { ", as pings" } else { "" };
    let alive =
        plan.messages.ping_every.map(|every| format!(", a ping each {}", number::time(every)));
    let alive = alive.unwrap_or_default();
    format!("{targets} · {connections} {noun} {at}, hold {hold}, {schedule}{size}{kind}{alive}")
}

/// Where and when it ran: `ran 01:11 on host-a (Linux 6.1, 8 cores) · run 7f3a91 · seed 42`.
pub(crate) fn ran(report: &Report) -> String {
    let (run, place) = (&report.run, &report.environment);
    let cores = if place.cores == 1 { "1 core".into() } else { format!("{} cores", place.cores) };
    format!(
        "ran {} on {} ({} {}, {cores}) · run {} · seed {}",
        number::clock(run.duration),
        place.host,
        place.os,
        place.kernel,
        run.id,
        report.plan.seed
    )
}
