//! `/proc/net/sockstat`: how many TCP sockets there are, and the memory they use.

/// Its TCP line. Memory is that of the whole system, the rest of the network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockstat {
    /// Sockets in use.
    pub in_use: u64,
    /// Closed by their program and not over yet.
    pub orphans: u64,
    /// In TIME-WAIT.
    pub time_wait: u64,
    /// Memory in pages.
    pub memory_pages: u64,
}

/// Reads it; `None` without a TCP line.
pub fn parse(text: &str) -> Option<Sockstat> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut stat = Sockstat::default();
    let mut words = line.split_whitespace();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let field = match name {
            "inuse" => &mut stat.in_use,
            "orphan" => &mut stat.orphans,
            "tw" => &mut stat.time_wait,
            "mem" => &mut stat.memory_pages,
            _ => continue,
        };
        *field = value.parse().ok()?;
    }
    Some(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tcp_line_is_read() {
        let text = "\
sockets: used 30021
TCP: inuse 30003 orphan 2 tw 1500 alloc 30004 mem 293
UDP: inuse 1 mem 7
";
        let expected = Sockstat { in_use: 30_003, orphans: 2, time_wait: 1_500, memory_pages: 293 };
        for (text, expected) in [
            (text, Some(expected)),
            (
                "TCP: inuse 1 new 2 tw 3",
                Some(Sockstat { in_use: 1, time_wait: 3, ..Sockstat::default() }),
            ),
            ("UDP: inuse 1 mem 7", None),
            ("TCP: inuse many", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
