//! One run of each side: who runs where, with which arguments, and what it left behind.

use crate::child::{Cores, Ended, Result, Running, Server};
use crate::reference::{self, Done, Task};
use crate::secure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two sources keep 15,000 connections below half of each one's port range.
const SOURCES: [&str; 2] = ["127.0.1.1", "127.0.1.2"];
/// No run of these rows takes longer.
const LIMIT: Duration = Duration::from_secs(180);

/// What all measurements share.
pub(crate) struct Lab {
    /// The product.
    pub(crate) binary: PathBuf,
    /// Runs of each side.
    pub(crate) runs: usize,
    /// Connections of the connect and memory rows.
    pub(crate) connections: usize,
    /// A smaller set.
    pub(crate) quick: bool,
    /// Raw numbers of each run on standard error.
    pub(crate) verbose: bool,
    me: PathBuf,
    cores: Cores,
    dir: tempfile::TempDir,
}

/// A finished `inrush run`.
pub(crate) struct Run {
    /// Its JSON document.
    pub(crate) json: Value,
    /// Its CPU.
    pub(crate) cpu: Duration,
}

impl Lab {
    /// Prepares: cores, descriptor limit, scratch directory, and the request the reference copies.
    pub(crate) fn new(binary: PathBuf, runs: usize, quick: bool, verbose: bool) -> Result<Self> {
        let connections = if quick { 5_000 } else { 15_000 };
        let limit = getrlimit(Resource::Nofile);
        let hard = limit.maximum.unwrap_or(u64::MAX);
        if hard < connections as u64 + 100 {
            return Err(format!("{connections} connections need more than {hard} descriptors"));
        }
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
            .map_err(|e| format!("setrlimit: {e}"))?;
        let lab = Self {
            binary,
            runs,
            connections,
            quick,
            verbose,
            me: std::env::current_exe().map_err(|e| format!("current_exe: {e}"))?,
            cores: Cores::choose()?,
            dir: tempfile::tempdir().map_err(|e| format!("tempdir: {e}"))?,
        };
        fs::write(lab.path("request"), lab.capture_request()?).map_err(|e| e.to_string())?;
        Ok(lab)
    }

    /// A server of its own for each run: its port is new, so no TIME_WAIT of an earlier run is in
    /// the way, and both sides meet the same.
    pub(crate) fn server(&self, extra: &[&str]) -> Result<Server> {
        wait_for_time_wait()?;
        Server::start(&self.binary, extra, self.cores.server, self.file("server.log")?)
    }

    /// `inrush run` with these arguments against `to`, begun on the client's core.
    pub(crate) fn start(&self, to: SocketAddr, args: &[&str]) -> Result<Running> {
        self.start_at(&format!("ws://{to}/"), args)
    }

    /// The same with a URL.
    pub(crate) fn start_at(&self, url: &str, args: &[&str]) -> Result<Running> {
        let mut command = self.command();
        command.arg(url).args(args).args(["--processes", "1", "-t", "1"]);
        command.args(["--source-ip", &SOURCES.join("-")]);
        Running::start(&mut command, Some(self.cores.client))
    }

    /// Awaits what [`Self::start`] or [`Self::command`] began; all thresholds must have held.
    pub(crate) fn finish(&self, running: Running, limit: Duration) -> Result<Run> {
        let Ended { status, cpu } = running.wait(limit)?;
        if !status.success() {
            return Err(format!("inrush: {status}: {}", self.last_words("inrush")));
        }
        let text = fs::read(self.path("run.json")).map_err(|e| format!("run.json: {e}"))?;
        let json = serde_json::from_slice(&text).map_err(|e| format!("run.json: {e}"))?;
        Ok(Run { json, cpu })
    }

    /// Both of the above against a server of its own.
    pub(crate) fn inrush(&self, server: &[&str], args: &[&str]) -> Result<Run> {
        let server = self.server(server)?;
        self.finish(self.start(server.address, args)?, LIMIT)
    }

    /// `inrush run` that leaves its JSON where [`Self::finish`] looks; target to be added.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--json").arg(self.path("run.json"));
        command.args(["-q", "--seed", "42"]).stdin(Stdio::null());
        let _ = fs::remove_file(self.path("run.json"));
        if let (Ok(out), Ok(err)) = (self.file("inrush.out"), self.file("inrush.err")) {
            command.stdout(out).stderr(err);
        }
        command
    }

    /// The reference against `to`, begun on the client's core: `how` is `connect`, `echo` or
    /// `tls`.
    pub(crate) fn start_reference(
        &self,
        to: SocketAddr,
        how: &str,
        connections: usize,
        hold: Duration,
    ) -> Result<Running> {
        let mut command = Command::new(&self.me);
        command.args(["--reference", how, &to.to_string(), &SOURCES.join(",")]);
        command.args([connections.to_string(), hold.as_millis().to_string()]);
        command.arg(self.path("request")).stdin(Stdio::null());
        command.stdout(self.file("reference.out")?).stderr(self.file("reference.err")?);
        Running::start(&mut command, Some(self.cores.client))
    }

    /// Awaits it: what it did and its CPU.
    pub(crate) fn finish_reference(&self, running: Running) -> Result<(Done, Duration)> {
        let Ended { status, cpu } = running.wait(LIMIT)?;
        if !status.success() {
            return Err(format!("reference: {status}: {}", self.last_words("reference")));
        }
        let text = fs::read_to_string(self.path("reference.out")).map_err(|e| e.to_string())?;
        let mut words = text.split_whitespace();
        let mut next = || words.next().ok_or("reference: it said too little");
        let open_seconds = next()?.parse().map_err(|e| format!("reference: {e}"))?;
        let echoes = next()?.parse().map_err(|e| format!("reference: {e}"))?;
        Ok((Done { open_seconds, echoes }, cpu))
    }

    /// Both of the above against a server of its own.
    pub(crate) fn reference(
        &self,
        how: &str,
        connections: usize,
        hold: Duration,
    ) -> Result<(Done, Duration)> {
        let server = self.server(&[])?;
        self.finish_reference(self.start_reference(server.address, how, connections, hold)?)
    }

    /// The TLS reference against a server of its own.
    pub(crate) fn tls_reference(&self, connections: usize) -> Result<(Done, Duration)> {
        let server = self.server(&["--tls-self-signed"])?;
        let to = server.address;
        self.finish_reference(self.start_reference(to, "tls", connections, Duration::ZERO)?)
    }

    /// `inrush run -k` through TLS against a server of its own.
    pub(crate) fn through_tls(&self, scheme: &str, args: &[&str]) -> Result<Run> {
        let server = self.server(&["--tls-self-signed"])?;
        let url = format!("{scheme}://{}", server.address);
        self.finish(self.start_at(&url, &[args, &["-k"]].concat())?, LIMIT)
    }

    /// Says something about a run when asked to.
    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            eprintln!("  {}", text());
        }
    }

    /// The bytes with which `inrush run` asks for the upgrade, so that both send the same.
    fn capture_request(&self) -> Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("listen: {e}"))?;
        let address = listener.local_addr().map_err(|e| format!("listen: {e}"))?;
        listener.set_nonblocking(true).map_err(|e| format!("listen: {e}"))?;
        let client = self.start(address, &["-c", "1", "-d", "0"])?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            let Ok((mut stream, _)) = listener.accept() else {
                if client.ends_within(Duration::from_millis(10))? {
                    break;
                }
                continue;
            };
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(got @ 1..) = stream.read(&mut buffer) {
                request.extend_from_slice(&buffer[..got]);
                if request.ends_with(b"\r\n\r\n") {
                    return Ok(request);
                }
            }
        }
        Err(format!("inrush sent no upgrade request: {}", self.last_words("inrush")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str) -> Result<File> {
        File::create(self.path(name)).map_err(|e| format!("{name}: {e}"))
    }

    /// The end of what a child wrote on both of its outputs.
    fn last_words(&self, who: &str) -> String {
        let read = |end: &str| fs::read(self.path(&format!("{who}.{end}"))).unwrap_or_default();
        let all = [read("out"), read("err")].concat();
        let text = String::from_utf8_lossy(&all);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(12)..].join("\n    ")
    }
}

/// The other end of [`Lab::start_reference`]: this process is the reference.
pub(crate) fn be_the_reference(args: &[String]) -> Result<()> {
    let [how, to, sources, connections, hold, request] = args else {
        return Err("--reference HOW TO SOURCES CONNECTIONS HOLD_MS REQUEST".into());
    };
    let bad = |e: &dyn std::fmt::Display| format!("--reference: {e}");
    let sources = sources.split(',').map(str::parse).collect::<std::result::Result<_, _>>();
    let task = Task {
        to: to.parse().map_err(|e| bad(&e))?,
        sources: sources.map_err(|e| bad(&e))?,
        connections: connections.parse().map_err(|e| bad(&e))?,
        request: fs::read(Path::new(request)).map_err(|e| bad(&e))?,
        hold: Duration::from_millis(hold.parse().map_err(|e| bad(&e))?),
        echo: how == "echo",
    };
    let done = if how == "tls" { secure::run(&task)? } else { reference::run(task)? };
    println!("{} {}", done.open_seconds, done.echoes);
    Ok(())
}

/// Waits until the table of TIME_WAIT sockets has room for a run: beyond its limit the kernel
/// leaves them out, which would make later runs cheaper than earlier ones.
fn wait_for_time_wait() -> Result<()> {
    let max = fs::read_to_string("/proc/sys/net/ipv4/tcp_max_tw_buckets");
    let Ok(max) = max.unwrap_or_default().trim().parse::<u64>() else { return Ok(()) };
    let until = Instant::now() + Duration::from_secs(90);
    while Instant::now() < until {
        let text = fs::read_to_string("/proc/net/sockstat").map_err(|e| e.to_string())?;
        let now = text.split_whitespace().skip_while(|w| *w != "tw").nth(1);
        if now.and_then(|n| n.parse().ok()).is_none_or(|now: u64| now < max / 2) {
            return Ok(());
        }
        // The kernel has no event for this; sockets leave TIME_WAIT 60 s after they entered it.
        std::thread::sleep(Duration::from_millis(250));
    }
    Err("the table of TIME_WAIT sockets stayed more than half full for 90 s".into())
}
