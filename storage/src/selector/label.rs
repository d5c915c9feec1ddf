//! Label selectors: what they match, and their canonical text.

use std::fmt;
use std::sync::Arc;

use super::{SelectorError, check_length, label_parser};

/// A condition on the labels of an object: the conjunction of its requirements.
///
/// [`fmt::Display`] gives the canonical text, which parses to an equal selector: requirements in the
/// order of their keys, values in their own order, `=` for `==`, no space but around `in` and `notin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector(Arc<[Requirement]>);

/// What one requirement asks of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Requirement {
    pub(super) key: Box<str>,
    pub(super) test: Test,
}

/// The test of a label; value lists are sorted, without duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Exists,
    Absent,
    Equals(Box<str>),
    NotEquals(Box<str>),
    In(Box<[Box<str>]>),
    NotIn(Box<[Box<str>]>),
    GreaterThan(i64),
    LessThan(i64),
}

impl LabelSelector {
    /// The selector that every object matches; its text is empty.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Parses what a client sent as `labelSelector`.
    ///
    /// # Errors
    /// [`SelectorError`], whose text is the answer to the client.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        check_length(text)?;
        let mut requirements = label_parser::parse(text)?;
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(Self(requirements.into()))
    }

    /// Whether every object matches, because there is no requirement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object matches whose labels `label` looks up.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| requirement.test.holds(label(&requirement.key)))
    }

    /// The only value of the label `key` that a matching object can have, if the selector says so.
    pub fn exact(&self, key: &str) -> Option<&str> {
        self.0.iter().filter(|requirement| &*requirement.key == key).find_map(
            |requirement| match &requirement.test {
                Test::Equals(value) => Some(&**value),
                Test::In(values) => match &**values {
                    [value] => Some(&**value),
                    _ => None,
                },
                _ => None,
            },
        )
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Equals(wanted) => value == Some(&**wanted),
            Self::NotEquals(unwanted) => value != Some(&**unwanted),
            Self::In(wanted) => value.is_some_and(|value| contains(wanted, value)),
            Self::NotIn(unwanted) => !value.is_some_and(|value| contains(unwanted, value)),
            Self::GreaterThan(bound) => number(value).is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number(value).is_some_and(|number| number < *bound),
        }
    }
}

fn contains(sorted: &[Box<str>], value: &str) -> bool {
    sorted.binary_search_by(|candidate| (**candidate).cmp(value)).is_ok()
}

/// A label that is no number is neither greater nor less than one.
fn number(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str(",")?;
            }
            requirement.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::Exists => write!(formatter, "{key}"),
            Test::Absent => write!(formatter, "!{key}"),
            Test::Equals(value) => write!(formatter, "{key}={value}"),
            Test::NotEquals(value) => write!(formatter, "{key}!={value}"),
            Test::In(values) => write!(formatter, "{key} in ({})", values.join(",")),
            Test::NotIn(values) => write!(formatter, "{key} notin ({})", values.join(",")),
            Test::GreaterThan(bound) => write!(formatter, "{key}>{bound}"),
            Test::LessThan(bound) => write!(formatter, "{key}<{bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &'static str)]) -> bool {
        let selector = LabelSelector::parse(selector).unwrap();
        selector.matches(|key| labels.iter().find(|(own, _)| *own == key).map(|(_, value)| *value))
    }

    #[test]
    fn no_requirement_matches_everything() {
        for text in ["", " ", "\t\r\n"] {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector, LabelSelector::everything());
            assert!(selector.is_empty() && selector.matches(|_| None));
        }
        assert!(!LabelSelector::parse("x").unwrap().is_empty());
    }

    #[test]
    fn equality_needs_the_label() {
        for selector in ["x=a", "x==a", "x in (a)", "x in (b,a)", "x"] {
            assert!(matches(selector, &[("x", "a")]), "{selector}");
            assert!(!matches(selector, &[("y", "a")]), "{selector}");
        }
        assert!(!matches("x=a", &[("x", "b")]) && !matches("x in (a,c)", &[("x", "b")]));
    }

    #[test]
    fn inequality_and_absence_match_an_object_without_the_label() {
        for selector in ["x!=a", "x notin (a)", "x notin (a,b)", "!x"] {
            assert!(matches(selector, &[("y", "a")]), "{selector}");
            assert!(!matches(selector, &[("x", "a")]), "{selector}");
        }
        assert!(matches("x!=a", &[("x", "b")]) && matches("x notin (a,c)", &[("x", "b")]));
    }

    #[test]
    fn the_empty_value_is_a_value() {
        for selector in ["x=", "x in ()", "x in (,a)", "x in (a,)", "x in (a,,b)"] {
            assert!(matches(selector, &[("x", "")]), "{selector}");
            assert!(!matches(selector, &[]), "{selector}");
        }
        assert!(!matches("x!=", &[("x", "")]) && !matches("x in (a)", &[("x", "")]));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(matches("x>9", &[("x", "10")]) && !matches("x>10", &[("x", "10")]));
        assert!(matches("x<10", &[("x", "9")]) && !matches("x<10", &[("x", "10")]));
        assert!(!matches("x<10", &[("x", "nine")]) && !matches("x>10", &[("x", "nine")]));
        assert!(!matches("x<10", &[]) && !matches("x>0", &[]));
        assert!(!matches("x>1", &[("x", "9223372036854775808")]));
    }

    #[test]
    fn all_requirements_have_to_hold() {
        assert!(matches("x=a,!y,z", &[("x", "a"), ("z", "")]));
        assert!(!matches("x=a,!y,z", &[("x", "a")]));
        assert!(!matches("x=a,x=b", &[("x", "a")]));
    }

    #[test]
    fn a_single_wanted_value_is_exact() {
        for selector in ["x=a", "x==a", "x in (a)", "x in (a,a)", "x,x=a", "b=1,x=a"] {
            assert_eq!(LabelSelector::parse(selector).unwrap().exact("x"), Some("a"), "{selector}");
        }
        for selector in ["", "x", "!x", "x!=a", "x in (a,b)", "x notin (a)", "x>1", "y=a"] {
            assert_eq!(LabelSelector::parse(selector).unwrap().exact("x"), None, "{selector}");
        }
    }

    #[test]
    fn the_canonical_text_is_sorted_and_without_needless_space() {
        for (text, canonical) in [
            (" z , a == 1,b!=2 ", "a=1,b!=2,z"),
            ("x in(b,a,b),!y", "x in (a,b),!y"),
            ("x notin ( )", "x notin ()"),
            ("x > 007,y<1", "x>7,y<1"),
            ("x=in,in in (in,notin)", "in in (in,notin),x=in"),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), canonical);
        }
    }
}
