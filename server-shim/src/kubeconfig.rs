//! The kubeconfig that makes kubectl talk to this server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The URL under which a server at this address is reached from its own machine.
pub fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Writes the kubeconfig for the server at this URL. Readers see the old file or the new one, never a
/// part; only the owner may read it. Missing folders are made.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, url: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let temporary = beside(path)?;
    let written = write_new(&temporary, &content(url)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell about.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    // Left behind by a process of the same id that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())
}

/// A name in the same folder, so that renaming is one step.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn content(url: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: watchkeep
  cluster:
    server: {url}
contexts:
- name: watchkeep
  context:
    cluster: watchkeep
    user: watchkeep
current-context: watchkeep
users:
- name: watchkeep
  user: {{}}
"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_url_is_one_that_a_client_can_dial() {
        for (address, expected) in [
            ("127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.1.2.3:9", "http://10.1.2.3:9"),
        ] {
            assert_eq!(url(address.parse().unwrap()), expected);
        }
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/kubeconfig");
        write(&path, "http://127.0.0.1:1").unwrap();
        write(&path, "http://127.0.0.1:2").unwrap();
        let config: serde_json::Value = serde_yaml_ng::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "http://127.0.0.1:2");
        assert_eq!(config["current-context"], config["contexts"][0]["name"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "").unwrap();
        assert!(write(&path, "http://127.0.0.1:1").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
