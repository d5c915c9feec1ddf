//! The stamp of a write: an annotation that tells which write made an object what it is, so that its event is
//! known again among all that come.
//!
//! No two writes have the same stamp, not even in two runs: a write that changes nothing makes no event.

use memchr::memmem::Finder;

/// The annotation.
pub(crate) const ANNOTATION: &str = "watchkeep-bench/stamp";

/// The stamps of a run.
#[derive(Clone, Debug)]
pub(crate) struct Stamps {
    run: String,
}

impl Stamps {
    /// Those of a run that begins now.
    pub(crate) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "no result depends on it, and no run repeats a stamp")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { run: format!("{:x}", since.as_nanos()) }
    }

    /// The stamp of the n-th write.
    pub(crate) fn of(&self, write: u64) -> String {
        format!("{}.{write}", self.run)
    }

    /// What finds the stamps of this run.
    pub(crate) fn reader(&self) -> StampReader {
        let mark = format!("\"{ANNOTATION}\":\"{}.", self.run);
        StampReader { length: mark.len(), finder: Finder::new(mark.as_bytes()).into_owned() }
    }
}

/// Finds stamps in objects, without parsing them.
#[derive(Clone, Debug)]
pub(crate) struct StampReader {
    finder: Finder<'static>,
    length: usize,
}

impl StampReader {
    /// Which write of the run made this object what it is, if one did.
    pub(crate) fn read(&self, object: &[u8]) -> Option<u64> {
        let digits = object.get(self.finder.find(object)? + self.length..)?;
        let digits = digits.get(..digits.iter().position(|byte| *byte == b'"')?)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(stamp: &str) -> String {
        format!(r#"{{"metadata":{{"annotations":{{"a":"b","{ANNOTATION}":"{stamp}"}}}}}}"#)
    }

    #[test]
    fn the_stamp_of_a_write_tells_its_number() {
        let stamps = Stamps::new();
        let reader = stamps.reader();
        for write in [0, 7, u64::MAX] {
            assert_eq!(reader.read(object(&stamps.of(write)).as_bytes()), Some(write));
        }
    }

    #[test]
    fn what_another_run_or_nobody_stamped_has_no_number() {
        let reader = Stamps { run: "b".to_owned() }.reader();
        assert_eq!(reader.read(object("a.1").as_bytes()), None);
        assert_eq!(reader.read(object("b.").as_bytes()), None);
        assert_eq!(reader.read(br#"{"metadata":{}}"#), None);
        assert_eq!(reader.read(format!("\"{ANNOTATION}\":\"b.1").as_bytes()), None, "cut");
    }
}
