//! Objects in protobuf, each encoded once for all lists, watches and gets that show it.
//!
//! To write an object as protobuf it has to be parsed, which costs some hundred times as much as to copy what is
//! there. A list of what was listed before pays for what has changed since.

use bytes::Bytes;
use watchkeep_storage::{Key, Revision};

use super::encoded::{Encoded, Form, Meters};

/// How many bytes all objects may cost: some ten thousand pods.
const BYTES_MAX: u64 = 64 << 20;

/// The objects that are kept, of all resources of a server, without their envelopes.
pub(crate) struct Messages(Encoded);

impl Messages {
    /// None so far. Measured by the recorder that is there.
    pub(crate) fn new() -> Self {
        let meters = Meters {
            bytes: ("watchkeep_protobuf_bytes", "What the objects cost that are kept in protobuf"),
            hits: ("watchkeep_protobuf_hits_total", "Objects that were sent in protobuf that was there"),
            misses: ("watchkeep_protobuf_misses_total", "Objects that were encoded as protobuf to be kept"),
        };
        Self(Encoded::new(BYTES_MAX, meters))
    }

    /// The object of a key at a revision; encoded if nobody did, while others that ask for it wait.
    ///
    /// # Errors
    /// Those of `encode`: then nothing is kept.
    pub(super) fn object<E>(
        &self,
        (revision, key): (Revision, &Key),
        form: Form,
        encode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        self.0.get((revision, key, None), form, encode)
    }
}
