//! What one test works in: a kubectl and a namespace of its own, on a server that the tests of one file
//! share.
//!
//! The server lives for as long as one test uses it, so it never outlives the test process. Commands
//! are written as in a shell; what is not as expected panics with all that kubectl said.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::fixture;
use crate::kubectl::{Installed, Kubectl, KubectlError, Version, Watch, oldest_middle_newest};
use crate::process::Output;
use crate::server::Server;

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// A server and, to be read without a lock, its kubeconfig.
#[derive(Debug)]
struct Shared {
    kubeconfig: PathBuf,
    server: Mutex<Server>,
}

/// The server of the tests that run now; the first of them starts it.
fn shared() -> Arc<Shared> {
    let mut current = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = current.upgrade() {
        return shared;
    }
    let server = Server::start().unwrap_or_else(|error| panic!("{error}"));
    let kubeconfig = server.kubeconfig().to_owned();
    let shared = Arc::new(Shared { kubeconfig, server: Mutex::new(server) });
    *current = Arc::downgrade(&shared);
    shared
}

/// A kubectl in a namespace.
#[derive(Debug)]
pub struct Scope {
    // Before the server, so that it ends first.
    kubectl: Kubectl,
    namespace: String,
    kubeconfig: PathBuf,
    /// Keeps the shared server running; nothing when the test has one of its own.
    shared: Option<Arc<Shared>>,
}

impl Scope {
    /// One scope for each of the oldest, a middle and the newest kubectl, on the shared server. `test` is
    /// unique in its file; the namespaces are named after it and the version.
    ///
    /// # Panics
    ///
    /// When there is no kubectl, no server, or no new namespace.
    pub fn of_each(test: &str) -> Vec<Self> {
        let shared = shared();
        let kubectls = oldest_middle_newest().unwrap_or_else(failed).into_iter();
        kubectls
            .map(|kubectl| Self::new(test, kubectl, &shared.kubeconfig, Some(Arc::clone(&shared))))
            .collect()
    }

    /// A scope of the newest kubectl on the shared server.
    ///
    /// # Panics
    ///
    /// As [`Scope::of_each`].
    pub fn of_newest(test: &str) -> Self {
        let shared = shared();
        Self::new(test, newest(), &shared.kubeconfig.clone(), Some(shared))
    }

    /// One scope for each of the oldest, a middle and the newest kubectl, on a given server.
    ///
    /// # Panics
    ///
    /// As [`Scope::of_each`].
    pub fn of_each_on(server: &Server, test: &str) -> Vec<Self> {
        let kubectls = oldest_middle_newest().unwrap_or_else(failed).into_iter();
        kubectls.map(|kubectl| Self::new(test, kubectl, server.kubeconfig(), None)).collect()
    }

    /// A scope of the newest kubectl on a given server.
    ///
    /// # Panics
    ///
    /// As [`Scope::of_each`].
    pub fn of_newest_on(server: &Server, test: &str) -> Self {
        Self::new(test, newest(), server.kubeconfig(), None)
    }

    fn new(test: &str, installed: Installed, kubeconfig: &Path, shared: Option<Arc<Shared>>) -> Self {
        let namespace = format!("{test}-{}", installed.version.to_string().replace('.', "-"));
        let kubectl = Kubectl::new(installed, kubeconfig).unwrap_or_else(failed);
        let scope = Self { kubectl, namespace, kubeconfig: kubeconfig.to_owned(), shared };
        scope.ok_with("create -f -", &fixture::namespace(&scope.namespace));
        scope
    }

    /// A scope of the same kubectl and namespace for another thread.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn fork(&self) -> Self {
        let kubectl = Kubectl::new(self.kubectl.installed().clone(), &self.kubeconfig);
        Self {
            kubectl: kubectl.unwrap_or_else(failed),
            namespace: self.namespace.clone(),
            kubeconfig: self.kubeconfig.clone(),
            shared: self.shared.clone(),
        }
    }

    /// The version that runs.
    pub fn version(&self) -> Version {
        self.kubectl.version()
    }

    /// The namespace that commands work in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The kubectl, for commands that name another namespace.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// The kubectl, to give it variables and files.
    pub fn kubectl_mut(&mut self) -> &mut Kubectl {
        &mut self.kubectl
    }

    /// What the shared server logged since the last call.
    pub fn server_log(&self) -> String {
        let log =
            |shared: &Arc<Shared>| shared.server.lock().unwrap_or_else(PoisonError::into_inner).log_so_far();
        self.shared.as_ref().map(log).unwrap_or_default()
    }

    /// Runs a command to its end. Single quotes keep words together.
    ///
    /// # Panics
    ///
    /// When it cannot be run, or not in time.
    pub fn run(&self, line: &str) -> Output {
        self.kubectl.run(self.words(line)).unwrap_or_else(failed)
    }

    /// Runs a command that must succeed, and returns its stdout without the last line's end.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn ok(&self, line: &str) -> String {
        succeeded(line, &self.run(line))
    }

    /// As [`Scope::ok`], with input.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn ok_with(&self, line: &str, input: &str) -> String {
        succeeded(line, &self.kubectl.run_with_input(self.words(line), input).unwrap_or_else(failed))
    }

    /// Runs a command that must fail with status 1, and returns its stderr.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn fails(&self, line: &str) -> String {
        refused(line, &self.run(line))
    }

    /// As [`Scope::fails`], with input.
    ///
    /// # Panics
    ///
    /// When it does not fail with status 1.
    pub fn fails_with(&self, line: &str, input: &str) -> String {
        refused(line, &self.kubectl.run_with_input(self.words(line), input).unwrap_or_else(failed))
    }

    /// Starts a command that goes on.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(&self, line: &str) -> Watch {
        self.kubectl.spawn_watch(self.words(line)).unwrap_or_else(failed)
    }

    /// A part of an object, by a `JSONPath` such as `{.metadata.name}`.
    ///
    /// # Panics
    ///
    /// When the object cannot be read.
    pub fn field(&self, object: &str, path: &str) -> String {
        self.ok(&format!("get {object} -o jsonpath='{path}'"))
    }

    fn words(&self, line: &str) -> Vec<String> {
        let mut words = split(line);
        words.push(format!("--namespace={}", self.namespace));
        words
    }
}

fn newest() -> Installed {
    let newest = oldest_middle_newest().unwrap_or_else(failed).pop();
    newest.unwrap_or_else(|| panic!("the list of kubectls is empty"))
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a Result, as the closure of unwrap_or_else")]
fn failed<T>(error: KubectlError) -> T {
    panic!("{error}")
}

fn succeeded(line: &str, output: &Output) -> String {
    assert!(output.status.success(), "kubectl {line}: {output:#?}");
    output.stdout.trim_end().to_owned()
}

fn refused(line: &str, output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "kubectl {line}: {output:#?}");
    output.stderr.trim_end().to_owned()
}

/// The words of a command line: parted by blanks, except between single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut begun) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together_and_vanish() {
        assert_eq!(split("get cm  a"), ["get", "cm", "a"]);
        assert_eq!(split("-o jsonpath='{.a} {.b}' -n x"), ["-o", "jsonpath={.a} {.b}", "-n", "x"]);
        assert_eq!(split("-p '' "), ["-p", ""]);
    }

    #[test]
    fn tests_at_the_same_time_share_a_server_and_the_last_one_ends_it() {
        let id = |shared: &Shared| shared.server.lock().unwrap().id();
        let (one, two) = (shared(), shared());
        let first = id(&one);
        assert_eq!(id(&two), first);
        drop((one, two));
        assert_ne!(id(&shared()), first);
    }
}
