//! Lines on a page of some width: wrapping, columns, colour. All text passes through `escape`.

use crate::show::{escape, number};

/// How a word is shown where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// A heading.
    Bold,
    /// What held.
    Good,
    /// What did not.
    Bad,
}

/// A text that grows line by line.
pub(super) struct Page {
    width: usize,
    color: bool,
    text: String,
}

impl Page {
    pub(super) fn new(width: usize, color: bool) -> Self {
        Self { width: width.max(60), color, text: String::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn finish(mut self) -> String {
        while self.text.ends_with("\n\n") {
            self.text.pop();
        }
        self.text
    }

    /// An empty line; never two.
    pub(super) fn blank(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// `FAILED  2 of 4 thresholds`.
    pub(super) fn heading(&mut self, word: &str, rest: &str, style: Style) {
        let word = self.paint(word, style);
        self.push(&format!("{word}  {}", escape::text(rest)));
    }

    /// `  ✗ text`.
    pub(super) fn glyph_line(&mut self, glyph: &str, style: Style, text: &str) {
        let glyph = self.paint(glyph, style);
        self.push(&format!("  {glyph} {}", escape::text(text)));
    }

    /// One line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.push(&escape::text(text));
    }

    /// Text that goes on under itself: the first line begins with `first`, others with `hanging`.
    /// A label in capitals is a heading.
    pub(super) fn wrap(&mut self, first: &str, hanging: &str, text: &str) {
        let text = escape::text(text);
        let room = self.width.saturating_sub(hanging.chars().count().max(first.chars().count()));
        let label = first.trim();
        let heading = !label.is_empty()
            && label == label.to_uppercase()
            && !label.starts_with(char::is_numeric);
        let style = if heading { Style::Bold } else { Style::Plain };
        for (at, line) in wrapped(&text, room.max(20)).into_iter().enumerate() {
            match at {
                0 => self.push(&format!("{}{line}", self.paint(first, style))),
                _ => self.push(&format!("{hanging}{line}")),
            }
        }
    }

    /// A heading with counts in columns; as a list where columns do not fit.
    pub(super) fn columns(&mut self, heading: &str, columns: &[(&str, u64)]) {
        let cells: Vec<_> = columns.iter().map(|(name, n)| (*name, number::count(*n))).collect();
        let wide = |(name, n): &(&str, String)| name.len().max(n.len()) + 2;
        let total = heading.len() + cells.iter().map(wide).sum::<usize>();
        if total > self.width {
            let pairs: Vec<_> = cells.iter().map(|(name, n)| format!("{name} {n}")).collect();
            return self.wrap(&format!("{heading}  "), "             ", &pairs.join(" · "));
        }
        let (mut names, mut counts) = (String::new(), " ".repeat(heading.len()));
        for cell in &cells {
            let width = wide(cell);
            names.push_str(&format!("{:>width$}", cell.0));
            counts.push_str(&format!("{:>width$}", cell.1));
        }
        let heading = self.paint(heading, Style::Bold);
        self.push(&format!("{heading}{names}"));
        self.push(&counts);
    }

    /// Text in a colour. It must be one of ours: it is not escaped.
    pub(super) fn paint(&self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Good => "1;32",
            Style::Bad => "1;31",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line whose pieces are escaped already.
    pub(super) fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Lines of at most `room` characters: broken between parts (` · `) where that is possible, else at
/// blanks; a longer word has its own line.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut put = |piece: &str| {
        let length = piece.chars().count();
        let line = lines.last_mut().expect("there is always a line");
        if used == 0 || used + 1 + length <= room {
            let gap = if used > 0 { " " } else { "" };
            line.push_str(gap);
            line.push_str(piece);
            used += gap.len() + length;
        } else {
            lines.push(piece.to_owned());
            used = length;
        }
    };
    let mut parts = text.split(" · ").peekable();
    while let Some(part) = parts.next() {
        let part = if parts.peek().is_some() { format!("{part} ·") } else { part.to_owned() };
        match part.chars().count() <= room {
            true => put(&part),
            false => part.split(' ').for_each(&mut put),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_blanks_and_loses_nothing() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("a longwordlongword b", 6), ["a", "longwordlongword", "b"]);
        assert_eq!(wrapped("", 6), [""]);
        assert_eq!(wrapped("a b · c d · e", 9), ["a b ·", "c d · e"]);
    }

    #[test]
    fn columns_become_a_list_where_they_do_not_fit() {
        let mut page = Page::new(60, false);
        let many = [
            ("planned", 1_000_000_000),
            ("opened", 1_000_000_000),
            ("unconfirmed", 2),
            ("unfinished", 3),
        ];
        page.columns("CONNECTIONS", &many);
        let text = page.finish();
        assert!(text.contains("planned 1,000,000,000 · opened 1,000,000,000"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60));
    }
}
