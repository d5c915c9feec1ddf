//! The grammar of label selectors: tokens, requirements, and what is wrong with a text.

use std::collections::BTreeSet;
use std::fmt;

use super::label::{Requirement, Test};
use super::quote::quoted;
use super::{REQUIREMENTS_MAX, SelectorError, VALUES_MAX, label_syntax};

/// How many invalid values of one requirement are told; the rest is of no help.
const INVALID_VALUES_TOLD: usize = 16;

/// What is wrong with one requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// Something else stands where a part of the requirement is expected.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// The text that stands there; empty at the end of the selector.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// No value list follows `in` or `notin`.
    #[error("found '{found}' expected: '('")]
    NoValues {
        /// The text that stands there.
        found: String,
    },
    /// The key is no label key.
    #[error("<nil>: Invalid value: {}: {}", quoted(.key), .complaints.join("; "))]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        complaints: Vec<&'static str>,
    },
    /// Values are no label values, or no numbers where numbers are compared.
    #[error("{}", InvalidValues(.0))]
    Values(Vec<InvalidValue>),
    /// There are more values than [`VALUES_MAX`].
    #[error("more than {VALUES_MAX} values")]
    TooManyValues,
}

/// One invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: Invalid value: {}: {}", quoted(.value), .complaints.join("; "))]
pub struct InvalidValue {
    /// Where it stands.
    pub path: String,
    /// The value.
    pub value: String,
    /// What is wrong with it.
    pub complaints: Vec<&'static str>,
}

struct InvalidValues<'a>(&'a [InvalidValue]);

impl fmt::Display for InvalidValues<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => one.fmt(formatter),
            many => {
                let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
                write!(formatter, "[{}]", texts.join(", "))
            }
        }
    }
}

/// The requirements of a selector, in the order of the text.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser::new(text);
    let mut requirements = Vec::new();
    if parser.next == Token::End {
        return Ok(requirements);
    }
    parser.expect_requirement("!, identifier, or 'end of string'")?;
    loop {
        if requirements.len() == REQUIREMENTS_MAX {
            return Err(SelectorError::TooManyRequirements);
        }
        requirements.push(parser.requirement()?);
        match parser.take() {
            Token::End => return Ok(requirements),
            Token::Symbol(",") => parser.expect_requirement("identifier after ','")?,
            other => return Err(unexpected_separator(other)),
        }
    }
}

fn unexpected_separator(found: Token<'_>) -> SelectorError {
    SelectorError::Unexpected { found: found.text().to_owned(), expected: "',' or 'end of string'" }
}

fn unexpected(found: Token<'_>, expected: &'static str) -> RequirementError {
    RequirementError::Unexpected { found: found.text().to_owned(), expected }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// The end of the selector; it stays when it is taken.
    End,
    Symbol(&'a str),
    /// A key, a value, or one of the words `in` and `notin`, which are also keys and values.
    Word(&'a str),
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::End => "",
            Self::Symbol(text) | Self::Word(text) => text,
        }
    }
}

/// Longer symbols first: the longest one counts.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn ends_word(character: char) -> bool {
    is_space(character) || matches!(character, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

/// The next token of a text, and the text after it.
fn split_token(text: &str) -> (Token<'_>, &str) {
    let text = text.trim_start_matches(is_space);
    if text.is_empty() {
        return (Token::End, text);
    }
    for symbol in SYMBOLS {
        if let Some(rest) = text.strip_prefix(symbol) {
            return (Token::Symbol(symbol), rest);
        }
    }
    let (word, rest) = text.split_at(text.find(ends_word).unwrap_or(text.len()));
    (Token::Word(word), rest)
}

struct Parser<'a> {
    next: Token<'a>,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let (next, rest) = split_token(text);
        Self { next, rest }
    }

    fn take(&mut self) -> Token<'a> {
        let taken = self.next;
        (self.next, self.rest) = split_token(self.rest);
        taken
    }

    fn expect_requirement(&self, expected: &'static str) -> Result<(), SelectorError> {
        match self.next {
            Token::Word(_) | Token::Symbol("!") => Ok(()),
            other => Err(SelectorError::Unexpected { found: other.text().to_owned(), expected }),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, RequirementError> {
        let absent = self.next == Token::Symbol("!");
        if absent {
            self.take();
        }
        let key = self.key()?;
        let test = match self.next {
            _ if absent => Test::Absent,
            Token::End | Token::Symbol(",") => Test::Exists,
            _ => self.test(key)?,
        };
        Ok(Requirement { key: key.into(), test })
    }

    fn key(&mut self) -> Result<&'a str, RequirementError> {
        let key = match self.take() {
            Token::Word(key) => key,
            other => return Err(unexpected(other, "identifier")),
        };
        let complaints = label_syntax::key_complaints(key);
        if complaints.is_empty() {
            return Ok(key);
        }
        Err(RequirementError::Key { key: key.to_owned(), complaints })
    }

    fn test(&mut self, key: &str) -> Result<Test, RequirementError> {
        Ok(match self.take() {
            Token::Word("in") => Test::In(self.value_list(key)?),
            Token::Word("notin") => Test::NotIn(self.value_list(key)?),
            Token::Symbol("=" | "==") => Test::Equals(self.value(key)?.into()),
            Token::Symbol("!=") => Test::NotEquals(self.value(key)?.into()),
            Token::Symbol(">") => Test::GreaterThan(self.number(key)?),
            Token::Symbol("<") => Test::LessThan(self.number(key)?),
            other => return Err(unexpected(other, "in, notin, =, ==, !=, gt, lt")),
        })
    }

    fn value(&mut self, key: &str) -> Result<&'a str, RequirementError> {
        let value = self.bare_value()?;
        match invalid_value(key, 0, value) {
            None => Ok(value),
            Some(invalid) => Err(RequirementError::Values(vec![invalid])),
        }
    }

    fn number(&mut self, key: &str) -> Result<i64, RequirementError> {
        let value = self.bare_value()?;
        let number = value.parse();
        let no_number = number.is_err().then(|| InvalidValue {
            path: "values[0]".to_owned(),
            value: value.to_owned(),
            complaints: vec!["for 'Gt', 'Lt' operators, the value must be an integer"],
        });
        let invalid: Vec<InvalidValue> = no_number.into_iter().chain(invalid_value(key, 0, value)).collect();
        match number {
            Ok(number) if invalid.is_empty() => Ok(number),
            _ => Err(RequirementError::Values(invalid)),
        }
    }

    /// The value of an operator that has one; nothing is the empty value.
    fn bare_value(&mut self) -> Result<&'a str, RequirementError> {
        if matches!(self.next, Token::End | Token::Symbol(",")) {
            return Ok("");
        }
        match self.take() {
            Token::Word(value) => Ok(value),
            other => Err(unexpected(other, "identifier")),
        }
    }

    fn value_list(&mut self, key: &str) -> Result<Box<[Box<str>]>, RequirementError> {
        match self.take() {
            Token::Symbol("(") => {}
            other => return Err(RequirementError::NoValues { found: other.text().to_owned() }),
        }
        match self.next {
            Token::Word(_) | Token::Symbol("," | ")") => {}
            other => return Err(unexpected(other, "',', ')' or identifier")),
        }
        let values = self.values_up_to_parenthesis()?;
        let invalid = values.iter().enumerate().filter_map(|(index, value)| invalid_value(key, index, value));
        let invalid: Vec<InvalidValue> = invalid.take(INVALID_VALUES_TOLD).collect();
        if !invalid.is_empty() {
            return Err(RequirementError::Values(invalid));
        }
        Ok(values.into_iter().map(Box::from).collect())
    }

    /// Values with commas between them, each possibly empty, and the parenthesis after them.
    fn values_up_to_parenthesis(&mut self) -> Result<BTreeSet<&'a str>, RequirementError> {
        let mut values = BTreeSet::new();
        loop {
            let value = match self.next {
                Token::Word(value) => {
                    self.take();
                    value
                }
                Token::Symbol("," | ")") => "",
                other => return Err(unexpected(other, "',', or identifier")),
            };
            values.insert(value);
            if values.len() > VALUES_MAX {
                return Err(RequirementError::TooManyValues);
            }
            match self.take() {
                Token::Symbol(")") => return Ok(values),
                Token::Symbol(",") => {}
                other => return Err(unexpected(other, "',' or ')'")),
            }
        }
    }
}

fn invalid_value(key: &str, index: usize, value: &str) -> Option<InvalidValue> {
    let complaints = label_syntax::value_complaints(value);
    let path = || format!("values[{index}][{key}]");
    (!complaints.is_empty()).then(|| InvalidValue { path: path(), value: value.to_owned(), complaints })
}

#[cfg(test)]
mod tests {
    use super::super::LabelSelector;
    use super::*;

    fn refusal(text: &str) -> String {
        LabelSelector::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_client_reads_what_was_found_and_what_was_expected() {
        for (text, error) in [
            ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("x !y", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"),
            ("x gt 5", "unable to parse requirement: found 'gt', expected: in, notin, =, ==, !=, gt, lt"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("x,", "found '', expected: identifier after ','"),
            ("x,,y", "found ',', expected: identifier after ','"),
            ("x=a b", "found 'b', expected: ',' or 'end of string'"),
            ("!x in (a)", "found 'in', expected: ',' or 'end of string'"),
            ("x in (a) b", "found 'b', expected: ',' or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("!!x", "unable to parse requirement: found '!', expected: identifier"),
            ("x===a", "unable to parse requirement: found '=', expected: identifier"),
            ("x in a", "unable to parse requirement: found 'a' expected: '('"),
            ("x notin", "unable to parse requirement: found '' expected: '('"),
            ("x in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
            ("x in ((", "unable to parse requirement: found '(', expected: ',', ')' or identifier"),
            ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
            ("x in (a,", "unable to parse requirement: found '', expected: ',', or identifier"),
            ("x in (a,!)", "unable to parse requirement: found '!', expected: ',', or identifier"),
        ] {
            assert_eq!(refusal(text), error, "{text}");
        }
    }

    #[test]
    fn a_client_reads_which_key_or_value_is_invalid() {
        let key = "unable to parse requirement: <nil>: Invalid value: \"a/\": name part must be non-empty; name part must";
        assert!(refusal("a/").starts_with(key), "{}", refusal("a/"));
        let value = "unable to parse requirement: values[1][x]: Invalid value: \"b@c\": a valid label must be an empty";
        assert!(refusal("x in (b@c,a)").starts_with(value), "{}", refusal("x in (b@c,a)"));
        assert_eq!(
            refusal("x>a"),
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer"
        );
        let both = "unable to parse requirement: [values[0]: Invalid value: \"_\": for 'Gt', 'Lt' operators, the value must be \
             an integer, values[0][x]: Invalid value: \"_\": a valid";
        assert!(refusal("x<_").starts_with(both), "{}", refusal("x<_"));
        assert!(refusal("x<_").ends_with("?')]"), "{}", refusal("x<_"));
    }

    #[test]
    fn few_of_many_invalid_values_are_told() {
        let values: Vec<String> = (0..1000).map(|number| format!("_{number}")).collect();
        assert!(refusal(&format!("x in ({})", values.join(","))).len() < 8192);
    }

    #[test]
    fn a_selector_is_bounded_in_length_requirements_and_values() {
        use super::super::SELECTOR_BYTES_MAX;
        assert!(LabelSelector::parse(&" ".repeat(SELECTOR_BYTES_MAX)).is_ok());
        assert_eq!(LabelSelector::parse(&" ".repeat(SELECTOR_BYTES_MAX + 1)), Err(SelectorError::TooLong));

        assert!(LabelSelector::parse(&vec!["x"; REQUIREMENTS_MAX].join(",")).is_ok());
        let many = vec!["x"; REQUIREMENTS_MAX + 1].join(",");
        assert_eq!(LabelSelector::parse(&many), Err(SelectorError::TooManyRequirements));

        let values =
            |count: usize| (0..count).map(|number| format!("{number}")).collect::<Vec<_>>().join(",");
        assert!(LabelSelector::parse(&format!("x in ({})", values(VALUES_MAX))).is_ok());
        let many = LabelSelector::parse(&format!("x in ({})", values(VALUES_MAX + 1)));
        assert_eq!(many, Err(RequirementError::TooManyValues.into()));
    }
}
