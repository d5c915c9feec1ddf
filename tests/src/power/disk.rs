//! A disk that a journal is replayed on: what it is bound to keep, and what has changed since.
//!
//! The rules are the strict ones. A file keeps what was written before a sync of it. A folder keeps the
//! names that it had when it was synced: a sync of a file says nothing about its name.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::image::Image;
use super::journal::Record;
use crate::chance::Chance;

/// A place in [`Disk::nodes`].
pub(super) type NodeId = usize;

/// The folder that the journal is about.
const ROOT: NodeId = 0;

/// A change of the bytes of a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
    Extend(usize),
}

/// A change of the names in a folder.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Bind { name: String, node: NodeId },
    Remove { name: String },
    Rename { from: String, to: String },
}

pub(super) type Names = BTreeMap<String, NodeId>;

/// Something that changes, with what of it is sure to stay, and the changes since, by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Tracked<T, C> {
    pub(super) durable: T,
    pub(super) pending: Vec<(usize, C)>,
    live: T,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Tracked<Vec<u8>, Change>),
    Folder(Tracked<Names, NameChange>),
}

/// A disk while a process writes to it.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(super) nodes: Vec<Node>,
    /// Which node an open file is.
    inodes: HashMap<u64, NodeId>,
    /// How many records were replayed, and how many of them are of processes before this one.
    replayed: usize,
    earlier: usize,
    /// What becomes of writes whose sync failed.
    chance: Chance,
}

/// What a change does to what it changes.
pub(super) trait Apply<T> {
    fn apply(&self, to: &mut T);
}

impl Apply<Vec<u8>> for Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                to.resize(to.len().max(end), 0);
                if let Some(place) = to.get_mut(*offset..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Resize(size) => to.resize(*size, 0),
            Self::Extend(size) => to.resize(to.len().max(*size), 0),
        }
    }
}

impl Apply<Names> for NameChange {
    fn apply(&self, to: &mut Names) {
        match self {
            Self::Bind { name, node } => drop(to.insert(name.clone(), *node)),
            Self::Remove { name } => drop(to.remove(name)),
            Self::Rename { from, to: name } => {
                if let Some(node) = to.remove(from) {
                    to.insert(name.clone(), node);
                }
            }
        }
    }
}

impl<T: Clone, C: Apply<T>> Tracked<T, C> {
    fn new(content: T) -> Self {
        Self { durable: content.clone(), pending: Vec::new(), live: content }
    }

    fn change(&mut self, number: usize, change: C) {
        change.apply(&mut self.live);
        self.pending.push((number, change));
    }

    fn synced(&mut self, before: usize) {
        let synced = self.pending.partition_point(|(number, _)| *number < before);
        for (_, change) in self.pending.drain(..synced) {
            change.apply(&mut self.durable);
        }
    }

    /// The system may have dropped any of the changes before, and does not write them later.
    fn sync_failed(&mut self, before: usize, chance: &mut Chance) {
        self.pending.retain(|(number, _)| *number >= before || chance.one_in(2));
    }
}

impl Disk {
    /// A disk that holds exactly this; the seed is for what becomes of failed syncs.
    pub fn new(image: &Image, seed: u64) -> Self {
        let root = Node::Folder(Tracked::new(Names::new()));
        let chance = Chance::new(seed);
        let mut disk = Self { nodes: vec![root], inodes: HashMap::new(), replayed: 0, earlier: 0, chance };
        for (path, file) in &image.0 {
            let content = match file {
                None => Node::Folder(Tracked::new(Names::new())),
                Some(bytes) => Node::File(Tracked::new(bytes.clone())),
            };
            let node = disk.nodes.len();
            disk.nodes.push(content);
            // In the order of paths the folder is there already.
            if let Ok((folder, name)) = disk.place(path)
                && let Some(Node::Folder(names)) = disk.nodes.get_mut(folder)
            {
                names.live.insert(name.to_owned(), node);
                names.durable.insert(name.to_owned(), node);
            }
        }
        disk
    }

    /// Does what the records of a process tell.
    ///
    /// # Errors
    /// When they tell something that cannot be, or that the journal has no words for.
    pub fn replay(&mut self, records: &[Record]) -> Result<(), String> {
        self.earlier = self.replayed;
        for record in records {
            self.step(record).map_err(|reason| format!("record {}: {reason}", self.replayed))?;
            self.replayed += 1;
        }
        Ok(())
    }

    fn step(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Open { path, inode, create, cut } => self.open(path, *inode, *create, *cut),
            Record::MakeDirectory(path) => {
                let node = self.add(Node::Folder(Tracked::new(Names::new())));
                self.bind(path, node)
            }
            Record::Rename(from, to) => {
                let ((folder, from), (other, to)) = (self.place(from)?, self.place(to)?);
                if folder != other {
                    return Err("a rename from one folder to another".to_owned());
                }
                self.change_name(folder, NameChange::Rename { from: from.to_owned(), to: to.to_owned() })
            }
            Record::Unlink(path) | Record::RemoveDirectory(path) => {
                let (folder, name) = self.place(path)?;
                self.change_name(folder, NameChange::Remove { name: name.to_owned() })
            }
            Record::Link(from, to) => {
                let node = self.find(from).ok_or("a link to nothing")?;
                self.bind(to, node)
            }
            Record::Write { inode, offset, bytes } => {
                self.change(*inode, Change::Write { offset: *offset, bytes: bytes.clone() })
            }
            Record::Resize { inode, size } => self.change(*inode, Change::Resize(*size)),
            Record::Extend { inode, size } => self.change(*inode, Change::Extend(*size)),
            Record::Sync { inode, before } => {
                let before = self.earlier + before;
                match self.opened(*inode)? {
                    Node::File(file) => file.synced(before),
                    Node::Folder(names) => names.synced(before),
                }
                Ok(())
            }
            Record::SyncFailed { inode, before } => {
                let before = self.earlier + before;
                let mut chance = self.chance.clone();
                match self.opened(*inode)? {
                    Node::File(file) => file.sync_failed(before, &mut chance),
                    Node::Folder(names) => names.sync_failed(before, &mut chance),
                }
                self.chance = chance;
                Ok(())
            }
            Record::Unknown(what) => Err(what.clone()),
        }
    }

    fn open(&mut self, path: &str, inode: u64, create: bool, cut: bool) -> Result<(), String> {
        let node = match self.find(path) {
            Some(node) => node,
            None if create => {
                let node = self.add(Node::File(Tracked::new(Vec::new())));
                self.bind(path, node)?;
                node
            }
            None => return Err(format!("{path} was opened and never made")),
        };
        self.inodes.insert(inode, node);
        if cut { self.change(inode, Change::Resize(0)) } else { Ok(()) }
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn bind(&mut self, path: &str, node: NodeId) -> Result<(), String> {
        let (folder, name) = self.place(path)?;
        self.change_name(folder, NameChange::Bind { name: name.to_owned(), node })
    }

    fn change_name(&mut self, folder: NodeId, change: NameChange) -> Result<(), String> {
        let number = self.replayed;
        let Some(Node::Folder(names)) = self.nodes.get_mut(folder) else {
            return Err(format!("{change:?} in what is no folder"));
        };
        names.change(number, change);
        Ok(())
    }

    fn change(&mut self, inode: u64, change: Change) -> Result<(), String> {
        let number = self.replayed;
        let Node::File(file) = self.opened(inode)? else { return Err("bytes of a folder".to_owned()) };
        file.change(number, change);
        Ok(())
    }

    fn opened(&mut self, inode: u64) -> Result<&mut Node, String> {
        let node = self.inodes.get(&inode).ok_or_else(|| format!("inode {inode} was never opened"))?;
        self.nodes.get_mut(*node).ok_or_else(|| "no such node".to_owned())
    }

    /// The folder and the name of a path.
    fn place<'a>(&self, path: &'a str) -> Result<(NodeId, &'a str), String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.find(folder).ok_or_else(|| format!("{path} is in no folder"))?, name))
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |node, name| {
            let Node::Folder(names) = self.nodes.get(node)? else { return None };
            names.live.get(name).copied()
        })
    }

    /// The files and folders that have a name of which `is_it` is true.
    pub(super) fn nodes_named(&self, is_it: impl Fn(&str) -> bool) -> HashSet<NodeId> {
        let names = self.nodes.iter().filter_map(|node| match node {
            Node::File(_) => None,
            Node::Folder(names) => Some(names.live.iter().chain(&names.durable)),
        });
        names.flatten().filter(|(name, _)| is_it(name)).map(|(_, node)| *node).collect()
    }

    /// What whoever looks sees, as long as the power stays.
    pub fn live(&self) -> Image {
        let live = |node: &Node| match node {
            Node::File(file) => Node::File(Tracked::new(file.live.clone())),
            Node::Folder(names) => Node::Folder(Tracked::new(names.live.clone())),
        };
        let nodes: Vec<_> = self.nodes.iter().map(live).collect();
        durable_image(&nodes)
    }
}

/// What the nodes are bound to keep.
pub(super) fn durable_image(nodes: &[Node]) -> Image {
    let mut image = Image::default();
    let mut folders = vec![(ROOT, String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let Some(Node::Folder(names)) = nodes.get(folder) else { continue };
        for (name, node) in &names.durable {
            let path = format!("{prefix}{name}");
            match nodes.get(*node) {
                Some(Node::File(file)) => drop(image.0.insert(path, Some(file.durable.clone()))),
                Some(Node::Folder(_)) => {
                    folders.push((*node, format!("{path}/")));
                    image.0.insert(path, None);
                }
                None => {}
            }
        }
    }
    image
}
