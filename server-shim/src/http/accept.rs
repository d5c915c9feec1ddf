//! The header `Accept`: its clauses, the most wanted first.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// One clause of the header.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause<'a> {
    /// The media type without parameters, such as `application/json`.
    pub media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl Clause<'_> {
    /// Whether this media type is meant, by name or by `*/*`. `application/*` names nothing here, as
    /// clients know it from the reference.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.media_type == "*/*" || self.media_type.eq_ignore_ascii_case(media_type)
    }

    /// The value of a parameter; empty if it is absent.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// The header's value, of all its lines together; `*/*` if it is absent or empty.
pub fn header(headers: &HeaderMap) -> Cow<'_, str> {
    let mut lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    match (lines.next(), lines.next()) {
        (None, _) => "*/*".into(),
        (Some(line), None) if line.trim().is_empty() => "*/*".into(),
        (Some(line), None) => line.into(),
        (Some(first), Some(second)) => {
            [first, second].into_iter().chain(lines).collect::<Vec<_>>().join(",").into()
        }
    }
}

/// The clauses of a header, the most wanted first: by quality, names before `*/*`, then as they stand.
/// What has the quality zero is not wanted at all.
pub fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<_> = header.split(',').map(clause).filter(|clause| clause.quality > 0.0).collect();
    clauses.sort_by(|a, b| {
        let by_quality = b.quality.total_cmp(&a.quality);
        by_quality.then_with(|| (a.media_type == "*/*").cmp(&(b.media_type == "*/*")))
    });
    clauses
}

fn clause(text: &str) -> Clause<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let mut quality = 1.0;
    let mut parameters = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim_end(), value.trim_start().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            quality = value.parse().ok().filter(|q: &f32| q.is_finite()).unwrap_or(1.0);
        } else {
            parameters.push((name, value));
        }
    }
    Clause { media_type, parameters, quality }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(header: &str) -> Vec<&str> {
        clauses(header).into_iter().map(|clause| clause.media_type).collect()
    }

    #[test]
    fn the_most_wanted_comes_first() {
        let cases: &[(&str, &[&str])] = &[
            ("a/a;q=0.1, b/b;q=0.9, c/c", &["c/c", "b/b", "a/a"]),
            ("*/*,a/a", &["a/a", "*/*"]),
            ("a/a;q=0, b/b", &["b/b"]),
            ("a/a;q=nan, b/b ; Q=0.5", &["a/a", "b/b"]),
            ("text/html,application/xml;q=0.9,*/*;q=0.8", &["text/html", "application/xml", "*/*"]),
        ];
        for (header, expected) in cases {
            assert_eq!(&order(header), expected, "{header}");
        }
    }

    #[test]
    fn parameters_are_found_in_any_order_and_case() {
        let clauses = clauses("application/json ;v=v2; AS = \"Table\";g=meta.k8s.io;q=1;odd");
        let [clause] = clauses.as_slice() else { panic!("{clauses:?}") };
        assert_eq!((clause.parameter("as"), clause.parameter("v")), ("Table", "v2"));
        assert_eq!((clause.parameter("odd"), clause.parameter("none")), ("", ""));
        assert!(clause.accepts("application/JSON") && !clause.accepts("application/yaml"));
    }

    #[test]
    fn lines_of_the_header_belong_together() {
        let mut headers = HeaderMap::new();
        assert_eq!(header(&headers), "*/*");
        headers.append(ACCEPT, "a/a;q=0.5".parse().unwrap());
        headers.append(ACCEPT, "b/b".parse().unwrap());
        assert_eq!(order(&header(&headers)), ["b/b", "a/a"]);
        headers.clear();
        headers.append(ACCEPT, " ".parse().unwrap());
        assert_eq!(header(&headers), "*/*");
    }
}
