//! Three fixed reports for golden tests: nothing ran, all went well, and the failing run of the
//! design.

use inrush_core::diagnosis::{Confidence, Culprit, Diagnosis, Evidence, Remedy};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::failure::{Class, Failure, Look, Op, Outcome, Peer, Phase, Signature};
use inrush_core::latency::Latency;
use inrush_core::plan::*;
use inrush_core::report::{Client, ConnectRate, Environment, Report, Run, Series, StoppedBy};
use inrush_core::snapshot::{Counts, Gauges, Snapshot};
use inrush_core::tally::{Key, Tally, Times};
use inrush_core::threshold::{self, Observed, Threshold};
use inrush_core::time::Nanos;

/// All three by name.
pub(crate) fn all() -> [(&'static str, Report); 3] {
    [("empty", empty()), ("clean", clean()), ("failing", failing())]
}

fn plan(connections: u32, schedule: Schedule) -> Plan {
    Plan {
        seed: 42,
        targets: vec![Target {
            url: "ws://10.0.0.5:8080/ws".into(),
            scheme: Scheme::Ws,
            tls: None,
            address: ([10, 0, 0, 5], 8080).into(),
            host: "10.0.0.5:8080".into(),
            path: "/ws".into(),
        }],
        sources: vec![],
        connections,
        connect_rate: Rate::Every { count: 1_000, per: Nanos::from_secs(1) },
        hold: Nanos::from_secs(60),
        max_time: None,
        lifetime: None,
        reconnect: Reconnect::Never,
        messages: Messages {
            schedule,
            payload: Payload::Generated(64),
            expect: Expect::Echo,
            frame: Frame::Text,
            max_outstanding: 1_024,
            ping_every: None,
        },
        timeouts: Timeouts {
            connect: Nanos::from_secs(10),
            handshake: Nanos::from_secs(60),
            reply: Nanos::from_secs(10),
        },
        headers: vec![],
        subprotocols: vec![],
        compress: None,
        tls: TlsClient::default(),
        nodelay: true,
        sndbuf_bytes: None,
        rcvbuf_bytes: None,
        close: Ending::Fin,
        timer_slack: Nanos::from_micros(100),
        max_opening: 512,
    }
}

/// A run that a signal ended before anything began.
pub(crate) fn empty() -> Report {
    let mut report = Report {
        run: Run {
            id: "7f3a91".into(),
            version: "0.1.0".into(),
            command: ["inrush", "run", "ws://10.0.0.5:8080/ws"].map(Into::into).into(),
            started_unix_ms: 1_795_227_000_000,
            ended_unix_ms: 1_795_227_000_004,
            duration: Nanos::from_millis(4),
            stopped_by: StoppedBy::Signal,
            signal: Some(2),
            processes: 1,
            threads: 8,
            workers_lost: 0,
            built_in_server: false,
        },
        plan: plan(100, Schedule::Idle),
        totals: Snapshot::default(),
        peak: 0,
        unknown: 0,
        probes: 0,
        resolve: vec![],
        connect_rate: ConnectRate { asked_per_second: Some(1_000.0), ..Default::default() },
        plateau: None,
        diagnoses: vec![],
        verdicts: vec![],
        exit_code: 130,
        series: Series { interval_seconds: 1, ..Default::default() },
        facts: Facts::default(),
        client: Client { max_fds: 9_040, trustworthy: true, ..Default::default() },
        environment: Environment {
            host: "host-a".into(),
            os: "Linux".into(),
            kernel: "6.1".into(),
            arch: "x86_64".into(),
            cores: 8,
            memory_bytes: 33_554_432_000,
            ..Default::default()
        },
    };
    judge(&mut report, &[]);
    report
}

fn judge(report: &mut Report, expressions: &[&str]) {
    let parse = |text: &&str| Threshold::parse(text).unwrap();
    let all = threshold::resolve(expressions.iter().map(parse).collect(), false);
    let observed = Observed::of(report);
    report.verdicts = all.iter().map(|one| threshold::evaluate(one, &observed)).collect();
}

/// 10,000 idle connections, all held; tcp, so that some were never confirmed.
pub(crate) fn clean() -> Report {
    let mut report = empty();
    report.plan = plan(10_000, Schedule::Idle);
    let target = &mut report.plan.targets[0];
    (target.url, target.scheme) = ("tcp://10.0.0.5:8080".into(), Scheme::Tcp);
    report.run.command =
        ["inrush", "run", "tcp://10.0.0.5:8080", "-c", "10k"].map(Into::into).into();
    report.run.stopped_by = StoppedBy::Completed;
    (report.run.signal, report.exit_code) = (None, 0);
    report.run.duration = Nanos::from_secs(70);
    report.totals.counts = Counts {
        attempted: 10_000,
        connected: 10_000,
        confirmed: 9_990,
        undecided: 10,
        opened: 10_000,
        finished: 10_000,
        ..Counts::default()
    };
    report.totals.gauges = Gauges { held: 10_000, ..Gauges::default() };
    (report.peak, report.exit_code) = (10_000, 0);
    report.connect_rate.achieved_per_second = Some(999.7);
    fill(&mut report.totals.latencies.connect, 10_000, 300, 2_100);
    fill(&mut report.totals.latencies.lag, 10_000, 50, 400);
    report.client = Client {
        open_fds_peak: 10_020,
        max_fds: 20_000,
        cpu_ratio_mean: Some(0.12),
        trustworthy: true,
        time_wait_before: Some(0),
        free_ports_before: Some(28_232),
        ..Default::default()
    };
    judge(&mut report, &[]);
    report
}

/// `count` values from `low` to `high` microseconds, most of them low.
fn fill(latency: &mut Latency, count: u64, low: u64, high: u64) {
    // Integers only: a golden text must not hang on how a machine rounds.
    let steep = |step: u64| (0..39).fold(step * 1_000, |power, _| power * step / 1_000);
    let table: Vec<_> = (0..=1_000).map(|step| (high - low) * steep(step) / 1_000).collect();
    for i in 0..count {
        let step = usize::try_from((2 * i + 1) * 500 / count).unwrap();
        latency.record(Nanos(low * 1_000 + table[step]));
    }
}

/// Descriptors run out here, then the server stops taking connections, then it closes some.
pub(crate) fn failing() -> Report {
    let mut report = empty();
    report.plan = plan(10_000, Schedule::Every(Nanos::from_secs(1)));
    report.run.stopped_by = StoppedBy::Completed;
    (report.run.signal, report.exit_code) = (None, 99);
    report.run.duration = Nanos::from_millis(71_204);
    report.run.command =
        ["inrush", "run", "ws://10.0.0.5:8080/ws", "-c", "10k", "-H", "Authorization: Bearer abc"]
            .map(Into::into)
            .into();
    report.totals.counts = Counts {
        attempted: 10_000,
        connected: 9_020,
        confirmed: 8_848,
        opened: 8_848,
        finished: 8_816,
        failed: 1_184,
        sent: 528_992,
        received: 528_960,
        lost: 32,
        sent_bytes: 33_855_488,
        received_bytes: 33_853_440,
        handshakes_timed_out: 172,
        ..Counts::default()
    };
    report.totals.gauges = Gauges { held: 8_816, ..Gauges::default() };
    report.peak = 8_848;
    report.connect_rate.achieved_per_second = Some(998.4);
    report.totals.tally = tally();
    let latencies = &mut report.totals.latencies;
    fill(&mut latencies.connect, 9_020, 300, 14_000);
    fill(&mut latencies.upgrade, 8_848, 4_000, 58_700_000);
    fill(&mut latencies.setup, 8_848, 4_300, 58_700_000);
    fill(&mut latencies.rtt, 528_960, 1_900, 61_000);
    fill(&mut latencies.lag, 528_992, 50, 900);
    report.client = Client {
        open_fds_peak: 9_040,
        max_fds: 9_040,
        cpu_ratio_mean: Some(0.61),
        rss_bytes_peak: Some(222_298_112),
        user_bytes_per_connection: Some(160),
        kernel_bytes_per_connection: Some(4_300),
        time_wait_before: Some(0),
        free_ports_before: Some(28_232),
        trustworthy: true,
        trust_reasons: vec![],
    };
    report.diagnoses = vec![descriptors(), not_accepting(), unread_data()];
    report.series = Series {
        interval_seconds: 8,
        t: (0..9).map(|i| i * 8).collect(),
        rtt_p50: vec![None; 9],
        rtt_p99: vec![Some(Nanos::from_micros(8_100)); 9],
        cpu_ratio: vec![0.5; 9],
        ..Series::default()
    };
    for list in [&mut report.series.open, &mut report.series.failed, &mut report.series.sent] {
        *list = vec![1; 9];
    }
    report.facts = facts();
    judge(&mut report, &["failures.ratio < 0.1%", "rtt.p99 < 50ms"]);
    report
}

fn facts() -> Facts {
    let counter = |group: &str, name: &str, after| Fact {
        source: Source::Counter(group.into(), name.into()),
        host: "host-a".into(),
        before: Some(100),
        after: Some(after),
    };
    Facts {
        list: vec![counter("TcpExt", "ListenOverflows", 100), counter("Tcp", "RetransSegs", 112)],
        unavailable: [("tracepoints".to_owned(), "not root".to_owned())].into(),
        available: ["netstat", "sockstat", "tcp_info"].map(Into::into).into(),
    }
}

fn tally() -> Tally {
    let errno = Outcome::Errno;
    let mut tally = Tally::default();
    let mut connection = 9_021;
    for (phase, op, outcome, first_ms, last_ms, count) in [
        (Phase::Socket, Op::Socket, errno(Errno::EMFILE), 9_020, 10_000, 980),
        (Phase::Upgrade, Op::Deadline, Outcome::TimedOut, 61_200, 69_800, 172),
        (Phase::Open, Op::Read, errno(Errno::ECONNRESET), 12_000, 39_400, 27),
        (Phase::Open, Op::Write, errno(Errno::EPIPE), 13_000, 30_000, 5),
    ] {
        let signature = Signature { phase, op, outcome };
        let open = phase != Phase::Socket;
        for i in 0..count {
            let at = Nanos::from_millis(first_ms + (last_ms - first_ms) * i / (count - 1));
            let peer = if i % 2 == 0 { Peer::Unseen } else { Peer::NotLocal };
            let key = Key {
                target: 0,
                signature,
                peer,
                fin_seen: false,
                heard: phase == Phase::Open,
                spoke: open,
            };
            tally.book(key, failure(at, connection, signature, open, peer), 8_848);
            connection += 1;
        }
    }
    tally
}

fn failure(at: Nanos, connection: u64, signature: Signature, open: bool, peer: Peer) -> Failure {
    let local = Some(([10, 0, 0, 1], 40_000).into());
    let look = Look { state: 7, bytes_received: 64, rtt_us: 250, local, peer, ..Look::default() };
    Failure {
        at,
        connection,
        signature,
        later: None,
        age: Nanos::from_secs(1),
        bytes_in: if open { 64 } else { 0 },
        bytes_out: if open { 64 } else { 0 },
        fin_seen: false,
        look: open.then_some(look),
        last_words: b"bye\x1b[2J".to_vec(),
        offset: None,
    }
}

fn times(first_ms: u64, last_ms: u64, count: u64) -> Times {
    let mut times = Times::default();
    let step = (last_ms - first_ms) / (count - 1);
    (0..count - 1).for_each(|i| times.add(Nanos::from_millis(first_ms + i * step)));
    times.add(Nanos::from_millis(last_ms));
    times
}

fn says(text: &str) -> Evidence {
    Evidence { fact: None, text: text.into() }
}

fn remedy(scope: &str, text: &str, command: Option<&str>) -> Remedy {
    let command = command.map(Into::into);
    Remedy { scope: scope.into(), text: text.into(), command, needs_root: false }
}

fn descriptors() -> Diagnosis {
    let limit = Fact {
        source: Source::OwnDescriptorLimit,
        host: "host-a".into(),
        before: Some(9_040),
        after: Some(9_040),
    };
    let text = "RLIMIT_NOFILE soft 9,040 = hard 9,040; inrush held 9,040 (9,020 sockets + \
                20 of its own) at the first failure";
    Diagnosis {
        cause: "client-out-of-descriptors".into(),
        culprit: Culprit::Client,
        confidence: Confidence::Proven,
        count: 980,
        what: "This process ran out of file descriptors: the server had no part in it".into(),
        classes: [(Class::FdExhaustedProcess, 980)].into(),
        seen_as: vec![
            "fd-exhausted-process 980: socket() = EMFILE (24) \"Too many open files\"".into(),
        ],
        times: times(9_020, 10_000, 980),
        because: vec![
            Evidence { fact: Some(limit), text: text.into() },
            says("whole system 11,304 of 9,223,372,036,854,775,807: not the cause"),
        ],
        alternatives: vec![],
        decide: None,
        remedy: vec![
            remedy("run", "several processes share the load", Some("leave out --processes 1")),
            remedy(
                "client-host",
                "raise the hard limit: LimitNOFILE, or nofile in limits.conf",
                None,
            ),
        ],
        same_as: vec![
            "Go \"socket: too many open files\", \"lookup …: no such host\"".into(),
            "Node EMFILE".into(),
            "Java \"Too many open files\"".into(),
        ],
        unsure: None,
    }
}

fn not_accepting() -> Diagnosis {
    Diagnosis {
        cause: "server-not-accepting".into(),
        culprit: Culprit::Server,
        confidence: Confidence::Likely,
        count: 172,
        what: "The server's kernel accepted these connections, its program never took them".into(),
        classes: [(Class::WsHandshakeTimeout, 172)].into(),
        seen_as: vec![
            "ws-handshake-timeout 172: no answer to the upgrade within 60s (your \
                       --handshake-timeout)"
                .into(),
        ],
        times: times(61_200, 69_800, 172),
        because: vec![says(
            "request acknowledged by the peer's kernel on 172/172 (tcpi_unacked = 0)",
        )],
        alternatives: vec!["server-out-of-descriptors".into()],
        decide: Some(
            "--server-pid PID on the server's host: descriptors at the limit = the second".into(),
        ),
        remedy: vec![remedy(
            "server",
            "raise the server's LimitNOFILE, or make its accept loop faster",
            None,
        )],
        same_as: vec![],
        unsure: Some("a proxy in between would look the same".into()),
    }
}

fn unread_data() -> Diagnosis {
    Diagnosis {
        cause: "server-closed-with-unread-data".into(),
        culprit: Culprit::Server,
        confidence: Confidence::Likely,
        count: 32,
        what:
            "The server closed while bytes we had sent lay unread, so its kernel answered with RST"
                .into(),
        classes: [(Class::ResetOnRead, 27), (Class::BrokenPipe, 5)].into(),
        seen_as: vec!["reset-on-read 27, broken-pipe 5: one cause, the split is timing".into()],
        times: times(12_000, 39_400, 32),
        because: vec![says("no FIN before the RST on 32 of 32; the last words were bye\x1b[2J")],
        alternatives: vec![],
        decide: None,
        remedy: vec![remedy("server", "read until EOF before close, no SO_LINGER 0", None)],
        same_as: vec![],
        unsure: None,
    }
}
