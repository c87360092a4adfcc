//! Numbers, times, bytes and commands as the cards of the catalogue write them.

use crate::plan::{Plan, Scheme};
use crate::time::Nanos;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;
use core::net::SocketAddr;

/// Peer bytes shown at most.
const SHOWN: usize = 120;

/// `9,040`
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `60 s`, `1.5 s`, `20 ms`, `80 us`
pub(super) fn time(time: Nanos) -> String {
    let (unit, name) = match time.0 {
        1_000_000_000.. => (1_000_000_000, "s"),
        1_000_000.. => (1_000_000, "ms"),
        _ => (1_000, "us"),
    };
    let tenths = time.0.saturating_add(unit / 20) / (unit / 10);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        rest => format!("{}.{rest} {name}", tenths / 10),
    }
}

/// As a flag takes it: `60s`, `1500ms`.
pub(super) fn flag_time(time: Nanos) -> String {
    match time.as_millis() {
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// Bytes of a peer, harmless on a terminal: printable ASCII as it is, the rest escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(SHOWN) {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}").expect("a String takes everything"),
        }
    }
    if bytes.len() > SHOWN {
        out.push('…');
    }
    out
}

/// The first 16 bytes: `15 03 01`.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(16) {
        let gap = if out.is_empty() { "" } else { " " };
        write!(out, "{gap}{byte:02x}").expect("a String takes everything");
    }
    out
}

/// This run again, with other flags: `inrush run ws://h:80/ -c 100 --connect-timeout 30s`.
pub(super) fn again(plan: &Plan, flags: &str) -> String {
    format!("inrush run{} -c {} {flags}", targets(plan), plan.connections)
}

/// This run again with another number of connections.
pub(super) fn again_with(plan: &Plan, connections: u64, flags: &str) -> String {
    format!("inrush run{} -c {connections} {flags}", targets(plan))
}

/// Targets without user-info and query: what is copied must not hold a secret.
fn targets(plan: &Plan) -> String {
    let mut out = String::new();
    for target in plan.targets.iter().take(4) {
        let host = target.host.rsplit('@').next().unwrap_or_default();
        let path = target.path.split('?').next().unwrap_or_default();
        let url = match target.scheme {
            Scheme::Ws => format!("ws://{host}{path}"),
            Scheme::Tcp => format!("tcp://{host}"),
        };
        out.push(' ');
        out.push_str(&quoted(&url));
    }
    out
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/._-%,~+=".contains(c);
    match word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''").replace(char::is_control, "")),
    }
}

/// Who listens there and how many wait: for the server's host.
pub(super) fn queue_command(address: Option<SocketAddr>) -> String {
    format!("ss -ltn 'sport = :{}'", port(address))
}

/// Whether the server is out of descriptors: for the server's host.
pub(super) fn descriptors_command(address: Option<SocketAddr>) -> String {
    format!(
        "ss -ltnp 'sport = :{}'; ls /proc/$(pgrep -n SERVER)/fd | wc -l; \
         grep 'open files' /proc/$(pgrep -n SERVER)/limits",
        port(address)
    )
}

/// `8080`
pub(super) fn port(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "PORT".into(), |address| address.port().to_string())
}

/// `10.0.0.5`
pub(super) fn ip(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "HOST".into(), |address| address.ip().to_string())
}

/// `10.0.0.5 8080`, as nc takes it.
pub(super) fn host_port(address: Option<SocketAddr>) -> String {
    format!("{} {}", ip(address), port(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn numbers_times_and_bytes_are_written_for_people() {
        let check = |text: String, expected: &str| assert_eq!(text, expected);
        check(count(0), "0");
        check(count(9_040), "9,040");
        check(count(1_000_000), "1,000,000");
        check(time(Nanos::from_secs(60)), "60 s");
        check(time(Nanos::from_millis(1_500)), "1.5 s");
        check(time(Nanos::from_millis(20)), "20 ms");
        check(time(Nanos::from_micros(80)), "80 us");
        check(flag_time(Nanos::from_secs(240)), "240s");
        check(flag_time(Nanos::from_millis(2_500)), "2500ms");
        check(shown(b"a\"b\x1b[2J\r\n\xff"), "a\\\"b\\x1b[2J\\r\\n\\xff");
        check(hex(b"\x15\x03\x01"), "15 03 01");
        assert!(shown(&[b'x'; 500]).chars().count() == SHOWN + 1);
    }

    #[test]
    fn a_command_can_be_pasted_and_tells_no_secret() {
        let mut plan = plan(10);
        let check = |plan: &Plan, expected| assert_eq!(again(plan, "-r 10/s"), expected);
        check(&plan, "inrush run ws://127.0.0.1:8080/ -c 10 -r 10/s");
        plan.targets[0].host = "me:secret@h".into();
        plan.targets[0].path = "/a b'c?token=1".into();
        check(&plan, "inrush run 'ws://h/a b'\\''c' -c 10 -r 10/s");
    }
}
