//! Facts that neither crate holds, in files that are kept by hand: one fact a line, with `#` for
//! comments. A fact that names nothing, or that the rule says anyway, is refused, so that the files
//! hold what is needed and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Failure;
use crate::model::Presence;

/// A type (`core/v1.PodSpec`) and one of its fields (`hostNetwork`).
type Name = (String, String);

/// When fields are written.
#[derive(Debug, Default)]
pub(crate) struct PresenceFacts {
    facts: BTreeMap<Name, Presence>,
    /// The facts without which the table would be another one.
    needed: BTreeSet<Name>,
}

impl PresenceFacts {
    /// Reads `presence.txt` of a directory.
    pub(crate) fn read(directory: &Path) -> Result<Self, Failure> {
        let mut facts = Self::default();
        for words in lines(&directory.join("presence.txt"))? {
            let [ty, field, presence] = words.as_slice() else {
                return Err(format!("presence.txt: not a fact: {}", words.join(" ")).into());
            };
            let presence = match presence.as_str() {
                "always" => Presence::Always,
                "omitzero" => Presence::OmitZero,
                "optional" => Presence::Optional,
                other => return Err(format!("presence.txt: not a presence: {other}").into()),
            };
            if facts.facts.insert((ty.clone(), field.clone()), presence).is_some() {
                return Err(format!("presence.txt: {ty} {field} is named twice").into());
            }
        }
        Ok(facts)
    }

    /// When a field is written: as the facts say, or else as the rule does.
    pub(crate) fn presence(&mut self, ty: &str, field: &str, rule: Presence) -> Presence {
        let name = (ty.to_owned(), field.to_owned());
        let presence = self.facts.get(&name).copied().unwrap_or(rule);
        if presence != rule {
            self.needed.insert(name);
        }
        presence
    }

    /// Refuses facts that were not needed.
    pub(crate) fn all_needed(&self) -> Result<(), Failure> {
        let superfluous = self.facts.keys().filter(|name| !self.needed.contains(*name));
        let list: Vec<String> = superfluous.map(|(ty, field)| format!("  {ty} {field}")).collect();
        if list.is_empty() {
            return Ok(());
        }
        Err(format!("presence.txt: these facts change nothing in the table:\n{}", list.join("\n")).into())
    }
}

/// The words of every line that is neither empty nor a comment.
pub(crate) fn lines(file: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    Ok(lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::PresenceFacts;
    use crate::model::Presence;

    fn facts(text: &str) -> PresenceFacts {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("presence.txt"), text).unwrap();
        PresenceFacts::read(directory.path()).unwrap()
    }

    #[test]
    fn a_fact_goes_before_the_rule() {
        let mut facts = facts("# A comment.\ncore/v1.PodSpec hostNetwork omitzero\n");
        let of_host_network = facts.presence("core/v1.PodSpec", "hostNetwork", Presence::Optional);
        assert_eq!(of_host_network, Presence::OmitZero);
        assert_eq!(facts.presence("core/v1.PodSpec", "hostUsers", Presence::Optional), Presence::Optional);
        facts.all_needed().unwrap();
    }

    #[test]
    fn a_fact_that_the_rule_says_anyway_is_refused() {
        let mut facts = facts("core/v1.PodSpec hostUsers optional\n");
        facts.presence("core/v1.PodSpec", "hostUsers", Presence::Optional);
        assert!(facts.all_needed().unwrap_err().to_string().contains("core/v1.PodSpec hostUsers"));
    }

    #[test]
    fn a_fact_about_no_field_is_refused() {
        assert!(facts("core/v1.PodSpec hostName always\n").all_needed().is_err());
    }
}
