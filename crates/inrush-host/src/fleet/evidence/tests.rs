//! Probes, dates and processes of a run, on the real kernel.

use super::*;
use inrush_core::plan::{
    Ending, Expect, Frame, Messages, Payload, Rate, Reconnect, Schedule, Scheme, Target, Timeouts,
    TlsClient,
};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

fn plan(address: SocketAddr) -> Plan {
    let (url, host) = (format!("tcp://{address}"), address.to_string());
    let second = Nanos::from_secs(1);
    Plan {
        seed: 7,
        targets: vec![Target {
            url,
            scheme: Scheme::Tcp,
            address,
            host,
            path: "/".into(),
            tls: None,
        }],
        sources: vec![],
        connections: 1,
        connect_rate: Rate::Max,
        hold: second,
        max_time: None,
        lifetime: None,
        reconnect: Reconnect::Never,
        messages: Messages {
            schedule: Schedule::Idle,
            payload: Payload::Generated(64),
            expect: Expect::Echo,
            frame: Frame::Text,
            max_outstanding: 1,
            ping_every: None,
        },
        timeouts: Timeouts { connect: second, handshake: second, reply: second },
        headers: vec![],
        subprotocols: vec![],
        compress: None,
        tls: TlsClient::default(),
        nodelay: true,
        sndbuf_bytes: None,
        rcvbuf_bytes: None,
        close: Ending::Fin,
        timer_slack: Nanos::ZERO,
        max_opening: 1,
    }
}

fn options(server_pids: Vec<u32>) -> Options {
    let home = Home::Children(vec![]);
    Options { home, server_pids, server_parent: None, evidence: true, ports_in_use: 0 }
}

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

#[test]
fn a_death_at_the_end_of_a_run_is_probed_once_more() {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 4).unwrap();
    let to = socket::local_addr(&listener).unwrap();
    let mut evidence = Evidence::open(&plan(to), &options(vec![]));
    evidence.before(&[]);
    evidence.burst(ms(10_000));
    evidence.look(ms(10_010), &[], 0);
    assert_eq!(evidence.facts().after(&Source::Probe(to)), Some(0), "it still listens");
    evidence.burst(ms(10_400));
    socket::stop_listening(listener);
    evidence.after(ms(10_500));
    let facts = evidence.into_facts();
    let refused = u64::from(Errno::ECONNREFUSED.0);
    assert_eq!(facts.after(&Source::Probe(to)), Some(refused));
    let both = |source| facts.get(&source).map(|fact| (fact.before, fact.after));
    assert_eq!(both(Source::ProbeRefused(to)), Some((Some(10_400), Some(10_500))));
    assert_eq!(both(Source::ListenerLeft(to)), Some((Some(10_010), Some(10_500))));
}

#[test]
fn a_burst_long_ago_is_not_probed_at_the_end() {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap(), 4).unwrap();
    let to = socket::local_addr(&listener).unwrap();
    let mut evidence = Evidence::open(&plan(to), &options(vec![]));
    evidence.before(&[]);
    evidence.burst(ms(1_000));
    evidence.look(ms(1_010), &[], 0);
    socket::stop_listening(listener);
    evidence.after(ms(30_000));
    assert_eq!(evidence.probes(), 1);
    assert_eq!(evidence.into_facts().after(&Source::Probe(to)), Some(0));
}

#[test]
fn processes_that_a_server_adds_are_watched() {
    let script = "read x; (echo ready; read y; exit) <&0; echo over; read z";
    let mut command = Command::new("sh");
    let piped = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = piped.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut stdin = server.stdin.take().unwrap();
    let plan = plan("127.0.0.1:9".parse().unwrap());
    let mut evidence = Evidence::open(&plan, &options(vec![server.id()]));
    let alive = |evidence: &Evidence| {
        let facts = evidence.facts().list.iter().filter(|fact| match fact.source {
            Source::ServerAlive(_) => fact.after == Some(1),
            _ => false,
        });
        facts.count()
    };
    evidence.before(&[]);
    assert_eq!(alive(&evidence), 1);
    stdin.write_all(b"on\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    evidence.look(ms(500), &[], 0);
    assert_eq!(alive(&evidence), 1, "once a second");
    evidence.look(ms(1_500), &[], 0);
    assert_eq!(alive(&evidence), 2);
    stdin.write_all(b"on\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "over");
    evidence.look(ms(2_500), &[], 0);
    assert_eq!(alive(&evidence), 1);
    let ended = |fact: &&Fact| matches!(fact.source, Source::ServerEnded(_));
    let ended = evidence.facts().list.iter().find(ended).map(|f| (f.before, f.after));
    assert_eq!(ended, Some((Some(1_500), Some(2_500))));
    drop(stdin);
    server.wait().unwrap();
}
