//! A scenario that needs load: `inrush serve` with a fault and `inrush run` against it, as child
//! processes. What is found is the report's diagnosis; the steps are its samples.

use super::outcome::{Outcome, Seen, StepDoc};
use super::stage::Wish;
use crate::verb::run::server::{PARENT, first_address};
use inrush_core::repro::{Scenario, Storm};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Failures shown of one class.
const SHOWN: usize = 3;
/// No storm may take longer.
const AT_MOST: &str = "20s";

/// A server that is killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    keep: bool,
}

/// Runs it.
pub(super) fn run(scenario: &Scenario, storm: Storm, wish: Wish) -> Outcome {
    run_line(scenario, storm.serve, storm.run, wish)
}

/// Runs these two command lines.
pub(super) fn run_line(scenario: &Scenario, serve: &str, run: &str, wish: Wish) -> Outcome {
    let begun = Instant::now();
    let server = match Server::start(serve, wish.keep) {
        Ok(server) => server,
        Err(why) => return Outcome::lost(scenario, format!("inrush serve: {why}")),
    };
    let mut outcome = Outcome::of(scenario);
    let step = |side: &str, call: String, result: String| StepDoc {
        at_seconds: begun.elapsed().as_secs_f64(),
        side: side.into(),
        connection: 0,
        call,
        result,
        expected: None,
    };
    let listens = format!("listens on {}", server.address);
    let serve = format!("inrush serve 127.0.0.1:0 {serve}");
    outcome.steps.push(step("server", serve.trim_end().to_owned(), listens));
    let line = run
        .replace("ADDRESS", &server.address.to_string())
        .replace("PID", &server.child.id().to_string());
    let offset = begun.elapsed().as_secs_f64();
    let mut began = step("client", format!("inrush run {line}"), String::new());
    let report = match load(&line) {
        Ok(report) => report,
        Err(why) => return Outcome::lost(scenario, format!("inrush run: {why}")),
    };
    began.result = opened(&report);
    outcome.steps.push(began);
    outcome.steps.extend(samples(&report, offset));
    outcome.seen = found(&report, scenario);
    outcome.passed = outcome.as_declared();
    if wish.keep
        && let Some(seen) = &mut outcome.seen
    {
        let (pid, address) = (server.child.id(), server.address);
        seen.note = Some(format!("the server is left on {address}; kill {pid} stops it"));
    }
    outcome
}

impl Server {
    fn start(line: &str, keep: bool) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["serve", "127.0.0.1:0", "--quiet"]).args(line.split_whitespace());
        command.env_remove("INRUSH_QUIET").stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        if !keep {
            command.env(PARENT, std::process::id().to_string());
        }
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        match first_address(&mut child) {
            Some(address) => Ok(Self { child, address, keep }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err("it did not say where it listens".into())
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.keep {
            // It may have died of its fault; then there is nothing to kill.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The report of a load.
fn load(line: &str) -> Result<Value, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("run").args(line.split_whitespace());
    command.args(["--max-time", AT_MOST, "--seed", "7", "--quiet", "--json", "-"]);
    for (name, _) in std::env::vars_os() {
        // A setting of the caller's would make another load of it.
        if name.to_string_lossy().starts_with("INRUSH_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| error.to_string())?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
    match report.get("error") {
        Some(error) => Err(error["message"].as_str().unwrap_or("it was refused").to_owned()),
        None => Ok(report),
    }
}

fn opened(report: &Value) -> String {
    let of = |name: &str| report["connections"][name].as_u64().unwrap_or(0);
    let (opened, failed) = (of("opened"), of("failed"));
    format!("{opened} opened, {failed} failed")
}

/// The diagnosis that was expected, or the largest.
fn found(report: &Value, scenario: &Scenario) -> Option<Seen> {
    let cards = report["diagnoses"].as_array()?;
    let wanted = cards.iter().find(|card| card["cause"] == scenario.cause);
    let card = wanted.or(cards.first())?;
    let text = |key: &str| card[key].as_str().map(str::to_owned);
    let classes = card["classes"].as_object()?;
    let count = |class: &str| classes.get(class).and_then(Value::as_u64).unwrap_or(0);
    // Its own class, or the most frequent one.
    let own = scenario.class.id();
    let most = classes.keys().max_by_key(|class| (class.as_str() == own, count(class)))?;
    let texts = |list: &Value, key: Option<&str>| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        let text = list.filter_map(|one| key.map_or(Some(one), |key| one.get(key))?.as_str());
        text.map(str::to_owned).collect()
    };
    Some(Seen {
        cause: text("cause"),
        class: Some(most.clone()),
        confidence: text("confidence"),
        culprit: text("culprit"),
        what: text("what"),
        evidence: texts(&card["evidence"], Some("text")),
        same_as: texts(&card["same_as"], None),
        note: None,
    })
}

/// What the first failures of each class were.
fn samples(report: &Value, offset: f64) -> Vec<StepDoc> {
    let mut steps = Vec::new();
    for class in report["failures"]["classes"].as_array().into_iter().flatten() {
        let word = |key: &str| class[key].as_str().unwrap_or("").to_owned();
        let symbol = class["errno"].as_str().map(|errno| format!("{errno}, "));
        for sample in class["samples"].as_array().into_iter().flatten().take(SHOWN) {
            let (phase, operation) = (word("phase"), word("operation"));
            let says = sample["last_words"].as_str().filter(|words| !words.is_empty());
            let says = says.map(|words| format!(": \"{}\"", cut(words))).unwrap_or_default();
            steps.push(StepDoc {
                at_seconds: offset + sample["at_seconds"].as_f64().unwrap_or(0.0),
                side: "client".into(),
                connection: sample["connection"].as_u64().unwrap_or(0),
                call: format!("{operation} ({phase})"),
                result: format!("{}{}{says}", symbol.clone().unwrap_or_default(), word("class")),
                expected: None,
            });
        }
    }
    steps.sort_by(|one, two| one.at_seconds.total_cmp(&two.at_seconds));
    steps
}

/// As much of the last words as fits a line.
fn cut(words: &str) -> String {
    words.chars().take(60).collect()
}
