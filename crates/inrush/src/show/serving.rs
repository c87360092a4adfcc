//! What `inrush serve` says: where it listens, how it goes, what it served.

use crate::cli::serve::ServeDraft;
use crate::show::number;
use inrush_core::plan::{Mode, Proto};
use inrush_core::time::Nanos;
use inrush_host::fleet::serving::{End, Standing};
use serde_json::json;
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
pub(crate) fn line(standing: &Standing) -> String {
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
        line.push_str(&format!(
            "\n{at}  ACCEPT PAUSED: no free descriptor (limit {} a process); resumes when one \
             closes. Clients see: connected, silent.",
            number::count(standing.descriptor_limit)
        ));
    }
    line.push('\n');
    line
}

/// What was served, as one document.
pub(crate) fn document(draft: &ServeDraft, address: SocketAddr, end: &End) -> String {
    let counts = &end.standing.counts;
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
        "finished": counts.finished,
        "open": end.standing.gauges.open,
        "faults": counts.faults,
        "accept_errors": counts.accept_errors,
        "messages": { "received": counts.received, "sent": counts.sent },
        "bytes": { "received": counts.received_bytes, "sent": counts.sent_bytes },
        "ended_by_signal": end.signal,
    });
    format!("{document:#}\n")
}
