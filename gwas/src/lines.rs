//! Lines of bounded length, with their numbers.

use std::io::{self, BufRead, Read};

/// Why the next line can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Reading failed.
    #[error("line {line}: {source}")]
    Io {
        /// 1-based number of the line being read.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The line is longer than any valid line.
    #[error("line {line} is longer than {max} bytes; is this the right kind of file?")]
    TooLong {
        /// 1-based line number.
        line: u64,
        /// The limit in bytes.
        max: usize,
    },
    /// A field holds bytes that aren't UTF-8.
    #[error("line {line} is not UTF-8 text; is this the right kind of file?")]
    NotText {
        /// 1-based line number.
        line: u64,
    },
}

/// Reads lines one at a time into one buffer. `\n` and `\r\n` both end a line; a UTF-8 byte order mark is dropped.
pub(crate) struct Lines<R> {
    inner: R,
    max: usize,
    line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines of `inner`, each of at most `max` bytes.
    pub(crate) fn new(inner: R, max: usize) -> Self {
        Self { inner, max, line: 0, buffer: Vec::new(), ended: true }
    }

    /// 1-based number of the line last given out, 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.line
    }

    /// Whether the line last given out was ended by a newline (and not by the end of the file).
    pub(crate) fn was_ended(&self) -> bool {
        self.ended
    }

    /// The line last given out exactly as it stands in the file, its end included; empty at the end of the file.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.buffer
    }

    /// The next line without its end, or nothing at the end of the file.
    pub(crate) fn next_bytes(&mut self) -> Result<Option<&[u8]>, LineError> {
        self.line += 1;
        let (line, max) = (self.line, self.max);
        self.buffer.clear();
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(2);
        let mut bounded = (&mut self.inner).take(limit);
        let read = bounded
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| LineError::Io { line, source })?;
        if read == 0 {
            return Ok(None);
        }
        self.ended = self.buffer.last() == Some(&b'\n');
        let mut text = self.buffer.as_slice();
        if let Some(rest) = text.strip_suffix(b"\n") {
            text = rest.strip_suffix(b"\r").unwrap_or(rest);
        }
        if line == 1 {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        if text.len() > max {
            return Err(LineError::TooLong { line, max });
        }
        Ok(Some(text))
    }

    /// The next line as text.
    #[cfg_attr(not(feature = "files"), allow(dead_code))]
    pub(crate) fn next_str(&mut self) -> Result<Option<&str>, LineError> {
        let line = self.line + 1;
        match self.next_bytes()? {
            None => Ok(None),
            Some(bytes) => {
                std::str::from_utf8(bytes).map(Some).map_err(|_| LineError::NotText { line })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn splits_and_numbers() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfa\r\n\nb\rc\nlast"[..], 8);
        assert_eq!(lines.next_str().unwrap(), Some("a"));
        assert_eq!(lines.next_str().unwrap(), Some(""));
        assert_eq!(lines.next_str().unwrap(), Some("b\rc"));
        assert!(lines.was_ended());
        assert_eq!(lines.next_str().unwrap(), Some("last"));
        assert!(!lines.was_ended());
        assert_eq!(lines.number(), 4);
        assert_eq!(lines.next_str().unwrap(), None);
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_past_it_does_not() {
        let mut lines = Lines::new(&b"12345678\r\n123456789\n"[..], 8);
        assert_eq!(lines.next_str().unwrap(), Some("12345678"));
        assert!(matches!(lines.next_str(), Err(LineError::TooLong { line: 2, max: 8 })));
        let endless = io::repeat(b'x');
        let mut lines = Lines::new(io::BufReader::new(endless), 1000);
        assert!(matches!(lines.next_bytes(), Err(LineError::TooLong { line: 1, .. })));
    }

    #[test]
    fn binary_is_not_text() {
        let mut lines = Lines::new(&b"ok\n\xff\n"[..], 8);
        lines.next_str().unwrap();
        assert!(matches!(lines.next_str(), Err(LineError::NotText { line: 2 })));
    }
}
