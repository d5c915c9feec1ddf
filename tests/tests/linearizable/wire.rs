//! Config maps over HTTP, as a history tells of them.

use std::io::ErrorKind;
use std::sync::{PoisonError, RwLock};

use serde_json::{Value as Json, json};
use watchkeep_proof::linear::{
    Call, Change, Content, Event, Expect, Input, Key, Output, ReadAt, Recorder, Scope, Seen, Version,
};
use watchkeep_tests::http::{Answer, send};
use watchkeep_tests::load::revision_of;

/// The namespaces of the keys; every server has them.
pub(crate) const NAMESPACES: [&str; 2] = ["default", "kube-public"];

/// What all clients share: where the server is, which moves when it is started again, and their history.
#[derive(Default)]
pub(crate) struct Wire {
    address: RwLock<String>,
    pub(crate) recorder: Recorder,
}

/// A page of a list.
pub(crate) struct Page {
    pub(crate) revision: u64,
    pub(crate) items: Vec<(Key, Version)>,
    /// The token of the next one.
    pub(crate) next: Option<String>,
}

/// Why a client goes on without an answer.
pub(crate) enum Miss {
    /// The server is away or refuses for a while: come again.
    Later,
    /// What was asked for is no longer kept.
    Gone,
    /// What no client may be told.
    Wrong(String),
}

impl Wire {
    pub(crate) fn address(&self) -> String {
        self.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn moved_to(&self, address: &str) {
        address.clone_into(&mut self.address.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes, and tells what the key holds afterwards as far as that was told.
    pub(crate) fn write(
        &self,
        client: usize,
        key: &Key,
        expect: Expect,
        change: Change,
    ) -> Result<Option<Version>, Miss> {
        let (method, path, body) = asked(key, expect, change);
        let call = self.recorder.invoke(client, Input::Write { key: Key::clone(key), expect, change });
        let answer = match send(&self.address(), method, &path, body.as_ref()) {
            Ok(answer) => answer,
            Err(error) => {
                if error.kind() == ErrorKind::ConnectionRefused {
                    call.returned(Output::Failed);
                }
                return Err(Miss::Later);
            }
        };
        match answer.status {
            200 | 201 => Ok(written(call, change, &answer)?),
            404 => {
                call.returned(Output::Refused { seen: Seen::Absent });
                Ok(None)
            }
            409 => {
                call.returned(Output::Refused { seen: Seen::Present });
                Ok(None)
            }
            429 | 500.. => Err(Miss::Later),
            _ => Err(Miss::Wrong(format!("{method} {path}: {answer:?}"))),
        }
    }

    pub(crate) fn get(&self, client: usize, key: &Key, at: ReadAt) -> Result<Option<Version>, Miss> {
        let path = match at {
            ReadAt::Latest => path_of(key),
            ReadAt::AtLeast(revision) | ReadAt::Exactly(revision) => {
                format!("{}?resourceVersion={revision}", path_of(key))
            }
        };
        let call = self.recorder.invoke(client, Input::Get { key: Key::clone(key), at });
        let answer = send(&self.address(), "GET", &path, None).map_err(|_| Miss::Later)?;
        let version = match answer.status {
            200 => Some(version(&json_of(&answer)?)?.1),
            404 => None,
            429 | 500.. => return Err(Miss::Later),
            _ => return Err(Miss::Wrong(format!("GET {path}: {answer:?}"))),
        };
        call.returned(Output::Found { version, revision: None });
        Ok(version)
    }

    /// Reads a list, or a page of `limit` that begins with a token after a key.
    pub(crate) fn list(
        &self,
        client: usize,
        scope: &Scope,
        at: ReadAt,
        limit: usize,
        from: Option<(String, Key)>,
    ) -> Result<Page, Miss> {
        let mut query = vec![format!("limit={limit}")];
        match (at, &from) {
            (_, Some((token, _))) => query.push(format!("continue={token}")),
            (ReadAt::Latest, None) => {}
            (ReadAt::AtLeast(least), None) => {
                query.push(format!("resourceVersion={least}&resourceVersionMatch=NotOlderThan"));
            }
            (ReadAt::Exactly(exact), None) => {
                query.push(format!("resourceVersion={exact}&resourceVersionMatch=Exact"));
            }
        }
        let path = format!("{}?{}", collection(scope), query.join("&"));
        let after = from.map(|(_, last)| last);
        let call = self.recorder.invoke(client, Input::List { scope: scope.clone(), at, after });
        let answer = send(&self.address(), "GET", &path, None).map_err(|_| Miss::Later)?;
        match answer.status {
            200 => {}
            410 => return Err(Miss::Gone),
            429 | 500.. => return Err(Miss::Later),
            _ => return Err(Miss::Wrong(format!("GET {path}: {answer:?}"))),
        }
        let list = json_of(&answer)?;
        let items = list["items"].as_array().into_iter().flatten().map(version);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let revision = revision_of(&list).map_err(Miss::Wrong)?;
        let next = list["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        let remaining = list["metadata"]["remainingItemCount"].as_u64();
        call.returned(Output::Listed { revision, items: items.clone(), more: next.is_some(), remaining });
        Ok(Page { revision, items, next })
    }
}

/// The path of the objects of a scope.
pub(crate) fn collection(scope: &Scope) -> String {
    match scope {
        Scope::Under(prefix) => format!("/api/v1/namespaces/{}/configmaps", prefix.trim_end_matches('/')),
        Scope::All | Scope::One(_) => "/api/v1/configmaps".to_owned(),
    }
}

/// What comes on a watch. An ERROR is the end of it.
pub(crate) fn event(line: &str) -> Result<Event, Miss> {
    let event: Json = serde_json::from_str(line).map_err(|error| Miss::Wrong(format!("{error}: {line}")))?;
    let object = &event["object"];
    match event["type"].as_str().unwrap_or_default() {
        "BOOKMARK" => Ok(Event::Bookmark(revision_of(object).map_err(Miss::Wrong)?)),
        "ERROR" if object["code"] == 410 => Err(Miss::Gone),
        "ERROR" => Err(Miss::Later),
        kind => {
            let (key, version) = version(object)?;
            match kind {
                "ADDED" => Ok(Event::Added { key, version }),
                "MODIFIED" => Ok(Event::Modified { key, version, previous: Seen::Untold }),
                "DELETED" => Ok(Event::Deleted {
                    key,
                    revision: version.revision,
                    last: version.content,
                    previous: Seen::Untold,
                }),
                _ => Err(Miss::Wrong(line.to_owned())),
            }
        }
    }
}

fn path_of(key: &str) -> String {
    let (namespace, name) = key.split_once('/').unwrap_or_default();
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

fn asked(key: &str, expect: Expect, change: Change) -> (&'static str, String, Option<Json>) {
    let (namespace, name) = key.split_once('/').unwrap_or_default();
    let Change::Put(content) = change else {
        let preconditions = match expect {
            Expect::Revision(revision) => json!({"resourceVersion": revision.to_string()}),
            Expect::Absent | Expect::Present => json!({}),
        };
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions});
        return ("DELETE", path_of(key), Some(options));
    };
    let mut object = json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace},
        "data": {"tag": content.tag.to_string(), "count": content.count.to_string()},
    });
    match expect {
        Expect::Absent => {
            return ("POST", format!("/api/v1/namespaces/{namespace}/configmaps"), Some(object));
        }
        Expect::Revision(revision) => object["metadata"]["resourceVersion"] = revision.to_string().into(),
        Expect::Present => {}
    }
    ("PUT", path_of(key), Some(object))
}

fn written(call: Call, change: Change, answer: &Answer) -> Result<Option<Version>, Miss> {
    let version = match change {
        Change::Delete => None,
        Change::Put(_) | Change::Increment { .. } => Some(version(&json_of(answer)?)?.1),
    };
    call.returned(Output::Committed {
        revision: version.map(|version| version.revision),
        content: version.map(|version| version.content),
        previous: Seen::Untold,
    });
    Ok(version)
}

fn json_of(answer: &Answer) -> Result<Json, Miss> {
    answer.json().map_err(|error| Miss::Wrong(format!("{error}: {answer:?}")))
}

/// The key and the version of an object.
pub(crate) fn version(object: &Json) -> Result<(Key, Version), Miss> {
    let unread = || Miss::Wrong(format!("nobody wrote {object}"));
    let text = |path: &str| object.pointer(path).and_then(Json::as_str).ok_or_else(unread);
    let number = |path: &str| text(path)?.parse().map_err(|_| unread());
    let key = format!("{}/{}", text("/metadata/namespace")?, text("/metadata/name")?);
    let content = Content { tag: number("/data/tag")?, count: number("/data/count")? };
    Ok((key.into(), Version { revision: number("/metadata/resourceVersion")?, content }))
}
