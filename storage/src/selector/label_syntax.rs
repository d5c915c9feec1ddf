//! The syntax of label keys and label values, and the complaints about what has another.

/// The longest name of a label key, without its prefix, and the longest label value, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// The longest prefix of a label key, a DNS subdomain, in bytes.
const PREFIX_BYTES_MAX: usize = 253;

const KEY_PARTS: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start \
     and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
     validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and \
     '/' (e.g. 'example.com/MyName')";
const NAME_EMPTY: &str = "name part must be non-empty";
const NAME_LONG: &str = "name part must be no more than 63 bytes";
const NAME_SYNTAX: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
     with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation \
     is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const PREFIX_EMPTY: &str = "prefix part must be non-empty";
const PREFIX_LONG: &str = "prefix part must be no more than 253 bytes";
const PREFIX_SYNTAX: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
     characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
     regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE_LONG: &str = "must be no more than 63 bytes";
const VALUE_SYNTAX: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
     '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
     '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with a label key; nothing if it is valid.
pub(super) fn key_complaints(key: &str) -> Vec<&'static str> {
    let mut complaints = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => return vec![KEY_PARTS],
        Some((prefix, name)) => {
            complaints.extend(prefix_complaints(prefix));
            name
        }
    };
    if name.is_empty() {
        complaints.push(NAME_EMPTY);
    }
    if name.len() > LABEL_BYTES_MAX {
        complaints.push(NAME_LONG);
    }
    if !is_name(name) {
        complaints.push(NAME_SYNTAX);
    }
    complaints
}

/// What is wrong with a label value; nothing if it is valid.
pub(super) fn value_complaints(value: &str) -> Vec<&'static str> {
    let mut complaints = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        complaints.push(VALUE_LONG);
    }
    if !value.is_empty() && !is_name(value) {
        complaints.push(VALUE_SYNTAX);
    }
    complaints
}

fn prefix_complaints(prefix: &str) -> Vec<&'static str> {
    if prefix.is_empty() {
        return vec![PREFIX_EMPTY];
    }
    let mut complaints = Vec::new();
    if prefix.len() > PREFIX_BYTES_MAX {
        complaints.push(PREFIX_LONG);
    }
    if !prefix.split('.').all(is_dns_label) {
        complaints.push(PREFIX_SYNTAX);
    }
    complaints
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_dns_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_name_with_an_optional_subdomain_before_it() {
        let long = ["x".repeat(63), format!("{}/x", "a.".repeat(126) + "a")];
        for key in ["a", "A-_.9", "example.com/MyName", "a-b.c/x", &long[0], &long[1]] {
            assert_eq!(key_complaints(key), [""; 0], "{key}");
        }
    }

    #[test]
    fn every_fault_of_a_key_is_told() {
        assert_eq!(key_complaints(""), [NAME_EMPTY, NAME_SYNTAX]);
        assert_eq!(key_complaints("/"), [PREFIX_EMPTY, NAME_EMPTY, NAME_SYNTAX]);
        assert_eq!(key_complaints("a/b/c"), [KEY_PARTS]);
        assert_eq!(key_complaints("Ex.com/x"), [PREFIX_SYNTAX]);
        assert_eq!(key_complaints("a..b/x"), [PREFIX_SYNTAX]);
        assert_eq!(key_complaints(&format!("{}/x", "a".repeat(254))), [PREFIX_LONG]);
        assert_eq!(key_complaints(&"x".repeat(64)), [NAME_LONG]);
        for key in ["-a", "a-", "a b", "é", "a\n", "."] {
            assert_eq!(key_complaints(key), [NAME_SYNTAX], "{key:?}");
        }
    }

    #[test]
    fn a_value_may_be_empty_but_no_longer_than_63_bytes() {
        for value in ["", "a", "1.2_3-4", &"x".repeat(63)] {
            assert_eq!(value_complaints(value), [""; 0], "{value}");
        }
        assert_eq!(value_complaints(&"x".repeat(64)), [VALUE_LONG]);
        assert_eq!(value_complaints("-1"), [VALUE_SYNTAX]);
        assert_eq!(value_complaints(&"-".repeat(64)), [VALUE_LONG, VALUE_SYNTAX]);
    }
}
