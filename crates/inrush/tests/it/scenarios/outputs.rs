//! Documents a run writes: each is whole, each is alone on stdout, and a lost one is told.

use crate::harness::{Inrush, run, serve};
use crate::report::Report;
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn two_documents_do_not_share_a_file() {
    for place in ["-", "run.json"] {
        let finished = run(&format!("-c 1 --json {place} --ndjson {place}")).finish();
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stderr.contains("both write to"), "{finished:?}");
    }
}

/// What is not the document goes to stderr when stdout is the document's.
#[test]
fn a_dry_run_leaves_stdout_to_the_document() {
    let finished = Inrush::new("run tcp://127.0.0.1:9 -c 10 -n --json -").finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (0, ""), "{finished:?}");
    assert!(finished.stderr.contains("preflight"), "{finished:?}");
    let line = "tcp://127.0.0.1:9 -c 60k --source-ip 127.0.0.1 -n --json -";
    let finished = run(line).finish();
    assert_eq!((finished.code, &finished.json()["error"]["code"]), (3, &"preflight".into()));
}

/// A full disk is found while the run goes on: the other document says exit 1, as the process does,
/// and stays the only one on stdout.
#[test]
fn a_lost_output_is_told_beside_the_document() {
    let finished = run("-c 5 -r max -d 100ms --json - --ndjson /dev/full").finish();
    assert_eq!(finished.code, 1, "{finished:?}");
    let json: Value = serde_json::from_str(&finished.stdout).expect("one document");
    assert_eq!(
        (&json["schema"], &json["verdict"]["exit_code"]),
        (&"inrush.run/1".into(), &1.into())
    );
    assert!(finished.stderr.contains("cannot write '/dev/full'"), "{finished:?}");
}

#[test]
fn a_signal_has_the_last_word() {
    let server = serve("");
    let line = format!("ws://{} -c 5 -r max -d 1m --json /dev/full --ndjson -", server.address);
    let mut running = run(&line).start();
    let lines = running.lines();
    lines.until_open(5);
    running.signal(Signal::INT);
    let report = Report::new(lines.summary(), running.finish().code);
    assert_eq!(report.code, 130);
}

/// Port 0 is any: the document names the one that was served.
#[test]
fn a_servers_document_has_the_address_it_listened_on() {
    let place = tempfile::tempdir().expect("a scratch directory");
    let file = place.path().join("serve.json");
    let server = serve(&format!("--json {}", file.display()));
    let address = server.address.to_string();
    assert_eq!(server.stop(&file)["address"], address);
}

/// One line a second while the run lasts, and their sums are the totals.
#[test]
fn lines_are_there_while_the_run_goes_on() {
    let place = tempfile::tempdir().expect("a scratch directory");
    let path = place.path().join("run.ndjson");
    let line = format!("-c 20 -r max -d 2500ms -m 20/s --ndjson {}", path.display());
    let finished = run(&line).finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    let text = std::fs::read_to_string(&path).expect("it was written");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let ticks: Vec<&Value> = lines.iter().filter(|line| line["type"] == "tick").collect();
    assert!(ticks.len() >= 3, "{text}");
    let summary = lines.last().expect("the summary");
    assert_eq!(summary["type"], "summary");
    for key in ["sent", "received"] {
        let sum: u64 = ticks.iter().filter_map(|tick| tick[key].as_u64()).sum();
        assert_eq!(sum, summary["messages"][key].as_u64().expect("a count"), "{key}: {text}");
    }
}

/// A closed loop has no schedule to be late for: nothing is claimed about it.
#[test]
fn a_closed_loop_measures_no_send_lag() {
    let report = run("-c 4 -r max -d 300ms -m max").report();
    assert_eq!(report.json["client"]["lag"], Value::Null, "\n{report}");
    let report = run("-c 4 -r max -d 300ms -m 50/s").report();
    assert!(report.number("/client/lag/count") > 0, "\n{report}");
}
