//! Lists as clients ask for them, over the fixture of [`super::seed`]: one table.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::harness::Harness;
use super::instrument::{Page, selecting};
use super::object::pod;
use super::seed::Seed;
use crate::error::{CompactedDuring, Error};
use crate::key::Scope;
use crate::list::ListOptions;
use crate::revision::Revision;

/// A revision in a row.
#[derive(Clone, Copy, Debug)]
enum At {
    /// What the client sends, literally.
    Text(&'static str),
    /// That of a commit of the fixture.
    Commit(usize),
    /// The last revision of the fixture.
    Current,
    /// Before the fixture: compacted.
    Compacted,
    /// Not reached.
    Future,
}

/// A continue token in a row.
#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    /// The token of a page that begins with this key, at a revision.
    From(&'static str, At),
    /// A token of this revision and key, literally.
    Literal(i64, &'static str),
    Garbage,
}

/// What a client gets.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// These objects, and the key where the next page begins, and how many follow.
    Objects(&'static [&'static str], Option<&'static str>, Option<u64>),
    BadVersion,
    BadToken,
    TokenWithVersion,
    UnknownMatch,
    TooLarge,
    TooOld,
    TokenTooOld,
}

/// One list.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// A namespace with a slash, an object, or all.
    scope: &'static str,
    at: At,
    matching: &'static str,
    limit: i64,
    token: Token,
    fields: &'static str,
    want: Want,
}

use At::{Commit, Compacted, Current, Future, Text};
use Token::{From, Garbage, Literal};
use Want::{BadToken, BadVersion, Objects, TokenTooOld, TokenWithVersion, TooLarge, TooOld, UnknownMatch};

const UNSET: At = Text("");
const ZERO: At = Text("0");
const MAX: At = Text("9223372036854775807");
const LATEST: At = Text("-1");

/// A list of a scope at a revision.
const fn list(scope: &'static str, at: At) -> Row {
    let want = Objects(&[], None, None);
    Row { scope, at, matching: "", limit: 0, token: Token::None, fields: "", want }
}

impl Row {
    const fn exact(self) -> Self {
        Self { matching: "Exact", ..self }
    }

    const fn not_older(self) -> Self {
        Self { matching: "NotOlderThan", ..self }
    }

    const fn matching(self, matching: &'static str) -> Self {
        Self { matching, ..self }
    }

    const fn limit(self, limit: i64) -> Self {
        Self { limit, ..self }
    }

    const fn token(self, token: Token) -> Self {
        Self { token, ..self }
    }

    const fn fields(self, fields: &'static str) -> Self {
        Self { fields, ..self }
    }

    const fn is(self, want: Want) -> Self {
        Self { want, ..self }
    }

    /// All that there is.
    const fn gives(self, objects: &'static [&'static str]) -> Self {
        self.is(Objects(objects, None, None))
    }

    /// A page, the start of the next, and the number of objects that follow.
    const fn gives_page(self, objects: &'static [&'static str], next: &'static str, remaining: u64) -> Self {
        self.is(Objects(objects, Some(next), Some(remaining)))
    }

    /// A page under a selector, where nobody counts what follows.
    const fn gives_some(self, objects: &'static [&'static str], next: &'static str) -> Self {
        self.is(Objects(objects, Some(next), None))
    }
}

/// The state after the last commit.
const NOW: &[&str] = &["first/bar*", "second/bar", "second/foo", "third/barfoo", "third/foo"];
const AFTER_FIRST: &str = "first/bar\0";

#[rustfmt::skip]
const ERRORS: &[Row] = &[
    list("", Text("abc")).is(BadVersion),
    list("", Text("-1")).is(BadVersion),
    list("", Current).token(From("second/foo", Current)).limit(1).is(TokenWithVersion),
    list("", ZERO).matching("Invalid").is(UnknownMatch),
    list("", Commit(0)).matching("Invalid").is(UnknownMatch),
    list("", UNSET).token(Literal(5, "")).limit(1).is(BadToken),
    list("", UNSET).token(Literal(0, "second/foo")).limit(1).is(BadToken),
    list("", UNSET).token(Garbage).is(BadToken),
    list("", MAX).is(TooLarge),
    list("", MAX).not_older().is(TooLarge),
    list("", Future).exact().is(TooLarge),
    list("", Future).limit(1).is(TooLarge),
    list("first/", Compacted).exact().is(TooOld),
    list("", Compacted).exact().is(TooOld),
    list("", UNSET).token(From("second/foo", Compacted)).is(TokenTooOld),
];

#[rustfmt::skip]
const SCOPES: &[Row] = &[
    list("first/", UNSET).gives(&["first/bar*"]),
    list("first/", ZERO).gives(&["first/bar*"]),
    list("first/", ZERO).not_older().gives(&["first/bar*"]),
    list("first/", Commit(0)).not_older().gives(&["first/bar*"]),
    list("first/", Commit(0)).exact().gives(&["first/bar"]),
    list("first/", Current).exact().gives(&["first/bar*"]),
    list("first/", Current).not_older().gives(&["first/bar*"]),
    list("second/", UNSET).gives(&["second/bar", "second/foo"]),
    list("second/", Commit(0)).exact().gives(&[]),
    list("second/", Commit(1)).exact().gives(&["second/bar"]),
    list("second/", Commit(0)).exact().limit(1).gives(&[]),
    list("second/", Commit(1)).exact().limit(1).gives(&["second/bar"]),
    list("nonexisting/", UNSET).gives(&[]),
    list("nonexisting/", ZERO).gives(&[]),
    list("nonexisting/", Current).exact().gives(&[]),
    list("fir/", UNSET).gives(&[]),
    list("first/", UNSET).fields("metadata.name!=bar").gives(&[]),
    list("first/", Current).not_older().fields("metadata.name!=bar").gives(&[]),
    list("", UNSET).gives(NOW),
    list("", Current).gives(NOW),
];

#[rustfmt::skip]
const PAGES: &[Row] = &[
    list("second/", UNSET).limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", Current).limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", Current).exact().limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", Current).not_older().limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", ZERO).limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", ZERO).not_older().limit(1).gives_page(&["second/bar"], "bar\0", 1),
    list("second/", UNSET).limit(2).gives(&["second/bar", "second/foo"]),
    list("second/", UNSET).limit(-1).gives(&["second/bar", "second/foo"]),
    list("second/", UNSET).token(From("foo", Current)).limit(1).gives(&["second/foo"]),
    list("second/", ZERO).token(From("foo", Current)).limit(1).gives(&["second/foo"]),
    list("", UNSET).limit(5).gives(NOW),
    list("", UNSET).limit(4)
        .gives_page(&["first/bar*", "second/bar", "second/foo", "third/barfoo"], "third/barfoo\0", 1),
];

#[rustfmt::skip]
const FILTERS: &[Row] = &[
    list("", UNSET).fields("metadata.name=barfoo").limit(1).gives_some(&["third/barfoo"], "third/barfoo\0"),
    list("", UNSET).fields("metadata.name=barfoo").limit(2).gives(&["third/barfoo"]),
    list("", UNSET).fields("metadata.name=bar").limit(2).gives_some(&["first/bar*", "second/bar"], "second/bar\0"),
    list("", UNSET).fields("metadata.name=bar").limit(5).gives(&["first/bar*", "second/bar"]),
    list("", UNSET).fields("metadata.name=foo").limit(2).gives(&["second/foo", "third/foo"]),
    list("", UNSET).fields("metadata.name=foo").limit(1).gives_some(&["second/foo"], "second/foo\0"),
    list("", UNSET).fields("metadata.name=foo").limit(5).gives(&["second/foo", "third/foo"]),
    list("", UNSET).fields("metadata.name=foo").token(From("third/barfoo", Current)).limit(1).gives(&["third/foo"]),
    list("", UNSET).fields("metadata.name=foo").token(From("third/barfoo", Current)).limit(2).gives(&["third/foo"]),
    list("", UNSET).fields("metadata.name=foo").token(From("third/barfoo", Current)).gives(&["third/foo"]),
    list("", UNSET).fields("spec.nodeName=fakeNode").gives(&["first/bar*"]),
    list("", UNSET).fields("spec.nodeName=").gives(&["second/bar", "second/foo", "third/barfoo", "third/foo"]),
    list("", Commit(5)).exact().fields("spec.nodeName=fakeNode").gives(&[]),
    list("", UNSET).fields("metadata.name=baz").limit(1).gives(&[]),
];

#[rustfmt::skip]
const HISTORY: &[Row] = &[
    list("", Commit(0)).exact().gives(&["first/bar"]),
    list("", Commit(1)).exact().gives(&["first/bar", "second/bar"]),
    list("", Commit(2)).exact().gives(&["first/bar", "second/bar", "second/foo"]),
    list("", Commit(3)).exact().gives(&["first/bar", "second/bar", "second/foo", "third/barfoo"]),
    list("", Commit(4)).exact().gives(&["first/bar", "second/bar", "second/foo", "third/barfoo", "third/foo"]),
    list("", Commit(5)).exact()
        .gives(&["first/bar", "second/bar", "second/baz", "second/foo", "third/barfoo", "third/foo"]),
    list("", Commit(6)).exact()
        .gives(&["first/bar*", "second/bar", "second/baz", "second/foo", "third/barfoo", "third/foo"]),
    list("", Commit(7)).exact().gives(NOW),
    list("", Current).exact().gives(NOW),
    list("", Commit(1)).exact().limit(1).gives_page(&["first/bar"], AFTER_FIRST, 1),
    list("", Commit(1)).limit(1).gives_page(&["first/bar"], AFTER_FIRST, 1),
    list("", Commit(2)).exact().limit(2).gives_page(&["first/bar", "second/bar"], "second/bar\0", 1),
    list("", Commit(3)).exact().limit(4).gives(&["first/bar", "second/bar", "second/foo", "third/barfoo"]),
    list("", Commit(4)).exact().limit(1).gives_page(&["first/bar"], AFTER_FIRST, 4),
    list("", Commit(5)).exact().limit(2).gives_page(&["first/bar", "second/bar"], "second/bar\0", 4),
    list("", Commit(6)).exact().limit(4)
        .gives_page(&["first/bar*", "second/bar", "second/baz", "second/foo"], "second/foo\0", 2),
    list("", Commit(7)).exact().limit(8).gives(NOW),
    list("", Current).exact().limit(1).gives_page(&["first/bar*"], AFTER_FIRST, 4),
];

#[rustfmt::skip]
const CONTINUED: &[Row] = &[
    list("", UNSET).token(From(AFTER_FIRST, Commit(0))).limit(1).gives(&[]),
    list("", UNSET).token(From(AFTER_FIRST, Commit(1))).limit(1).gives(&["second/bar"]),
    list("", UNSET).token(From(AFTER_FIRST, Commit(2))).limit(1).gives_page(&["second/bar"], "second/bar\0", 1),
    list("", UNSET).token(From(AFTER_FIRST, Commit(3))).limit(4).gives(&["second/bar", "second/foo", "third/barfoo"]),
    list("", UNSET).token(From(AFTER_FIRST, Commit(4))).gives(&["second/bar", "second/foo", "third/barfoo", "third/foo"]),
    list("", UNSET).token(From(AFTER_FIRST, Commit(5))).limit(2)
        .gives_page(&["second/bar", "second/baz"], "second/baz\0", 3),
    list("", UNSET).token(From(AFTER_FIRST, Commit(6))).limit(4)
        .gives_page(&["second/bar", "second/baz", "second/foo", "third/barfoo"], "third/barfoo\0", 1),
    list("", UNSET).token(From(AFTER_FIRST, Commit(7))).limit(8)
        .gives(&["second/bar", "second/foo", "third/barfoo", "third/foo"]),
    list("", UNSET).token(From(AFTER_FIRST, Current)).limit(1).gives_page(&["second/bar"], "second/bar\0", 3),
    list("", UNSET).token(From("first/bar\0", LATEST)).gives(&["second/bar", "second/foo", "third/barfoo", "third/foo"]),
    list("", ZERO).token(From("first/bar\0", LATEST)).limit(2)
        .gives_page(&["second/bar", "second/foo"], "second/foo\0", 2),
    list("", UNSET).token(From("second/foo\0", LATEST)).limit(2).gives(&["third/barfoo", "third/foo"]),
    list("", UNSET).token(From("second/baz", LATEST)).limit(1).gives_page(&["second/foo"], "second/foo\0", 2),
    list("", UNSET).token(From("zzz", Current)).limit(1).gives(&[]),
];

#[rustfmt::skip]
const OF_ONE_KEY: &[Row] = &[
    list("first/bar", UNSET).gives(&["first/bar*"]),
    list("first/bar", ZERO).gives(&["first/bar*"]),
    list("first/bar", Commit(0)).gives(&["first/bar*"]),
    list("first/bar", Commit(0)).not_older().gives(&["first/bar*"]),
    list("first/bar", Commit(0)).exact().gives(&["first/bar"]),
    list("first/bar", Commit(0)).limit(1).gives(&["first/bar*"]),
    list("first/bar", Current).gives(&["first/bar*"]),
    list("first/bar", Current).exact().gives(&["first/bar*"]),
    list("first/bar", MAX).is(TooLarge),
    list("first/bar", UNSET).fields("metadata.name!=bar").gives(&[]),
    list("second/baz", UNSET).gives(&[]),
    list("second/baz", Commit(5)).exact().gives(&["second/baz"]),
    list("first/nothing", UNSET).gives(&[]),
    list("first/nothing", ZERO).gives(&[]),
    list("first/nothing", Current).exact().gives(&[]),
    list("first/nothing", MAX).is(TooLarge),
    list("first/ba", UNSET).gives(&[]),
    list("third/bar", UNSET).gives(&[]),
];

/// Holds \[LIST-OPTIONS\].
pub async fn lists_that_cannot_be_had_are_refused(harness: &dyn Harness) {
    every(harness, ERRORS).await;
}

/// Holds \[LIST-ORDERED\], \[LIST-OPTIONS\].
pub async fn a_list_covers_its_scope(harness: &dyn Harness) {
    every(harness, SCOPES).await;
}

/// Holds \[LIST-CONTINUATION\].
pub async fn a_page_says_where_the_next_begins_and_how_many_follow(harness: &dyn Harness) {
    every(harness, PAGES).await;
}

/// Holds \[LIST-CONTINUATION\]: whether what follows matches the selector is not looked at.
pub async fn a_filtered_page_continues_while_anything_follows(harness: &dyn Harness) {
    every(harness, FILTERS).await;
}

/// Holds \[LIST-ATOMIC\], \[LIST-CONTINUATION\].
pub async fn every_kept_revision_can_be_listed(harness: &dyn Harness) {
    every(harness, HISTORY).await;
}

/// Holds \[LIST-ATOMIC\], \[LIST-CONTINUATION\], \[LIST-OPTIONS\].
pub async fn a_token_continues_at_its_revision_or_at_the_latest(harness: &dyn Harness) {
    every(harness, CONTINUED).await;
}

/// Holds \[LIST-OPTIONS\], \[LIST-ATOMIC\].
pub async fn a_list_of_one_key_has_one_object_or_none(harness: &dyn Harness) {
    every(harness, OF_ONE_KEY).await;
}

/// Checks rows, all of them, and tells those that fail.
async fn every(harness: &dyn Harness, rows: &[Row]) {
    let seed = Seed::plant(harness).await;
    let mut failures = Vec::new();
    for row in rows {
        if let Err(reason) = check(&seed, row).await {
            failures.push(format!("{row:?}: {reason}"));
        }
    }
    assert!(failures.is_empty(), "{} of {} rows fail:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

async fn check(seed: &Seed, row: &Row) -> Result<(), String> {
    let options = options(seed, row);
    let result = seed.pods.page(scope(seed, row), &options).await;
    let is_right = match (&row.want, &result) {
        (Objects(objects, next, remaining), Ok(page)) => {
            return check_page(seed, row, page, (objects, *next, *remaining)).await;
        }
        (BadVersion, Err(Error::ResourceVersion(_)))
        | (BadToken, Err(Error::ContinueToken(_)))
        | (TokenWithVersion, Err(Error::ContinueWithResourceVersion))
        | (UnknownMatch, Err(Error::UnknownMatch { .. }))
        | (TooLarge, Err(Error::FutureRevision { .. }))
        | (TooOld, Err(Error::Compacted { during: CompactedDuring::List, .. })) => true,
        (TokenTooOld, Err(Error::Compacted { during: CompactedDuring::Continue { replacement }, .. })) => {
            replacement.as_deref() == Some(&*encoded("-1", "second/foo"))
        }
        _ => false,
    };
    if is_right { Ok(()) } else { Err(format!("{result:?}")) }
}

async fn check_page(
    seed: &Seed,
    row: &Row,
    page: &Page,
    (objects, next, remaining): (&[&str], Option<&str>, Option<u64>),
) -> Result<(), String> {
    check_revision(seed, row, page.revision).await?;
    if page.revision < seed.commits[7] && !is_pinned(row) {
        // A state that is older than the fixture, as the options allow: it has to be that revision's.
        let exact = ListOptions {
            resource_version: page.revision.to_string(),
            resource_version_match: "Exact".to_owned(),
            ..options(seed, row)
        };
        let want = seed.pods.page(scope(seed, row), &exact).await.unwrap();
        return equal("a state that is not the latest", &page.records, &want.records);
    }
    let found: Vec<_> = page.records.iter().map(|record| seed.name(record)).collect();
    equal("objects", &found, &objects.iter().map(ToString::to_string).collect())?;
    let want = next.map(|start| encoded(&page.revision.to_string(), start));
    equal("token", &page.token, &want)?;
    equal("remaining", &page.remaining, &remaining)
}

/// Whether the row names the revision that it is to be answered with.
fn is_pinned(row: &Row) -> bool {
    let is_recursive = row.scope.is_empty() || row.scope.ends_with('/');
    let is_legacy = is_recursive && row.limit > 0 && row.matching.is_empty();
    match (row.token, row.at) {
        (From(_, Text(_)), _) => false,
        (From(..), _) => true,
        (_, Text(_)) => false,
        _ => row.matching == "Exact" || is_legacy,
    }
}

async fn check_revision(seed: &Seed, row: &Row, revision: Revision) -> Result<(), String> {
    let asked = match row.token {
        From(_, at) => at,
        _ => row.at,
    };
    let is_right = match asked {
        Commit(_) | Current if is_pinned(row) => revision == self::revision(seed, asked),
        Commit(_) | Current => revision >= self::revision(seed, asked),
        Text("0") => revision > Revision::ZERO,
        _ => revision >= seed.current,
    };
    if is_right && revision <= seed.pods.now().await {
        Ok(())
    } else {
        Err(format!("list revision {revision}"))
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, want: &T) -> Result<(), String> {
    if found == want { Ok(()) } else { Err(format!("{what}: {found:?} instead of {want:?}")) }
}

fn scope(seed: &Seed, row: &Row) -> Scope {
    match row.scope.split_once('/') {
        None => seed.pods.all(),
        Some((namespace, "")) => seed.pods.namespace(namespace),
        Some((namespace, name)) => seed.pods.one(&pod(namespace, name)),
    }
}

fn revision(seed: &Seed, at: At) -> Revision {
    match at {
        Text(text) => panic!("{text} is no revision of the fixture"),
        Commit(commit) => seed.commits[commit],
        Current => seed.current,
        Compacted => seed.commits[0].previous(),
        Future => Revision::new(seed.current.get() + 1_000_000),
    }
}

fn version(seed: &Seed, at: At) -> String {
    match at {
        Text(text) => text.to_owned(),
        _ => revision(seed, at).to_string(),
    }
}

fn options(seed: &Seed, row: &Row) -> ListOptions {
    let continue_token = match row.token {
        Token::None => String::new(),
        From(start, at) => encoded(&version(seed, at), start),
        Literal(revision, start) => encoded(&revision.to_string(), start),
        Garbage => "@@@".to_owned(),
    };
    ListOptions {
        resource_version: version(seed, row.at),
        resource_version_match: row.matching.to_owned(),
        limit: row.limit,
        continue_token,
        predicate: selecting("", row.fields),
    }
}

/// A token, spelled without the code under test.
fn encoded(revision: &str, start: &str) -> String {
    let start = start.replace('\0', "\\u0000");
    URL_SAFE_NO_PAD.encode(format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":"{start}"}}"#))
}
