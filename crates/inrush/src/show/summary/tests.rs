//! Golden summaries from fixed reports. `INRUSH_BLESS=1 cargo test` writes them anew: read the
//! diff.

use super::*;
use crate::show::fixture;
use std::path::PathBuf;

fn golden(name: &str, text: &str) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = directory.join(name);
    if std::env::var_os("INRUSH_BLESS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} is not what is shown now:\n{text}", path.display());
}

#[test]
fn summaries_are_as_stored() {
    for (name, report) in fixture::all() {
        for width in [80, 100] {
            golden(&format!("summary-{name}-{width}.txt"), &render(&report, width, false));
        }
    }
}

#[test]
fn lines_fit_and_hold_no_escape_and_no_nan() {
    for (name, report) in fixture::all() {
        for width in [60, 72, 80, 93, 100, 132, 1_000] {
            let text = render(&report, width, false);
            assert!(!text.contains('\x1b'), "{name}: a peer's words move the cursor");
            for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
                assert!(!["nan", "inf"].contains(&&*word.to_lowercase()), "{name}: {text}");
            }
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(width < 80 || longest <= width, "{name} at {width}: {longest}\n{text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
        }
    }
}

#[test]
fn how_many_connections_agreed_to_compress_is_one_line() {
    let (_, mut report) = fixture::all().into_iter().next().unwrap();
    assert!(!render(&report, 80, false).contains("COMPRESSION"));
    report.plan.compress = Some(inrush_core::protocol::ws_deflate::Offer::of_browsers());
    report.totals.counts.opened = 2_000;
    report.totals.counts.compressed = 1_999;
    let expected = "\nCOMPRESSION  agreed with 1,999 of 2,000 opened connections\n";
    let text = render(&report, 80, false);
    assert!(text.contains(expected), "{text}");
}

#[test]
fn numbers_that_are_none_are_never_shown() {
    let check = |text: &str, name: &str| {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            assert!(!["nan", "inf"].contains(&&*word.to_lowercase()), "{name}: {text}");
        }
    };
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        for (name, mut report) in fixture::all() {
            report.client.cpu_ratio_mean = Some(odd);
            report.connect_rate.asked_per_second = Some(odd);
            report.connect_rate.achieved_per_second = Some(odd);
            report.series.cpu_ratio.fill(odd);
            for verdict in &mut report.verdicts {
                (verdict.observed, verdict.limit) = (Some(odd), odd);
            }
            check(&render(&report, 100, false), name);
            check(&crate::show::json::text(&report), name);
            check(&crate::show::ndjson::summary(&report), name);
        }
    }
}

#[test]
fn colour_adds_and_changes_no_word() {
    for (name, report) in fixture::all() {
        let plain = render(&report, 100, false);
        let mut colored = render(&report, 100, true);
        assert!(colored.contains("\x1b["), "{name}");
        while let Some(at) = colored.find("\x1b[") {
            let end = colored[at..].find('m').unwrap();
            colored.replace_range(at..=at + end, "");
        }
        assert_eq!(colored, plain, "{name}");
    }
}

#[test]
fn what_hides_the_rest_stands_first_and_only_ten_causes_are_shown() {
    let mut report = fixture::failing();
    report.diagnoses[0].count = 5;
    let text = render(&report, 100, false);
    let (client, server) = (text.find("client-out-of"), text.find("server-not-accepting"));
    assert!(client < server && text.contains("fix this first: it hides what follows"));
    let one = report.diagnoses[2].clone();
    report.diagnoses.extend((0..11).map(|_| one.clone()));
    let text = render(&report, 100, false);
    assert!(text.contains("… 4 more causes, 128 connections"), "{text}");
    assert_eq!(text.matches("read until EOF").count(), 8);
}

#[test]
fn notes_say_what_the_numbers_do_not_mean() {
    let mut report = fixture::failing();
    report.plan.messages.payload = Payload::Generated(8);
    let counts = &mut report.totals.counts;
    (counts.first_replies, counts.first_not_echo, counts.unsent) = (10, 9, 3);
    report.client.trustworthy = false;
    report.client.trust_reasons = vec!["send lag p99 12 ms".into()];
    let text = render(&report, 200, false);
    for part in [
        "replies are not echoes: use --expect reply",
        "3 due messages could not be sent: latency is a lower bound",
        "matched by order only",
        "do not trust these numbers: send lag p99 12 ms",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(last_line(&["a.json".into()], 99), "a.json written · exit 99\n");
}
