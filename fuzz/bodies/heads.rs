//! What the checks of hand-shakes share: a head as its lines say it, read in the simplest way, and
//! a stream for tungstenite to read from.

use std::io::{self, Read, Write};

/// A head: first line and headers, trimmed, with names in lower case.
pub struct Head<'a> {
    headers: Vec<(String, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Of bytes of which somebody has found that they are a complete head.
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut headers = vec![];
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        // Empty lines may come before the first one.
        for line in lines.skip_while(|line| line.is_empty()).skip(1) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii()));
        }
        Self { headers }
    }

    /// All values of this name, in lower case.
    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| *value).collect()
    }

    /// How many headers there are.
    pub fn count(&self) -> usize {
        self.headers.len()
    }
}

/// Gives what it holds in pieces and forgets what is written.
pub struct Pipe<'a> {
    wire: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl<'a> Pipe<'a> {
    /// Pieces of these sizes, in turn.
    pub fn new(wire: &'a [u8], sizes: &'a [usize]) -> Self {
        Self { wire, sizes: sizes.iter().cycle() }
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().copied().unwrap_or(usize::MAX);
        let (mut piece, _) = self.wire.split_at(self.wire.len().min(size));
        let read = piece.read(into)?;
        self.wire = &self.wire[read..];
        Ok(read)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
