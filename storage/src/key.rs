//! Keys: where an object lives in a store, and what a list or a watch covers.
//!
//! A key is `/<resource>/<namespace>/<name>`, or `/<resource>/<name>` where objects have no namespace.
//! Keys are compared byte by byte; that is the order of a list.

use std::fmt;
use std::sync::Arc;

/// The longest key in bytes: a resource, a namespace of 63 bytes, a name of 253, and room to spare.
pub const KEY_BYTES_MAX: usize = 1024;

/// The part of the keyspace that belongs to one resource: `/pods/`, `/leases/`.
///
/// Starts and ends with a slash. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePrefix(Arc<str>);

/// The key of one object. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// What a list or a watch covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The object of this key, if there is one.
    One(Key),
    /// All objects whose keys begin with this prefix, which ends in a slash: a resource, or a
    /// namespace of it.
    Under(Key),
}

/// Why a text is no key of a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is empty or a lone slash.
    #[error("empty key: {key:?}")]
    Empty {
        /// The text.
        key: String,
    },
    /// A segment is empty, `.` or `..`, or holds a NUL, or the key is longer than [`KEY_BYTES_MAX`] bytes. One
    /// slash at the end is no empty segment.
    #[error("invalid key: {key:?}")]
    Invalid {
        /// The text.
        key: String,
    },
    /// The prefix of a resource contains that of another one, or is contained in it.
    #[error("the prefix {key:?} overlaps with the prefix {prefix:?} of another resource")]
    Overlaps {
        /// The text.
        key: String,
        /// The prefix of the other resource.
        prefix: String,
    },
    /// The key lies outside the resource.
    #[error("invalid key: {key:?} lacks resource prefix: {prefix:?}")]
    LacksPrefix {
        /// The text.
        key: String,
        /// The prefix of the resource.
        prefix: String,
    },
}

impl ResourcePrefix {
    /// The prefix of this text; a slash is added at its end if it has none.
    ///
    /// # Errors
    /// [`KeyError`] when the text does not begin with a slash, is a lone slash, or has a segment `.` or
    /// `..`. It is the embedder's to fix.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        check_segments(text)?;
        if !text.starts_with('/') {
            return Err(KeyError::Invalid { key: text.to_owned() });
        }
        let slash = if text.ends_with('/') { "" } else { "/" };
        Ok(Self(format!("{text}{slash}").into()))
    }

    /// The text, with its slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an object.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when `namespace` or `name` is no segment of a path.
    pub fn object(&self, namespace: Option<&str>, name: &str) -> Result<Key, KeyError> {
        let scope = self.under(namespace)?;
        let prefix = scope.prefix();
        if !is_segment(name) {
            return Err(KeyError::Invalid { key: format!("{prefix}{name}") });
        }
        self.key(&format!("{prefix}{name}"))
    }

    /// The scope of a namespace, or of the whole resource.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when `namespace` is no segment of a path.
    pub fn under(&self, namespace: Option<&str>) -> Result<Scope, KeyError> {
        match namespace {
            None => Ok(Scope::Under(Key(Arc::clone(&self.0)))),
            Some(namespace) if is_segment(namespace) => {
                Ok(Scope::Under(Key(format!("{}{namespace}/", self.0).into())))
            }
            Some(namespace) => Err(KeyError::Invalid { key: format!("{}{namespace}", self.0) }),
        }
    }

    /// Checks that `text` is a key of this resource. Clause \[KEYS\].
    ///
    /// # Errors
    /// [`KeyError`], one variant per rule.
    pub fn key(&self, text: &str) -> Result<Key, KeyError> {
        check_segments(text)?;
        if !text.starts_with(&*self.0) {
            return Err(self.lacks_prefix(text));
        }
        Ok(Key(text.into()))
    }

    /// Checks that `text` names a part of this resource; a slash is added at its end if it has none.
    ///
    /// # Errors
    /// As [`ResourcePrefix::key`].
    pub fn scope(&self, text: &str) -> Result<Scope, KeyError> {
        check_segments(text)?;
        let slash = if text.ends_with('/') { "" } else { "/" };
        let text = format!("{text}{slash}");
        if !text.starts_with(&*self.0) {
            return Err(self.lacks_prefix(&text));
        }
        Ok(Scope::Under(Key(text.into())))
    }

    /// Whether one of two different prefixes contains the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&*other.0) || other.0.starts_with(&*self.0)
    }

    fn lacks_prefix(&self, text: &str) -> KeyError {
        KeyError::LacksPrefix { key: text.to_owned(), prefix: self.0.as_ref().to_owned() }
    }
}

impl Key {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that no rule was applied to: for engines, which read keys back that they have checked.
    pub fn unchecked(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Scope {
    /// Whether the scope covers a key.
    pub fn contains(&self, key: &Key) -> bool {
        match self {
            Self::One(own) => own == key,
            Self::Under(prefix) => key.as_str().starts_with(prefix.as_str()),
        }
    }

    /// The text with which all covered keys begin; a continue token is relative to it.
    pub fn prefix(&self) -> &str {
        match self {
            Self::One(key) | Self::Under(key) => key.as_str(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ResourcePrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A segment of a path: the rule for names that every kind shares.
fn is_segment(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '%', '\0'])
}

fn check_segments(text: &str) -> Result<(), KeyError> {
    if text.is_empty() || text == "/" {
        return Err(KeyError::Empty { key: text.to_owned() });
    }
    let path = text.strip_prefix('/').unwrap_or(text);
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.contains('\0');
    if text.len() > KEY_BYTES_MAX || path.split('/').any(is_odd) {
        return Err(KeyError::Invalid { key: text.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> ResourcePrefix {
        ResourcePrefix::new("/pods").unwrap()
    }

    #[test]
    fn keys_of_the_resource_are_accepted() {
        for text in [
            "/pods/foo/bar/baz/a.b.c/",
            "/pods/foo",
            "/pods/foo/bar/baz",
            "/pods/foo/bar..baz/",
            "/pods/foo/bar..",
            "/pods/foo/bar/",
            "/pods/",
        ] {
            assert_eq!(pods().key(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn keys_with_dot_segments_are_refused() {
        for text in [
            "/pods//a",
            "/pods/a//",
            "//pods/a",
            "/pods/a\0b",
            ".",
            "..",
            "./foo",
            "../foo",
            "/pods/./a",
            "/pods/../a",
            "/pods/a/.",
            "/pods/a/..",
            "/./",
            "/../",
        ] {
            assert_eq!(pods().key(text), Err(KeyError::Invalid { key: text.to_owned() }));
            assert_eq!(pods().scope(text), Err(KeyError::Invalid { key: text.to_owned() }));
        }
    }

    #[test]
    fn empty_keys_are_refused_as_empty() {
        for text in ["", "/"] {
            assert_eq!(pods().key(text), Err(KeyError::Empty { key: text.to_owned() }));
            assert_eq!(ResourcePrefix::new(text), Err(KeyError::Empty { key: text.to_owned() }));
        }
    }

    #[test]
    fn keys_of_other_resources_are_refused() {
        for text in ["/podsandmore/a", "/pods", "pods", "/pods.apps", "/foo/"] {
            assert!(matches!(pods().key(text), Err(KeyError::LacksPrefix { .. })), "{text}");
        }
        assert!(pods().scope("/pods").is_ok());
    }

    #[test]
    fn a_scope_does_not_cover_siblings_whose_names_begin_alike() {
        let scope = pods().under(Some("foo")).unwrap();
        assert!(scope.contains(&pods().object(Some("foo"), "x").unwrap()));
        assert!(!scope.contains(&pods().object(Some("foobar"), "x").unwrap()));
    }

    #[test]
    fn names_that_are_no_path_segment_are_refused() {
        for name in ["", ".", "..", "a/b", "a%b"] {
            assert!(pods().object(Some("ns"), name).is_err(), "{name:?}");
            assert!(pods().object(Some(name), "a").is_err(), "{name:?}");
        }
    }
}
