//! Cuts the stream of a watch into its events: one on each line.

/// The lines of one stream.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    // The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what came, and hands out the lines that it ends.
    pub(crate) fn feed(&mut self, mut chunk: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (whole, rest) = chunk.split_at(end);
            if self.begun.is_empty() {
                line(whole);
            } else {
                self.begun.extend_from_slice(whole);
                line(&self.begun);
                self.begun.clear();
            }
            chunk = rest.get(1..).unwrap_or_default();
        }
        self.begun.extend_from_slice(chunk);
    }
}

/// Whether a line is the error that ends a watch.
pub(crate) fn is_error(line: &[u8]) -> bool {
    line.starts_with(b"{\"type\":\"ERROR\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_stream_is_cut() {
        let stream = b"{\"a\":1}\n{\"type\":\"ERROR\"}\n\n{\"b\":2}\ncut";
        for size in 1..=stream.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for chunk in stream.chunks(size) {
                lines.feed(chunk, |line| seen.push(line.to_vec()));
            }
            assert_eq!(seen, [b"{\"a\":1}".as_slice(), b"{\"type\":\"ERROR\"}", b"", b"{\"b\":2}"]);
            assert_eq!(seen.iter().filter(|line| is_error(line)).count(), 1);
        }
    }
}
