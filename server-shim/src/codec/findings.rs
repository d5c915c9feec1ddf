//! What decoding noticed beside the object, and what field validation makes of it.

/// How many findings of a body are kept; the rest says nothing new.
pub(super) const MAX_FINDINGS: usize = 100;

/// How many characters the warnings of one response may have together.
const MAX_WARNING_RUNES: usize = 4096;

/// To how many characters a warning is cut where all of them together are too long.
const CUT_WARNING_RUNES: usize = 256;

/// What a client wants to be done about findings (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Nothing.
    Ignore,
    /// A warning for each.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

impl FieldValidation {
    /// The value of the query parameter; absent and empty mean the default.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::default()),
            "Ignore" => Some(Self::Ignore),
            "Warn" => Some(Self::Warn),
            "Strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

/// Fields that were dropped because the kind has none of that name, and keys that were sent twice.
///
/// Bounded: of many findings only the first are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    unknown: Vec<String>,
    duplicates: Vec<String>,
}

impl Findings {
    pub(super) fn of_unknown(unknown: Vec<String>) -> Self {
        Self { unknown, duplicates: Vec::new() }
    }

    /// Adds the duplicate keys that the parser noted.
    #[must_use]
    pub fn with_duplicates(mut self, paths: &[String]) -> Self {
        let room = MAX_FINDINGS.saturating_sub(self.unknown.len() + self.duplicates.len());
        self.duplicates.extend(paths.iter().take(room).cloned());
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.duplicates.is_empty()
    }

    /// The warnings of the response.
    ///
    /// # Errors
    /// Under [`FieldValidation::Strict`] any finding is an error; its text is the end of the message,
    /// such as `strict decoding error: unknown field "spec.bogus"`.
    pub fn judge(&self, validation: FieldValidation) -> Result<Vec<String>, String> {
        match validation {
            FieldValidation::Strict if !self.is_empty() => {
                Err(format!("strict decoding error: {}", self.texts().join(", ")))
            }
            FieldValidation::Warn => Ok(bounded(self.texts())),
            FieldValidation::Ignore | FieldValidation::Strict => Ok(Vec::new()),
        }
    }

    fn texts(&self) -> Vec<String> {
        let unknown = self.unknown.iter().map(|path| format!("unknown field \"{path}\""));
        let duplicates = self.duplicates.iter().map(|path| format!("duplicate field \"{path}\""));
        unknown.chain(duplicates).collect()
    }
}

fn runes(text: &str) -> usize {
    text.chars().count()
}

/// Keeps the sum of the warnings within its bound: long ones are cut first, then the last ones dropped.
fn bounded(mut warnings: Vec<String>) -> Vec<String> {
    if warnings.iter().map(|warning| runes(warning)).sum::<usize>() <= MAX_WARNING_RUNES {
        return warnings;
    }
    let mut left = MAX_WARNING_RUNES;
    let mut fitting = 0;
    for warning in &mut warnings {
        if let Some((end, _)) = warning.char_indices().nth(CUT_WARNING_RUNES) {
            warning.truncate(end);
        }
        let Some(rest) = left.checked_sub(runes(warning)) else { break };
        left = rest;
        fitting += 1;
    }
    warnings.truncate(fitting);
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        Findings::of_unknown(vec!["bogus".to_owned()]).with_duplicates(&["data.a".to_owned()])
    }

    #[test]
    fn strict_refuses_with_all_findings() {
        assert_eq!(
            findings().judge(FieldValidation::Strict).unwrap_err(),
            "strict decoding error: unknown field \"bogus\", duplicate field \"data.a\""
        );
        assert_eq!(Findings::default().judge(FieldValidation::Strict), Ok(vec![]));
    }

    #[test]
    fn warn_gives_a_warning_for_each_and_ignore_gives_none() {
        let warnings = findings().judge(FieldValidation::Warn).unwrap();
        assert_eq!(warnings, ["unknown field \"bogus\"", "duplicate field \"data.a\""]);
        assert_eq!(findings().judge(FieldValidation::Ignore), Ok(vec![]));
    }

    #[test]
    fn the_default_is_to_warn() {
        assert_eq!(FieldValidation::parse(""), Some(FieldValidation::Warn));
        assert_eq!(FieldValidation::parse("strict"), None);
    }

    #[test]
    fn warnings_are_bounded_in_sum() {
        let long = Findings::of_unknown((0..100).map(|n| format!("ü{n:0>299}")).collect());
        let warnings = long.judge(FieldValidation::Warn).unwrap();
        assert_eq!(warnings.len(), MAX_WARNING_RUNES / CUT_WARNING_RUNES);
        assert!(warnings.iter().all(|warning| runes(warning) == CUT_WARNING_RUNES));
        let one = Findings::of_unknown(vec!["x".repeat(4000)]);
        assert_eq!(one.judge(FieldValidation::Warn).unwrap()[0].len(), 4000 + "unknown field \"\"".len());
    }

    #[test]
    fn findings_are_bounded_in_number() {
        let paths: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let both = Findings::of_unknown(paths[..60].to_vec()).with_duplicates(&paths);
        assert_eq!(both.texts().len(), MAX_FINDINGS);
    }
}
