//! Runs the built program as a user would: command line in, exit code, stdout and stderr out,
//! within a time limit. Everything it starts is ended when its value is dropped.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::report::Report;
use serde_json::Value;

/// No command of this suite may take longer.
const LIMIT: Duration = Duration::from_secs(60);

static QUIET_HOST: Mutex<()> = Mutex::new(());

/// Held by tests that overflow queues, race against milliseconds or burn whole cores: the others of
/// their kind would be seen in their counters and clocks.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    QUIET_HOST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command line of the program that is not started yet.
pub(crate) struct Inrush {
    command: Command,
}

/// `inrush run LINE`, its words separated by spaces. The seed is fixed; name another to change it.
pub(crate) fn run(line: &str) -> Inrush {
    Inrush::new(&format!("run {line}")).env("INRUSH_SEED", "7")
}

impl Inrush {
    /// `inrush LINE`.
    pub(crate) fn new(line: &str) -> Self {
        Self { command: clean(Command::new(env!("CARGO_BIN_EXE_inrush"))) }.words(line)
    }

    /// `inrush run LINE` started by a shell after `before`, which may lower limits.
    pub(crate) fn run_after(before: &str, line: &str) -> Self {
        let mut command = clean(Command::new("sh"));
        command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]);
        command.args([env!("CARGO_BIN_EXE_inrush"), "run"]);
        Self { command }.words(line).env("INRUSH_SEED", "7")
    }

    fn words(mut self, line: &str) -> Self {
        self.command.args(line.split_whitespace());
        self
    }

    /// One more argument, spaces and all.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// One environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// In a process group of its own, as a shell starts it.
    pub(crate) fn grouped(mut self) -> Self {
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = self.command.spawn().expect("the program starts");
        let stdout = child.stdout.take();
        let mut stderr = child.stderr.take().expect("it is piped");
        let (say, said) = channel();
        // Ends with the last process that holds the pipe.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            let _ = say.send(String::from_utf8_lossy(&text).into_owned());
        });
        Running { child, stdout, stderr: said, begun, line: format!("{:?}", self.command) }
    }

    /// Runs it to its end.
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }

    /// Runs it to its end with `--json -`; checks every sum of the document.
    pub(crate) fn report(self) -> Report {
        Report::of(&self.arg("--json").arg("-").finish())
    }

    /// Runs it with `--json -` to an end that is no run; gives the error document.
    pub(crate) fn refusal(self) -> Value {
        let finished = self.arg("--json").arg("-").finish();
        let json = finished.json();
        assert_eq!(json["schema"], "inrush.error/1", "{finished:?}");
        assert_eq!(json["error"]["exit_code"], finished.code, "{finished:?}");
        assert!(finished.stderr.starts_with("error: "), "{finished:?}");
        json["error"].clone()
    }
}

/// Nothing of the caller's environment may change what is tested.
fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let ours = name.starts_with("INRUSH_") || name.starts_with("CLICOLOR");
        if ours || matches!(name.as_str(), "NO_COLOR" | "CI" | "RUST_BACKTRACE") {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

/// A process that was started.
pub(crate) struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Receiver<String>,
    begun: Instant,
    line: String,
}

impl Running {
    /// Its process number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it has not been waited for");
    }

    /// Sends its whole process group a signal, as a terminal does; see [`Inrush::grouped`].
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).expect("it has not been waited for");
    }

    /// The JSON lines it writes to stdout, as they come.
    pub(crate) fn lines(&mut self) -> Lines {
        let stdout = self.stdout.take().expect("stdout is read once");
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if say.send(value).is_err() {
                    return;
                }
            }
        });
        Lines { lines }
    }

    /// Its child processes, those of its other threads too.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let of_thread = |thread: std::fs::DirEntry| {
            std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        };
        let lists =
            threads.into_iter().flatten().filter_map(|thread| Some(of_thread(thread.ok()?)));
        let pids = lists.collect::<Vec<_>>().join(" ");
        pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let (say, said) = channel();
        let stdout = self.stdout.take();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stdout.map(|mut stdout| stdout.read_to_end(&mut text));
            let _ = say.send(String::from_utf8_lossy(&text).into_owned());
        });
        let status = self.wait();
        let took = self.begun.elapsed();
        // Whoever still holds the pipes after this is a process that was left behind.
        let rest = Duration::from_secs(5);
        let stdout = said.recv_timeout(rest).expect("a process that holds stdout was left behind");
        let stderr =
            self.stderr.recv_timeout(rest).expect("a process that holds stderr was left behind");
        let code = status.code();
        let code = code.unwrap_or_else(|| panic!("{}: {status}\n{stderr}", self.line));
        Finished { code, stdout, stderr, took, line: std::mem::take(&mut self.line) }
    }

    fn wait(&mut self) -> ExitStatus {
        let pid = self.pid();
        let (say, said) = channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if said.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
                return true;
            }
            false
        });
        let status = self.child.wait().expect("it is our child");
        drop(say);
        let overdue = watchdog.join().expect("it does not panic");
        assert!(!overdue, "{} did not end within {LIMIT:?}", self.line);
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `--ndjson -` says while a run lasts.
pub(crate) struct Lines {
    lines: Receiver<Value>,
}

impl Lines {
    /// The first line from here on that fits.
    pub(crate) fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + LIMIT;
        loop {
            let rest = limit.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) if fits(&line) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line with {what}: {error}"),
            }
        }
    }

    /// Waits until at least so many are open at once.
    pub(crate) fn until_open(&self, count: u64) {
        self.until(&format!("{count} open"), |line| line["open"].as_u64() >= Some(count));
    }

    /// The summary in the last line.
    pub(crate) fn summary(&self) -> Value {
        self.until("the summary", |line| line["type"] == "summary")
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    #[expect(dead_code, reason = "read by Debug when an assertion fails")]
    line: String,
}

impl Finished {
    /// Its stdout, which is one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `inrush serve` on a free port of 127.0.0.1; killed when dropped.
pub(crate) struct Serve {
    running: Running,
    pub(crate) address: SocketAddr,
}

/// `inrush serve 127.0.0.1:0 LINE`, listening.
pub(crate) fn serve(line: &str) -> Serve {
    serve_at("127.0.0.1:0", line)
}

/// `inrush serve ADDRESS LINE`, listening.
pub(crate) fn serve_at(address: &str, line: &str) -> Serve {
    let mut running = Inrush::new(&format!("serve {address} --quiet {line}")).start();
    let mut first = String::new();
    let stdout = running.stdout.as_mut().expect("nobody has taken it");
    BufReader::new(stdout).read_line(&mut first).expect("it says where it listens");
    let address = first
        .strip_prefix("listening on ")
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let address = address.unwrap_or_else(|| panic!("serve {line}: {first:?}"));
    Serve { running, address }
}

impl Serve {
    /// Its process number, as an argument.
    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// SIGKILL, and waits for its end: nothing of its own runs any more, as in a crash.
    pub(crate) fn kill(mut self) {
        self.running.child.kill().expect("it has not been waited for");
        let _ = self.running.child.wait();
    }

    /// Ends it in order and gives the document it writes to `--json FILE`.
    pub(crate) fn stop(self, file: &std::path::Path) -> Value {
        self.running.signal(Signal::TERM);
        let finished = self.running.finish();
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{e}: {finished:?}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
