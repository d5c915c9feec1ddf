//! A small file system of its own, which can be filled up and be made read-only.
//!
//! It is mounted in a mount namespace of a process that does nothing else, and reached through that
//! process: nobody else sees it, no rights are needed, and it goes with the process.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, ProcessError};

/// How long the system may take for a mount.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(20);

const NAMESPACE: [&str; 4] = ["--user", "--map-root-user", "--mount", "--"];
const MOUNT: &str = r#"mount -t tmpfs -o "size=$0" watchkeep "$1" && echo mounted && exec sleep infinity"#;

/// A mounted tmpfs.
#[derive(Debug)]
pub struct Tmpfs {
    // Before the folder, so that the process ends first.
    holder: Process,
    path: PathBuf,
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one of this size, such as `64m`; `None` where this machine allows no mounts, and says why.
    ///
    /// # Errors
    /// When there is no folder to mount it on.
    pub fn mount(size: &str) -> io::Result<Option<Self>> {
        let folder = TempDir::with_prefix("watchkeep-tmpfs-")?;
        let mut command = Command::new("unshare");
        command.args(NAMESPACE).args(["sh", "-c", MOUNT, size]).arg(folder.path());
        let held = Process::start(&mut command).and_then(|holder| {
            holder.next_line(MOUNT_TIMEOUT)?;
            Ok(holder)
        });
        let holder = match held {
            Ok(holder) => holder,
            Err(error) => {
                eprintln!("no mounts on this machine: {error}");
                return Ok(None);
            }
        };
        let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
        let path = root.join(folder.path().strip_prefix("/").unwrap_or_else(|_| folder.path()));
        Ok(Some(Self { holder, path, folder }))
    }

    /// Where it can be reached, as long as this value lives.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Mounts it with other options, such as `ro`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remount(&self, options: &str) -> Result<(), ProcessError> {
        let mut command = Command::new("nsenter");
        command.args([
            "--user",
            "--preserve-credentials",
            "--mount",
            "--target",
            &self.holder.id().to_string(),
        ]);
        command.args(["--", "mount", "-o", &format!("remount,{options}")]).arg(self.folder.path());
        let output = Process::start(&mut command)?.output(MOUNT_TIMEOUT)?;
        if output.status.success() {
            return Ok(());
        }
        Err(ProcessError::Ended { process: "mount".to_owned(), stderr: output.stderr })
    }
}
