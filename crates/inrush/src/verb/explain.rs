//! `inrush explain`: other programs' words in, their class, causes and remedy out.

mod lines;

use crate::cli::Global;
use crate::cli::explain::{ExplainArgs, Question};
use crate::cli::run::Sink;
use crate::exit;
use crate::show::error::Problem;
use crate::show::{explained, out};
use crate::verb::run::outputs::Output;
use inrush_core::explain::log::{Groups, Joiner};
use inrush_core::explain::{Explainer, Runtime, TEXT_BYTES};
use lines::Lines;
use serde_json::Value;
use std::io::{self, BufRead};

/// A JSON line may be so long: its text is cut later, escapes make it longer before.
const JSONL_BYTES: usize = 8 * TEXT_BYTES;

/// Answers.
pub(crate) fn run(args: &ExplainArgs, _: &Global) -> Result<u8, Problem> {
    let (question, from) = args.resolve().map_err(|error| error.into_problem())?;
    let json = args.json.clone().map(Output::open).transpose()?;
    let silent = args.json == Some(Sink::Stdout);
    let (text, document, code) = match question {
        Question::Jsonl => return jsonl(&mut io::stdin().lock(), from),
        Question::Text(text) => {
            let found = Explainer::new().explain(&text, from);
            let code = if found.class.is_some() { exit::HELD } else { exit::OWN_FAILURE };
            (explained::card(&found), explained::document(&text, &found), code)
        }
        Question::Log => {
            let groups = log(&mut io::stdin().lock(), from).map_err(|error| unreadable(&error))?;
            let known = !groups.sorted().is_empty() || groups.harmless > 0;
            let code = if known { exit::HELD } else { exit::OWN_FAILURE };
            (explained::groups(&groups), explained::groups_document(&groups), code)
        }
        Question::List => (explained::list(), explained::list_document(), exit::HELD),
        Question::Class(class) => {
            (explained::class(class), explained::class_document(class), exit::HELD)
        }
        Question::Cause(cause) => {
            (explained::cause(cause), explained::cause_document(cause), exit::HELD)
        }
    };
    if !silent {
        // A reader that went away has seen what it wanted.
        let _ = out::print(&text);
    }
    if let Some(output) = json {
        output.write(&document)?;
    }
    Ok(code)
}

fn log(input: &mut impl BufRead, from: Option<Runtime>) -> io::Result<Groups> {
    let explainer = Explainer::new();
    let (mut groups, mut joiner) = (Groups::default(), Joiner::default());
    let mut lines = Lines::new(input, TEXT_BYTES);
    while let Some(line) = lines.next()? {
        let text = String::from_utf8_lossy(line.bytes);
        if let Some(message) = joiner.push(&text) {
            groups.add(&explainer, &message, from);
        }
    }
    if let Some(message) = joiner.finish() {
        groups.add(&explainer, &message, from);
    }
    Ok(groups)
}

/// One answer per line, as soon as it is read.
fn jsonl(input: &mut impl BufRead, from: Option<Runtime>) -> Result<u8, Problem> {
    let explainer = Explainer::new();
    let mut lines = Lines::new(input, JSONL_BYTES);
    let mut wrong = 0_u64;
    while let Some(line) = lines.next().map_err(|error| unreadable(&error))? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        let object = serde_json::from_slice::<Value>(line.bytes).ok().filter(|_| !line.cut);
        let text = object.as_ref().and_then(|object| object["text"].as_str());
        wrong += u64::from(text.is_none());
        let found = explainer.explain(text.unwrap_or_default(), from);
        let id = object.as_ref().map_or(&Value::Null, |object| &object["id"]);
        if out::print(&explained::line(id, &found)).is_err() {
            return Ok(exit::OWN_FAILURE);
        }
    }
    if wrong > 0 {
        out::eprint(&format!(
            "{wrong} lines were no object with \"text\": answered unrecognised\n"
        ));
        return Ok(exit::OWN_FAILURE);
    }
    Ok(exit::HELD)
}

fn unreadable(error: &io::Error) -> Problem {
    Problem {
        code: "input",
        exit_code: exit::OWN_FAILURE,
        message: "cannot read stdin".into(),
        why: vec![error.to_string()],
        help: vec!["inrush explain TEXT takes one message as an argument".into()],
    }
}
