//! Field selectors: their grammar, what they match, and which fields they name.

use std::fmt;
use std::sync::Arc;

use super::{REQUIREMENTS_MAX, SelectorError, check_length};

/// A condition on the fields of an object: the conjunction of its terms.
///
/// Parsing knows nothing of the fields of a resource: who takes a selector from a client checks each of
/// its [`FieldSelector::fields`]. [`fmt::Display`] gives the canonical text, which parses to an equal
/// selector: sorted terms, `=` for `==`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector(Arc<[Term]>);

/// What one term asks of one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Term {
    field: Box<str>,
    comparison: Comparison,
    value: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Comparison {
    Equals,
    NotEquals,
}

impl FieldSelector {
    /// The selector that every object matches; its text is empty.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Parses what a client sent as `fieldSelector`.
    ///
    /// # Errors
    /// [`SelectorError`], whose text is the answer to the client.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        check_length(text)?;
        let mut parts: Vec<&str> = split_terms(text).into_iter().filter(|part| !part.is_empty()).collect();
        if parts.len() > REQUIREMENTS_MAX {
            return Err(SelectorError::TooManyRequirements);
        }
        // Of several wrong terms, the first in byte order is told.
        parts.sort_unstable();
        let mut terms =
            parts.into_iter().map(|part| parse_term(text, part)).collect::<Result<Vec<Term>, _>>()?;
        terms.sort_unstable();
        Ok(Self(terms.into()))
    }

    /// Whether every object matches, because there is no term.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object matches whose fields `field` looks up. A missing field is the empty text.
    pub fn matches<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|term| {
            let equal = field(&term.field).unwrap_or_default() == &*term.value;
            equal == (term.comparison == Comparison::Equals)
        })
    }

    /// The only value of `field` that a matching object can have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let pinning = |term: &&Term| term.comparison == Comparison::Equals && &*term.field == field;
        self.0.iter().find(pinning).map(|term| &*term.value)
    }

    /// The fields that the selector names, sorted; one that several terms name comes several times.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|term| &*term.field)
    }
}

/// The parts between commas that have no backslash before them.
fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|character| {
        let comma = character == ',' && !escaped;
        escaped = character == '\\' && !escaped;
        comma
    })
    .collect()
}

/// Longer operators first: at one position the longest counts.
const OPERATORS: [(&str, Comparison); 3] =
    [("!=", Comparison::NotEquals), ("==", Comparison::Equals), ("=", Comparison::Equals)];

fn parse_term(selector: &str, term: &str) -> Result<Term, SelectorError> {
    let (field, comparison, value) = split_term(term)
        .ok_or_else(|| SelectorError::Term { selector: selector.to_owned(), term: term.to_owned() })?;
    Ok(Term { field: field.into(), comparison, value: unescape(value)?.into() })
}

fn split_term(term: &str) -> Option<(&str, Comparison, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let (field, rest) = term.split_at_checked(at)?;
        OPERATORS
            .iter()
            .find_map(|(operator, comparison)| Some((field, *comparison, rest.strip_prefix(operator)?)))
    })
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                other => {
                    return Err(SelectorError::Escape {
                        sequence: ['\\'].into_iter().chain(other).collect(),
                    });
                }
            },
            ',' | '=' => return Err(SelectorError::Unescaped { character }),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, term) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str(",")?;
            }
            term.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.comparison {
            Comparison::Equals => "=",
            Comparison::NotEquals => "!=",
        };
        write!(formatter, "{}{operator}", self.field)?;
        for character in self.value.chars() {
            if matches!(character, '\\' | ',' | '=') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        Ok(())
    }
}

/// A field selector names a field by which objects of the resource cannot be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedField {
    /// The resource offers its name and namespace only.
    #[error("\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")]
    OnlyMetadata {
        /// The field.
        field: String,
    },
    /// The resource offers further fields, but not this one.
    #[error("field label not supported: {field}")]
    NotOffered {
        /// The field.
        field: String,
    },
}

/// The refusal of `field`, by whether the resource offers fields beyond its name and namespace.
pub fn unsupported(field: &str, offers_further_fields: bool) -> UnsupportedField {
    let field = field.to_owned();
    if offers_further_fields {
        UnsupportedField::NotOffered { field }
    } else {
        UnsupportedField::OnlyMetadata { field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, fields: &[(&str, &'static str)]) -> bool {
        let selector = FieldSelector::parse(selector).unwrap();
        selector.matches(|name| fields.iter().find(|(own, _)| *own == name).map(|(_, value)| *value))
    }

    #[test]
    fn no_term_matches_everything() {
        for text in ["", ",", ",,"] {
            let selector = FieldSelector::parse(text).unwrap();
            assert_eq!(selector, FieldSelector::everything());
            assert!(selector.is_empty() && selector.matches(|_| None));
        }
        assert!(!FieldSelector::parse("x=").unwrap().is_empty());
    }

    #[test]
    fn all_terms_have_to_hold() {
        assert!(matches("x=a,y!=b,z==c", &[("x", "a"), ("y", "a"), ("z", "c")]));
        assert!(!matches("x=a,y!=b", &[("x", "a"), ("y", "b")]));
        assert!(!matches("x=a,y!=b", &[("x", "b"), ("y", "a")]));
    }

    #[test]
    fn a_missing_field_is_the_empty_text() {
        assert!(matches("x=", &[]) && matches("x!=a", &[]));
        assert!(!matches("x!=", &[]) && !matches("x=a", &[]));
        assert!(matches("x=", &[("x", "")]));
    }

    #[test]
    fn a_backslash_escapes_comma_equals_and_itself() {
        assert!(matches(r"x=a\,b\=c\\", &[("x", r"a,b=c\")]));
        assert!(matches(r"x=\\,y=b", &[("x", r"\"), ("y", "b")]));
    }

    #[test]
    fn space_is_part_of_a_term() {
        assert_eq!(FieldSelector::parse("a= b, c=d").unwrap().fields().collect::<Vec<_>>(), [" c", "a"]);
        assert!(matches("a= b", &[("a", " b")]));
    }

    #[test]
    fn equality_pins_a_field() {
        let selector = FieldSelector::parse("metadata.name!=b,metadata.name==a,x!=y").unwrap();
        assert_eq!(selector.exact("metadata.name"), Some("a"));
        assert_eq!(selector.exact("x"), None);
        assert_eq!(selector.exact("metadata.namespace"), None);
    }

    #[test]
    fn a_client_reads_what_is_wrong_with_the_selector() {
        for (text, error) in [
            ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
            ("z,x=a,b", "invalid selector: 'z,x=a,b'; can't understand 'b'"),
            (" ", "invalid selector: ' '; can't understand ' '"),
            ("x=a=b", "invalid field selector: unescaped character in value: 61"),
            ("x!==b", "invalid field selector: unescaped character in value: 61"),
            (r"x=a\b", r"invalid field selector: invalid escape sequence: \b"),
            (r"x=a\", r"invalid field selector: invalid escape sequence: \"),
        ] {
            assert_eq!(FieldSelector::parse(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn the_refusal_of_a_field_depends_on_what_the_resource_offers() {
        assert_eq!(
            unsupported("foo", false).to_string(),
            "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        );
        assert_eq!(unsupported("foo", true).to_string(), "field label not supported: foo");
    }

    #[test]
    fn the_canonical_text_is_sorted() {
        for (text, canonical) in [
            ("a==z,a=b", "a=b,a=z"),
            ("z!=,,y=1", "y=1,z!="),
            (r"x=a\,b\\\=", r"x=a\,b\\\="),
            (r"a\=b", r"a\=b"),
        ] {
            assert_eq!(FieldSelector::parse(text).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn a_selector_is_bounded_in_length_and_terms() {
        use super::super::SELECTOR_BYTES_MAX;
        assert!(FieldSelector::parse(&",".repeat(SELECTOR_BYTES_MAX)).is_ok());
        assert_eq!(FieldSelector::parse(&",".repeat(SELECTOR_BYTES_MAX + 1)), Err(SelectorError::TooLong));
        assert!(FieldSelector::parse(&vec!["x="; REQUIREMENTS_MAX].join(",")).is_ok());
        let many = vec!["x="; REQUIREMENTS_MAX + 1].join(",");
        assert_eq!(FieldSelector::parse(&many), Err(SelectorError::TooManyRequirements));
    }
}
