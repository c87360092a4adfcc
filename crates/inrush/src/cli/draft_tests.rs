//! Command lines and the plans they mean.

use super::*;
use crate::cli::{Cli, Verb, parse};
use inrush_core::plan::{Ending, Expect, Frame, Rate, Reconnect, Schedule};
use inrush_core::time::Nanos;

fn arguments(line: &[&str]) -> RunArgs {
    let line = ["inrush", "run"].iter().chain(line).map(Into::into);
    match parse(line) {
        Ok(Cli { verb: Verb::Run(run), .. }) => *run,
        other => panic!("{other:?}"),
    }
}

fn draft(line: &[&str]) -> Draft {
    arguments(line).resolve_free().unwrap()
}

fn refused(line: &[&str], expected: &str) {
    match arguments(line).resolve_free() {
        Err(CliError::Usage(problem)) => {
            assert!(problem.message.contains(expected), "{line:?}: {problem:?}");
            assert_eq!(problem.exit_code, 2);
        }
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn the_defaults_are_those_of_the_help() {
    let draft = draft(&["ws://h:8080/ws"]);
    assert_eq!(draft.connect, [("h".to_owned(), 8080)]);
    assert_eq!(draft.thresholds.len(), 3);
    assert_eq!((draft.built_in, draft.family), (None, Family::Any));
    assert_eq!((draft.preflight, draft.evidence), (Preflight::Stop, EvidenceArg::Auto));
    assert_eq!((draft.processes, draft.threads), (CountOrAuto::Auto, None));
    let plan = draft.into_plan(vec![([10, 0, 0, 5], 8080).into()], vec![]);
    assert_eq!(plan.connections, 100);
    assert_eq!(plan.connect_rate, Rate::Every { count: 1_000, per: Nanos::from_secs(1) });
    assert_eq!(plan.hold, Nanos::from_secs(30));
    assert_eq!((plan.max_time, plan.lifetime), (None, None));
    assert_eq!((plan.reconnect, plan.close), (Reconnect::Never, Ending::Fin));
    assert_eq!((plan.messages.schedule, plan.messages.expect), (Schedule::Idle, Expect::Echo));
    assert_eq!(plan.messages.payload, Payload::Generated(64));
    assert_eq!((plan.messages.frame, plan.messages.max_outstanding), (Frame::Text, 1_024));
    let timeouts = [plan.timeouts.connect, plan.timeouts.handshake, plan.timeouts.reply];
    assert_eq!(timeouts, [10, 60, 10].map(Nanos::from_secs));
    assert_eq!((plan.nodelay, plan.max_opening), (true, 512));
    assert_eq!(plan.timer_slack, Nanos::from_micros(100));
    let target = &plan.targets[0];
    assert_eq!((&*target.url, &*target.host, &*target.path), ("ws://h:8080/ws", "h:8080", "/ws"));
}

#[test]
fn every_flag_reaches_the_plan() {
    let line = "tcp://a:1 b:2 -c 10k -r max -d 1h30m --max-time 2h --lifetime 20s..40s \
         --reconnect failed \
         -m 1/10s -s 2KiB --expect push --max-outstanding 5 --connect-timeout 1s \
         --handshake-timeout 5s --reply-timeout 2s --source-ip 127.0.1.1-127.0.1.3 -4 \
         --connect-to a:1:c:3 --nodelay off --sndbuf 4KiB --rcvbuf 8KiB -t 2 --nofile 500 \
         --close rst --seed 42 --timer-slack 1ms --threshold rtt.p99<1s --abort-on-fail \
         --preflight warn --evidence off --server-pid 7 --server-pid 8 --json - --ndjson x.nd -n";
    let draft = draft(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(draft.connect, [("c".to_owned(), 3), ("b".to_owned(), 2)]);
    assert_eq!((draft.sources.len(), draft.family), (3, Family::V4));
    assert_eq!((draft.nofile, draft.processes), (Some(500), CountOrAuto::Exactly(1)));
    assert_eq!((draft.json, draft.ndjson), (Some(Sink::Stdout), Some(Sink::File("x.nd".into()))));
    assert_eq!((draft.server_pids, draft.dry_run), (vec![7, 8], true));
    assert_eq!((draft.abort_on_fail, draft.thresholds.len()), (true, 4));
    let plan = draft_plan(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!((plan.seed, plan.connections, plan.connect_rate), (42, 10_000, Rate::Max));
    assert_eq!(plan.lifetime, Some((Nanos::from_secs(20), Nanos::from_secs(40))));
    assert_eq!((plan.reconnect, plan.close), (Reconnect::Failed, Ending::Rst));
    assert_eq!(plan.messages.schedule, Schedule::Every(Nanos::from_secs(10)));
    assert_eq!((plan.sndbuf_bytes, plan.rcvbuf_bytes), (Some(4_096), Some(8_192)));
    assert!(!plan.nodelay);
}

fn draft_plan(line: &[&str]) -> Plan {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    draft(line).into_plan(vec![address, address], vec![])
}

#[test]
fn without_a_target_our_own_server_is_stormed() {
    assert_eq!(draft(&[]).built_in, Some(SchemeArg::Ws));
    let plan = draft_plan(&["--scheme", "tcp"]);
    assert_eq!((&*plan.targets[0].url, plan.targets.len()), ("tcp://127.0.0.1:9", 2));
}

#[test]
fn headers_are_checked_and_a_host_header_is_the_targets() {
    let line =
        ["ws://me:a%3Ab@h/", "-H", "Host: x.example", "-H", "X-Token: t", "--origin", "http://o"];
    let plan = draft_plan(&line);
    assert_eq!(plan.targets[0].host, "x.example");
    let basic = format!("Basic {}", STANDARD.encode("me:a:b"));
    let expected = [("X-Token", "t"), ("Origin", "http://o"), ("Authorization", &*basic)];
    let headers: Vec<_> = plan.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(headers, expected);
    assert_eq!(plan.targets[0].url, "ws://***@h/", "the password is stored nowhere else");
    refused(&["ws://h/", "-H", "no colon"], "colon");
    refused(&["ws://h/", "-H", "X: a\r\nY: b"], "control character");
    refused(&["ws://h/", "-H", "Connection: close"], "inrush itself");
    refused(&["ws://h/", "-H", "a b: c"], "no header name");
    refused(&["ws://h/", "--subprotocol", "a, b"], "subprotocol");
    refused(&["tcp://h:1", "-H", "X: y"], "need a ws://");
    refused(&["tcp://h:1", "--compress"], "need a ws://");
    refused(&["ws://a@h/", "ws://b@h/"], "different users");
    refused(&["ws://a@h/", "-H", "authorization: x"], "who is connecting");
}

#[test]
fn compression_is_offered_as_by_browsers_or_with_its_parameters() {
    let check = |line: &[&str], expected: Option<&str>| {
        let offer = draft_plan(line).compress.map(|offer| offer.to_string());
        assert_eq!(offer.as_deref(), expected, "{line:?}");
    };
    let browsers = "permessage-deflate; client_max_window_bits";
    check(&["ws://h/"], None);
    check(&["--compress", "ws://h/"], Some(browsers));
    check(&["--compress=on"], Some(browsers));
    check(&["--compress="], Some("permessage-deflate"));
    let two = "--compress=server_no_context_takeover,client_max_window_bits=9";
    let expected = "permessage-deflate; server_no_context_takeover; client_max_window_bits=9";
    check(&[two], Some(expected));
    for wrong in ["yes", "a,b", "server_max_window_bits", "server_max_window_bits=7"] {
        let line = ["inrush".to_owned(), "run".into(), format!("--compress={wrong}")];
        let line = line.iter().map(Into::into);
        assert!(matches!(parse(line), Err(CliError::Usage(problem)) if problem.exit_code == 2));
    }
}

#[test]
fn contradictions_are_refused() {
    refused(&["--json", "-", "--ndjson", "-"], "both write to stdout");
    refused(&["--nofile", "100", "--processes", "2"], "--processes 1");
    refused(&["h:1", "-6", "--source-ip", "127.0.0.1"], "excludes");
    refused(&["h:1", "-4", "-6"], "exclude each other");
    refused(&["h:1", "--message", ""], "empty");
    refused(&["h:1", "--message-file", "/nonexistent/file"], "cannot read");
    for line in [
        &["h:1", "--scheme", "ws"][..],
        &["--message", "a", "--message-file", "b"],
        &["--message", "a", "-s", "5"],
        &["-c", "0"],
        &["-r", "0"],
        &["--server-pid", "0"],
        &["--html", "x"],
        &["wss://h/", "-k", "--cacert", "a"],
    ] {
        let line = ["inrush", "run"].iter().chain(line).map(Into::into);
        assert!(matches!(parse(line), Err(CliError::Usage(problem)) if problem.exit_code == 2));
    }
}

#[test]
fn a_message_file_is_one_message_and_bounded() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"one\ntwo\xff\n").unwrap();
    let path = file.path().to_str().unwrap();
    let plan = draft_plan(&["h:1", "--message-file", path]);
    assert_eq!(plan.messages.payload, Payload::Fixed(b"one\ntwo\xff\n".to_vec()));
    refused(&["ws://h/", "--message-file", path], "no UTF-8");
    let plan = draft_plan(&["ws://h/", "--frame", "binary", "--message-file", path]);
    assert_eq!(plan.messages.frame, Frame::Binary);
    file.as_file().set_len(MESSAGE_LIMIT + 1).unwrap();
    refused(&["h:1", "--message-file", path], "longer than 16 MiB");
}

#[test]
fn pings_are_small_and_for_websockets() {
    let plan = draft_plan(&["ws://h/", "--frame", "ping", "-s", "125B", "--ping-interval", "25s"]);
    assert_eq!(plan.messages.frame, Frame::Ping);
    assert_eq!(plan.messages.ping_every, Some(Nanos::from_secs(25)));
    assert_eq!(draft_plan(&["ws://h/"]).messages.ping_every, None);
    let ping = |rest: &[&str], expected| {
        refused(&[rest, &["--frame", "ping"]].concat(), expected);
    };
    ping(&["ws://h/", "-s", "126B"], "at most 125 bytes, not 126");
    let long = "x".repeat(200);
    ping(&["ws://h/", "--message", &long], "at most 125 bytes, not 200");
    ping(&["ws://h/", "tcp://h:1"], "needs ws:// targets alone");
    ping(&["--scheme", "tcp"], "needs ws:// targets alone");
    for expect in ["reply", "push", "mirror"] {
        ping(&["ws://h/", "--expect", expect], "answered by pongs");
    }
    refused(&["tcp://h:1", "--ping-interval", "1s"], "--ping-interval needs a ws:// target");
}
