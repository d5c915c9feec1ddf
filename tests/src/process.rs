//! A child process whose output is read line by line under deadlines, and which never outlives its
//! owner.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
pub const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a process did not do what a test awaited of it.
#[derive(thiserror::Error)]
pub enum ProcessError {
    /// It could not be started, fed or waited for.
    #[error("{process}: {source}")]
    Io {
        /// The command line.
        process: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The awaited line or end did not come in time.
    #[error("{process}: nothing for {waited:?}; it said so far on stderr:\n{stderr}")]
    TimedOut {
        /// The command line.
        process: String,
        /// The bound that passed.
        waited: Duration,
        /// What it wrote on stderr and nobody had read.
        stderr: String,
    },
    /// It closed its stdout while a line was awaited.
    #[error("{process}: ended while a line was awaited; it said on stderr:\n{stderr}")]
    Ended {
        /// The command line.
        process: String,
        /// What it wrote on stderr and nobody had read.
        stderr: String,
    },
}

/// A test's `unwrap` shows this: the words for a reader.
impl fmt::Debug for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All that a process wrote, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// What it wrote on stdout.
    pub stdout: String,
    /// What it wrote on stderr.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// A running child. Dropping it ends it: SIGTERM, and SIGKILL after [`END_TIMEOUT`].
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    // Becomes readable when the child ends, and can never mean another process.
    handle: OwnedFd,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Process {
    /// Starts a command with no input.
    pub fn start(command: &mut Command) -> Result<Self, ProcessError> {
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// Starts a command and gives it `input`, then the end of input.
    pub fn start_with_input(command: &mut Command, input: &str) -> Result<Self, ProcessError> {
        let mut process = Self::spawn(command.stdin(Stdio::piped()))?;
        if let Some(mut stdin) = process.child.stdin.take() {
            let input = input.to_owned();
            // A thread of its own: a child that reads late, or not at all, must not block the test.
            thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        Ok(process)
    }

    fn spawn(command: &mut Command) -> Result<Self, ProcessError> {
        let name = command_line(command);
        let failed = |source| ProcessError::Io { process: name.clone(), source };
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        let handle =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|e| failed(e.into()))?;
        let stdout = lines_of(child.stdout.take());
        let stderr = lines_of(child.stderr.take());
        Ok(Self { name, child, handle, stdout, stderr })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stdout, without its end.
    pub fn next_line(&self, within: Duration) -> Result<String, ProcessError> {
        match self.stdout.recv_timeout(within) {
            Ok(line) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out(within)),
            Err(RecvTimeoutError::Disconnected) => {
                let stderr = rest_of(&self.stderr, &Deadline::after(within)).unwrap_or_else(|said| said);
                Err(ProcessError::Ended { process: self.name.clone(), stderr })
            }
        }
    }

    /// Whether no line comes on stdout for as long as `during`.
    pub fn is_silent(&self, during: Duration) -> bool {
        self.stdout.recv_timeout(during) == Err(RecvTimeoutError::Timeout)
    }

    /// Reads stderr, within the bound, up to the first line that has `text` in it, and returns that line.
    pub fn stderr_line_with(&self, text: &str, within: Duration) -> Result<String, ProcessError> {
        let deadline = Deadline::after(within);
        let mut read = String::new();
        loop {
            let process = || self.name.clone();
            match self.stderr.recv_timeout(deadline.left()) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => read.push_str(&line),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(ProcessError::TimedOut { process: process(), waited: within, stderr: read });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ProcessError::Ended { process: process(), stderr: read });
                }
            }
        }
    }

    /// What came on stderr since the last call.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.try_iter().collect()
    }

    /// Reads all output and waits for the end; past the bound the process is killed.
    pub fn output(mut self, within: Duration) -> Result<Output, ProcessError> {
        let deadline = Deadline::after(within);
        let Ok(stdout) = rest_of(&self.stdout, &deadline) else { return Err(self.timed_out(within)) };
        let Ok(stderr) = rest_of(&self.stderr, &deadline) else { return Err(self.timed_out(within)) };
        if !self.ends_before(&deadline)? {
            return Err(self.timed_out(within));
        }
        let status = self.end(Duration::ZERO)?;
        Ok(Output { stdout, stderr, status })
    }

    /// Asks the process to end with SIGTERM and tells how it did; SIGKILL follows after `within`.
    pub fn stop(mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        self.end(within)
    }

    /// Ends the process with SIGKILL, as a crash would.
    pub fn kill(mut self) -> Result<ExitStatus, ProcessError> {
        self.end(Duration::ZERO)
    }

    /// Reaps the child, which gets SIGTERM and the bound first, unless the bound is zero, then SIGKILL.
    fn end(&mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        if !within.is_zero() {
            self.signal(Signal::TERM);
        }
        if !self.ends_before(&Deadline::after(within))? {
            self.signal(Signal::KILL);
        }
        self.child.wait().map_err(|source| self.io_error(source))
    }

    fn ends_before(&self, deadline: &Deadline) -> Result<bool, ProcessError> {
        let left = Timespec::try_from(deadline.left())
            .map_err(|_| self.io_error(io::ErrorKind::InvalidInput.into()))?;
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        poll(&mut ended, Some(&left)).map(|count| count > 0).map_err(|error| self.io_error(error.into()))
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that the process has ended already.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    fn io_error(&self, source: io::Error) -> ProcessError {
        ProcessError::Io { process: self.name.clone(), source }
    }

    fn timed_out(&self, waited: Duration) -> ProcessError {
        ProcessError::TimedOut { process: self.name.clone(), waited, stderr: self.stderr_so_far() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end(END_TIMEOUT) {
            eprintln!("{error}");
        }
        if thread::panicking() {
            eprintln!("--- stderr of {}:\n{}", self.name, self.stderr_so_far());
        }
    }
}

/// A point in time that waiting ends at.
struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    fn after(bound: Duration) -> Self {
        Self(Instant::now() + bound)
    }

    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Lines of a pipe, each with its end, read by a thread that ends with the pipe. The channel has no
/// bound: a child must not block because a test reads only the other pipe.
fn lines_of(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
    }
    lines
}

/// All lines until the pipe closes, or those that came before the deadline.
fn rest_of(lines: &Receiver<String>, deadline: &Deadline) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(deadline.left()) {
            Ok(line) => text.push_str(&line),
            Err(RecvTimeoutError::Disconnected) => return Ok(text),
            Err(RecvTimeoutError::Timeout) => return Err(text),
        }
    }
}

/// The command as a reader would type it.
fn command_line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_has_both_streams_to_the_byte_and_the_status() {
        let output = Process::start(&mut shell("echo one; printf two; echo no >&2; exit 3")).unwrap();
        let output = output.output(SOON).unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("one\ntwo", "no\n"));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn input_reaches_the_process_and_ends() {
        let process = Process::start_with_input(&mut Command::new("cat"), "a\nb").unwrap();
        assert_eq!(process.output(SOON).unwrap().stdout, "a\nb");
    }

    #[test]
    fn a_process_past_its_bound_is_an_error_that_shows_its_stderr() {
        let process = Process::start(&mut shell("echo stuck >&2; echo ready; exec sleep 600")).unwrap();
        assert_eq!(process.next_line(SOON).unwrap(), "ready");
        let error = process.output(Duration::from_millis(200)).unwrap_err();
        assert!(matches!(&error, ProcessError::TimedOut { stderr, .. } if stderr == "stuck\n"), "{error}");
    }

    #[test]
    fn a_line_is_there_while_the_process_still_runs() {
        let process = Process::start(&mut shell("echo now; exec sleep 600")).unwrap();
        assert_eq!(process.next_line(SOON).unwrap(), "now");
        assert!(process.is_silent(Duration::from_millis(50)));
    }

    #[test]
    fn stderr_is_read_up_to_the_awaited_line() {
        let process =
            Process::start(&mut shell("echo a >&2; echo bc >&2; echo d >&2; exec sleep 600")).unwrap();
        assert_eq!(process.stderr_line_with("c", SOON).unwrap(), "bc\n");
        let error = process.stderr_line_with("c", Duration::from_millis(200)).unwrap_err();
        assert!(matches!(&error, ProcessError::TimedOut { stderr, .. } if stderr == "d\n"), "{error}");
        let process = Process::start(&mut shell("echo gone >&2")).unwrap();
        let error = process.stderr_line_with("c", SOON).unwrap_err();
        assert!(matches!(&error, ProcessError::Ended { stderr, .. } if stderr == "gone\n"), "{error}");
    }

    #[test]
    fn a_process_that_ends_is_told_from_one_that_is_silent() {
        let process = Process::start(&mut shell("echo gone >&2")).unwrap();
        let error = process.next_line(SOON).unwrap_err();
        assert!(matches!(&error, ProcessError::Ended { stderr, .. } if stderr == "gone\n"), "{error}");
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_killed_after_the_bound() {
        use std::os::unix::process::ExitStatusExt;

        let process = Process::start(&mut shell("trap '' TERM; echo armed; exec sleep 600")).unwrap();
        assert_eq!(process.next_line(SOON).unwrap(), "armed");
        let status = process.stop(Duration::from_millis(200)).unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    fn a_process_that_closed_its_output_is_still_ended() {
        let process = Process::start(&mut shell("exec >&- 2>&-; exec sleep 600")).unwrap();
        let error = process.output(Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn dropping_a_process_ends_it() {
        let process = Process::start(&mut shell("echo up; exec sleep 600")).unwrap();
        assert_eq!(process.next_line(SOON).unwrap(), "up");
        let pid = Pid::from_child(&process.child);
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
