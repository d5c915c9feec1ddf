//! `/livez`, `/readyz`, `/healthz`: whether to restart the server, and whether to send it requests.

use std::fmt::Write as _;
use std::io::Write as _;

use hyper::{Response, StatusCode};

use super::response::{self, Body};
use super::route::{Endpoint, HealthRoute};
use crate::app::App;

/// One thing that is looked at.
struct Check {
    name: &'static str,
    endpoints: &'static [Endpoint],
    run: fn(&App) -> Result<(), String>,
}

const CHECKS: &[Check] = &[
    // It answers.
    Check { name: "ping", endpoints: &Endpoint::ALL, run: |_| Ok(()) },
    // The log is not held up by whoever reads it.
    Check { name: "log", endpoints: &Endpoint::ALL, run: |_| flush_log() },
    // A store that needs time is no reason for a restart.
    Check { name: "storage", endpoints: &[Endpoint::Healthz, Endpoint::Readyz], run: storage },
    // Until a cache is filled its watches are told to come later.
    Check { name: "watch-cache", endpoints: &[Endpoint::Readyz], run: watch_cache },
    Check { name: "shutdown", endpoints: &[Endpoint::Readyz], run: shutdown },
];

fn flush_log() -> Result<(), String> {
    std::io::stderr().flush().map_err(|error| error.to_string())
}

fn storage(app: &App) -> Result<(), String> {
    app.readiness().map_err(|error| error.to_string())
}

fn watch_cache(app: &App) -> Result<(), String> {
    let unfilled = app.unfilled_caches();
    let reasons: Vec<_> = unfilled.iter().map(|(resource, reason)| format!("{resource}: {reason}")).collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

fn shutdown(app: &App) -> Result<(), String> {
    if app.draining.is_cancelled() { Err("the server is shutting down".to_owned()) } else { Ok(()) }
}

/// The paths of all checks, for the list of paths.
pub fn paths() -> impl Iterator<Item = String> {
    Endpoint::ALL.into_iter().flat_map(|endpoint| {
        let own = CHECKS.iter().filter(move |check| check.endpoints.contains(&endpoint));
        let checks = own.map(move |check| format!("/{}/{}", endpoint.name(), check.name));
        std::iter::once(format!("/{}", endpoint.name())).chain(checks)
    })
}

/// Answers a request for health.
pub fn answer(app: &App, route: &HealthRoute, query: Option<&str>) -> Response<Body> {
    let checks = CHECKS.iter().filter(|check| check.endpoints.contains(&route.endpoint));
    match &route.check {
        Some(name) => {
            let mut named = checks.filter(|check| check.name == name);
            named.next().map_or_else(response::page_not_found, |check| one(app, route.endpoint, check))
        }
        None => all(app, route.endpoint, checks, &Wishes::parse(query)),
    }
}

fn one(app: &App, endpoint: Endpoint, check: &Check) -> Response<Body> {
    if run(app, endpoint, check) {
        response::text(StatusCode::OK, "ok")
    } else {
        failure(format!("{} check failed: reason withheld\n", check.name))
    }
}

fn all<'a>(
    app: &App,
    endpoint: Endpoint,
    checks: impl Iterator<Item = &'a Check>,
    wishes: &Wishes,
) -> Response<Body> {
    let mut report = String::new();
    let mut well = true;
    let mut unknown = wishes.excluded.clone();
    for check in checks {
        if wishes.excluded.iter().any(|name| name == check.name) {
            unknown.retain(|name| name != check.name);
            line(&mut report, format_args!("[+]{} excluded: ok", check.name));
        } else if run(app, endpoint, check) {
            line(&mut report, format_args!("[+]{} ok", check.name));
        } else {
            well = false;
            line(&mut report, format_args!("[-]{} failed: reason withheld", check.name));
        }
    }
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(",");
        line(
            &mut report,
            format_args!("warn: some health checks cannot be excluded: no matches for {names}"),
        );
    }
    if !well {
        line(&mut report, format_args!("{} check failed", endpoint.name()));
        return failure(report);
    }
    if !wishes.verbose {
        return response::text(StatusCode::OK, "ok");
    }
    line(&mut report, format_args!("{} check passed", endpoint.name()));
    response::text(StatusCode::OK, report)
}

/// Whether a check succeeds. Why it does not is for the log, not for whoever asks.
fn run(app: &App, endpoint: Endpoint, check: &Check) -> bool {
    match (check.run)(app) {
        Ok(()) => true,
        Err(reason) => {
            tracing::info!(endpoint = endpoint.name(), check = check.name, reason, "health check failed");
            false
        }
    }
}

fn failure(report: String) -> Response<Body> {
    response::text(StatusCode::INTERNAL_SERVER_ERROR, report)
}

fn line(report: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = writeln!(report, "{text}");
}

/// What the query asks for.
#[derive(Default)]
struct Wishes {
    verbose: bool,
    excluded: Vec<String>,
}

impl Wishes {
    fn parse(query: Option<&str>) -> Self {
        let mut wishes = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "verbose" => wishes.verbose = true,
                "exclude" => wishes.excluded.push(value.into_owned()),
                _ => {}
            }
        }
        wishes
    }
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use watchkeep_storage::Environment;
    use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};

    use super::*;

    async fn app() -> App {
        let environment = Environment::system();
        let backend = MemoryBackend::new(MemoryOptions::default(), environment.clone());
        App::new(&backend, environment, Duration::from_hours(1)).await.unwrap()
    }

    async fn ask(app: &App, endpoint: Endpoint, check: Option<&str>, query: &str) -> (u16, String) {
        let route = HealthRoute { endpoint, check: check.map(str::to_owned) };
        let response = answer(app, &route, Some(query));
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_healthy_server_says_ok() {
        let app = app().await;
        for endpoint in Endpoint::ALL {
            assert_eq!(ask(&app, endpoint, None, "").await, (200, "ok".to_owned()));
        }
        assert_eq!(ask(&app, Endpoint::Readyz, Some("storage"), "").await, (200, "ok".to_owned()));
        assert_eq!(ask(&app, Endpoint::Livez, Some("storage"), "").await.0, 404);
    }

    #[tokio::test]
    async fn the_verbose_report_names_every_check_and_what_cannot_be_excluded() {
        let (status, report) =
            ask(&app().await, Endpoint::Readyz, None, "verbose&exclude=etcd&exclude=nope").await;
        let expected = "[+]ping ok\n[+]log ok\n[+]storage ok\n[+]watch-cache ok\n[+]shutdown ok\n\
                        warn: some health checks cannot be excluded: no matches for \"etcd\",\"nope\"\n\
                        readyz check passed\n";
        assert_eq!((status, report.as_str()), (200, expected));
    }

    #[tokio::test]
    async fn a_draining_server_lives_and_is_not_ready() {
        let app = app().await;
        app.draining.cancel();
        let (status, report) = ask(&app, Endpoint::Readyz, None, "").await;
        assert_eq!(status, 500);
        assert!(report.ends_with("[-]shutdown failed: reason withheld\nreadyz check failed\n"), "{report}");
        assert_eq!(ask(&app, Endpoint::Readyz, Some("shutdown"), "").await.0, 500);
        assert_eq!(ask(&app, Endpoint::Readyz, None, "exclude=shutdown").await, (200, "ok".to_owned()));
        assert_eq!(ask(&app, Endpoint::Livez, None, "").await.0, 200);
    }
}
