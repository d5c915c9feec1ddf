//! What is left when the power goes: all that was synced, and of the rest what chance decides.
//!
//! Of the names in a folder a first part of the changes arrives. Of a file either a first part of the
//! writes, the last of them torn at any byte; or any of their blocks, as a disk writes them in the order it
//! likes. The size of a file may be ahead of its bytes: what is missing is zeros. Files can be named whose
//! bytes arrive in order, as file systems that write data before sizes have it.

use super::disk::{Apply, Change, Disk, Node, durable_image};
use super::image::Image;
use crate::chance::Chance;

/// What a disk writes as a whole: a sector, or a page of the system.
const SECTOR_BYTES: usize = 512;
const PAGE_BYTES: usize = 4096;

/// How much of what was not synced arrives.
#[derive(Clone, Copy)]
enum Arrives {
    Nothing,
    Everything,
    /// Decided for each file and folder.
    Some,
}

impl Disk {
    /// What the disk may hold after the power was lost now. `in_order` tells, by the name, of which files only
    /// the end may be missing.
    pub fn after_power_loss(&self, chance: &mut Chance, in_order: impl Fn(&str) -> bool) -> Image {
        let in_order = self.nodes_named(in_order);
        let arrives = match chance.up_to(7) {
            0 => Arrives::Nothing,
            1 => Arrives::Everything,
            _ => Arrives::Some,
        };
        let mut nodes = self.nodes.clone();
        for (id, node) in nodes.iter_mut().enumerate() {
            match node {
                Node::File(file) => {
                    let changes: Vec<_> = file.pending.drain(..).map(|(_, change)| change).collect();
                    lose_bytes(&mut file.durable, changes, arrives, in_order.contains(&id), chance);
                }
                Node::Folder(names) => {
                    let arriving = count(names.pending.len(), arrives, chance);
                    for (_, change) in names.pending.drain(..).take(arriving) {
                        change.apply(&mut names.durable);
                    }
                }
            }
        }
        durable_image(&nodes)
    }
}

/// How many of so many arrive, the first ones.
fn count(all: usize, arrives: Arrives, chance: &mut Chance) -> usize {
    match arrives {
        Arrives::Nothing => 0,
        Arrives::Everything => all,
        Arrives::Some => chance.up_to(all),
    }
}

fn lose_bytes(
    file: &mut Vec<u8>,
    mut changes: Vec<Change>,
    arrives: Arrives,
    in_order: bool,
    chance: &mut Chance,
) {
    let before = file.len();
    let mut whole = file.clone();
    for change in &changes {
        change.apply(&mut whole);
    }
    if matches!(arrives, Arrives::Some) && !in_order && chance.one_in(2) {
        drop_blocks(file, &changes, chance);
    } else {
        let arriving = count(changes.len(), arrives, chance);
        let torn = matches!(arrives, Arrives::Some) && arriving < changes.len();
        let next = torn.then(|| changes.swap_remove(arriving));
        for change in changes.iter().take(arriving) {
            change.apply(file);
        }
        if let Some(Change::Write { offset, mut bytes }) = next {
            bytes.truncate(chance.up_to(bytes.len()));
            Change::Write { offset, bytes }.apply(file);
        }
    }
    if matches!(arrives, Arrives::Some)
        && !in_order
        && whole.len() > before.max(file.len())
        && chance.one_in(3)
    {
        let size = file.len() + chance.up_to(whole.len() - file.len());
        file.resize(size, 0);
    }
}

/// Applies some blocks of some changes. Cutting is a change of the size and waits for no block.
fn drop_blocks(file: &mut Vec<u8>, changes: &[Change], chance: &mut Chance) {
    let block = if chance.one_in(2) { SECTOR_BYTES } else { PAGE_BYTES };
    let one_in = 2 + chance.up_to(6);
    let mostly_arrives = chance.one_in(2);
    for change in changes {
        let Change::Write { offset, bytes } = change else {
            change.apply(file);
            continue;
        };
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let to_boundary = block - (offset + at) % block;
            let part = rest.get(..to_boundary).unwrap_or(rest);
            if chance.one_in(one_in) != mostly_arrives {
                Change::Write { offset: offset + at, bytes: part.to_vec() }.apply(file);
            }
            at += part.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::Record;
    use super::*;

    fn write(offset: usize, text: &str) -> Record {
        Record::Write { inode: 7, offset, bytes: text.as_bytes().to_vec() }
    }

    fn open(path: &str, inode: u64) -> Record {
        Record::Open { path: path.to_owned(), inode, create: true, cut: false }
    }

    /// Everything that a loss may leave.
    fn outcomes(records: &[Record]) -> Vec<Image> {
        let mut disk = Disk::new(&Image::default(), 1);
        disk.replay(records).unwrap();
        let mut chance = Chance::new(1);
        (0..400).map(|_| disk.after_power_loss(&mut chance, |_| false)).collect()
    }

    fn file(image: &Image) -> Option<&str> {
        image.0.get("f").map(|bytes| std::str::from_utf8(bytes.as_deref().unwrap()).unwrap())
    }

    fn root() -> Record {
        Record::Open { path: String::new(), inode: 1, create: false, cut: false }
    }

    #[test]
    fn what_was_synced_with_its_name_stays() {
        let sync = |inode, before| Record::Sync { inode, before };
        let records = [root(), open("f", 7), write(0, "abc"), sync(7, 3), sync(1, 3), write(3, "def")];
        let seen = outcomes(&records);
        assert!(seen.iter().all(|image| file(image).is_some_and(|text| text.starts_with("abc"))));
        for text in ["abc", "abcd", "abcdef", "abc\0\0"] {
            assert!(seen.iter().any(|image| file(image) == Some(text)), "{text:?} never happened");
        }
    }

    #[test]
    fn neither_bytes_nor_names_stay_without_a_sync_of_their_own() {
        let sync = |inode, before| Record::Sync { inode, before };
        let named = outcomes(&[root(), open("f", 7), write(0, "abc"), sync(1, 3)]);
        assert!(named.iter().all(|image| file(image).is_some()));
        assert!(named.iter().any(|image| file(image) == Some("")));
        let written = outcomes(&[root(), open("f", 7), write(0, "abc"), sync(7, 3)]);
        assert!(written.iter().any(|image| file(image).is_none()));
        assert!(written.iter().all(|image| matches!(file(image), None | Some("abc"))));
    }

    #[test]
    fn a_sync_vouches_for_nothing_that_came_after_its_beginning() {
        let sync = Record::Sync { inode: 7, before: 3 };
        let name = Record::Sync { inode: 1, before: 2 };
        let seen = outcomes(&[root(), open("f", 7), write(0, "abc"), write(3, "def"), sync, name]);
        assert!(seen.iter().any(|image| file(image) == Some("abc")));
    }

    #[test]
    fn a_later_sync_does_not_mend_a_failed_one() {
        let failed = Record::SyncFailed { inode: 7, before: 3 };
        let synced = Record::Sync { inode: 7, before: 4 };
        let name = Record::Sync { inode: 1, before: 4 };
        let mut texts = Vec::new();
        for seed in 0..20 {
            let mut disk = Disk::new(&Image::default(), seed);
            let records =
                [root(), open("f", 7), write(0, "abc"), failed.clone(), synced.clone(), name.clone()];
            disk.replay(&records).unwrap();
            texts.push(file(&disk.after_power_loss(&mut Chance::new(seed), |_| false)).unwrap().to_owned());
            assert_eq!(file(&disk.live()), Some("abc"));
        }
        assert!(texts.contains(&String::new()) && texts.contains(&"abc".to_owned()), "{texts:?}");
    }

    #[test]
    fn later_blocks_may_arrive_without_earlier_ones() {
        let long = "x".repeat(2000);
        let name = Record::Sync { inode: 1, before: 2 };
        let seen = outcomes(&[root(), open("f", 7), name, write(0, &long)]);
        let reordered = |image: &Image| file(image).is_some_and(|text| text.contains("\0x"));
        assert!(seen.iter().any(reordered));
    }

    #[test]
    fn of_a_file_in_order_only_the_end_is_missing() {
        let mut disk = Disk::new(&Image::default(), 1);
        let name = Record::Sync { inode: 1, before: 2 };
        disk.replay(&[root(), open("f", 7), name, write(0, "abc"), write(3, "def")]).unwrap();
        for seed in 0..400 {
            let image = disk.after_power_loss(&mut Chance::new(seed), |name| name == "f");
            assert!("abcdef".starts_with(file(&image).unwrap()), "{image:?}");
        }
    }

    #[test]
    fn a_rename_arrives_whole_or_not_at_all() {
        let sync = |inode, before| Record::Sync { inode, before };
        let rename = Record::Rename("new".to_owned(), "f".to_owned());
        let records = [root(), open("f", 6), open("new", 7), write(0, "abc"), sync(7, 4), sync(1, 4), rename];
        let seen = outcomes(&records);
        assert!(seen.iter().all(|image| match file(image) {
            Some("") => image.0.contains_key("new"),
            Some("abc") => !image.0.contains_key("new"),
            _ => false,
        }));
        assert!(seen.iter().any(|image| file(image) == Some("abc")));
    }
}
