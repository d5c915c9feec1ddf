//! The content of a directory: what is read from one, and what one is made of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Paths below a directory, each with the bytes of its file, or `None` for a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(pub BTreeMap<String, Option<Vec<u8>>>);

impl Image {
    /// What a directory holds.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut image = Self::default();
        image.read_folder(directory, "")?;
        Ok(image)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
                self.0.insert(path, None);
            } else {
                self.0.insert(path, Some(fs::read(entry.path())?));
            }
        }
        Ok(())
    }

    /// Makes an empty directory hold it.
    ///
    /// # Errors
    /// Those of writing it.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        // In the order of paths a folder comes before what is in it.
        self.0.iter().try_for_each(|(path, file)| match file {
            None => fs::create_dir(directory.join(path)),
            Some(bytes) => fs::write(directory.join(path), bytes),
        })
    }

    /// The paths that are not the same in both.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differs = |path: &&String| self.0.get(*path) != other.0.get(*path);
        let mut paths: Vec<_> = self.0.keys().chain(other.0.keys()).filter(differs).cloned().collect();
        paths.sort();
        paths.dedup();
        paths
    }
}
