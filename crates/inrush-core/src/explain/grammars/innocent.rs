//! Lines that look like failures of connections and are none: starts, settings, tests, counters of
//! zero, other people's errors. A false alarm costs more than a missed line.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: None, phrases: &[LINES, OTHERS], read: Some(read), print: None }];

#[rustfmt::skip]
static LINES: &[Phrase] = &[
    harmless("ready to accept connections").last(), harmless("waiting for connections").weighs(SURE + 2), harmless("successfully connected").last(), harmless("connected successfully").last(), harmless("connection established").last().without(&["no connection established"]), harmless("connection successful").last(), harmless("connection succeeded").last(), harmless("accepting connections").weighs(SURE), harmless("successfully reconnected").last(), harmless("reconnected successfully").last(), harmless("connection restored").last(), harmless("connection re-established").last(), harmless("recovered from").weighs(SURE + 3), harmless("listening on").weighs(WORDS - 12), harmless("listening at").weighs(WORDS - 12), harmless("started server").weighs(WORDS - 8), harmless("server started").weighs(WORDS - 8), harmless("no errors").weighs(SURE), harmless("0 errors").weighs(SURE), harmless("0 failed").weighs(SURE), harmless("0 timeouts").weighs(SURE), harmless("0 timed out").weighs(SURE), harmless("all tests passed").last(), harmless("test result: ok").last(), harmless("... ok").last(), harmless("--- PASS").last(), harmless("PASSED").weighs(SURE + 5), harmless("health check passed").last(), harmless("healthy").weighs(WEAK + 3), harmless("opened new connection").weighs(WORDS), harmless("connection pool initialized").weighs(SURE), harmless("start completed").weighs(WORDS - 10), harmless("exited with status 0").weighs(SURE), harmless("exit status 0").weighs(SURE), harmless("shutting down gracefully").weighs(SURE), harmless("graceful shutdown").weighs(SURE), harmless("graceful stop").weighs(SURE), harmless("client connected").weighs(WORDS - 6), harmless("new client connected").weighs(WORDS - 6), harmless("handshake successful").weighs(SURE), harmless("handshake completed").weighs(SURE), harmless("handshake complete").weighs(SURE), 
];

#[rustfmt::skip]
static OTHERS: &[Phrase] = &[
    harmless("syntax error"), harmless("SyntaxError:"), harmless("ReferenceError:"), harmless("is not defined"), harmless("is not a function"), harmless("Cannot read propert*"), harmless("Cannot set propert*"), harmless("undefined reference to"), harmless("undefined is not"), harmless("file not found"), harmless("no such file").weighs(WORDS + 1), harmless("ENOENT"), harmless("EEXIST"), harmless("EISDIR"), harmless("ENOTDIR"), harmless("ENOSPC"), harmless("EROFS"), harmless("ENOTEMPTY"), harmless("EXDEV"), harmless("ENOEXEC"), harmless("null pointer"), harmless("nil pointer dereference").weighs(WORDS), harmless("invalid memory address"), harmless("index out of range"), harmless("slice bounds out of range"), harmless("integer divide by zero"), harmless("division by zero"), harmless("stack overflow"), harmless("out of memory").weighs(WORDS - 2).without(&["tcp: out of memory"]), harmless("heap out of memory"), harmless("segmentation violation"), harmless("assertion failed"), harmless("Assertion `").weighs(WORDS), harmless("unmarshal"), harmless("invalid character '").with(&["looking for"]), harmless("unexpected token"), harmless("unexpected end of JSON input"), harmless("Unexpected end of JSON input"), harmless("JSON.parse"), harmless("invalid json"), harmless("malformed json"), harmless("parse error on line"), harmless("yaml:"), harmless("permission denied: '").weighs(WORDS), harmless("invalid syntax"), harmless("unknown flag"), harmless("unknown command"), harmless("usage:").weighs(WEAK), harmless("missing required argument"), harmless("invalid argument").weighs(WEAK + 1), harmless("checksum mismatch"), harmless("invalid port").weighs(SURE), harmless("port out of range").weighs(SURE), harmless("invalid url").weighs(SURE), harmless("unsupported protocol scheme").weighs(SURE), harmless("first path segment in url cannot contain colon").weighs(SURE), harmless("missing protocol scheme").weighs(SURE), harmless("missing port in address").weighs(SURE), harmless("too many colons in address").weighs(SURE), harmless("unknown network").weighs(SURE), harmless("deadlock!"), harmless("all goroutines are asleep"), harmless("duplicate key"), harmless("authentication failed").weighs(WORDS), harmless("invalid credentials").weighs(WORDS), harmless("invalid password").weighs(WORDS), harmless("access denied for user").weighs(SURE), harmless("compilation failed").weighs(SURE), harmless("could not compile").weighs(SURE), harmless("BUILD FAILED").weighs(SURE), harmless("cannot find package").weighs(SURE), harmless("cannot find symbol").weighs(SURE), harmless("404 Not Found").weighs(WEAK + 1), harmless("disk full"), harmless("read-only file system"), harmless("locale:").weighs(WEAK), harmless("invalid or corrupt").weighs(WORDS), harmless("lock wait timeout").weighs(SURE), harmless("lock timeout").weighs(SURE), harmless("could not obtain lock").weighs(SURE), harmless("test timed out").weighs(SURE), harmless("Script timed out").weighs(SURE), harmless("script timed out").weighs(SURE), harmless("session expired").weighs(WORDS), harmless("token expired").weighs(WORDS), harmless("jwt expired").weighs(WORDS), harmless("EMFILE: too many open files, open").weighs(FINAL), harmless("EMFILE: too many open files, watch").weighs(FINAL), harmless("too many open files, scandir").weighs(FINAL), harmless("inotify watches").weighs(FINAL), harmless("inotify instances").weighs(FINAL), harmless("EACCES: permission denied, open").weighs(FINAL), harmless("EACCES: permission denied, mkdir").weighs(FINAL), harmless("EACCES: permission denied, unlink").weighs(FINAL), harmless("EPERM: operation not permitted, ").weighs(FINAL), harmless("EBUSY: resource busy or locked").weighs(FINAL), harmless("no matches found").weighs(WORDS), harmless("invalid version").weighs(WEAK), harmless("unknown type name").weighs(WORDS),
];

/// Words that turn a line into talk about failures: settings, counts, tests, commits.
const TALK: [&str; 26] = [
    "retry_on", "retry on ", "retryon", "will be retried on", "if connection", "on connection refused",
    "configured timeout", "timeout set to", "timeout is set", "timeout=", "timeout:", "_timeout ",
    "set timeout", "setting timeout", "timeout to ", "timeouts:", "default timeout", "with timeout",
    "handle connection", "handling of", "docs:", "feat:", "fix:", "fixes #", "test_", "should ",
];

/// A line of level info or debug, or one that talks about failures, outweighs weak and plain words
/// in it, but no errno.
fn read(text: &Text, clues: &mut Vec<Clue>) {
    let line = text.lower.lines().next().unwrap_or_default();
    let head = &line[..line.floor_char_boundary(line.len().min(160))];
    let calm = [
        "[info]", " info ", "info:", "level=info", "<info>", "level: info", "[debug]", " debug ", "debug:",
        "level=debug", "level: debug", "[notice]", " notice ", "notice:", "[trace]", " trace ", "level: 30",
        " log:", "[i]", "info]", "|info|", "[inf]", "level: 20",
    ];
    let calm = head.starts_with("info") || head.starts_with("debug") || has(head, &calm);
    let several = text.lower.trim_end().contains('\n');
    if calm && !several {
        let phrase = harmless("").weighs(WORDS - 2);
        clues.push(Clue { at: 0, end: 0, phrase, runtime: None });
    } else if has(line, &TALK) {
        let failed = ["error", "err=", "fail", "exception", "unable", "cannot", "could not", "panic"];
        let weight = if has(line, &failed) { WEAK + 6 } else { WORDS + 3 };
        let phrase = harmless("").weighs(weight);
        clues.push(Clue { at: 0, end: 0, phrase, runtime: None });
    }
}

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}
