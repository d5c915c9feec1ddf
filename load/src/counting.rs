//! Counts the objects in the body of a list while it streams by, and remembers its head.

use std::io::{self, Write};

use flate2::write::GzDecoder;
use memchr::memmem::Finder;

/// What each object has once in every form, and nothing else in what `fill` writes: a list of others may count
/// owners too.
const MARK: &[u8] = b"\"uid\":\"";

/// How much of a list's beginning is kept: its metadata, which stand before its objects.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What came of one list, or of one page of it.
#[derive(Debug)]
pub(crate) struct Counting {
    finder: Finder<'static>,
    /// How many objects were in it.
    pub(crate) objects: u64,
    head: Vec<u8>,
    // The last bytes of what came before, fewer than a mark has.
    tail: Vec<u8>,
}

impl Counting {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self { finder: Finder::new(MARK), objects: 0, head: Vec::new(), tail: Vec::new() }
    }

    /// Takes what came.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let room = HEAD_BYTES_MAX.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(chunk.get(..room).unwrap_or_default());
        let short = MARK.len() - 1;
        // A mark over the border of two chunks: neither side alone has room for one.
        self.tail.extend_from_slice(chunk.get(..short.min(chunk.len())).unwrap_or_default());
        self.count_tail();
        if chunk.len() >= short {
            self.objects += self.finder.find_iter(chunk).count() as u64;
            self.tail.clear();
            self.tail.extend_from_slice(chunk.get(chunk.len() - short..).unwrap_or_default());
        }
    }

    /// Counts the marks that a border has, and keeps what may be the beginning of the next one.
    fn count_tail(&mut self) {
        if let Some(at) = self.finder.find(&self.tail) {
            self.objects += 1;
            self.tail.drain(..at + MARK.len());
        }
        let over = self.tail.len().saturating_sub(MARK.len() - 1);
        self.tail.drain(..over);
    }

    /// A text of the list's metadata, such as its resource version.
    pub(crate) fn metadata(&self, name: &str) -> Option<&str> {
        let items =
            [b"\"items\":[".as_slice(), b"\"rows\":["].map(|begin| memchr::memmem::find(&self.head, begin));
        let end = items.into_iter().flatten().min().unwrap_or(self.head.len());
        let head = std::str::from_utf8(self.head.get(..end)?).ok()?;
        let (_, value) = head.split_once(&format!("\"{name}\":\""))?;
        Some(value.split_once('"')?.0)
    }
}

impl Write for Counting {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.feed(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body as it is sent: plain, or compressed.
pub(crate) enum Body {
    /// As it is.
    Plain(Box<Counting>),
    /// Compressed.
    Gzip(Box<GzDecoder<Counting>>),
}

impl Body {
    /// One that begins.
    pub(crate) fn new(gzip: bool) -> Self {
        let counting = Counting::new();
        if gzip { Self::Gzip(Box::new(GzDecoder::new(counting))) } else { Self::Plain(Box::new(counting)) }
    }

    /// Takes what came.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(counting) => counting.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        }
    }

    /// What it was.
    pub(crate) fn finish(self) -> io::Result<Counting> {
        match self {
            Self::Plain(counting) => Ok(*counting),
            Self::Gzip(decoder) => decoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const LIST: &str = r#"{"kind":"List","metadata":{"resourceVersion":"12","continue":"ab-_"},"items":[{"metadata":{"uid":"1","continue":"x"}},{"metadata":{"uid":"2"}},{"metadata":{"uid":"3"}}]}"#;

    #[test]
    fn objects_are_counted_however_the_list_is_cut() {
        for size in 1..=LIST.len() {
            let mut counting = Counting::new();
            for chunk in LIST.as_bytes().chunks(size) {
                counting.feed(chunk);
            }
            assert_eq!(counting.objects, 3, "chunks of {size}");
            assert_eq!(counting.metadata("continue"), Some("ab-_"));
        }
    }

    #[test]
    fn what_stands_in_objects_is_not_metadata_of_the_list() {
        let mut counting = Counting::new();
        counting.feed(LIST.replace(r#","continue":"ab-_""#, "").as_bytes());
        assert_eq!(counting.metadata("continue"), None);
        assert_eq!(counting.metadata("resourceVersion"), Some("12"));
    }

    #[test]
    fn compressed_objects_are_counted() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(LIST.as_bytes()).unwrap();
        let compressed = encoder.finish().unwrap();
        let mut body = Body::new(true);
        for chunk in compressed.chunks(5) {
            body.feed(chunk).unwrap();
        }
        assert_eq!(body.finish().unwrap().objects, 3);
    }

    #[test]
    fn a_compressed_list_that_is_cut_is_an_error() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(LIST.as_bytes()).unwrap();
        let compressed = encoder.finish().unwrap();
        let mut body = Body::new(true);
        body.feed(&compressed[..compressed.len() - 9]).unwrap();
        assert!(body.finish().is_err());
    }
}
