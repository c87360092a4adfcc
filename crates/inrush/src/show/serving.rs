//! What `inrush serve` says: where it listens, how it goes, what it served.

use crate::cli::serve::ServeDraft;
use crate::show::number;
use inrush_core::plan::{Mode, OnEmfile, Proto};
use inrush_core::time::Nanos;
use inrush_host::fleet::serving::{End, Standing};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The first line. It begins with `listening on ADDR`, so that nothing has to sleep.
pub(crate) fn first_line(draft: &ServeDraft, address: SocketAddr, descriptors: u64) -> String {
    let mode = match draft.mode {
        Mode::Echo => "echo",
        Mode::Sink => "sink",
        Mode::Push => "push",
    };
    let proto = match draft.proto {
        Proto::Auto => "tcp+ws",
        Proto::Tcp => "tcp",
        Proto::Ws => "ws",
    };
    let proto = match draft.tls {
        Some(_) => format!("{proto} through TLS"),
        None => proto.to_owned(),
    };
    let faults = match draft.faults.len() {
        0 => String::new(),
        1 => format!("   1 fault (seed {})", draft.seed),
        n => format!("   {n} faults (seed {})", draft.seed),
    };
    let descriptors = number::count(descriptors);
    let backlog = number::count(draft.backlog.into());
    format!(
        "listening on {address} ({mode}, {proto}){faults}   fd limit {descriptors}, backlog {backlog}\n"
    )
}

/// One line of progress.
pub(crate) fn line(on_emfile: OnEmfile, standing: &Standing) -> String {
    let counts = &standing.counts;
    let at = number::clock(Nanos::from_secs(standing.seconds));
    let mut line = format!(
        "{at}  accepted {}  open {}  faults {}  accept errors {}",
        number::count(counts.connected),
        number::count(standing.gauges.open),
        number::count(counts.faults),
        number::count(counts.accept_errors),
    );
    if standing.processes > 1 {
        line.push_str(&format!("  processes {}", standing.processes));
    }
    if standing.gauges.accept_paused {
        let (state, then) = match on_emfile {
            OnEmfile::Die => ("ACCEPT LOOP LEFT", "it accepts no more (--on-emfile die)"),
            OnEmfile::Pause | OnEmfile::Shed => ("ACCEPT PAUSED", "resumes when one closes"),
        };
        line.push_str(&format!(
            "\n{at}  {state}: no free descriptor (limit {} a process); {then}. Clients see: \
             connected, silent.",
            number::count(standing.descriptor_limit)
        ));
    }
    line.push('\n');
    line
}

/// The last line, and what a server knows of its connections at its end: hand-shakes of TLS,
/// agreed compression, and how those ended that did not end in order.
pub(crate) fn last_lines(on_emfile: OnEmfile, tls: bool, end: &End) -> String {
    let counts = &end.standing.counts;
    let at = number::clock(Nanos::from_secs(end.standing.seconds));
    let mut parts = Vec::new();
    if tls {
        parts.push(format!(
            "TLS hand-shakes full {}, resumed {}",
            number::count(counts.tls_full),
            number::count(counts.tls_resumed)
        ));
    }
    if counts.compressed > 0 {
        parts.push(format!("compressed {}", number::count(counts.compressed)));
    }
    let failures = end.failures.iter();
    let failures: Vec<_> =
        failures.map(|(class, n)| format!("{} {}", class.id(), number::count(*n))).collect();
    if !failures.is_empty() {
        parts.push(format!("failed: {}", failures.join(", ")));
    }
    let mut text = line(on_emfile, &end.standing);
    if !parts.is_empty() {
        text.push_str(&format!("{at}  {}\n", parts.join("  ")));
    }
    text
}

/// What was served, as one document.
pub(crate) fn document(draft: &ServeDraft, address: SocketAddr, end: &End) -> String {
    let counts = &end.standing.counts;
    let failures: BTreeMap<_, _> = end.failures.iter().map(|(class, n)| (class.id(), *n)).collect();
    let tls = draft.tls.as_ref().map(
        |_| json!({ "handshakes_full": counts.tls_full, "handshakes_resumed": counts.tls_resumed }),
    );
    let document = json!({
        "schema": "inrush.serve/1",
        "version": env!("CARGO_PKG_VERSION"),
        "address": address.to_string(),
        "seed": draft.seed,
        "seconds": end.standing.seconds,
        "processes": end.standing.processes,
        "accepted": counts.connected,
        "refused": counts.attempted - counts.connected,
        "failed": counts.failed,
        "failures": failures,
        "finished": counts.finished,
        "open": end.standing.gauges.open,
        "faults": counts.faults,
        "accept_errors": counts.accept_errors,
        "messages": { "received": counts.received, "sent": counts.sent },
        "bytes": { "received": counts.received_bytes, "sent": counts.sent_bytes },
        "tls": tls,
        "compressed": counts.compressed,
        "ended_by_signal": end.signal,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use inrush_core::failure::Class;

    #[test]
    fn the_last_lines_tell_what_came_of_all() {
        let check = |tls, compressed, failures: &[(Class, u64)], expected: &str| {
            let mut standing = Standing { seconds: 61, processes: 1, ..Standing::default() };
            standing.counts.tls_full = 1_234;
            standing.counts.tls_resumed = 5;
            standing.counts.compressed = compressed;
            let failures = failures.iter().copied().collect();
            let text = last_lines(OnEmfile::Pause, tls, &End { standing, failures, signal: None });
            let second = text.lines().nth(1).map(|line| line.split_once("  ").unwrap().1);
            assert_eq!(second.unwrap_or_default(), expected, "{text}");
            assert!(text.ends_with('\n'));
        };
        check(false, 0, &[], "");
        check(true, 0, &[], "TLS hand-shakes full 1,234, resumed 5");
        check(false, 7, &[(Class::TlsAlert, 20)], "compressed 7  failed: tls-alert 20");
    }
}
