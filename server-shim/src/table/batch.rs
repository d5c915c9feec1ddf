//! The tables of the group `batch`.

use jiff::Timestamp;

use super::Table;
use super::age;
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME, SELECTOR};
use super::fields::Fields;
use super::format::{NONE, UNSET, containers, count, selector};

pub(super) static JOBS: Table = Table {
    columns: &[
        NAME,
        Column::text("Status", "What the job does, or how it has ended."),
        Column::text("Completions", "Pods that have succeeded, of those needed."),
        Column::text("Duration", "How long it has run."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        SELECTOR.wide(),
    ],
    cells: |job, now| {
        let [names, images] = containers(job.at("spec.template.spec.containers"));
        cells![
            job.name(),
            status(job),
            completions(job),
            duration(job, now),
            age::since(job.created(), now),
            names,
            images,
            selector(job.at("spec.selector")),
        ]
    },
};

pub(super) static CRON_JOBS: Table = Table {
    columns: &[
        NAME,
        Column::text("Schedule", "When it runs, as a cron expression."),
        Column::text("Timezone", "Time zone of the schedule."),
        Column::boolean("Suspend", "Whether it is held back."),
        Column::integer("Active", "Jobs that run."),
        Column::text("Last Schedule", "Time since a job was made."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        SELECTOR.wide(),
    ],
    cells: |cron, now| {
        let template = cron.at("spec.jobTemplate.spec");
        let [names, images] = containers(template.at("template.spec.containers"));
        let last = cron.at("status.lastScheduleTime").present();
        cells![
            cron.name(),
            cron.at("spec.schedule").text(),
            cron.at("spec.timeZone").text_or(NONE),
            suspended(cron),
            count(cron.at("status.active").len()),
            last.map_or_else(|| NONE.to_owned(), |last| age::since(last.text(), now)),
            age::since(cron.created(), now),
            names,
            images,
            selector(template.get("selector")),
        ]
    },
};

/// The conditions that are a status of their own and outweigh a deletion, the weightiest first.
const ENDED: [&str; 2] = ["Complete", "Failed"];

/// Those that do not.
const UNDER_WAY: [&str; 3] = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];

fn status(job: Fields<'_>) -> &'static str {
    let first_true =
        |kinds: &[&'static str]| kinds.iter().copied().find(|kind| job.condition(kind) == Some("True"));
    let deletion = job.is_terminating().then_some("Terminating");
    first_true(&ENDED).or(deletion).or_else(|| first_true(&UNDER_WAY)).unwrap_or("Running")
}

/// Pods that have succeeded, of those needed: without a number, the first success of any pod ends a job.
fn completions(job: Fields<'_>) -> String {
    let succeeded = job.at("status.succeeded").number();
    if let Some(needed) = job.at("spec.completions").present() {
        return format!("{succeeded}/{}", needed.number());
    }
    match job.at("spec.parallelism").number() {
        parallel @ 2.. => format!("{succeeded}/1 of {parallel}"),
        _ => format!("{succeeded}/1"),
    }
}

/// How long it took, or has taken so far; nothing before it starts.
fn duration(job: Fields<'_>, now: Timestamp) -> String {
    let Some(start) = age::parse(job.at("status.startTime").text()) else {
        return String::new();
    };
    age::between(start, age::parse(job.at("status.completionTime").text()).unwrap_or(now))
}

fn suspended(cron: Fields<'_>) -> &'static str {
    match cron.at("spec.suspend").flag() {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{CREATED, row};
    use super::*;

    fn template() -> Value {
        json!({"spec": {"containers": [{"name": "c", "image": "i"}]}})
    }

    #[test]
    fn a_new_job_runs() {
        let job = json!({"spec": {"completions": 1, "parallelism": 1, "template": template()}, "status": {}});
        assert_eq!(row(&JOBS, job), json!(["a", "Running", "0/1", "", "42m", "c", "i", "<none>"]));
    }

    #[test]
    fn a_job_that_is_done_tells_how_long_it_took() {
        let job = json!({
            "spec": {"completions": 2, "template": template(), "selector": {"matchLabels": {"a": "b"}}},
            "status": {"succeeded": 2, "startTime": CREATED, "completionTime": "2026-11-21T22:11:00Z",
                       "conditions": [{"type": "Complete", "status": "True"}]},
        });
        assert_eq!(row(&JOBS, job), json!(["a", "Complete", "2/2", "2m31s", "42m", "c", "i", "a=b"]));
    }

    #[test]
    fn the_weightiest_condition_is_the_status() {
        for (kinds, deleted, shown) in [
            (vec!["FailureTarget", "Failed"], true, "Failed"),
            (vec!["SuccessCriteriaMet", "Complete"], false, "Complete"),
            (vec!["Suspended"], true, "Terminating"),
            (vec!["Suspended"], false, "Suspended"),
            (vec!["FailureTarget"], false, "FailureTarget"),
            (vec!["SuccessCriteriaMet"], false, "SuccessCriteriaMet"),
            (vec!["Other"], false, "Running"),
        ] {
            let conditions: Vec<_> =
                kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
            let mut job = json!({"metadata": {"name": "a"}, "status": {"conditions": conditions}});
            if deleted {
                job["metadata"]["deletionTimestamp"] = json!(CREATED);
            }
            assert_eq!(row(&JOBS, job)[1], shown, "{kinds:?}");
        }
        let untrue = json!({"status": {"conditions": [{"type": "Complete", "status": "False"}]}});
        assert_eq!(row(&JOBS, untrue)[1], "Running");
    }

    #[test]
    fn without_a_number_one_success_is_enough() {
        for (spec, shown) in [
            (json!({"parallelism": 3}), "1/1 of 3"),
            (json!({"parallelism": 1}), "1/1"),
            (json!({}), "1/1"),
            (json!({"completions": 5, "parallelism": 3}), "1/5"),
        ] {
            assert_eq!(row(&JOBS, json!({"spec": spec, "status": {"succeeded": 1}}))[2], shown);
        }
    }

    #[test]
    fn a_job_that_runs_counts_from_its_start() {
        assert_eq!(row(&JOBS, json!({"status": {"startTime": CREATED}}))[3], "42m");
    }

    #[test]
    fn a_cron_job_shows_its_schedule() {
        let mut cron = json!({
            "spec": {"schedule": "* * * * *", "suspend": false, "jobTemplate": {"spec": {"template": template()}}},
            "status": {},
        });
        assert_eq!(
            row(&CRON_JOBS, cron.clone()),
            json!(["a", "* * * * *", "<none>", "False", 0, "<none>", "42m", "c", "i", "<none>"])
        );
        cron["spec"]["suspend"] = json!(true);
        cron["spec"]["timeZone"] = json!("Europe/Paris");
        cron["status"] = json!({"active": [{}, {}], "lastScheduleTime": "2026-11-21T22:50:00Z"});
        assert_eq!(
            row(&CRON_JOBS, cron),
            json!(["a", "* * * * *", "Europe/Paris", "True", 2, "29s", "42m", "c", "i", "<none>"])
        );
        assert_eq!(row(&CRON_JOBS, json!({}))[3], "<unset>");
    }
}
