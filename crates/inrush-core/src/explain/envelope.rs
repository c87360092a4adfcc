//! Log lines that are JSON objects (docker, journald, slog, pino, zap, bunyan, logstash): what was
//! said comes first, everything else after it as `key: value`.

use alloc::string::{String, ToString};
use serde_json::Value;

/// Keys of what was said, in the order in which they are read.
const SAID: [&str; 9] =
    ["message", "MESSAGE", "msg", "log", "error", "err", "exception", "stack", "stack_trace"];
/// Objects in objects that are followed.
const DEPTH: u8 = 6;

/// The text inside, when every line that is not blank is an object.
pub(super) fn open(text: &str) -> Option<String> {
    let first = text.trim_start();
    // What stands before the object (a container's name, a time) is kept in front.
    let at = if first.starts_with('{') { text.len() - first.len() } else { text.find(" {\"")? + 1 };
    let mut out = String::new();
    for line in text[at..].lines().filter(|line| !line.trim().is_empty()) {
        let Ok(value @ Value::Object(_)) = serde_json::from_str(line.trim()) else { return None };
        flatten(&value, "", DEPTH, &mut out);
    }
    let prefix = text[..at].trim();
    if !prefix.is_empty() {
        out.insert(0, ' ');
        out.insert_str(0, prefix);
    }
    Some(out)
}

fn flatten(value: &Value, key: &str, depth: u8, out: &mut String) {
    match value {
        Value::Object(members) if depth > 0 => {
            for said in SAID.iter().filter_map(|key| members.get(*key)) {
                flatten(said, "", depth - 1, out);
            }
            for (key, value) in members.iter().filter(|(key, _)| !SAID.contains(&key.as_str())) {
                flatten(value, key, depth - 1, out);
            }
        }
        Value::Array(items) if depth > 0 => {
            for item in items {
                flatten(item, key, depth - 1, out);
            }
        }
        Value::String(text) => leaf(key, text, out),
        Value::Number(number) => leaf(key, &number.to_string(), out),
        _ => {}
    }
}

fn leaf(key: &str, text: &str, out: &mut String) {
    // A message may be JSON again (docker's "log").
    if let Some(inner) = Some(text.trim()).filter(|text| text.starts_with('{'))
        && let Ok(value @ Value::Object(_)) = serde_json::from_str(inner)
    {
        return flatten(&value, "", DEPTH - 1, out);
    }
    if !key.is_empty() {
        out.push_str(key);
        out.push_str(": ");
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::open;

    #[test]
    fn objects_are_opened_and_the_rest_is_left_alone() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(open(text).as_deref(), expected, "{text}");
        };
        check("dial tcp: refused", None);
        check("{not json", None);
        check(
            r#"{"level":"error","msg":"a","err":{"code":"EPIPE","errno":-32,"syscall":"write"}}"#,
            Some("a\ncode: EPIPE\nerrno: -32\nsyscall: write\nlevel: error\n"),
        );
        check(
            r#"{"log":"{\"msg\":\"inner\"}\n","stream":"stderr"}"#,
            Some("inner\nstream: stderr\n"),
        );
        check(r#"pod/x  {"msg":"a"}"#, Some("pod/x a\n"));
    }
}
