//! What a cache keeps for those who read it, counted: when nobody reads any more, nothing is left of them.

/// What a cache keeps at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The topics that watches follow; each goes with its last watch.
    pub topics: usize,
    /// The watches that are open.
    pub watches: usize,
    /// The watches that answer requests for progress and wait for one.
    pub answering: usize,
    /// The pictures that lists and initial events are being read from.
    pub open_pictures: usize,
    /// The pictures of the past that are kept for exact lists; at most
    /// [`CacherOptions::pictures_max`](crate::CacherOptions::pictures_max).
    pub kept_pictures: usize,
}
