//! What makes lines unique (times, addresses, ports, ids) is left out, so that the same failure
//! counts as one.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A line without its time in front, its addresses and long ids as `…` and `#`.
pub fn normal(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for word in without_time(line).split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        for part in parts(word) {
            push(&mut out, part);
        }
    }
    out.replace("…->…", "…").replace("…→…", "…")
}

/// Words in front that are a date, a time, or both, in any of their forms.
fn without_time(line: &str) -> &str {
    let mut rest = line.trim();
    for _ in 0..4 {
        let word = rest.split(' ').next().unwrap_or_default();
        let bare = word.trim_matches(['[', ']', ',', '|', '(', ')']);
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let marks = bare.bytes().filter(|byte| b":-/.,TZ+".contains(byte)).count();
        let time = digits >= 4 && digits + marks == bare.len() && marks > 0;
        let month = MONTHS.contains(&bare) && time_follows(rest);
        let opening = word == "[" && time_follows(rest);
        if !time && !month && !opening {
            break;
        }
        let taken = if month { 3 } else { 1 };
        rest = skip(rest, taken);
    }
    if rest.is_empty() { line.trim() } else { rest }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Within the next two words stands something with digits and `:` or `.`.
fn time_follows(rest: &str) -> bool {
    let mut words = rest.split_whitespace().skip(1).take(2);
    words.any(|word| word.contains([':', '.']) && word.starts_with(|c: char| c.is_ascii_digit()))
}

fn skip(rest: &str, words: usize) -> &str {
    let mut rest = rest;
    for _ in 0..words {
        rest = rest.find(' ').map_or("", |at| rest[at..].trim_start());
    }
    rest
}

/// A word cut where addresses, quotes and brackets meet.
fn parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut bracket = false;
    for (at, c) in word.char_indices() {
        match c {
            '[' => bracket = true,
            ']' => bracket = false,
            _ => {}
        }
        let arrow = word[at..].starts_with("->");
        let cut = arrow || matches!(c, '"' | '\'' | '(' | ')' | ',' | '=' | '<' | '>' | '/' | '@');
        if cut && !bracket {
            parts.push(&word[from..at]);
            let length = if arrow { 2 } else { c.len_utf8() };
            if at >= from {
                parts.push(&word[at..at + length]);
                from = at + length;
            }
        }
        if from > at + c.len_utf8() {
            break;
        }
    }
    if let Some(rest) = word.get(from..) {
        // What is left after an arrow is cut on its own.
        match rest.len() < word.len() && !rest.is_empty() {
            true => parts.extend(self::parts(rest)),
            false => parts.push(rest),
        }
    }
    parts
}

fn push(out: &mut String, part: &str) {
    let bare = part.trim_end_matches([':', '.', ';']);
    let tail = &part[bare.len()..];
    if bare.parse::<SocketAddr>().is_ok() || is_address(bare) {
        out.push('…');
    } else if is_id(bare) {
        out.push('#');
    } else if let Some((host, port)) = bare.rsplit_once(':')
        && (2..=5).contains(&port.len())
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && host.contains(|c: char| c.is_ascii_alphabetic())
    {
        out.push_str(host);
        out.push_str(":#");
    } else {
        push_numbers(out, bare);
    }
    out.push_str(tail);
}

fn is_address(text: &str) -> bool {
    let bare = text.trim_matches(['[', ']']);
    bare.contains(['.', ':']) && bare.parse::<IpAddr>().is_ok()
}

/// Hexadecimal of eight digits or more, a UUID, or a pointer.
fn is_id(text: &str) -> bool {
    let bare = text.strip_prefix("0x").unwrap_or(text);
    let hex = bare.bytes().filter(u8::is_ascii_hexdigit).count();
    let rest = bare.bytes().filter(|byte| *byte == b'-').count();
    let digits = bare.bytes().any(|byte| byte.is_ascii_digit());
    digits && hex + rest == bare.len() && (hex >= 8 || bare.len() < text.len() && hex >= 4)
}

/// Numbers of six digits or more, process ids in brackets and measured times become `#`.
fn push_numbers(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let mut length = from.bytes().take_while(u8::is_ascii_digit).count();
        // Of a measured time the fraction belongs to it.
        let fraction = from[length..].strip_prefix('.').unwrap_or_default();
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && fraction[digits..].starts_with(['m', 's', 'µ', 'u', 'n']) {
            length += 1 + digits;
        }
        let (number, after) = from.split_at(length);
        let unit = ["ms", "µs", "us", "ns", "s,"].iter().any(|unit| after.starts_with(unit))
            || after == "s";
        let bracket = before.ends_with('[') && after.starts_with(']');
        let fresh = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
        out.push_str(before);
        let long = number.len() >= 6;
        out.push_str(if long || fresh && (unit || bracket) { "#" } else { number });
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn what_makes_lines_unique_goes_and_what_tells_stays() {
        let check = |line: &str, expected: &str| assert_eq!(normal(line), expected, "{line}");
        check("read tcp 10.0.0.1:5->10.0.0.2:80: read: x", "read tcp …: read: x");
        check(
            "dial tcp [::1]:8080: connect: connection refused",
            "dial tcp …: connect: connection refused",
        );
        check("2026/11/21 02:07:13 read: websocket: bad MASK", "read: websocket: bad MASK");
        check("2026-11-21T02:07:13.123Z ERROR a", "ERROR a");
        check("[2026-11-21 02:07:13,123] ERROR a", "ERROR a");
        check("Nov 21 02:07:13 host app[123]: a", "host app[#]: a");
        check("[ 1844.625412] nf_conntrack: table full", "nf_conntrack: table full");
        check("errno 104, os error 10054", "errno 104, os error 10054");
        check("close 1006 after 1200ms", "close 1006 after #ms");
        check("200 in 3.1ms", "200 in #ms");
        check("id 550e8400-e29b-41d4-a716-446655440000 at 0x7fd405419a90", "id # at #");
        check("connect ECONNREFUSED 127.0.0.1:9001", "connect ECONNREFUSED …");
        check("http://api.example:8443/x failed", "http://api.example:#/x failed");
        check("('127.0.0.1', 9001)", "('…', 9001)");
        check("", "");
        check("12:00:01", "12:00:01");
    }
}
