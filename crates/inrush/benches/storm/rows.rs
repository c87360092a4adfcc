//! The promises, and how each is measured.

use crate::child::{Result, Running};
use crate::lab::{Lab, Run};
use crate::table::{Bound, Row, median};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

/// Rows that come from the same runs.
pub(crate) struct Group {
    /// Names of its rows.
    pub(crate) names: &'static [&'static str],
    /// Measures them.
    pub(crate) measure: fn(&Lab) -> Result<Vec<Row>>,
}

/// All, in the order of the table.
pub(crate) const GROUPS: [Group; 8] = [
    Group { names: &["connect-cpu", "connect-rate", "connect-p50"], measure: connect },
    Group { names: &["memory"], measure: memory },
    Group { names: &["echo-cpu"], measure: echo },
    Group { names: &["open-loop"], measure: open_loop },
    Group { names: &["pause-p99.9", "pause-max"], measure: pause },
    Group { names: &["tls-cpu", "tls-rate"], measure: tls_handshakes },
    Group { names: &["tls-memory"], measure: tls_memory },
    Group { names: &["million"], measure: million },
];

fn row(name: &'static str, what: String, unit: &'static str, ours: Vec<f64>, must: Bound) -> Row {
    let theirs = Vec::new();
    Row { name, what, unit, ours, theirs, by_ratio: false, must, aim: None, error: None }
}

/// Opens and closes: CPU, rate, and the latency it reports.
fn connect(lab: &Lab) -> Result<Vec<Row>> {
    let n = lab.connections;
    let count = n.to_string();
    let args = |c| ["-c", c, "-r", "max", "-d", "0"];
    let (mut ours_one, mut theirs_one) = (Vec::new(), Vec::new());
    for _ in 0..lab.runs {
        ours_one.push(lab.inrush(&[], &args("1"))?.cpu.as_secs_f64());
        theirs_one.push(lab.reference("connect", 1, Duration::ZERO)?.1.as_secs_f64());
    }
    let (ours_one, theirs_one) = (middle(&ours_one)?, middle(&theirs_one)?);
    lab.say(|| format!("-c 1: CPU {ours_one:.4} s, reference {theirs_one:.4} s"));
    // Not counted: the kernel's caches for so many sockets are filled by the first run.
    lab.reference("connect", n, Duration::ZERO)?;

    let mut cpu = Sides::default();
    let mut rate = Sides::default();
    let mut p50 = Vec::new();
    let per_connection = |cpu: Duration, one: f64| (cpu.as_secs_f64() - one) * 1e6 / (n - 1) as f64;
    for i in 0..lab.runs {
        for ours in order(i) {
            if ours {
                let run = lab.inrush(&[], &args(&count))?;
                all_confirmed(&run, n)?;
                cpu.ours.push(per_connection(run.cpu, ours_one));
                rate.ours.push(find(&run, "/connections/connect_rate/achieved_per_second")?);
                p50.push(percentile(&run, "connect", 50.0)? * 1e6);
                let whole = find(&run, "/run/duration_seconds")?;
                lab.say(|| format!("inrush {i}: CPU {:?}, run {whole:.3} s", run.cpu));
            } else {
                let (done, spent) = lab.reference("connect", n, Duration::ZERO)?;
                cpu.theirs.push(per_connection(spent, theirs_one));
                rate.theirs.push(n as f64 / done.open_seconds);
                lab.say(|| {
                    format!("reference {i}: CPU {spent:?}, open {:.3} s", done.open_seconds)
                });
            }
        }
        let (a, b) = (cpu.last(), rate.last());
        lab.say(|| format!("pair {i}: CPU us {a}, per second {b}, p50 {:.0} us", p50[i]));
    }
    let cpu_what = "CPU per WebSocket connection, opened and closed".into();
    Ok(vec![
        Row {
            aim: Some(Bound::AtMost(1.0)),
            ..cpu.row("connect-cpu", cpu_what, "us", Bound::AtMost(1.15))
        },
        Row {
            aim: Some(Bound::AtLeast(1.0)),
            ..rate.row("connect-rate", "connections opened".into(), "/s", Bound::AtLeast(0.85))
        },
        Row {
            aim: Some(Bound::AtMost(30.0)),
            ..row("connect-p50", "connect p50 at -r max".into(), "us", p50, Bound::AtMost(100.0))
        },
    ])
}

/// Growth of anonymous memory per idle connection; the larger of what we see and what it reports.
fn memory(lab: &Lab) -> Result<Vec<Row>> {
    let n = lab.connections;
    let ours = |n: usize| -> Result<(f64, Run)> {
        let server = lab.server(&[])?;
        let args = ["-c", &n.to_string(), "-r", "max", "-d", "3s"];
        let running = lab.start(server.address, &args)?;
        let bytes = idle_bytes(&running, n)?;
        Ok((bytes, lab.finish(running, Duration::from_secs(60))?))
    };
    let theirs = |n: usize| -> Result<f64> {
        let server = lab.server(&[])?;
        let hold = Duration::from_secs(3);
        let running = lab.start_reference(server.address, "connect", n, hold)?;
        let bytes = idle_bytes(&running, n)?;
        lab.finish_reference(running).map(|_| bytes)
    };
    let (ours_one, theirs_one) = (ours(1)?.0, theirs(1)?);
    let mut bytes = Sides::default();
    for i in 0..lab.runs {
        for our_turn in order(i) {
            if our_turn {
                let (seen, run) = ours(n)?;
                let seen = (seen - ours_one) / (n - 1) as f64;
                let said = find(&run, "/client/user_bytes_per_connection");
                lab.say(|| format!("inrush {i}: seen {seen:.1} B, reported {said:?}"));
                bytes.ours.push(said.map_or(seen, |said| seen.max(said)));
            } else {
                bytes.theirs.push((theirs(n)? - theirs_one) / (n - 1) as f64);
            }
        }
    }
    let what = "user memory per idle WebSocket".into();
    let (by_ratio, aim) = (false, Some(Bound::AtMost(112.0)));
    Ok(vec![Row { by_ratio, aim, ..bytes.row("memory", what, "B", Bound::AtMost(160.0)) }])
}

/// Hand-shakes with new sessions, beside a loop of rustls's own.
fn tls_handshakes(lab: &Lab) -> Result<Vec<Row>> {
    let n = if lab.quick { 1_000 } else { 3_000 };
    let count = n.to_string();
    let args = |c| ["-c", c, "-r", "max", "-d", "0"];
    let ours_one = lab.through_tls("tls", &args("1"))?.cpu.as_secs_f64();
    let theirs_one = lab.tls_reference(1)?.1.as_secs_f64();
    let (mut cpu, mut rate) = (Sides::default(), Sides::default());
    let each = |cpu: Duration, one: f64| (cpu.as_secs_f64() - one) * 1e6 / (n - 1) as f64;
    for i in 0..lab.runs {
        for ours in order(i) {
            if ours {
                let run = lab.through_tls("tls", &args(&count))?;
                all_confirmed(&run, n)?;
                cpu.ours.push(each(run.cpu, ours_one));
                rate.ours.push(find(&run, "/connections/connect_rate/achieved_per_second")?);
            } else {
                let (done, spent) = lab.tls_reference(n)?;
                cpu.theirs.push(each(spent, theirs_one));
                rate.theirs.push(n as f64 / done.open_seconds);
            }
        }
        lab.say(|| format!("pair {i}: CPU us {}, per second {}", cpu.last(), rate.last()));
    }
    Ok(vec![
        cpu.row("tls-cpu", "CPU per TLS hand-shake".into(), "us", Bound::AtMost(1.15)),
        rate.row("tls-rate", "TLS hand-shakes".into(), "/s", Bound::AtLeast(1.0 / 1.15)),
    ])
}

/// What an idle `wss` connection costs, as the run reports it.
fn tls_memory(lab: &Lab) -> Result<Vec<Row>> {
    let count = lab.connections.to_string();
    let mut bytes = Vec::new();
    for _ in 0..lab.runs.min(3) {
        let server = lab.server(&["--tls-self-signed"])?;
        let url = format!("wss://{}/", server.address);
        let running = lab.start_at(&url, &["-c", &count, "-r", "max", "-d", "3s", "-k"])?;
        let seen = idle_bytes(&running, lab.connections)? / lab.connections as f64;
        let run = lab.finish(running, Duration::from_secs(120))?;
        let said = find(&run, "/client/user_bytes_per_connection")?;
        lab.say(|| format!("seen {seen:.0} B, reported {said:.0} B"));
        bytes.push(said);
    }
    let what = "user memory per idle wss connection".into();
    Ok(vec![row("tls-memory", what, "B", bytes, Bound::AtMost(3_500.0))])
}

/// Closed loop over 1,000 WebSockets; what opening and closing them costs is taken off.
fn echo(lab: &Lab) -> Result<Vec<Row>> {
    let hold = Duration::from_secs(if lab.quick { 2 } else { 5 });
    let text = format!("{}s", hold.as_secs());
    let idle = ["-c", "1000", "-r", "max", "-d", "0"];
    let busy = ["-c", "1000", "-r", "max", "-d", &text, "-m", "max", "-s", "20B"];
    let (mut ours_idle, mut theirs_idle) = (Vec::new(), Vec::new());
    for _ in 0..lab.runs {
        ours_idle.push(lab.inrush(&[], &idle)?.cpu.as_secs_f64());
        theirs_idle.push(lab.reference("connect", 1_000, Duration::ZERO)?.1.as_secs_f64());
    }
    let (ours_idle, theirs_idle) = (middle(&ours_idle)?, middle(&theirs_idle)?);
    let mut cpu = Sides::default();
    for i in 0..lab.runs {
        for ours in order(i) {
            if ours {
                let run = lab.inrush(&[], &busy)?;
                all_confirmed(&run, 1_000)?;
                let echoes = find(&run, "/messages/received")?;
                cpu.ours.push((run.cpu.as_secs_f64() - ours_idle) * 1e6 / echoes);
                lab.say(|| format!("inrush {i}: {echoes} echoes, CPU {:?}", run.cpu));
            } else {
                let (done, spent) = lab.reference("echo", 1_000, hold)?;
                let echoes = done.echoes;
                cpu.theirs.push((spent.as_secs_f64() - theirs_idle) * 1e6 / echoes as f64);
                lab.say(|| format!("reference {i}: {echoes} echoes, CPU {spent:?}"));
            }
        }
        lab.say(|| format!("pair {i}: us per echo {}", cpu.last()));
    }
    let what = "CPU per 20-byte echo over 1,000 WebSockets".into();
    let aim = Some(Bound::AtMost(1.0));
    Ok(vec![Row { aim, ..cpu.row("echo-cpu", what, "us", Bound::AtMost(1.10)) }])
}

/// 1,000 x 20 messages per second, measured from the intended send time.
fn open_loop(lab: &Lab) -> Result<Vec<Row>> {
    let hold = if lab.quick { "3s" } else { "10s" };
    let mut p50 = Vec::new();
    for i in 0..lab.runs {
        let run = lab.inrush(&[], &["-c", "1000", "-r", "max", "-m", "20/s", "-d", hold])?;
        all_confirmed(&run, 1_000)?;
        p50.push(percentile(&run, "rtt", 50.0)? * 1e6);
        lab.say(|| format!("inrush {i}: p50 {:.0} us", p50[i]));
    }
    let what = "open loop 1,000 x 20 msg/s: p50".into();
    let aim = Some(Bound::AtMost(80.0));
    Ok(vec![Row { aim, ..row("open-loop", what, "us", p50, Bound::AtMost(200.0)) }])
}

/// A server that stops: only who measures from the intended send time sees all of it.
fn pause(lab: &Lab) -> Result<Vec<Row>> {
    let hold = if lab.quick { "6s" } else { "12s" };
    let (mut high, mut max) = (Vec::new(), Vec::new());
    for i in 0..lab.runs {
        let args = ["-c", "1000", "-r", "max", "-m", "20/s", "-d", hold];
        let run = lab.inrush(&["--fault", "pause:200ms/2s"], &args)?;
        all_confirmed(&run, 1_000)?;
        high.push(percentile(&run, "rtt", 99.9)? * 1e3);
        max.push(find(&run, "/latency/rtt/max_seconds")? * 1e3);
        lab.say(|| format!("inrush {i}: p99.9 {:.1} ms, max {:.1} ms", high[i], max[i]));
    }
    let what = "server stops 200 ms every 2 s, 20k msg/s";
    let (p999, most) = (format!("{what}: p99.9"), format!("{what}: max"));
    Ok(vec![
        row("pause-p99.9", p999, "ms", high, Bound::Within(190.0, 210.0)),
        row("pause-max", most, "ms", max, Bound::Within(195.0, 250.0)),
    ])
}

/// A million against the built-in server, and nothing may be left of it.
fn million(lab: &Lab) -> Result<Vec<Row>> {
    // Whoever outlives inrush becomes our child, and is found by waiting for it.
    set_child_subreaper(Some(getpid())).map_err(|e| format!("prctl: {e}"))?;
    let mut command = lab.command();
    command.args(["-c", "1M", "-r", "max", "-d", "0"]);
    let run = lab.finish(Running::start(&mut command, None)?, Duration::from_secs(300));
    let left = nothing_left(Duration::from_secs(1));
    set_child_subreaper(None).map_err(|e| format!("prctl: {e}"))?;
    let run = run?;
    left?;
    all_confirmed(&run, 1_000_000)?;
    let seconds = 1e6 / find(&run, "/connections/connect_rate/achieved_per_second")?;
    let whole = find(&run, "/run/duration_seconds")?;
    lab.say(|| format!("inrush: opened in {seconds:.1} s, whole run {whole:.1} s"));
    let what = "1,000,000 opened, all confirmed, nothing left".into();
    // The must is what was checked above; the time is the aim.
    let row = row("million", what, "s", vec![seconds], Bound::Checked);
    Ok(vec![Row { aim: Some(Bound::AtMost(60.0)), ..row }])
}

/// Both sides of a comparison, run by run.
#[derive(Default)]
struct Sides {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Sides {
    fn row(self, name: &'static str, what: String, unit: &'static str, must: Bound) -> Row {
        Row { theirs: self.theirs, by_ratio: true, ..row(name, what, unit, self.ours, must) }
    }

    fn last(&self) -> String {
        let last = |side: &[f64]| side.last().copied().unwrap_or(f64::NAN);
        let (ours, theirs) = (last(&self.ours), last(&self.theirs));
        format!("{ours:.2} against {theirs:.2} = {:.3}", ours / theirs)
    }
}

/// Who comes first changes with each pair, so that a drift hits both.
fn order(pair: usize) -> [bool; 2] {
    if pair.is_multiple_of(2) { [true, false] } else { [false, true] }
}

fn middle(values: &[f64]) -> Result<f64> {
    median(values).ok_or_else(|| "no runs".into())
}

fn find(run: &Run, pointer: &str) -> Result<f64> {
    let number = run.json.pointer(pointer).and_then(Value::as_f64);
    number.ok_or_else(|| format!("the JSON has no number at {pointer}"))
}

fn percentile(run: &Run, which: &str, p: f64) -> Result<f64> {
    let list = run.json.pointer(&format!("/latency/{which}/percentiles")).and_then(Value::as_array);
    let mut list = list.into_iter().flatten();
    let entry = list.find(|e| e["p"].as_f64().is_some_and(|q| (q - p).abs() < 1e-9));
    let seconds = entry.and_then(|e| e["seconds"].as_f64());
    seconds.ok_or_else(|| format!("the JSON has no p{p} of latency.{which}"))
}

fn all_confirmed(run: &Run, n: usize) -> Result<()> {
    let confirmed = find(run, "/connections/confirmed")?;
    let failed = find(run, "/connections/failed")?;
    if confirmed == n as f64 && failed == 0.0 {
        return Ok(());
    }
    Err(format!("{confirmed} of {n} connections confirmed, {failed} failed"))
}

/// Anonymous memory of a client once it has held `n` descriptors for a second. The count in
/// `status` may lag by some pages per core; `smaps_rollup` walks the pages.
fn idle_bytes(client: &Running, n: usize) -> Result<f64> {
    let proc = format!("/proc/{}", client.pid());
    let until = Instant::now() + Duration::from_secs(60);
    let mut since = None;
    while Instant::now() < until {
        if client.ends_within(Duration::from_millis(50))? {
            return Err("it ended before its memory could be read".into());
        }
        let held = most_descriptors(&proc);
        if held < n {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() >= Duration::from_secs(1) {
            let text = fs::read_to_string(format!("{proc}/smaps_rollup"));
            let text = text.map_err(|e| format!("smaps_rollup: {e}"))?;
            let line = text.lines().find_map(|l| l.strip_prefix("Anonymous:"));
            let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
            return kib.map(|k| k * 1024.0).ok_or_else(|| "smaps_rollup: no Anonymous".into());
        }
    }
    Err(format!("it did not hold {n} descriptors within 60 s"))
}

/// Descriptors of the largest table among a process's threads: a single loop has one of its own.
fn most_descriptors(proc: &str) -> usize {
    let threads = fs::read_dir(format!("{proc}/task")).into_iter().flatten().flatten();
    let held = threads.map(|t| fs::read_dir(t.path().join("fd")).map_or(0, Iterator::count));
    held.max().unwrap_or(0)
}

/// Reaps what inrush left behind. What still runs after `limit` is an error, and is ended.
fn nothing_left(limit: Duration) -> Result<()> {
    let until = Instant::now() + limit;
    loop {
        match waitpid(None, WaitOptions::NOHANG) {
            Err(Errno::CHILD) => return Ok(()),
            Err(e) => return Err(format!("waitpid: {e}")),
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() >= until => {
                let who = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
                for pid in who.split_whitespace().filter_map(|p| Pid::from_raw(p.parse().ok()?)) {
                    let _ = kill_process(pid, Signal::TERM);
                }
                return Err(format!("still running after inrush has ended: {who}"));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
