//! Looks for damage in the engine's log before the engine replays it.
//!
//! The engine replays the log up to the first record that is not whole and forgets the rest: right for the
//! end that a loss of power tore off, which nobody was told of, and wrong for a record that decayed later,
//! which would take everything behind it away without a word. The two are told apart by what follows. Each
//! write is one record, synced before the next is written; so a whole record behind a damaged one proves
//! that the damaged one was acknowledged, and the store is not opened.
//!
//! What the engine itself wrote over is no damage: when it has recovered from a torn end, it goes on in a
//! new file with the sequence number that the torn record had. And a file that the engine no longer
//! replays does not matter; only where there is a suspicion is the engine asked which those are.
//!
//! ```text
//! file      blocks of 32 KiB, each a row of fragments; less than a header is left empty at its end
//! fragment  masked CRC-32C of the type and the payload:4 │ length:2 │ type:1 │ payload    (little-endian)
//! record    a fragment of type 1, or one of type 2, any of type 3 and one of type 4
//! payload   sequence number of the first change:8 │ count of changes:4 │ …
//! ```
//!
//! Memory: one block. A damaged record at the very end, and nothing behind it, looks like a torn one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;
/// The sequence number and the count at the beginning of a record.
const HEAD_BYTES: usize = 12;
/// What is added to a checksum that is stored beside what it sums up.
const MASK: u32 = 0xa282_ead8;

/// Damage in the log of a store, where it holds writes that were acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", file.display(), self.what())]
pub struct LogDamage {
    /// The file.
    pub file: PathBuf,
    /// Where in the file it begins.
    pub offset: u64,
    /// What it is.
    fault: Fault,
    /// The number of the last file that was whole up to there.
    log: u64,
}

impl LogDamage {
    /// What is wrong, without the file.
    pub(super) fn what(&self) -> String {
        format!("{} at byte {}", self.fault, self.offset)
    }
}

/// What is wrong at a place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    /// A record that is not whole, and whole ones behind it.
    #[error("an acknowledged write is damaged")]
    Record,
    /// What stood before this whole record is not there.
    #[error("acknowledged writes are missing before the one")]
    Missing,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// How many whole records there are.
    pub(super) records: u64,
    /// How many bytes all files have.
    pub(super) bytes: u64,
}

/// A log file and its number.
struct LogFile {
    number: u64,
    path: PathBuf,
}

/// What stands at a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Record { sequence: u64, count: u32 },
    Damage,
}

/// Reads all log files in the engine's directory. `oldest_needed` tells the number of the oldest that the
/// engine still replays, if that is known; it is asked only when something looks wrong.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(
    engine: &Path,
    oldest_needed: impl FnOnce() -> Option<u64>,
) -> io::Result<(Summary, Option<LogDamage>)> {
    let mut judge = Judge::default();
    for file in log_files(engine)? {
        let mut source = File::open(&file.path)?;
        judge.summary.bytes += source.metadata()?.len();
        scan(&mut source, |offset, found| judge.look(&file, offset, found))?;
    }
    let Judge { summary, suspicions, .. } = judge;
    if suspicions.is_empty() {
        return Ok((summary, None));
    }
    let oldest = oldest_needed().unwrap_or_default();
    Ok((summary, suspicions.into_iter().find(|damage| damage.log >= oldest)))
}

/// The log files, oldest first.
fn log_files(engine: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(engine) {
        // A store that is about to be made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "log"))
        {
            files.push(LogFile { number, path });
        }
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Decides what damage means by what follows it.
#[derive(Default)]
struct Judge {
    summary: Summary,
    /// The sequence number that the next record has, once one was seen; and the file of that one.
    expected: Option<(u64, u64)>,
    /// The first damage since the last whole record.
    damage: Option<LogDamage>,
    /// The first of each file.
    suspicions: Vec<LogDamage>,
}

impl Judge {
    fn look(&mut self, file: &LogFile, offset: u64, found: Found) {
        let here = |fault| LogDamage { file: file.path.clone(), offset, fault, log: file.number };
        let Found::Record { sequence, count } = found else {
            self.damage.get_or_insert_with(|| here(Fault::Record));
            return;
        };
        let expected = self.expected.map(|(sequence, _)| sequence);
        if let Some(damage) = &self.damage {
            if expected.is_some_and(|expected| sequence < expected) {
                // Of a file that was here before: the end of a torn one may hold what the disk held.
                return;
            }
            let written_over = damage.log < file.number && Some(sequence) == expected;
            let damage = self.damage.take().filter(|_| !written_over);
            if let Some(damage) = damage {
                self.suspect(damage);
            }
        } else if let Some((expected, log)) = self.expected
            && sequence > expected
        {
            self.suspect(LogDamage { log, ..here(Fault::Missing) });
        }
        self.summary.records += 1;
        self.expected = Some((sequence.saturating_add(count.into()), file.number));
    }

    fn suspect(&mut self, damage: LogDamage) {
        if self.suspicions.last().is_none_or(|last| last.log != damage.log) {
            self.suspicions.push(damage);
        }
    }
}

/// Shows the records of a file, and the places where it is damaged, to `look`, in their order.
fn scan(source: &mut impl Read, mut look: impl FnMut(u64, Found)) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut assembly = Assembly::default();
    let mut block_start = 0;
    loop {
        block.clear();
        source.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        assembly.block(&block, block_start, &mut look);
        if block.len() < BLOCK_BYTES {
            assembly.broken_off(&mut look);
            return Ok(());
        }
        block_start += BLOCK_BYTES as u64;
    }
}

/// Puts records together from fragments.
#[derive(Default)]
struct Assembly {
    /// The record that was begun: where, and its first bytes.
    begun: Option<(u64, Vec<u8>)>,
}

impl Assembly {
    fn block(&mut self, block: &[u8], block_start: u64, look: &mut impl FnMut(u64, Found)) {
        let mut at = 0;
        let mut searching = false;
        while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.len() < HEADER_BYTES && block.len() == BLOCK_BYTES {
                return;
            }
            let offset = block_start + at as u64;
            if let Some((kind, payload)) = fragment(rest) {
                searching = false;
                self.add(kind, payload, offset, look);
                at += HEADER_BYTES + payload.len();
                continue;
            }
            // Its length cannot be trusted: the next fragment may begin anywhere.
            if !searching {
                self.broken_off(look);
                look(offset, Found::Damage);
                searching = true;
            }
            at += 1;
        }
    }

    fn add(&mut self, kind: u8, payload: &[u8], offset: u64, look: &mut impl FnMut(u64, Found)) {
        if matches!(kind, FULL | FIRST) {
            self.broken_off(look);
            self.begun = Some((offset, Vec::with_capacity(HEAD_BYTES)));
        }
        let Some((start, head)) = &mut self.begun else {
            // The rest of a record whose beginning is not there.
            look(offset, Found::Damage);
            return;
        };
        head.extend(payload.iter().take(HEAD_BYTES - head.len()));
        if matches!(kind, FULL | LAST) {
            look(*start, read_head(head).unwrap_or(Found::Damage));
            self.begun = None;
        }
    }

    /// What was begun does not go on.
    fn broken_off(&mut self, look: &mut impl FnMut(u64, Found)) {
        if let Some((start, _)) = self.begun.take() {
            look(start, Found::Damage);
        }
    }
}

const FULL: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// The type and the payload of the whole fragment that bytes begin with.
fn fragment(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (sum, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (kind, summed) = (*rest.first()?, rest.get(..=length)?);
    let known = (FULL..=LAST).contains(&kind);
    (known && masked(crc32c::crc32c(summed)) == u32::from_le_bytes(*sum))
        .then(|| (kind, summed.get(1..).unwrap_or_default()))
}

fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(MASK)
}

fn read_head(head: &[u8]) -> Option<Found> {
    let (sequence, rest) = head.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    Some(Found::Record { sequence: u64::from_le_bytes(*sequence), count: u32::from_le_bytes(*count) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// The bytes of a log file that holds records: their sequence numbers, counts and lengths.
    fn log(records: &[(u64, u32, usize)]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (sequence, count, length) in records {
            let mut payload = [&sequence.to_le_bytes()[..], &count.to_le_bytes()].concat();
            payload.resize(HEAD_BYTES + length, b'x');
            let mut rest = payload.as_slice();
            let mut first = true;
            loop {
                let left = BLOCK_BYTES - bytes.len() % BLOCK_BYTES;
                if left < HEADER_BYTES {
                    bytes.resize(bytes.len() + left, 0);
                    continue;
                }
                if first {
                    starts.push(bytes.len());
                }
                let (part, after) = rest.split_at(rest.len().min(left - HEADER_BYTES));
                let kind = match (first, after.is_empty()) {
                    (true, true) => FULL,
                    (true, false) => FIRST,
                    (false, false) => 3,
                    (false, true) => LAST,
                };
                let summed = [&[kind], part].concat();
                bytes.extend(masked(crc32c::crc32c(&summed)).to_le_bytes());
                bytes.extend(u16::try_from(part.len()).unwrap().to_le_bytes());
                bytes.extend(summed);
                (rest, first) = (after, false);
                if rest.is_empty() {
                    break;
                }
            }
        }
        (bytes, starts)
    }

    fn write(folder: &Path, number: u64, bytes: &[u8]) {
        fs::write(folder.join(format!("{number:06}.log")), bytes).unwrap();
    }

    /// The damage in a folder whose log files have these numbers and bytes.
    fn damage(files: &[(u64, &[u8])], oldest_needed: Option<u64>) -> Option<(u64, u64, Fault)> {
        let folder = TempDir::with_prefix("watchkeep-log-").unwrap();
        for (number, bytes) in files {
            write(folder.path(), *number, bytes);
        }
        let (_, damage) = check(folder.path(), || oldest_needed).unwrap();
        damage.map(|damage| (damage.log, damage.offset, damage.fault))
    }

    const SIZES: [(u64, u32, usize); 5] =
        [(1, 3, 10), (4, 1, 40_000), (5, 2, 100_000), (7, 1, 0), (8, 1, 32_000)];

    #[test]
    fn whole_records_are_counted() {
        let folder = TempDir::with_prefix("watchkeep-log-").unwrap();
        let (bytes, _) = log(&SIZES);
        write(folder.path(), 4, &bytes);
        write(folder.path(), 9, &log(&[(9, 1, 5)]).0);
        fs::write(folder.path().join("LOG"), "no log of this kind").unwrap();
        let (summary, damage) = check(folder.path(), || None).unwrap();
        assert_eq!((summary.records, damage), (6, None));
        assert!(summary.bytes > bytes.len() as u64);
    }

    #[test]
    fn a_flipped_byte_before_a_whole_record_is_damage_and_in_the_last_one_a_torn_end() {
        let (bytes, starts) = log(&SIZES);
        let last = *starts.last().unwrap();
        for at in
            (0..bytes.len()).filter(|at| at % 997 == 0 || starts.iter().any(|start| at.abs_diff(*start) < 20))
        {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            let found = damage(&[(7, &flipped)], None);
            // What fills the end of a block is nobody's.
            let filler = bytes[at] == 0
                && starts.iter().all(|start| at < *start || at >= start + 19)
                && at % BLOCK_BYTES > BLOCK_BYTES - HEADER_BYTES;
            if at >= last || filler {
                assert_eq!(found, None, "at {at}");
            } else {
                let (_, offset, _) = found.unwrap_or_else(|| panic!("at {at} nothing is found"));
                assert!(offset <= at as u64, "at {at}: {offset}");
            }
        }
    }

    #[test]
    fn damage_before_a_later_file_is_told_unless_the_engine_wrote_over_it() {
        let (first, starts) = log(&[(1, 3, 100), (4, 2, 100)]);
        let torn = &first[..first.len() - 5];
        let goes_on = |sequence| log(&[(sequence, 1, 10)]).0;
        let place = starts[1] as u64;
        assert_eq!(damage(&[(7, torn), (9, &[])], None), None, "an empty file proves nothing");
        assert_eq!(damage(&[(7, torn), (9, &goes_on(4))], None), None, "recovered, and written over");
        assert_eq!(damage(&[(7, torn), (9, &goes_on(6))], None), Some((7, place, Fault::Record)));
        assert_eq!(damage(&[(7, torn), (9, &goes_on(6))], Some(8)), None, "the engine does not need it");
        assert_eq!(damage(&[(7, &first[..20]), (9, &goes_on(4))], None), Some((7, 0, Fault::Record)));
    }

    #[test]
    fn what_is_cut_off_between_two_records_is_missing() {
        let (first, starts) = log(&[(1, 3, 100), (4, 2, 100)]);
        let next = log(&[(6, 1, 10)]).0;
        assert_eq!(damage(&[(7, &first), (9, &next)], None), None);
        let cut = &first[..starts[1]];
        assert_eq!(damage(&[(7, cut), (9, &next)], None), Some((7, 0, Fault::Missing)));
        assert_eq!(damage(&[(7, cut), (9, &next)], Some(9)), None);
    }

    #[test]
    fn old_records_behind_a_torn_end_prove_nothing() {
        let (mut torn, starts) = log(&[(100, 3, 100), (103, 2, 100)]);
        torn.truncate(starts[1] + 30);
        torn.extend(log(&[(7, 1, 10), (8, 1, 500)]).0);
        assert_eq!(damage(&[(7, &torn)], None), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_torn_end_is_no_damage(
            lengths in prop::collection::vec(0_usize..70_000, 1..6),
            tear in 0.0..1.0_f64,
            zeros in 0_usize..70_000,
            garbage in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let records: Vec<_> = lengths.iter().zip(1..).map(|(length, sequence)| (sequence, 1, *length)).collect();
            let (mut bytes, starts) = log(&records);
            let last = *starts.last().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the last record")]
            let keep = last + ((bytes.len() - last) as f64 * tear) as usize;
            bytes.truncate(keep);
            bytes.resize(keep + zeros, 0);
            bytes.extend(garbage);
            prop_assert_eq!(damage(&[(7, &bytes)], None), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            damage(&[(7, &bytes)], None);
        }
    }
}
