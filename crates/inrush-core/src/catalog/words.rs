//! Numbers, times, bytes and commands as the cards of the catalogue write them.

use crate::evidence::{Facts, Source};
use crate::plan::{Expect, Frame, Payload, Plan, Rate, Schedule, Scheme, Target, Trust};
use crate::time::Nanos;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::SocketAddr;

/// A key for asking by hand: 16 bytes, as servers insist on.
pub(super) const KEY: &str = "aGFuZHNoYWtlIG5vLiAxIQ==";

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
    shown_most(bytes, SHOWN)
}

/// The same, of so many bytes at most.
pub(super) fn shown_most(bytes: &[u8], most: usize) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(most) {
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
    if bytes.len() > most {
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

/// This run again, with other flags: `inrush run ws://h:80/ -c 100 -m 2/s --connect-timeout 30s`.
pub(super) fn again(plan: &Plan, flags: &str) -> String {
    again_with(plan, u64::from(plan.connections), flags)
}

/// This run again with another number of connections.
pub(super) fn again_with(plan: &Plan, connections: u64, flags: &str) -> String {
    let named = |flag: &str| flags.split(' ').any(|word| word == flag);
    let trust = named("--cacert") || named("--insecure");
    let changed = |flag: &str| named(flag) || trust && matches!(flag, "--cacert" | "--insecure");
    let mut out = format!("inrush run{} -c {connections}", targets(plan));
    for (flag, value) in asked(plan).into_iter().filter(|(flag, _)| !changed(flag)) {
        // A value that begins so belongs to its flag, which has a meaning without one.
        let space = if value.starts_with('=') { "" } else { " " };
        out.push_str(&format!(" {flag}{space}{value}"));
        out.truncate(out.trim_end().len());
    }
    if !flags.is_empty() {
        out.push(' ');
        out.push_str(flags);
    }
    out
}

/// This run again, against another WebSocket, query and all.
pub(super) fn again_at(plan: &Plan, target: Target) -> String {
    let url = quoted(&target.url);
    let mut plan = plan.clone();
    plan.targets = [target].into();
    let (own, again) = (targets(&plan), again(&plan, ""));
    again.replacen(&own, &format!(" {url}"), 1)
}

/// Asks for a WebSocket at this path of a target by hand.
pub(super) fn ask(target: Option<&Target>, path: &str) -> String {
    let secure = target.is_some_and(|target| target.tls.is_some());
    let (scheme, insecure) = if secure { ("https", "k") } else { ("http", "") };
    let host = target.map_or("HOST:PORT", |target| target.host.as_str());
    let host = host.rsplit('@').next().unwrap_or_default();
    format!(
        "curl -isN{insecure} --http1.1 -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
         'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: {KEY}' {}",
        quoted(&format!("{scheme}://{host}{path}"))
    )
}

/// Path of a target without its query, which may be a secret.
pub(super) fn path(target: Option<&Target>) -> &str {
    target.and_then(|target| target.path.split('?').next()).unwrap_or("/")
}

/// This run again, with TLS where there was none and without it where it was.
pub(super) fn other_scheme(plan: &Plan) -> String {
    let mut plan = plan.clone();
    for target in &mut plan.targets {
        target.tls = match target.tls {
            Some(_) => None,
            None => Some(String::new()),
        };
    }
    again(&plan, "")
}

/// This run again without compression.
pub(super) fn uncompressed(plan: &Plan) -> String {
    again(&Plan { compress: None, ..plan.clone() }, "")
}

/// What was asked beyond the defaults, as flags. Values of headers may be secrets.
fn asked(plan: &Plan) -> Vec<(&'static str, String)> {
    let (messages, limits) = (&plan.messages, &plan.timeouts);
    let mut flags = Vec::new();
    let mut add = |differs: bool, flag, value: String| {
        if differs {
            flags.push((flag, value));
        }
    };
    let rate = match plan.connect_rate {
        Rate::Max => "max".into(),
        Rate::Every { count, per } => per_second(count, per),
    };
    add(rate != "1000/s", "-r", rate);
    add(plan.hold != Nanos::from_secs(30), "-d", flag_time(plan.hold));
    match messages.schedule {
        Schedule::Idle => {}
        Schedule::Every(gap) => add(true, "-m", per_second(1, gap)),
        Schedule::Closed => add(true, "-m", "max".into()),
    }
    match &messages.payload {
        Payload::Generated(size) => add(*size != 64, "-s", format!("{size}B")),
        Payload::Fixed(bytes) => match core::str::from_utf8(bytes) {
            Ok(text) if text.len() <= 64 => add(true, "--message", quoted(text)),
            _ => add(true, "--message-file", "FILE".into()),
        },
    }
    let expect = match messages.expect {
        Expect::Echo => "echo",
        Expect::Reply => "reply",
        Expect::Push => "push",
        Expect::None => "none",
        Expect::Mirror => "mirror",
    };
    add(expect != "echo", "--expect", expect.into());
    let frame = match messages.frame {
        Frame::Text => "text",
        Frame::Binary => "binary",
        Frame::Ping => "ping",
    };
    add(frame != "text", "--frame", frame.into());
    let pings = messages.ping_every.unwrap_or_default();
    add(pings > Nanos::ZERO, "--ping-interval", flag_time(pings));
    for (limit, default, flag) in [
        (limits.connect, 10, "--connect-timeout"),
        (limits.handshake, 60, "--handshake-timeout"),
        (limits.reply, 10, "--reply-timeout"),
    ] {
        add(limit != Nanos::from_secs(default), flag, flag_time(limit));
    }
    for (name, _) in &plan.headers {
        add(true, "-H", quoted(&format!("{name}: VALUE")));
    }
    for name in &plan.subprotocols {
        add(true, "--subprotocol", quoted(name));
    }
    if let Some(offer) = &plan.compress {
        // Parameters of a flag are the offer without the extension's name.
        let offer = offer.to_string();
        let parameters: Vec<_> = offer.split("; ").skip(1).collect();
        let some = !parameters.is_empty();
        let value = if some { format!("={}", parameters.join(",")) } else { String::new() };
        add(true, "--compress", value);
    }
    if let Some((low, high)) = plan.lifetime {
        let one = low == high;
        let range = format!("{}..{}", flag_time(low), flag_time(high));
        add(true, "--lifetime", if one { flag_time(low) } else { range });
    }
    flags.extend(asked_of_tls(plan));
    flags
}

/// The same of TLS. Names of files are not known any more.
fn asked_of_tls(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    let named = plan.targets.iter().filter_map(|target| Some((target.tls.as_ref()?, &target.host)));
    if let Some((name, _)) = named.clone().find(|(name, host)| !host.contains(name.as_str())) {
        flags.push(("--sni", quoted(name)));
    }
    if named.count() == 0 {
        return flags;
    }
    match &plan.tls.trust {
        Trust::System => {}
        Trust::Authorities(_) => flags.push(("--cacert", "CA.pem".into())),
        Trust::Anyone => flags.push(("--insecure", String::new())),
    }
    if plan.tls.identity.is_some() {
        flags.push(("--cert", "CLIENT.pem".into()));
    }
    flags
}

/// `500/s`, `1/10s`: a rate as a flag takes it.
fn per_second(count: u64, per: Nanos) -> String {
    let second = Nanos::from_secs(1).0;
    let each = per.0.max(1);
    let times = (second + each / 2) / each;
    // A period is rounded to a nanosecond, so that n of them are a second but for n nanoseconds.
    let whole = times > 0 && (times * each).abs_diff(second) <= times;
    match whole {
        true => format!("{}/s", count * times),
        false if each.is_multiple_of(1_000_000) => format!("{count}/{}", flag_time(per)),
        false => format!("{count}/{}us", each / 1_000),
    }
}

/// The server's process, as a shell can name it: the one that is watched, or a name to fill in.
pub(super) fn server_pid(facts: &Facts) -> String {
    let mut watched = facts.list.iter().filter_map(|fact| match fact.source {
        Source::ServerAlive(pid) if fact.after == Some(1) => Some(pid),
        _ => None,
    });
    match (watched.next(), watched.next()) {
        (Some(pid), None) => pid.to_string(),
        _ => "$(pgrep -n SERVER)".into(),
    }
}

/// Targets without user-info and query: what is copied must not hold a secret.
fn targets(plan: &Plan) -> String {
    let mut out = String::new();
    for target in plan.targets.iter().take(4) {
        let host = target.host.rsplit('@').next().unwrap_or_default();
        let path = target.path.split('?').next().unwrap_or_default();
        let url = match (target.scheme, target.tls.is_some()) {
            (Scheme::Ws, false) => format!("ws://{host}{path}"),
            (Scheme::Ws, true) => format!("wss://{host}{path}"),
            (Scheme::Tcp, false) => format!("tcp://{host}"),
            (Scheme::Tcp, true) => format!("tls://{host}"),
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

/// Whether the server is out of descriptors: this run again, on the server's host.
pub(super) fn descriptors_command(plan: &Plan) -> String {
    again(plan, "--server-pid $(pgrep -n SERVER)")
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
        check(&plan, "inrush run ws://127.0.0.1:8080/ -c 10 -d 1s -r 10/s");
        plan.targets[0].host = "me:secret@h".into();
        plan.targets[0].path = "/a b'c?token=1".into();
        check(&plan, "inrush run 'ws://h/a b'\\''c' -c 10 -d 1s -r 10/s");
        plan.targets.truncate(1);
        (plan.targets[0].host, plan.targets[0].path) = ("h".into(), "/".into());
        plan.connect_rate = Rate::Max;
        plan.hold = Nanos::from_millis(1_500);
        plan.messages.schedule = Schedule::Every(Nanos(333_333_333));
        plan.messages.payload = Payload::Generated(20);
        plan.timeouts.reply = Nanos::from_secs(1);
        plan.headers = [("Authorization".into(), "secret".into())].into();
        let flags = "-d 1500ms -m 3/s -s 20B --reply-timeout 1s -H 'Authorization: VALUE'";
        check(&plan, &format!("inrush run ws://h/ -c 10 {flags} -r 10/s"));
        plan.messages.schedule = Schedule::Every(Nanos::from_secs(10));
        plan.messages.payload = Payload::Fixed(b"it's".to_vec());
        (plan.messages.frame, plan.messages.ping_every) = (Frame::Ping, Some(Nanos::from_secs(25)));
        let flags = "-r max -d 1500ms -m 1/10s --message 'it'\\''s' --frame ping \
             --ping-interval 25s -H 'Authorization: VALUE'";
        let expected = format!("inrush run ws://h/ -c 10 {flags} --reply-timeout 4s");
        assert_eq!(again(&plan, "--reply-timeout 4s"), expected);
    }
}
