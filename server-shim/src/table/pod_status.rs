//! A pod's status in one word, with its counts of ready containers and of restarts.
//!
//! The word is the phase, unless something more telling is known, in this order: the pod is being
//! deleted; an init container has not done its work; a container waits or has ended; the pod is held
//! back from scheduling; the status gives a reason.

use std::collections::HashSet;

use jiff::Timestamp;

use super::age;
use super::fields::Fields;

/// What a row says of a pod.
pub(super) struct PodStatus {
    /// The word.
    pub(super) text: String,
    /// The containers that are ready, sidecars included.
    pub(super) ready: usize,
    /// The containers that should be, sidecars included.
    pub(super) total: usize,
    /// How often containers were restarted: init containers until they are done, then the others.
    pub(super) restarts: i64,
    /// When the last of the containers that were restarted had ended.
    pub(super) last_restart: Option<Timestamp>,
}

#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

/// What the init containers say.
#[derive(Default)]
struct Initialization {
    /// The word for the one that has work to do, if there is one.
    unfinished: Option<String>,
    /// Restarts of all init containers.
    restarts: Restarts,
    /// Restarts of sidecars.
    sidecar_restarts: Restarts,
    /// Sidecars that are ready.
    ready: usize,
}

/// What the containers say.
struct Main {
    text: String,
    ready: usize,
    restarts: Restarts,
}

impl PodStatus {
    pub(super) fn of(pod: Fields<'_>) -> Self {
        let sidecars: HashSet<&str> = pod.at("spec.initContainers").items().filter_map(sidecar).collect();
        let init = initialization(pod, &sidecars);
        let total = pod.at("spec.containers").len() + sidecars.len();
        let overall = overall(pod);
        let mut status = match init.unfinished {
            Some(text) if pod.condition("Initialized") != Some("True") => Self {
                text,
                ready: init.ready,
                total,
                restarts: init.restarts.count,
                last_restart: init.restarts.last,
            },
            unfinished => {
                let main = containers(pod, unfinished.unwrap_or(overall), init.sidecar_restarts);
                let Restarts { count, last } = main.restarts;
                Self {
                    text: main.text,
                    ready: init.ready + main.ready,
                    total,
                    restarts: count,
                    last_restart: last,
                }
            }
        };
        if let Some(text) = deletion(pod) {
            text.clone_into(&mut status.text);
        }
        status
    }
}

/// The name of an init container that keeps running beside the others.
fn sidecar(container: Fields<'_>) -> Option<&str> {
    (container.get("restartPolicy").text() == "Always").then(|| container.get("name").text())
}

/// What is known of the pod as a whole.
fn overall(pod: Fields<'_>) -> String {
    let status = pod.get("status");
    let scheduled = status.get("conditions").item_with("type", "PodScheduled");
    if scheduled.is_some_and(|condition| condition.get("reason").text() == "SchedulingGated") {
        return "SchedulingGated".to_owned();
    }
    status.get("reason").text_or(status.get("phase").text()).to_owned()
}

/// The word for a pod that is being deleted. One that has ended keeps telling how.
fn deletion(pod: Fields<'_>) -> Option<&'static str> {
    if !pod.is_terminating() {
        return None;
    }
    if pod.at("status.reason").text() == "NodeLost" {
        return Some("Unknown");
    }
    let has_ended = matches!(pod.at("status.phase").text(), "Failed" | "Succeeded");
    (!has_ended).then_some("Terminating")
}

/// Goes through the init containers in their order, up to the first that has work to do.
fn initialization(pod: Fields<'_>, sidecars: &HashSet<&str>) -> Initialization {
    let mut init = Initialization::default();
    let total = pod.at("spec.initContainers").len();
    for (index, status) in pod.at("status.initContainerStatuses").items().enumerate() {
        let is_sidecar = sidecars.contains(status.get("name").text());
        init.restarts.add(status);
        if is_sidecar {
            init.sidecar_restarts.add(status);
        }
        if status.at("state.terminated").is_present() && status.at("state.terminated.exitCode").number() == 0
        {
            continue;
        }
        if is_sidecar && status.get("started").flag() == Some(true) {
            init.ready += usize::from(status.get("ready").flag() == Some(true));
            continue;
        }
        init.unfinished = Some(unfinished(status.get("state"), index, total));
        break;
    }
    init
}

/// The word for an init container that has work to do.
fn unfinished(state: Fields<'_>, index: usize, total: usize) -> String {
    if let Some(terminated) = state.get("terminated").present() {
        return format!("Init:{}", ending(terminated));
    }
    match state.at("waiting.reason").text() {
        "" | "PodInitializing" => format!("Init:{index}/{total}"),
        reason => format!("Init:{reason}"),
    }
}

/// Goes through the containers. Of those with something to tell, the first one has the word.
fn containers(pod: Fields<'_>, overall: String, sidecar_restarts: Restarts) -> Main {
    let mut main = Main { text: overall, ready: 0, restarts: sidecar_restarts };
    for status in pod.at("status.containerStatuses").items().rev() {
        main.restarts.add(status);
        let state = status.get("state");
        let waiting = state.at("waiting.reason").text();
        if !waiting.is_empty() {
            waiting.clone_into(&mut main.text);
        } else if let Some(terminated) = state.get("terminated").present() {
            main.text = ending(terminated);
        } else if status.get("ready").flag() == Some(true) && state.get("running").is_present() {
            main.ready += 1;
        }
    }
    if main.text == "Completed" && main.ready > 0 {
        // One container is done while others run.
        let is_ready = pod.condition("Ready") == Some("True");
        main.text = String::from(if is_ready { "Running" } else { "NotReady" });
    }
    main
}

/// How a container has ended.
fn ending(terminated: Fields<'_>) -> String {
    let (reason, signal) = (terminated.get("reason").text(), terminated.get("signal").number());
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", terminated.get("exitCode").number()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

impl Restarts {
    fn add(&mut self, status: Fields<'_>) {
        self.count = self.count.saturating_add(status.get("restartCount").number());
        let ended = age::parse(status.at("lastState.terminated.finishedAt").text());
        self.last = self.last.max(ended);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Text and `ready/total`.
    fn status(pod: &Value) -> String {
        let status = PodStatus::of(Fields::new(pod));
        format!("{} {}/{} {}", status.text, status.ready, status.total, status.restarts)
    }

    /// A pod with one container in this state.
    fn with_state(state: &Value) -> Value {
        json!({
            "spec": {"containers": [{"name": "c"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "c", "ready": true, "restartCount": 1, "state": state},
            ]},
        })
    }

    #[test]
    fn the_state_of_a_container_is_the_status() {
        for (state, shown) in [
            (json!({"running": {"startedAt": "2026-11-21T22:50:29Z"}}), "Running 1/1 1"),
            (json!({"running": {}}), "Running 1/1 1"),
            (json!({"waiting": {"reason": "ImagePullBackOff"}}), "ImagePullBackOff 0/1 1"),
            (json!({"waiting": {}}), "Running 0/1 1"),
            (json!({"terminated": {"reason": "Error", "exitCode": 1}}), "Error 0/1 1"),
            (json!({"terminated": {"reason": "Completed", "exitCode": 0}}), "Completed 0/1 1"),
            (json!({"terminated": {"exitCode": 3}}), "ExitCode:3 0/1 1"),
            (json!({"terminated": {"exitCode": 137, "signal": 9}}), "Signal:9 0/1 1"),
            (json!({}), "Running 0/1 1"),
        ] {
            assert_eq!(status(&with_state(&state)), shown, "{state}");
        }
    }

    #[test]
    fn without_containers_the_phase_or_the_reason_is_the_status() {
        for (object, shown) in [
            (json!({"phase": "Pending"}), "Pending 0/0 0"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted 0/0 0"),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
                "SchedulingGated 0/0 0",
            ),
            (json!({}), " 0/0 0"),
        ] {
            assert_eq!(status(&json!({"status": object})), shown);
        }
    }

    #[test]
    fn a_deleted_pod_is_terminating_unless_it_has_ended() {
        for (object, shown) in [
            (json!({"phase": "Running"}), "Terminating 0/0 0"),
            (json!({"phase": "Running", "reason": "NodeLost"}), "Unknown 0/0 0"),
            (json!({"phase": "Succeeded"}), "Succeeded 0/0 0"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted 0/0 0"),
        ] {
            let pod = json!({"metadata": {"deletionTimestamp": "2026-11-21T22:50:29Z"}, "status": object});
            assert_eq!(status(&pod), shown);
        }
    }

    #[test]
    fn a_done_container_beside_a_running_one_leaves_the_readiness_of_the_pod() {
        let pod = |ready: &str| {
            json!({
                "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [
                    {"name": "a", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}},
                    {"name": "b", "ready": true, "state": {"running": {}}},
                ]},
            })
        };
        assert_eq!(status(&pod("True")), "Running 1/2 0");
        assert_eq!(status(&pod("False")), "NotReady 1/2 0");
    }

    /// A pod with two init containers in these states, both restarted thrice.
    fn initializing(first: &Value, second: &Value) -> Value {
        json!({
            "spec": {"initContainers": [{"name": "i"}, {"name": "j"}], "containers": [{"name": "c"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "restartCount": 3, "state": first},
                {"name": "j", "restartCount": 3, "state": second},
            ], "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}]},
        })
    }

    #[test]
    fn an_init_container_with_work_to_do_is_the_status() {
        let (none, done) = (json!({}), json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
        for (first, second, shown) in [
            (&none, &none, "Init:0/2 0/1 3"),
            (&done, &json!({"running": {}}), "Init:1/2 0/1 6"),
            (&done, &json!({"waiting": {"reason": "PodInitializing"}}), "Init:1/2 0/1 6"),
            (&done, &json!({"waiting": {"reason": "ErrImagePull"}}), "Init:ErrImagePull 0/1 6"),
            (&json!({"terminated": {"exitCode": 1, "reason": "Error"}}), &none, "Init:Error 0/1 3"),
            (&json!({"terminated": {"exitCode": 2}}), &none, "Init:ExitCode:2 0/1 3"),
            (&json!({"terminated": {"exitCode": 2, "signal": 15}}), &none, "Init:Signal:15 0/1 3"),
            (&done, &done, "PodInitializing 0/1 0"),
        ] {
            assert_eq!(status(&initializing(first, second)), shown);
        }
    }

    #[test]
    fn a_sidecar_counts_as_a_container() {
        let pod = json!({
            "spec": {"initContainers": [{"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "c"}]},
            "status": {"phase": "Running", "initContainerStatuses": [
                {"name": "s", "ready": true, "started": true, "restartCount": 4, "state": {"running": {}}},
            ], "containerStatuses": [{"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}}}]},
        });
        assert_eq!(status(&pod), "Running 2/2 5");
    }

    #[test]
    fn the_last_restart_is_the_latest_of_all_containers() {
        let ended =
            |time: &str| json!({"restartCount": 1, "lastState": {"terminated": {"finishedAt": time}}});
        let pod = json!({"status": {"containerStatuses": [
            ended("2026-11-21T22:50:29Z"), ended("2026-11-21T23:50:29Z"), ended("2026-11-21T21:50:29Z"),
        ]}});
        assert_eq!(PodStatus::of(Fields::new(&pod)).last_restart, age::parse("2026-11-21T23:50:29Z"));
    }
}
