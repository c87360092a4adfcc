//! Lines of bytes with a limit: of a longer one only its beginning is kept, whatever its length.

use std::io::{self, BufRead, ErrorKind};

/// Reads lines.
pub(super) struct Lines<'a, R> {
    input: &'a mut R,
    line: Vec<u8>,
    most: usize,
}

/// One line without its line feed.
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// It was longer than the limit.
    pub(super) cut: bool,
}

impl<'a, R: BufRead> Lines<'a, R> {
    /// Of each line `most` bytes at most.
    pub(super) fn new(input: &'a mut R, most: usize) -> Self {
        Self { input, line: Vec::new(), most }
    }

    /// The next one; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut cut, mut any) = (false, false);
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(chunk.len());
            let kept = taken.min(self.most - self.line.len());
            self.line.extend_from_slice(&chunk[..kept]);
            cut |= kept < taken;
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(any.then_some(Line { bytes: &self.line, cut }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn long_lines_are_cut_and_the_rest_is_read() {
        let text = format!("a\n{}\r\n\nlast", "x".repeat(1_000));
        let mut input = BufReader::with_capacity(7, text.as_bytes());
        let mut lines = Lines::new(&mut input, 10);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push((String::from_utf8(line.bytes.to_vec()).unwrap(), line.cut));
        }
        let expected = [("a", false), ("xxxxxxxxxx", true), ("", false), ("last", false)];
        assert_eq!(seen, expected.map(|(text, cut)| (text.to_owned(), cut)));
    }
}
