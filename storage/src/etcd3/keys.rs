//! Where a key of the store stands in etcd: behind the prefix of the store, otherwise as it is.

use crate::key::Scope;

/// The prefix of all keys of a store: `/registry`, without a slash at its end; may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix(String);

/// The keys of a scope in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first key.
    pub(super) start: Vec<u8>,
    /// The key behind the last; empty where `start` is the only one.
    pub(super) end: Vec<u8>,
}

impl Prefix {
    /// The prefix of this text: a slash at its beginning, none at its end, none twice.
    pub(super) fn new(text: &str) -> Self {
        let segments = text.split('/').filter(|segment| !segment.is_empty());
        Self(segments.flat_map(|segment| ["/", segment]).collect())
    }

    /// The key in etcd of a key of the store.
    pub(super) fn key(&self, key: &str) -> Vec<u8> {
        [self.0.as_bytes(), key.as_bytes()].concat()
    }

    /// The key of the store of a key in etcd; `None` where it is none.
    pub(super) fn strip<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(key.strip_prefix(self.0.as_bytes())?).ok()
    }

    /// The keys of a scope, from `start` on if it says more.
    pub(super) fn range(&self, scope: &Scope, start: Option<&str>) -> Range {
        let first = scope.prefix();
        let end = match scope {
            Scope::One(_) => Vec::new(),
            Scope::Under(_) => after_prefix(self.key(first)),
        };
        Range { start: self.key(start.filter(|start| *start > first).unwrap_or(first)), end }
    }
}

/// The first key behind all that begin with a prefix.
fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return prefix;
        }
    }
    // Nothing but the largest byte: everything from there on.
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ResourcePrefix;

    #[test]
    fn a_prefix_is_the_same_however_it_is_spelled() {
        for text in ["/registry", "registry", "/registry/", "//registry//"] {
            assert_eq!(Prefix::new(text).key("/pods/n/a"), b"/registry/pods/n/a");
        }
        assert_eq!(Prefix::new("custom//prefix/").key("/pods/a"), b"/custom/prefix/pods/a");
        assert_eq!(Prefix::new("/").key("/pods/a"), b"/pods/a");
    }

    #[test]
    fn a_scope_is_the_range_of_its_keys() {
        let (prefix, pods) = (Prefix::new("/r"), ResourcePrefix::new("/pods").unwrap());
        let namespace = pods.under(Some("n")).unwrap();
        let range = prefix.range(&namespace, None);
        assert_eq!((&range.start[..], &range.end[..]), (&b"/r/pods/n/"[..], &b"/r/pods/n0"[..]));
        assert_eq!(prefix.range(&namespace, Some("/pods/n/a\0")).start, b"/r/pods/n/a\0");
        assert_eq!(prefix.range(&namespace, Some("/pods/a")).start, b"/r/pods/n/");
        let one = Scope::One(pods.object(Some("n"), "a").unwrap());
        assert_eq!(prefix.range(&one, None), Range { start: b"/r/pods/n/a".to_vec(), end: Vec::new() });
    }

    #[test]
    fn the_end_of_a_prefix_carries() {
        assert_eq!(after_prefix(b"a\xff\xff".to_vec()), b"b");
        assert_eq!(after_prefix(b"\xff".to_vec()), [0]);
    }

    #[test]
    fn a_key_of_somebody_else_is_none() {
        let prefix = Prefix::new("/r");
        assert_eq!(prefix.strip(b"/r/pods/a"), Some("/pods/a"));
        assert_eq!(prefix.strip(b"/x/pods/a"), None);
        assert_eq!(prefix.strip(b"/r/pods/\xff"), None);
    }
}
