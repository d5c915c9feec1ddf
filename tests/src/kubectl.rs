//! The real kubectls: which there are, and one of them at work against a server.
//!
//! `scripts/setup-kubectl.sh` finds and fetches them and writes the list that is read here. A test
//! without a kubectl fails: it is not passed over in silence.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Output, Process, ProcessError};

/// How long one kubectl command may take. The slowest ordinary one reads discovery and OpenAPI first.
pub const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a line of a watch may be awaited.
pub const LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no kubectl to run.
#[derive(thiserror::Error)]
pub enum KubectlError {
    /// The list of kubectls cannot be read.
    #[error("no list of kubectls at {}: run scripts/setup-kubectl.sh ({source})", path.display())]
    NoList {
        /// Where it was looked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line of the list is not `version path`, or there is no line.
    #[error("the list of kubectls at {} is of no use: run scripts/setup-kubectl.sh ({reason})", path.display())]
    BadList {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A home folder for it cannot be made.
    #[error("no folder for kubectl's home: {0}")]
    NoHome(#[source] io::Error),
    /// It could not be run, or not in time.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// A test's `unwrap` shows this: the words for a reader.
impl fmt::Debug for KubectlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A released version of kubectl, ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(format!("{text:?} is no version")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// One kubectl on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: Version,
    /// The executable.
    pub path: PathBuf,
}

/// All kubectls of the list, oldest first.
pub fn installed() -> Result<Vec<Installed>, KubectlError> {
    let path = list_path();
    let text =
        fs::read_to_string(&path).map_err(|source| KubectlError::NoList { path: path.clone(), source })?;
    parse_list(&text).map_err(|reason| KubectlError::BadList { path, reason })
}

/// The oldest, a middle and the newest kubectl of the list: fewer when it has fewer, never none.
pub fn oldest_middle_newest() -> Result<Vec<Installed>, KubectlError> {
    Ok(spread(&installed()?))
}

fn list_path() -> PathBuf {
    if let Some(path) = env::var_os("WATCHKEEP_KUBECTLS") {
        return path.into();
    }
    let cache = env::var_os("WATCHKEEP_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache/watchkeep"));
    cache.join("tools/kubectls")
}

fn parse_list(text: &str) -> Result<Vec<Installed>, String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let (version, path) = line.split_once(' ').ok_or_else(|| format!("no path in {line:?}"))?;
        found.push(Installed { version: version.parse()?, path: path.into() });
    }
    if found.is_empty() {
        return Err("it is empty".to_owned());
    }
    found.sort_by_key(|kubectl| kubectl.version);
    Ok(found)
}

fn spread(all: &[Installed]) -> Vec<Installed> {
    let mut chosen: Vec<_> =
        [all.first(), all.get(all.len() / 2), all.last()].into_iter().flatten().cloned().collect();
    chosen.dedup();
    chosen
}

/// A kubectl with a kubeconfig, and a home of its own, so that no cache of discovery is shared.
#[derive(Debug)]
pub struct Kubectl {
    installed: Installed,
    kubeconfig: PathBuf,
    home: TempDir,
    variables: Vec<(OsString, OsString)>,
}

impl Kubectl {
    /// A kubectl that talks to the server of `kubeconfig`.
    pub fn new(installed: Installed, kubeconfig: impl Into<PathBuf>) -> Result<Self, KubectlError> {
        let home = TempDir::with_prefix("watchkeep-kubectl-").map_err(KubectlError::NoHome)?;
        Ok(Self { installed, kubeconfig: kubeconfig.into(), home, variables: Vec::new() })
    }

    /// The oldest, a middle and the newest kubectl, each against the server of `kubeconfig`.
    pub fn oldest_middle_newest(kubeconfig: &Path) -> Result<Vec<Self>, KubectlError> {
        oldest_middle_newest()?.into_iter().map(|installed| Self::new(installed, kubeconfig)).collect()
    }

    /// What runs.
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// The version that runs.
    pub fn version(&self) -> Version {
        self.installed.version
    }

    /// A folder of this kubectl's own, for files that its commands read.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sets a variable of the environment, such as `KUBE_EDITOR`, for the commands that follow.
    pub fn set_variable(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.push((name.into(), value.into()));
    }

    /// Runs one command to its end, within [`COMMAND_TIMEOUT`]. A failing command is no error here.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output, KubectlError> {
        Ok(Process::start(&mut self.command(args))?.output(COMMAND_TIMEOUT)?)
    }

    /// Runs one command that reads `input`, such as `apply -f -`.
    pub fn run_with_input(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &str,
    ) -> Result<Output, KubectlError> {
        Ok(Process::start_with_input(&mut self.command(args), input)?.output(COMMAND_TIMEOUT)?)
    }

    /// Starts a command that goes on, such as `get --watch`.
    pub fn spawn_watch(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Watch, KubectlError> {
        Ok(Watch { process: Process::start(&mut self.command(args))? })
    }

    fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.installed.path);
        // Nothing of the machine's own set-up: no proxy, no plugins, no preferences.
        command.env_clear().env("HOME", self.home.path()).env("KUBECONFIG", &self.kubeconfig);
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home.path()).args(args);
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        eprintln!("kubectl {}: {}", self.installed.version, words.join(" "));
        command
    }
}

/// A kubectl that goes on writing lines. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    process: Process,
}

impl Watch {
    /// The next line, within [`LINE_TIMEOUT`].
    pub fn next_line(&self) -> Result<String, KubectlError> {
        Ok(self.process.next_line(LINE_TIMEOUT)?)
    }

    /// Whether no line comes for as long as `during`.
    pub fn is_silent(&self, during: Duration) -> bool {
        self.process.is_silent(during)
    }

    /// Reads its log, within [`LINE_TIMEOUT`], up to the first line that has `text` in it: `-v=6` writes one
    /// for each answer.
    pub fn log_line_with(&self, text: &str) -> Result<String, KubectlError> {
        Ok(self.process.stderr_line_with(text, LINE_TIMEOUT)?)
    }

    /// Waits, within [`COMMAND_TIMEOUT`], until it ends by itself. The output is what no
    /// [`Watch::next_line`] has read.
    pub fn finish(self) -> Result<Output, KubectlError> {
        Ok(self.process.output(COMMAND_TIMEOUT)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(list: &[Installed]) -> Vec<String> {
        list.iter().map(|kubectl| kubectl.version.to_string()).collect()
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let list = parse_list("1.9.0 /a/kubectl\n1.30.1 /b/kubectl\n1.27.16 /c d/kubectl\n").unwrap();
        assert_eq!(versions(&list), ["1.9.0", "1.27.16", "1.30.1"]);
        assert_eq!(list[1].path, Path::new("/c d/kubectl"));
    }

    #[test]
    fn a_list_without_a_kubectl_is_refused() {
        assert!(parse_list("").is_err());
        assert!(parse_list("1.30 /b/kubectl\n").is_err());
        assert!(parse_list("1.30.1\n").is_err());
    }

    #[test]
    fn oldest_middle_and_newest_are_chosen_once_each() {
        let list = |text: &str| versions(&spread(&parse_list(text).unwrap()));
        assert_eq!(list("1.1.0 a\n1.2.0 b\n1.3.0 c\n1.4.0 d\n1.5.0 e\n"), ["1.1.0", "1.3.0", "1.5.0"]);
        assert_eq!(list("1.1.0 a\n1.2.0 b\n"), ["1.1.0", "1.2.0"]);
        assert_eq!(list("1.1.0 a\n"), ["1.1.0"]);
    }

    #[test]
    fn each_chosen_kubectl_says_the_version_it_is_listed_with() {
        let nowhere = Path::new("no-kubeconfig");
        for kubectl in Kubectl::oldest_middle_newest(nowhere).unwrap() {
            let output = kubectl.run(["version", "--client", "-o", "json"]).unwrap();
            assert!(output.status.success(), "{output:?}");
            let version = format!("\"gitVersion\": \"v{}", kubectl.version());
            assert!(output.stdout.contains(&version), "{version} is not in {}", output.stdout);
        }
    }

    #[test]
    fn a_command_that_fails_tells_its_status_and_reason() {
        let newest = installed().unwrap().pop().unwrap();
        let kubectl = Kubectl::new(newest, "no-kubeconfig").unwrap();
        let output = kubectl.run(["get", "pods", "--no-such-flag"]).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.contains("no-such-flag"), "{}", output.stderr);
    }
}
