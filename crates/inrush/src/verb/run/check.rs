//! Preflight of a run: what will break before it does, and the plan in words for `--dry-run`.

use super::places;
use crate::cli::draft::Draft;
use crate::cli::run::Preflight;
use crate::exit;
use crate::show::error::Problem;
use crate::show::{number, out, words};
use inrush_core::plan::{Payload, Plan, Schedule};
use inrush_core::preflight::{self, Finding, Host, Verdict};
use inrush_host::fleet::evidence;
use inrush_host::fleet::storm::Home;
use inrush_host::probe::Probes;
use inrush_host::sys::limits;

/// Of generated messages, when `-s` is not given.
const DEFAULT_SIZE: u32 = 64;

/// Local ports in use towards the first target, for [`preflight`] and for the evidence.
pub(super) fn ports_in_use(plan: &Plan) -> u64 {
    plan.targets.first().map_or(0, |target| evidence::ports_in_use(target.address))
}

/// Refuses an impossible plan when it is asked to. Gives all findings otherwise.
pub(super) fn preflight(
    draft: &Draft,
    plan: &Plan,
    home: &Home,
    built_in: bool,
    in_use: u64,
) -> Result<Vec<Finding>, Problem> {
    if draft.preflight == Preflight::Off {
        return Ok(Vec::new());
    }
    let findings = findings(draft, plan, home, built_in, in_use);
    let impossible = findings.iter().any(|finding| finding.verdict == Verdict::Impossible);
    if draft.preflight == Preflight::Stop && impossible {
        return Err(refusal(plan, &findings));
    }
    Ok(findings)
}

/// A mistyped pid would be watched in vain.
pub(super) fn server_pids(draft: &Draft) -> Result<(), Problem> {
    let Some(pid) = draft.server_pids.iter().find(|pid| !limits::exists(**pid)) else {
        return Ok(());
    };
    Err(Problem {
        code: "usage",
        exit_code: exit::USAGE,
        message: format!("--server-pid {pid}: there is no such process"),
        why: Vec::new(),
        help: vec!["pgrep -a NAME        lists the processes of a program".into()],
    })
}

/// Says what will be tight, and what was asked for in vain.
pub(super) fn warn(quiet: bool, plan: &Plan, findings: &[Finding]) {
    if quiet {
        return;
    }
    let messages = &plan.messages;
    let described = messages.payload != Payload::Generated(DEFAULT_SIZE);
    if described && messages.schedule == Schedule::Idle {
        out::eprint("inrush: nothing will be sent: a message needs a rate, such as -m 1/s\n");
    }
    for finding in findings.iter().filter(|finding| finding.verdict != Verdict::Fine) {
        let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        out::eprint(&format!("inrush: preflight: {}{help}\n", line(finding)));
    }
}

/// The resolved plan and the findings.
pub(super) fn describe(
    draft: &Draft,
    plan: &Plan,
    home: &Home,
    built_in: bool,
    in_use: u64,
) -> String {
    let mut text = format!("plan       {}\n", words::plan(plan));
    for target in &plan.targets {
        text.push_str(&format!("target     {} at {}\n", target.url, target.address));
    }
    if built_in {
        text.push_str("server     built in, on a free port of 127.0.0.1\n");
    }
    let sources = match plan.sources.len() {
        0 => "the kernel's choice".to_owned(),
        n => format!("{} addresses from {}", number::count(n as u64), plan.sources[0]),
    };
    text.push_str(&format!("sources    {sources}\n"));
    let (processes, loops) = (places::processes(home), places::loops(home));
    text.push_str(&format!("processes  {processes}, {loops} event loops\n"));
    text.push_str(&format!("seed       {}\n", plan.seed));
    for threshold in &draft.thresholds {
        text.push_str(&format!("threshold  {threshold}\n"));
    }
    for finding in findings(draft, plan, home, built_in, in_use) {
        let mark = match finding.verdict {
            Verdict::Fine => '✓',
            Verdict::Warning => '!',
            Verdict::Impossible => '✗',
        };
        text.push_str(&format!("preflight  {mark} {}\n", line(&finding)));
    }
    text
}

fn findings(draft: &Draft, plan: &Plan, home: &Home, built_in: bool, in_use: u64) -> Vec<Finding> {
    let (soft, hard) = limits::nofile();
    let probes = Probes::open();
    let range = places::ports();
    let host = Host {
        nofile_soft: soft,
        nofile_hard: hard,
        nofile_named: draft.nofile.is_some(),
        own_descriptors: limits::OWN_USE,
        port_range: Some(range),
        time_wait: probes.time_wait(),
        free_ports: Some(range.saturating_sub(in_use)),
        sources: plan.sources.len().max(1) as u64,
        memory_free_bytes: probes.available_memory_bytes(),
        file_max_left: probes.files_left(),
        processes_max: None,
    };
    preflight::check(plan, &host, places::processes(home), built_in)
}

fn refusal(plan: &Plan, findings: &[Finding]) -> Problem {
    let hard = findings.iter().filter(|finding| finding.verdict == Verdict::Impossible);
    let mut help: Vec<String> = hard.filter_map(|finding| finding.help.clone()).collect();
    help.push("--preflight warn        runs anyway and reports what breaks".into());
    let targets = match plan.targets.len() {
        1 => "one target".to_owned(),
        n => format!("{n} targets"),
    };
    Problem {
        code: "preflight",
        exit_code: exit::PREFLIGHT,
        message: format!(
            "this host cannot hold {} connections to {targets}",
            number::count(plan.connections.into())
        ),
        why: findings.iter().map(line).collect(),
        help,
    }
}

fn line(finding: &Finding) -> String {
    let (needs, has) = (number::count(finding.needs), number::count(finding.has));
    let unit = finding.unit;
    format!("{:<12} needs {needs:>13}{unit}   has {has:>14}{unit}   {}", finding.name, finding.text)
}
