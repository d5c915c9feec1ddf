//! Lists in pages.

use super::harness::{Harness, Setup};
use super::instrument::{Page, Resource, paths, selecting};
use super::object::{path_of, pod};
use crate::error::{CompactedDuring, Error};
use crate::list::{ListOptions, ReadAt};
use crate::revision::Revision;

/// Fills the namespace `ns` with objects `a-0000`, `a-0001`, ….
async fn fill(pods: &Resource, count: usize) {
    for at in 0..count {
        pods.put(&pod("ns", &format!("a-{at:04}"))).await;
    }
}

fn limit(limit: i64) -> ListOptions {
    ListOptions { limit, ..ListOptions::default() }
}

/// Reads the page that follows.
async fn next_page(pods: &Resource, options: &ListOptions, page: &Page) -> Result<Page, Error> {
    let continue_token = page.token.clone().unwrap();
    let options = ListOptions { continue_token, resource_version: String::new(), ..options.clone() };
    pods.page(pods.all(), &options).await
}

/// Reads all pages, letting something happen between them.
async fn pages(pods: &Resource, options: &ListOptions, mut between: impl AsyncFnMut(usize)) -> Vec<Page> {
    let mut pages = vec![pods.page(pods.all(), options).await.unwrap()];
    while pages[pages.len() - 1].token.is_some() {
        between(pages.len()).await;
        pages.push(next_page(pods, options, &pages[pages.len() - 1]).await.unwrap());
    }
    pages
}

fn names(pages: &[Page]) -> Vec<&str> {
    pages.iter().flat_map(|page| page.records.iter().map(|record| path_of(&record.key))).collect()
}

/// Holds \[LIST-CONTINUATION\].
pub async fn pages_of_every_size_make_up_the_list(harness: &dyn Harness) {
    const COUNT: usize = 9;
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, COUNT).await;
    let (whole, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    for size in 1..=COUNT + 1 {
        let options = limit(i64::try_from(size).unwrap());
        let pages = pages(&pods, &options, async |_| {}).await;
        assert_eq!(names(&pages), paths(&whole), "limit {size}");
        assert_eq!(pages.len(), COUNT.div_ceil(size), "a full last page has no continuation");
        assert!(pages.iter().all(|page| page.revision == pages[0].revision));
        let mut left = COUNT;
        for page in &pages {
            left -= page.records.len();
            assert_eq!(page.remaining, (left > 0).then_some(left as u64), "limit {size}");
        }
    }
}

/// Holds \[LIST-CONTINUATION\].
pub async fn a_page_continues_without_a_limit(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 3).await;
    let first = pods.page(pods.all(), &limit(1)).await.unwrap();
    let rest = next_page(&pods, &limit(0), &first).await.unwrap();
    assert_eq!(paths(&rest.records), ["ns/a-0001", "ns/a-0002"]);
    assert_eq!((rest.token, rest.remaining, rest.revision), (None, None, first.revision));
}

/// Holds \[LIST-CONTINUATION\].
pub async fn filtered_pages_are_full_and_share_a_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    for (namespace, name) in [("1", "foo"), ("2", "bar"), ("3", "foo"), ("4", "foo")] {
        pods.put(&pod(namespace, name)).await;
    }
    let options = ListOptions { predicate: selecting("", "metadata.name!=bar"), ..limit(2) };
    let first = pods.page(pods.all(), &options).await.unwrap();
    assert_eq!(paths(&first.records), ["1/foo", "3/foo"]);
    assert_eq!(first.remaining, None, "under a selector nobody counts");
    pods.put(&pod("5", "foo")).await;
    let second = next_page(&pods, &options, &first).await.unwrap();
    assert_eq!(paths(&second.records), ["4/foo"]);
    assert_eq!((second.token, second.revision), (None, first.revision));
}

/// Holds \[LIST-CONTINUATION\].
pub async fn a_rare_object_is_found_in_one_page(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 1000).await;
    for (name, continues) in [("a-0999", false), ("a-0998", true), ("a-0000", true), ("b", false)] {
        let predicate = selecting("", &format!("metadata.name={name}"));
        let page = pods.page(pods.all(), &ListOptions { predicate, ..limit(1) }).await.unwrap();
        let want: &[String] = if name == "b" { &[] } else { &[format!("ns/{name}")] };
        assert_eq!(paths(&page.records), want, "{name}");
        assert_eq!(page.token.is_some(), continues, "{name}");
    }
}

/// Holds \[LIST-ATOMIC\], \[LIST-CONTINUATION\].
pub async fn an_object_added_between_pages_is_not_in_them(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 4).await;
    let writer = pods.clone();
    let pages = pages(&pods, &limit(1), async |done| {
        if done == 2 {
            writer.put(&pod("ns", "a-0002x")).await;
        }
    })
    .await;
    assert_eq!(pages.len(), 4);
    assert_eq!(names(&pages), ["ns/a-0000", "ns/a-0001", "ns/a-0002", "ns/a-0003"]);
}

/// Holds \[LIST-ATOMIC\], \[LIST-CONTINUATION\].
pub async fn pages_are_one_picture_while_everything_changes(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 100).await;
    let (whole, _) = pods.read(pods.all(), ReadAt::Latest).await.unwrap();
    let writer = pods.clone();
    let pages = pages(&pods, &limit(7), async |done| {
        for at in (done..100).step_by(9) {
            let object = pod("ns", &format!("a-{at:04}"));
            match writer.find(&object).await {
                Some(_) if at % 2 == 0 => drop(writer.remove(&object).await),
                _ => drop(writer.put(&object.mark(format!("{done}"))).await),
            }
            writer.put(&pod("ns", &format!("a-{at:04}-{done}"))).await;
        }
    })
    .await;
    let records: Vec<_> = pages.into_iter().flat_map(|page| page.records).collect();
    assert_eq!(records, whole);
}

/// Holds \[LIST-CONTINUATION\], \[COMPACT-READS\]: after a compaction a page gives a token that goes on at the
/// latest revision, whose next token is pinned again.
pub async fn a_compacted_token_is_replaced_by_one_that_goes_on_at_the_latest(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 4).await;
    let first = pods.page(pods.all(), &limit(1)).await.unwrap();
    let second = next_page(&pods, &limit(1), &first).await.unwrap();
    pods.remove(&pod("ns", "a-0002")).await;
    let added = pods.put(&pod("ns", "a-0004")).await;
    pods.compact(added.revision).await.unwrap();

    let refused = next_page(&pods, &limit(1), &second).await.unwrap_err();
    let Error::Compacted { during: CompactedDuring::Continue { replacement }, requested, .. } = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(requested, first.revision);
    let replaced = Page { token: replacement, ..second };
    let third = next_page(&pods, &limit(1), &replaced).await.unwrap();
    assert_eq!(paths(&third.records), ["ns/a-0003"], "as it is now, after the page before");
    assert!(third.revision >= added.revision);
    assert_eq!(third.remaining, Some(1));

    pods.put(&pod("ns", "a-0003x")).await;
    let fourth = next_page(&pods, &limit(1), &third).await.unwrap();
    assert_eq!(paths(&fourth.records), ["ns/a-0004"], "pinned: what was added since is not there");
    assert_eq!(fourth.revision, third.revision);
    assert_eq!(fourth.token, None);
}

/// Holds \[LIST-OPTIONS\]: pages that begin at a revision that the client names.
pub async fn pages_may_begin_at_an_older_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    fill(&pods, 5).await;
    let then: Revision = pods.now().await;
    pods.remove(&pod("ns", "a-0003")).await;
    for matching in ["", "Exact"] {
        let options = ListOptions {
            resource_version: then.to_string(),
            resource_version_match: matching.to_owned(),
            ..limit(2)
        };
        let first = pods.page(pods.all(), &options).await.unwrap();
        let mut pages = vec![first];
        while pages[pages.len() - 1].token.is_some() {
            pages.push(next_page(&pods, &limit(2), &pages[pages.len() - 1]).await.unwrap());
        }
        assert_eq!(names(&pages).len(), 5);
        assert!(pages.iter().all(|page| page.revision == then));
    }
}
