//! A text made ready: cut to its bound, without colours, with log envelopes opened and the paths of
//! URLs blanked, so that `/read` in a path is no operation. Nothing is decided here.

use super::envelope;
use alloc::string::String;

/// Longer texts are cut: what matters stands at their beginning.
pub const TEXT_BYTES: usize = 64 << 10;

/// A text ready to be searched.
#[derive(Debug)]
pub(super) struct Text {
    /// As printed, colours and envelopes removed.
    pub(super) plain: String,
    /// The same in lower case (ASCII); offsets agree.
    pub(super) lower: String,
}

impl Text {
    pub(super) fn of(raw: &str) -> Self {
        let mut plain = bare(cut(raw));
        if let Some(opened) = envelope::open(&plain) {
            plain = opened;
            plain.truncate(cut(&plain).len());
        }
        blank_paths(&mut plain);
        let lower = plain.to_ascii_lowercase();
        Self { plain, lower }
    }

    /// Begin and end of the line around an offset.
    pub(super) fn line(&self, at: usize) -> (usize, usize) {
        let from = self.plain[..at].rfind('\n').map_or(0, |line_feed| line_feed + 1);
        let to = self.plain[at..].find('\n').map_or(self.plain.len(), |length| at + length);
        (from, to)
    }
}

/// At most [`TEXT_BYTES`] of it, whole characters.
pub(super) fn cut(text: &str) -> &str {
    first(text, TEXT_BYTES)
}

/// Its beginning: so many bytes at most, whole characters.
pub(super) fn first(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Its end: so many bytes at most and a character more, whole characters.
pub(super) fn last(text: &str, most: usize) -> &str {
    let mut begin = text.len().saturating_sub(most);
    while !text.is_char_boundary(begin) {
        begin -= 1;
    }
    &text[begin..]
}

/// Without ANSI sequences (ECMA-48 CSI and OSC); other control characters become spaces.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
                _ => {}
            },
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => out.push('\n'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// What follows the authority of a URL, and the target of a request line, becomes spaces.
fn blank_paths(text: &mut String) {
    if !text.contains("://") && !text.contains(" HTTP/") {
        return;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(is_end).unwrap_or(tail.len());
        let (url, after) = tail.split_at(end);
        let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
        out.push_str(&url[..authority]);
        let path = &url[authority..];
        // What ends a sentence is no part of the path.
        let kept = path.len() - path.trim_end_matches([':', ',', '.', ';']).len();
        out.extend(core::iter::repeat_n(' ', path.len() - kept));
        out.push_str(&path[path.len() - kept..]);
        rest = after;
    }
    out.push_str(rest);
    *text = blank_requests(&out);
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | '|')
}

/// `"GET /a b HTTP/1.1"` keeps its method.
fn blank_requests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" HTTP/") {
        let (head, tail) = rest.split_at(at);
        match head.rfind(" /") {
            Some(path) if at - path < 2_048 && !head[path..].contains(['\n', '"']) => {
                out.push_str(&head[..path]);
                out.extend(core::iter::repeat_n(' ', at - path));
            }
            _ => out.push_str(head),
        }
        out.push_str(&tail[..6]);
        rest = &tail[6..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn colours_and_paths_go_and_the_rest_stays() {
        let check = |raw: &str, expected: &str| {
            let text = Text::of(raw);
            let words: alloc::vec::Vec<&str> = text.plain.split_whitespace().collect();
            assert_eq!(words.join(" "), expected, "{raw:?}");
        };
        check("\u{1b}[31mERROR\u{1b}[0m read: \u{1b}]0;title\u{7}x", "ERROR read: x");
        check("Get \"http://h:1/read/write\": dial tcp", "Get \"http://h:1 \": dial tcp");
        check("http://h/read: refused", "http://h : refused");
        check("\"GET /accept?x HTTP/1.1\" 502", "\"GET HTTP/1.1\" 502");
        check("a\0b\r\nc", "a b c");
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let long = "é".repeat(TEXT_BYTES).to_string();
        assert!(Text::of(&long).plain.len() <= TEXT_BYTES);
    }
}
