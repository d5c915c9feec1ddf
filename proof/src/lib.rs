//! The proof of the storage contract: models, oracles and checkers that find what a test by hand does not.
//!
//! The conformance suite holds each clause of the contract by examples. What breaks stores in practice lies
//! where several things meet: a watch and a compaction, a page and an expiry, a restart and a reader that was
//! away. So programs are drawn by chance, carried out on a real store, and every answer is held against an
//! oracle that keeps the whole history and does nothing clever.
//!
//! ```text
//!   step       what a program consists of, and how programs are drawn and shrunk
//!     │
//!     ▼
//!   model      carries a program out on a store of a world, one step after the other
//!     │  │
//!     │  └──▶  oracle     says what each answer has to be
//!     ▼
//!   stream     what each watch has shown ──▶  checkers   one for each promise
//! ```
//!
//! [`linear`] does the same for clients that work at the same time, where no step follows from the one before.
//!
//! [`prove`] draws programs until its budget is spent; what fails is shrunk and printed with its seed. A
//! [`worlds::World`] is a store and what may happen to one of its kind.

pub mod broken;
pub mod checkers;
pub mod linear;
pub mod model;
pub mod objects;
pub mod oracle;
pub mod prove;
pub mod step;
pub mod stream;
pub mod worlds;

pub use self::broken::Broken;
