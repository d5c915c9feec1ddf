//! The `watchkeep` binary.
fn main() {}
