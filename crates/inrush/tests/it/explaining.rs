//! `inrush explain` as a user runs it: one text, a log on stdin, JSON lines, hostile input.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

fn explain(arguments: &[&str], input: Vec<u8>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inrush"))
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || {
        // A program that has heard enough closes its end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it writes or stops");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

#[test]
fn one_text_is_told_on_a_card_and_unknown_ones_exit_1() {
    let found = explain(&["dial tcp: lookup localhost: no such host"], vec![]);
    assert_eq!(found.status.code(), Some(0));
    let text = stdout(&found);
    assert!(text.starts_with("dns-failure-fd-exhausted · said by Go"), "{text}");
    assert!(text.contains("client-out-of-descriptors (likely)"), "{text}");
    let unknown = explain(&["the", "sky", "is", "blue"], vec![]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stdout(&unknown).starts_with("not recognised"));
    assert_eq!(explain(&["--class", "nonsense"], vec![]).status.code(), Some(2));
    assert_eq!(explain(&["--from", "go", "EOF while reading"], vec![]).status.code(), Some(0));
}

#[test]
fn a_log_is_grouped_and_counted() {
    let mut log = String::new();
    for n in 0..1_204 {
        log += &format!(
            "2026/11/21 02:{:02}:13 http: Accept error: accept tcp [::]:8080: accept4: too many \
             open files; retrying in {n}ms\n",
            n % 60
        );
    }
    log += "2026/11/21 02:07:13 write tcp 10.0.0.1:40312->10.0.0.2:80: write: broken pipe\n";
    log += "panic: send on closed channel\n";
    let found = explain(&[], log.into_bytes());
    assert_eq!(found.status.code(), Some(0));
    let text = stdout(&found);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("    1,204  fd-exhausted-process  http: Accept error"), "{text}");
    assert!(lines[1].starts_with("        1  broken-pipe"), "{text}");
    assert!(lines[1].ends_with("write tcp …: write: broken pipe"), "{text}");
    assert!(lines[2].contains("(not recognised)"), "{text}");
    assert!(lines[2].ends_with("first: \"panic: send on closed channel\""), "{text}");
    assert_eq!(lines[3], "details: inrush explain --class fd-exhausted-process");
}

#[test]
fn json_lines_are_answered_in_order() {
    let input = concat!(
        r#"{"id":1,"text":"connect ECONNREFUSED 127.0.0.1:9001"}"#,
        "\n",
        r#"{"id":"b","text":"the sky is blue"}"#,
        "\n\n",
        r#"{"text":"websocket: close 1006 (abnormal closure): unexpected EOF"}"#,
        "\n",
    );
    let found = explain(&["--jsonl"], input.into());
    assert_eq!(found.status.code(), Some(0));
    let text = stdout(&found);
    let answers: Vec<Value> =
        text.lines().map(|it| serde_json::from_str(it).expect("one answer")).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0]["id"], &answers[0]["class"]), (&1.into(), &"refused".into()));
    assert_eq!(answers[0]["causes"][0]["cause"], "nothing-listening");
    assert_eq!((&answers[1]["id"], &answers[1]["recognised"]), (&"b".into(), &false.into()));
    assert_eq!((&answers[1]["class"], &answers[1]["phase"]), (&Value::Null, &"local".into()));
    assert_eq!((&answers[2]["id"], &answers[2]["code"]), (&Value::Null, &1006.into()));
    // What is no object is answered, too, and told.
    let broken = explain(&["--jsonl"], b"{\"id\":1}\nnonsense\n[]\n".to_vec());
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(stdout(&broken).lines().count(), 3);
}

#[test]
fn documents_and_lists_are_whole() {
    let found = explain(&["--json", "-", "read: connection reset by peer"], vec![]);
    let document: Value = serde_json::from_slice(&found.stdout).expect("one document");
    assert_eq!(document["schema"], "inrush.explain/1");
    assert_eq!(document["explained"]["class"], "reset-on-read");
    let log = explain(&["--json", "-"], b"connect ECONNREFUSED 127.0.0.1:9001\n".to_vec());
    let document: Value = serde_json::from_slice(&log.stdout).expect("one document");
    assert_eq!(document["log"]["groups"][0]["count"], 1);
    let list = stdout(&explain(&["--list"], vec![]));
    assert!(list.contains("accept-queue-overflow") && list.contains("fd-exhausted-process"));
    assert!(stdout(&explain(&["--cause", "no-route"], vec![])).contains("decide    ip route get"));
    let class = stdout(&explain(&["--class", "reset-on-read"], vec![]));
    assert!(class.contains("server-closed-with-unread-data (likely)"), "{class}");
}

#[test]
fn hostile_input_is_bounded_and_escaped() {
    // One line of 10 MB, binary noise, invalid UTF-8, control sequences.
    let mut input = vec![b'x'; 10 << 20];
    input.extend_from_slice(b"\n\xff\xfe\x00\x1b[2J refused \x9b31m\n");
    input.extend((0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    input.extend_from_slice(b"\nread: \x1b]0;title\x07connection reset by peer\x1b[2J\n");
    let found = explain(&[], input);
    assert_eq!(found.status.code(), Some(0));
    let text = stdout(&found);
    assert!(text.contains("reset-on-read"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
}
