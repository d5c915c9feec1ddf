//! What `meta` says of the store as a whole: every entry is known and can be read, and its revisions are in
//! their order.

use ::rocksdb::DB;

use super::{CheckReport, Problem, walk};
use crate::error::Error;
use crate::revision::Revision;
use crate::rocksdb::keyspace::{
    FORMAT, META, META_CLOSED, META_COMPACTED, META_COUNTERS, META_FORMAT, META_GAP, META_MARK,
    META_RESERVED, META_RESOURCE, META_REVISION, revision_of,
};
use crate::rocksdb::open::Found;

/// Adds what is wrong in `meta` to the report.
pub(super) fn check(db: &DB, found: &Found, report: &mut CheckReport) -> Result<(), Error> {
    let mut add = |revision, fault| report.add(Problem { revision, fault, ..Problem::default() });
    walk(db, META, &[], None, |key, value| {
        if !is_known(key, value, found.resources.len()) {
            add(None, format!("meta has an entry that makes no sense: {}", key.escape_ascii()));
        }
        Ok(())
    })?;
    if found.is_new() {
        return Ok(());
    }
    if found.format != Some(FORMAT.into()) {
        add(None, format!("meta has the format {:?}, and the directory {FORMAT}", found.format));
    }
    let reserved = found.reserved.unwrap_or_default();
    let issued = found.closed.unwrap_or(reserved);
    for (name, revision) in [("last", found.revision), ("compacted", found.compacted), ("closed", issued)] {
        if revision > issued || revision > reserved {
            let end = issued.min(reserved);
            add(Some(revision), format!("it is the {name} one, and above {end}, the last that was issued"));
        }
    }
    check_gaps(found, reserved, &mut add);
    for (revision, _) in &found.marks {
        if *revision < found.compacted || *revision > issued || in_gap(found, *revision) {
            add(Some(*revision), "history has a mark there, and no commit".to_owned());
        }
    }
    Ok(())
}

fn check_gaps(found: &Found, reserved: Revision, add: &mut impl FnMut(Option<Revision>, String)) {
    let mut end = Revision::ZERO;
    for (after, until) in &found.gaps {
        if after >= until || *after < end || *until > reserved {
            add(Some(*until), format!("the gap from {after} to there overlaps with what was issued"));
        }
        end = *until;
    }
}

fn in_gap(found: &Found, revision: Revision) -> bool {
    found.gaps.iter().any(|(after, until)| *after < revision && revision < *until)
}

/// Whether an entry is one of those that `keyspace` draws, with a value of its length.
fn is_known(key: &[u8], value: &[u8], resources: usize) -> bool {
    const NUMBER: usize = 8;
    let names = [META_FORMAT, META_REVISION, META_RESERVED, META_CLOSED, META_COMPACTED];
    if names.contains(&key) {
        return value.len() == NUMBER;
    }
    let after = |name| key.strip_prefix(name);
    if let Some(id) = after(META_COUNTERS) {
        let id = id.try_into().map(u32::from_be_bytes).ok();
        return value.len() == 5 * NUMBER && id.is_some_and(|id| (id as usize) < resources);
    }
    let revision = revision_of(key).is_some();
    match (after(META_RESOURCE), after(META_GAP), after(META_MARK)) {
        (Some(_), _, _) => value.len() == NUMBER,
        (_, Some(at), _) => revision && at.len() == NUMBER && value.len() == NUMBER,
        (_, _, Some(at)) => revision && at.len() == NUMBER && value.len() == 3 * NUMBER,
        _ => false,
    }
}
