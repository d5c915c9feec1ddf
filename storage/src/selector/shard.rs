//! Shard selectors: the objects whose hash lies in some ranges; their grammar, the hash, and what they match.
//!
//! Controllers that share the work on a resource each ask for a part of it. The hash is known to clients, who
//! may compute it themselves: it never changes. Clause \[SHARDED\].
//!
//! ```text
//! selector = range { "||" range }
//! range    = "shardRange" "(" field "," bound "," bound ")"
//! field    = "object.metadata.uid" | "object.metadata.namespace"
//! bound    = "'0x" sixteen digits, 0-9 and a-f "'"       the second one also '0x10000000000000000'
//! ```
//!
//! Space may stand between all of these, and double quotes for single ones.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;

use fnv::FnvHasher;

use super::quote::quoted;
use super::{SelectorError, check_length};
use crate::attributes::Attributes;

/// The most ranges of one selector: more than hosts on a ring of hashes have use for.
pub const RANGES_MAX: usize = 512;

/// The bound behind all hashes.
const HASHES: &str = "0x10000000000000000";

/// The digits of every other bound.
const DIGITS: usize = 16;

/// How much of a text an error shows, in characters.
const SHOWN_MAX: usize = 40;

/// A part of all objects: those whose uid, or whose namespace, has its hash in one of some ranges.
///
/// An object has neither a new uid nor a new namespace as long as it lives, so it never leaves its shard.
/// [`fmt::Display`] gives the canonical text, which parses to an equal selector: ranges in their order, those
/// that touch or overlap as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardSelector(Arc<Shard>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shard {
    field: Field,
    /// Sorted; there is a hash between every two.
    ranges: Vec<HashRange>,
}

/// What is hashed of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Field {
    Uid,
    Namespace,
}

/// Hashes from the first to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct HashRange {
    first: u64,
    last: u64,
}

/// What is wrong with the text of a shard selector, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// There is no range.
    #[error("it is empty: leave it out to select all objects")]
    Empty,
    /// Something else stands where a part of the grammar should.
    #[error("found {found}, expected: {expected}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// Objects cannot be sharded by this field.
    #[error("unknown field {}, expected: object.metadata.uid, object.metadata.namespace", quoted(.field))]
    Field {
        /// The field.
        field: String,
    },
    /// The ranges are of two fields.
    #[error("all ranges have to be of one field, found {first} and {second}")]
    Fields {
        /// The field of the first range.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// A text in quotes is no bound.
    #[error(
        "unknown bound {}, expected: 0x and 16 digits of 0-9 and a-f, as '0x8000000000000000', or '{HASHES}' \
         for the end of all hashes",
        quoted(.bound)
    )]
    Bound {
        /// The text.
        bound: String,
    },
    /// A range has nothing in it.
    #[error("a range has to begin below its end, found '{start}' and '{end}'")]
    Order {
        /// Where it begins.
        start: String,
        /// Where it ends.
        end: String,
    },
    /// There are more ranges than [`RANGES_MAX`].
    #[error("there are more than {RANGES_MAX} ranges")]
    TooManyRanges,
}

impl ShardSelector {
    /// Parses what a client sent as `shardSelector`.
    ///
    /// # Errors
    /// [`SelectorError`], whose text is the answer to the client.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        check_length(text)?;
        Ok(Self(Arc::new(parse(text)?)))
    }

    /// Whether an object of these attributes is in the shard. A missing uid or namespace is the empty text.
    pub fn matches(&self, attributes: &Attributes) -> bool {
        self.0.has(hash(match self.0.field {
            Field::Uid => attributes.uid(),
            Field::Namespace => attributes.namespace(),
        }))
    }
}

impl Shard {
    fn has(&self, hash: u64) -> bool {
        let place = self.ranges.partition_point(|range| range.last < hash);
        self.ranges.get(place).is_some_and(|range| range.first <= hash)
    }
}

/// FNV-1a of the bytes of a text.
fn hash(text: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl Field {
    fn parse(path: &str) -> Option<Self> {
        [Self::Uid, Self::Namespace].into_iter().find(|field| field.path() == path)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Uid => "object.metadata.uid",
            Self::Namespace => "object.metadata.namespace",
        }
    }
}

fn parse(text: &str) -> Result<Shard, ShardError> {
    let mut input = Input(text);
    if input.is_at_end() {
        return Err(ShardError::Empty);
    }
    let (field, range) = input.range()?;
    let mut ranges = vec![range];
    while !input.is_at_end() {
        input.take("||", "||, or the end")?;
        let (next, range) = input.range()?;
        if next != field {
            return Err(ShardError::Fields { first: field.path(), second: next.path() });
        }
        if ranges.len() == RANGES_MAX {
            return Err(ShardError::TooManyRanges);
        }
        ranges.push(range);
    }
    Ok(Shard { field, ranges: joined(ranges) })
}

/// The same hashes in as few ranges as can be, sorted.
fn joined(mut ranges: Vec<HashRange>) -> Vec<HashRange> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let touches = next.first <= range.last.saturating_add(1);
        if touches {
            range.last = range.last.max(next.last);
        }
        touches
    });
    ranges
}

/// What is left of the text.
struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    fn take(&mut self, token: &str, expected: &'static str) -> Result<(), ShardError> {
        self.skip_space();
        let rest = self.0.strip_prefix(token).ok_or_else(|| self.unexpected(expected))?;
        self.0 = rest;
        Ok(())
    }

    fn range(&mut self) -> Result<(Field, HashRange), ShardError> {
        self.take("shardRange", "shardRange(…)")?;
        self.take("(", "(")?;
        let field = self.field()?;
        self.take(",", ",")?;
        let start = self.quoted()?;
        self.take(",", ",")?;
        let end = self.quoted()?;
        self.take(")", ")")?;
        Ok((field, HashRange::parse(start, end)?))
    }

    fn field(&mut self) -> Result<Field, ShardError> {
        self.skip_space();
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_');
        let rest = self.0.trim_start_matches(is_part);
        let path = self.0.strip_suffix(rest).unwrap_or_default();
        if path.is_empty() {
            return Err(self.unexpected("object.metadata.uid, object.metadata.namespace"));
        }
        let field = Field::parse(path).ok_or_else(|| ShardError::Field { field: shown(path) })?;
        self.0 = rest;
        Ok(field)
    }

    /// The text between two quotes.
    fn quoted(&mut self) -> Result<&'a str, ShardError> {
        self.skip_space();
        let quoted = ['\'', '"'].into_iter().find_map(|quote| self.0.strip_prefix(quote)?.split_once(quote));
        let (text, rest) = quoted.ok_or_else(|| self.unexpected("a bound in quotes"))?;
        self.0 = rest;
        Ok(text)
    }

    fn unexpected(&self, expected: &'static str) -> ShardError {
        let found = if self.0.is_empty() { "the end".to_owned() } else { quoted(&shown(self.0)) };
        ShardError::Unexpected { found, expected }
    }
}

/// As much of a text as an error shows.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

impl HashRange {
    fn parse(start: &str, end: &str) -> Result<Self, ShardError> {
        let bound = |text: &str| bound(text).ok_or_else(|| ShardError::Bound { bound: shown(text) });
        let (first, behind) = (bound(start)?, bound(end)?);
        let order = || ShardError::Order { start: start.to_owned(), end: end.to_owned() };
        // No hash lies before the first one, and none is the bound behind all of them.
        let last = behind.checked_sub(1).and_then(|last| u64::try_from(last).ok()).ok_or_else(order)?;
        let first = u64::try_from(first).ok().filter(|first| *first <= last).ok_or_else(order)?;
        Ok(Self { first, last })
    }
}

/// A hash, or the number behind the last one.
fn bound(text: &str) -> Option<u128> {
    if text == HASHES {
        return Some(1 << 64);
    }
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == DIGITS)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !digits.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

impl fmt::Display for ShardSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.0.field.path();
        for (position, HashRange { first, last }) in self.0.ranges.iter().enumerate() {
            if position > 0 {
                formatter.write_str(" || ")?;
            }
            let behind = u128::from(*last) + 1;
            write!(formatter, "shardRange({field}, '{first:#018x}', '{behind:#018x}')")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "shard/tests.rs"]
mod tests;
