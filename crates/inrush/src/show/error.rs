//! Our own mistakes and refusals: `error:` what, `=` why, `help:` what to do; and the same as one
//! JSON document for those who asked for JSON on stdout.

use crate::show::escape;
use serde::Serialize;
use std::fmt::Write;

/// Why a verb ends before it begins, or without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Stable, for programs: `usage`, `preflight`, `bind`, `resolve`.
    pub(crate) code: &'static str,
    /// Of the process.
    pub(crate) exit_code: u8,
    /// What, lower-case, without a full stop.
    pub(crate) message: String,
    /// Why or where, one line each.
    pub(crate) why: Vec<String>,
    /// What to do, one line each.
    pub(crate) help: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    exit_code: u8,
    message: &'a str,
    help: Option<String>,
}

impl Problem {
    /// For stderr; ends in a line feed.
    pub(crate) fn text(&self, color: bool) -> String {
        let (red, bold, reset) =
            if color { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut out = format!("{red}error:{reset} {}\n", escape::text(&self.message));
        for why in &self.why {
            let _ = writeln!(out, "   = {}", escape::text(why));
        }
        for help in &self.help {
            let _ = writeln!(out, "{bold}help:{reset} {}", escape::text(help));
        }
        out
    }

    /// For stdout with `--json -`: one document of schema `inrush.error/1`, with a line feed.
    pub(crate) fn json(&self) -> String {
        let help = (!self.help.is_empty()).then(|| self.help.join("\n"));
        let message = match self.why.is_empty() {
            true => self.message.clone(),
            false => format!("{}\n{}", self.message, self.why.join("\n")),
        };
        let error = Body { code: self.code, exit_code: self.exit_code, message: &message, help };
        let document = Document { schema: "inrush.error/1", error };
        let mut text = serde_json::to_string(&document).expect("its keys are strings");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn a_problem_is_told_to_people_and_to_programs() {
        let problem = Problem {
            code: "preflight",
            exit_code: 3,
            message: "this host cannot hold 100k connections to one target".into(),
            why: vec!["local ports   needs 100,000   have 28,232\x1b[2J".into()],
            help: vec!["--preflight warn   runs anyway".into()],
        };
        assert_eq!(
            problem.text(false),
            "error: this host cannot hold 100k connections to one target\n   \
             = local ports   needs 100,000   have 28,232\\x1b[2J\n\
             help: --preflight warn   runs anyway\n"
        );
        assert!(problem.text(true).starts_with("\x1b[1;31merror:\x1b[0m this"));
        let json: serde_json::Value = serde_json::from_str(&problem.json()).unwrap();
        assert_eq!(json["schema"], "inrush.error/1");
        assert_eq!(json["error"]["exit_code"], 3);
        assert_eq!(json["error"]["help"], "--preflight warn   runs anyway");
        let bare = Problem { help: vec![], why: vec![], ..problem };
        assert!(bare.json().contains(r#""help":null"#));
    }
}
