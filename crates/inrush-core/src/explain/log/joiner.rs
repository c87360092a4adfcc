//! Which lines of a log belong together: frames of a stack, causes, tracebacks, goroutines.

use crate::explain::text::{TEXT_BYTES, cut};
use alloc::string::String;
use core::mem;

/// Lines of one message at most.
const LINES: u32 = 400;

/// Puts messages together, line by line.
#[derive(Debug, Default)]
pub struct Joiner {
    message: String,
    lines: u32,
    inside: Inside,
}

/// What goes on although its lines are not indented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// Python's, until the line that names the exception.
    Traceback,
    /// Go's, until a blank line.
    Goroutine,
    /// A traceback that has ended; another may follow after a blank line.
    Between,
}

/// How lines begin that go on with what stands before them.
const GOES_ON: [&str; 16] = [
    "Caused by:",
    "caused by:",
    "Suppressed:",
    "During handling of the above exception",
    "The above exception was the direct cause",
    "--->",
    "--- End of",
    "... ",
    "[cause]",
    "goroutine ",
    "runtime stack:",
    "created by ",
    "at ",
    "stack traceback:",
    "Stack trace:",
    "}",
];

impl Joiner {
    /// One more line, without its line feed; gives out the message before it once that is whole.
    pub fn push(&mut self, line: &str) -> Option<String> {
        let full = self.message.len() + line.len() > TEXT_BYTES || self.lines >= LINES;
        if !full && !self.message.is_empty() && self.goes_on(line) {
            self.message.push('\n');
            self.message.push_str(line);
            self.lines += 1;
            return None;
        }
        let whole = self.finish();
        self.inside = match line {
            line if line.contains("Traceback (most recent call last)") => Inside::Traceback,
            line if line.starts_with("goroutine ") => Inside::Goroutine,
            _ => Inside::Nothing,
        };
        self.message.push_str(cut(line));
        self.lines = 1;
        whole
    }

    /// The last message.
    pub fn finish(&mut self) -> Option<String> {
        self.lines = 0;
        self.inside = Inside::Nothing;
        Some(mem::take(&mut self.message)).filter(|message| !message.is_empty())
    }

    fn goes_on(&mut self, line: &str) -> bool {
        let blank = line.trim().is_empty();
        let indented = line.starts_with([' ', '\t']) && !blank;
        let named = GOES_ON.iter().any(|begin| line.starts_with(begin));
        match self.inside {
            Inside::Goroutine => {
                if blank {
                    self.inside = Inside::Nothing;
                }
                true
            }
            _ if line.starts_with("goroutine ") || line.starts_with("runtime stack:") => {
                self.inside = Inside::Goroutine;
                true
            }
            Inside::Traceback if !indented && !blank => {
                // The exception itself; while frames come, every line of them is indented.
                self.inside = Inside::Between;
                true
            }
            Inside::Traceback => true,
            Inside::Between if line.starts_with("Traceback (most recent call last)") => {
                self.inside = Inside::Traceback;
                true
            }
            _ => blank || indented || named,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn stacks_belong_to_their_errors() {
        let check = |log: &str, expected: usize| {
            let mut joiner = Joiner::default();
            let mut messages: Vec<String> =
                log.lines().filter_map(|line| joiner.push(line)).collect();
            messages.extend(joiner.finish());
            assert_eq!(messages.len(), expected, "{messages:?}");
        };
        check("a\nb\nc", 3);
        check("Error: x\n    at y\n    at z\nb", 2);
        check("a: x\n\tat y\nCaused by: b: z\n\tat w\n\t... 3 more\nc", 2);
        check("Traceback (most recent call last):\n  File \"a\"\n    f()\nOSError: x\nnext", 2);
        let twice = "Traceback (most recent call last):\n  F\nA: x\n\nDuring handling of the above \
                     exception, another exception occurred:\n\nTraceback (most recent call \
                     last):\n  G\nB: y\nnext";
        check(twice, 2);
        check("panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:3\n\nnext", 2);
    }

    #[test]
    fn a_message_has_a_limit() {
        let mut joiner = Joiner::default();
        let mut longest = 0;
        for _ in 0..10_000 {
            longest =
                longest.max(joiner.push("    a frame without an end").map_or(0, |it| it.len()));
        }
        assert!((1..=TEXT_BYTES).contains(&longest));
        let long = "x".repeat(3 * TEXT_BYTES);
        joiner.push(&long);
        assert!(joiner.finish().is_some_and(|it| it.len() <= TEXT_BYTES));
    }
}
