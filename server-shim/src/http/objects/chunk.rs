//! What a watch sends next. Short lines are gathered, so that many events are one write; a long one that watches
//! share goes as it is, so that it is not copied.

use bytes::Bytes;

/// How many bytes of events are gathered before they are sent. A single event may be larger.
const BYTES_MAX: usize = 64 << 10;
/// From how many bytes on a shared line goes as it is.
const WHOLE_BYTES_MIN: usize = 4 << 10;

/// What a watch sends next.
#[derive(Default)]
pub(super) struct Chunk {
    gathered: Vec<u8>,
    /// Comes after what was gathered, and nothing comes behind it.
    whole: Option<Bytes>,
}

impl Chunk {
    /// Whether there is room for another event.
    pub(super) fn has_room(&self) -> bool {
        self.gathered.len() < BYTES_MAX && self.whole.is_none()
    }

    /// Whether a line has its own place at the end, behind which there is none.
    pub(super) fn is_closed(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.whole.is_none()
    }

    /// What lines are appended to. Only while it is not closed.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        debug_assert!(!self.is_closed(), "what is appended would come before what is there");
        &mut self.gathered
    }

    /// Appends a shared line. Only while it is not closed.
    pub(super) fn share(&mut self, line: Bytes) {
        if line.len() < WHOLE_BYTES_MIN {
            self.lines().extend_from_slice(&line);
        } else {
            debug_assert!(!self.is_closed(), "a line would be lost");
            self.whole = Some(line);
        }
    }

    /// Takes what goes next, if there is anything.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.gathered.is_empty() {
            return self.whole.take();
        }
        Some(std::mem::take(&mut self.gathered).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_go_together_and_a_long_one_as_it_is() {
        let (short, long) = (Bytes::from_static(b"{}\n"), Bytes::from(vec![b'x'; WHOLE_BYTES_MIN]));
        let mut chunk = Chunk::default();
        assert!(chunk.is_empty() && chunk.has_room());
        chunk.lines().extend_from_slice(b"[]\n");
        chunk.share(short);
        assert!(chunk.has_room());
        chunk.share(long.clone());
        assert!(!chunk.has_room() && chunk.is_closed());
        assert_eq!(chunk.take().unwrap(), "[]\n{}\n", "what came first goes first");
        assert!(!chunk.has_room(), "the long line is still to come");
        let sent = chunk.take().unwrap();
        assert_eq!(sent.as_ptr(), long.as_ptr(), "it was not copied");
        assert_eq!(sent, long);
        assert!(chunk.take().is_none() && chunk.is_empty() && chunk.has_room());
    }

    #[test]
    fn a_chunk_has_a_bound() {
        let mut chunk = Chunk::default();
        let line = Bytes::from(vec![b'x'; WHOLE_BYTES_MIN - 1]);
        while chunk.has_room() {
            chunk.share(line.clone());
        }
        let length = chunk.take().unwrap().len();
        assert!((BYTES_MAX..BYTES_MAX + WHOLE_BYTES_MIN).contains(&length), "{length}");
    }
}
