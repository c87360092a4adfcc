//! The network counters of `/proc/net/snmp` and `/proc/net/netstat`: a line of names, a line of
//! numbers. Unknown names are kept: kernels add some each year.

use inrush_core::evidence::{Fact, Facts, Source};
use std::collections::BTreeMap;

/// Counters that are told even when they did not move: that nothing was dropped is a fact, too.
const OF_INTEREST: [(&str, &str); 15] = [
    ("Tcp", "AttemptFails"),
    ("Tcp", "EstabResets"),
    ("Tcp", "OutRsts"),
    ("Tcp", "RetransSegs"),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "ListenOverflows"),
    ("TcpExt", "TCPAbortOnClose"),
    ("TcpExt", "TCPAbortOnData"),
    ("TcpExt", "TCPAbortOnMemory"),
    ("TcpExt", "TCPReqQFullDoCookies"),
    ("TcpExt", "TCPReqQFullDrop"),
    ("TcpExt", "TCPRetransFail"),
    ("TcpExt", "TCPSYNChallenge"),
    ("TcpExt", "TCPSynRetrans"),
    ("TcpExt", "TCPTimeWaitOverflow"),
];

/// Groups that concern TCP connections.
const GROUPS: [&str; 4] = ["Icmp", "Ip", "Tcp", "TcpExt"];

/// (group, name) -> value.
pub type Counters = BTreeMap<(String, String), u64>;

/// Reads one file; what makes no sense, and negative numbers, are left out.
pub fn parse(text: &str) -> Counters {
    let mut counters = Counters::new();
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((group, names)), Some((same, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            continue;
        };
        if group != same || !GROUPS.contains(&group) {
            continue;
        }
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                counters.insert((group.to_owned(), name.to_owned()), value);
            }
        }
    }
    counters
}

/// Writes those that moved, and those of interest, as facts.
pub(super) fn state(before: &Counters, after: &Counters, host: &str, facts: &mut Facts) {
    for ((group, name), value) in after {
        let earlier = before.get(&(group.clone(), name.clone())).copied();
        let wanted = OF_INTEREST.contains(&(group.as_str(), name.as_str()));
        if wanted || earlier.is_some_and(|earlier| earlier != *value) {
            facts.set(Fact {
                source: Source::Counter(group.clone(), name.clone()),
                host: host.to_owned(),
                before: earlier,
                after: Some(*value),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Linux 6.18, cut.
    const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives InHdrErrors
Ip: 2 64 6535835 0
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs
Icmp: 1 0 0 1
IcmpMsg: InType3
IcmpMsg: 1
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets
Tcp: 1 200 120000 -1 168069 168022 0 39
Udp: InDatagrams NoPorts
Udp: 95 0
";
    const NETSTAT: &str = "\
TcpExt: SyncookiesSent TW ListenOverflows ListenDrops TCPNewInLinux9
TcpExt: 0 168039 4 5 7
IpExt: InNoRoutes InTruncatedPkts
IpExt: 0 0
";

    fn get(counters: &Counters, group: &str, name: &str) -> Option<u64> {
        counters.get(&(group.to_owned(), name.to_owned())).copied()
    }

    #[test]
    fn names_meet_their_numbers() {
        let snmp = parse(SNMP);
        assert_eq!(get(&snmp, "Tcp", "EstabResets"), Some(39));
        assert_eq!(get(&snmp, "Icmp", "InDestUnreachs"), Some(1));
        assert_eq!(get(&snmp, "Tcp", "MaxConn"), None, "-1");
        assert_eq!(get(&snmp, "Udp", "InDatagrams"), None, "not ours");
        let netstat = parse(NETSTAT);
        assert_eq!(get(&netstat, "TcpExt", "ListenOverflows"), Some(4));
        assert_eq!(get(&netstat, "TcpExt", "TCPNewInLinux9"), Some(7));
    }

    #[test]
    fn senseless_text_is_left_out() {
        for (text, expected) in [
            ("", 0),
            ("Tcp: A B\n", 0),
            ("Tcp A\nTcp 1\nTcp: A\nTcp: 1\n", 1),
            ("Tcp: A\nTcpExt: 1\n", 0),
            ("Tcp: A B C\nTcp: 1 x 99999999999999999999\n", 1),
            ("Tcp: A B\nTcp: 1\n", 1),
        ] {
            assert_eq!(parse(text).len(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_moved_and_what_matters_is_told() {
        let before = parse(NETSTAT);
        let after = parse(&NETSTAT.replace(" 168039 ", " 168041 "));
        let mut facts = Facts::default();
        state(&before, &after, "here", &mut facts);
        assert_eq!(facts.counter("TcpExt", "TW"), Some(2));
        assert_eq!(facts.counter("TcpExt", "ListenOverflows"), Some(0));
        assert_eq!(facts.counter("TcpExt", "SyncookiesSent"), None, "did not move");
        assert_eq!(facts.list.len(), 3);
        assert!(facts.list.iter().all(|fact| fact.host == "here"));
    }
}
