//! What comes after the failures: latencies with the counts they rest on, hand-shake limits,
//! messages, and whether this host can be trusted as a clock.

use super::page::{Page, Style};
use crate::show::number;
use inrush_core::latency::Latency;
use inrush_core::plan::Schedule;
use inrush_core::report::Report;
use inrush_core::time::Nanos;

/// Own lateness below this leaves results trustworthy.
const TRUST: &str = "1 ms";

pub(super) fn render(report: &Report, page: &mut Page) {
    latencies(report, page);
    tls_handshakes(report, page);
    compression(report, page);
    handshake_limits(report, page);
    messages(report, page);
    this_host(report, page);
}

fn latencies(report: &Report, page: &mut Page) {
    let all = &report.totals.latencies;
    let resolve = Latency::of(&report.resolve);
    let rows = [
        ("resolve", &resolve),
        ("connect", &all.connect),
        ("tls", &all.tls),
        ("upgrade", &all.upgrade),
        ("round trip", &all.rtt),
        ("keep-alive", &all.ping),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .filter_map(|(name, latency)| Some((name, latency.histogram()?, latency)))
        .collect();
    if rows.is_empty() {
        return;
    }
    let cell = if page.width() >= 93 { 11 } else { 9 };
    let heading = page.paint("LATENCY", Style::Bold);
    let mut head = format!("{heading}{:>width$}", "n", width = 16);
    for name in ["mean", "p50", "p90", "p99", "p99.9", "max"] {
        head.push_str(&format!("{name:>cell$}"));
    }
    page.push(&head);
    let corrected = matches!(report.plan.messages.schedule, Schedule::Every(_));
    for (name, histogram, latency) in rows {
        let at = |q| latency.quantile(q).map(Nanos::as_secs_f64);
        let values = [
            Some(histogram.mean() / 1e9),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            Some(Nanos(histogram.max()).as_secs_f64()),
        ];
        let mut line = format!("  {name:<10}{:>11}", number::count(latency.count()));
        for value in values {
            line.push_str(&format!("{:>cell$}", number::seconds(value, " ")));
        }
        page.push(&line);
    }
    if corrected && all.rtt.count() > 0 {
        page.wrap("  ", "  ", "round trip is counted from the intended send time");
    }
    page.blank();
}

fn tls_handshakes(report: &Report, page: &mut Page) {
    let counts = &report.totals.counts;
    if counts.tls_full + counts.tls_resumed == 0 {
        return;
    }
    let (full, resumed) = (number::count(counts.tls_full), number::count(counts.tls_resumed));
    page.wrap(
        "TLS        ",
        "           ",
        &format!("full hand-shakes {full} · resumed {resumed}"),
    );
    page.blank();
}

fn compression(report: &Report, page: &mut Page) {
    if report.plan.compress.is_none() {
        return;
    }
    let counts = &report.totals.counts;
    let (agreed, opened) = (number::count(counts.compressed), number::count(counts.opened));
    let text = format!("agreed with {agreed} of {opened} opened connections");
    page.wrap("COMPRESSION  ", "             ", &text);
    page.blank();
}

fn handshake_limits(report: &Report, page: &mut Page) {
    let Some(limits) = report.handshake_limits().filter(|limits| !limits.is_empty()) else {
        return;
    };
    let limit = |(seconds, n): &(u64, u64)| format!("{seconds}s {}", number::count(*n));
    let limits: Vec<_> = limits.iter().map(limit).collect();
    let text = format!("would fail at {}", limits.join(" · "));
    page.wrap("HAND-SHAKE LIMIT  ", "                  ", &text);
    page.blank();
}

fn messages(report: &Report, page: &mut Page) {
    let counts = &report.totals.counts;
    if counts.pings > 0 {
        let (sent, answered) = (number::count(counts.pings), number::count(counts.pongs));
        let text =
            format!("sent {sent} · answered {answered} · one each interval, beside messages");
        page.wrap("KEEP-ALIVE ", "           ", &text);
        if counts.pongs == 0 && counts.failed < counts.opened {
            let note =
                "no pong has come, which RFC 6455 §5.5.2 demands: they live by what else is heard";
            page.wrap("           ", "           ", note);
        }
    }
    if counts.sent == 0 && counts.received_bytes == 0 {
        return;
    }
    let mut parts = vec![
        format!("sent {}", number::count(counts.sent)),
        format!("received {}", number::count(counts.received)),
        format!("lost {}", number::count(counts.lost)),
        format!("late {}", number::count(counts.late)),
    ];
    for (name, n) in [
        ("duplicated", counts.duplicated),
        ("corrupted", counts.corrupted),
        ("unfinished", counts.messages_unfinished),
        ("unsent", counts.unsent),
    ] {
        if n > 0 {
            parts.push(format!("{name} {}", number::count(n)));
        }
    }
    parts.push(format!("{} out", number::bytes(counts.sent_bytes)));
    parts.push(format!("{} in", number::bytes(counts.received_bytes)));
    page.wrap("MESSAGES   ", "           ", &parts.join(" · "));
    for note in super::message_notes(report) {
        page.wrap("           ", "           ", &note);
    }
}

fn this_host(report: &Report, page: &mut Page) {
    let client = &report.client;
    let full = client.max_fds > 0 && client.open_fds_peak >= client.max_fds;
    let limit =
        if client.max_fds > 0 { number::count(client.max_fds) } else { number::MISSING.into() };
    let full = if full { " AT LIMIT" } else { "" };
    let cpu = client.cpu_ratio_mean.filter(|cpu| cpu.is_finite());
    let cpu = cpu.map_or_else(|| number::MISSING.to_owned(), |cpu| format!("{:.0}%", cpu * 100.0));
    let lag = report.totals.latencies.lag.quantile(0.99).map(Nanos::as_secs_f64);
    let mut parts = vec![
        format!("fds {}/{limit}{full}", number::count(client.open_fds_peak)),
        format!("cpu {cpu}"),
    ];
    parts.extend(client.rss_bytes_peak.map(|bytes| format!("memory {}", number::memory(bytes))));
    let trusted = client.trustworthy;
    let lag_text = format!("send lag p99 {}", number::seconds(lag, " "));
    parts.push(match (trusted, lag) {
        (_, None) => "send lag not measured: nothing was sent on a schedule".to_owned(),
        (true, _) => format!("{lag_text} (results are trustworthy below {TRUST})"),
        (false, _) => lag_text,
    });
    page.wrap("THIS HOST  ", "           ", &parts.join(" · "));
    if !trusted {
        let text = format!("do not trust these numbers: {}", client.trust_reasons.join("; "));
        page.wrap("           ", "           ", &text);
    }
}
