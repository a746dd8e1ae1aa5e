//! Layers over layers: what the image is after each entry, and what has to be done for it. One set of rules for
//! unpacking and for listing; what is done is up to the [`Sink`].

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::decode::Source;
use super::error::Fault;
use super::reader::{Archive, Member, MemberKind};

/// Prefix of an entry that removes its namesake of the layers below.
pub(super) const WHITEOUT: &str = ".wh.";
/// Name of an entry that removes all of its folder that comes from the layers below.
pub(super) const OPAQUE: &str = ".wh..wh..opq";
/// Prefix of what aufs noted for itself; no part of an image.
const AUFS: &str = ".wh..wh.";

/// Folders stay open to their owner, or nobody but root could fill and remove them.
const DIR_OWNER: u32 = 0o700;
/// Files stay readable to their owner, who has to verify them.
const FILE_OWNER: u32 = 0o400;

/// The mode that a file gets for an archive's mode (already without special bits).
pub(crate) fn file_mode(mode: u32) -> u32 {
    mode | FILE_OWNER
}

/// The mode that a folder gets for an archive's mode.
pub(crate) fn dir_mode(mode: u32) -> u32 {
    mode | DIR_OWNER
}

/// Digest of a file's content.
pub(crate) type Sha256 = [u8; 32];

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Dir {
        mode: u32,
    },
    File {
        mode: u32,
        size: u64,
        /// Where the sink tells it.
        sha256: Option<Sha256>,
    },
    Link {
        target: String,
    },
}

#[derive(Debug)]
struct Placed {
    node: Node,
    layer: u32,
    /// A folder that no entry of its layer names, only entries inside it.
    implied: bool,
}

/// The image so far, by path; the root folder is not in it.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    placed: BTreeMap<String, Placed>,
    layer: u32,
    root_named: bool,
    /// Whiteouts of this layer.
    whiteouts: HashSet<String>,
}

/// What makes the tree real.
pub(crate) trait Sink {
    /// What goes wrong where the tree is made.
    type Error: From<Fault>;

    fn make_dir(&mut self, path: &str, mode: u32) -> Result<(), Self::Error>;
    fn change_dir(&mut self, path: &str, mode: u32) -> Result<(), Self::Error>;
    /// Reads the archive's present body, `size` bytes. The digest is told by sinks that are asked for it.
    fn make_file<S: Source>(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        body: &mut Archive<'_, S>,
    ) -> Result<Option<Sha256>, Self::Error>;
    fn make_link(&mut self, path: &str, target: &str) -> Result<(), Self::Error>;
    fn make_hard_link(&mut self, path: &str, target: &str) -> Result<(), Self::Error>;
    /// Folders are empty when their turn comes.
    fn remove(&mut self, path: &str, is_dir: bool) -> Result<(), Self::Error>;
}

impl Tree {
    /// Applies one layer on top of what is there.
    pub(crate) fn layer<S: Source, K: Sink>(
        &mut self,
        archive: &mut Archive<'_, S>,
        sink: &mut K,
    ) -> Result<(), K::Error> {
        self.layer += 1;
        self.root_named = false;
        self.whiteouts.clear();
        while let Some(member) = archive.next()? {
            self.place(member, archive, sink)?;
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.placed.len()
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.iter().map(|(_, node)| match node {
            Node::File { size, .. } => *size,
            Node::Dir { .. } | Node::Link { .. } => 0,
        });
        sizes.sum()
    }

    /// Everything in the order of paths, folders before what is in them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.placed
            .iter()
            .map(|(path, placed)| (path.as_str(), &placed.node))
    }

    fn place<S: Source, K: Sink>(
        &mut self,
        member: Member,
        archive: &mut Archive<'_, S>,
        sink: &mut K,
    ) -> Result<(), K::Error> {
        let Member { path, kind, mode } = member;
        if path.is_empty() {
            // The folder itself keeps a mode of its own; hard links and links have no name to be refused by before here.
            if kind != MemberKind::Dir {
                return Err(archive
                    .refused("it stands in place of the image's own folder")
                    .into());
            }
            if std::mem::replace(&mut self.root_named, true) {
                return Err(archive.refused("it stands twice in its layer").into());
            }
            return Ok(());
        }
        let (parent, name) = split(&path);
        if parent.split('/').any(|part| part.starts_with(WHITEOUT)) {
            // Aufs kept folders of its own notes.
            if parent.split('/').any(|part| part.starts_with(AUFS)) {
                return Ok(());
            }
            return Err(archive
                .refused("a folder above it has the name of a whiteout")
                .into());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if !self.whiteouts.insert(path.clone()) {
                return Err(archive.refused("it stands twice in its layer").into());
            }
            return self.whiteout(parent, name, hidden, archive, sink);
        }
        self.make_parents(parent, archive, sink)?;
        self.make_room(&path, &kind, archive, sink)?;
        let node = match kind {
            MemberKind::Dir => {
                if self.placed.contains_key(&path) {
                    sink.change_dir(&path, mode)?;
                } else {
                    sink.make_dir(&path, mode)?;
                }
                Node::Dir { mode }
            }
            MemberKind::File { size } => {
                let sha256 = sink.make_file(&path, mode, size, archive)?;
                Node::File { mode, size, sha256 }
            }
            MemberKind::Link { target } => {
                sink.make_link(&path, &target)?;
                Node::Link { target }
            }
            MemberKind::HardLink { target } => {
                let Some(file @ Node::File { .. }) =
                    self.placed.get(&target).map(|placed| placed.node.clone())
                else {
                    let target = super::error::shown(target.as_bytes());
                    let why = format!("it is a hard link to \"{target}\", which is no file");
                    return Err(archive.refused(why).into());
                };
                sink.make_hard_link(&path, &target)?;
                file
            }
        };
        self.placed.insert(
            path,
            Placed {
                node,
                layer: self.layer,
                implied: false,
            },
        );
        Ok(())
    }

    /// Folders that no entry names are made as they are needed; nothing is ever written through a link.
    fn make_parents<S: Source, K: Sink>(
        &mut self,
        parent: &str,
        archive: &Archive<'_, S>,
        sink: &mut K,
    ) -> Result<(), K::Error> {
        if parent.is_empty() {
            return Ok(());
        }
        match self.placed.get(parent).map(|placed| &placed.node) {
            Some(Node::Dir { .. }) => Ok(()),
            Some(node) => {
                let is = if matches!(node, Node::Link { .. }) {
                    "link"
                } else {
                    "file"
                };
                let parent = super::error::shown(parent.as_bytes());
                Err(archive
                    .refused(format!("the folder \"{parent}\" above it is a {is}"))
                    .into())
            }
            None => {
                self.make_parents(split(parent).0, archive, sink)?;
                let mode = super::reader::MODE;
                sink.make_dir(parent, mode)?;
                let placed = Placed {
                    node: Node::Dir { mode },
                    layer: self.layer,
                    implied: true,
                };
                self.placed.insert(parent.to_owned(), placed);
                Ok(())
            }
        }
    }

    /// Clears the path for a new entry: what the layers below had there goes, what this layer has there is an error.
    fn make_room<S: Source, K: Sink>(
        &mut self,
        path: &str,
        kind: &MemberKind,
        archive: &Archive<'_, S>,
        sink: &mut K,
    ) -> Result<(), K::Error> {
        let Some(there) = self.placed.get(path) else {
            return Ok(());
        };
        if there.layer == self.layer && !there.implied {
            return Err(archive.refused("it stands twice in its layer").into());
        }
        if matches!((&there.node, kind), (Node::Dir { .. }, MemberKind::Dir)) {
            return Ok(());
        }
        // A hard link to itself would lose the file it links to.
        if matches!(kind, MemberKind::HardLink { target } if target == path || within(target, path)) {
            return Err(archive.refused("it is a hard link to what it replaces").into());
        }
        if self.below(path).any(|(_, placed)| placed.layer == self.layer) {
            return Err(archive
                .refused("it replaces a folder in which its own layer has entries")
                .into());
        }
        self.remove_older(path, sink)
    }

    fn whiteout<S: Source, K: Sink>(
        &mut self,
        parent: &str,
        name: &str,
        hidden: &str,
        archive: &Archive<'_, S>,
        sink: &mut K,
    ) -> Result<(), K::Error> {
        if matches!(hidden, "" | "." | "..") {
            return Err(archive.refused("it is a whiteout of no name").into());
        }
        if !parent.is_empty() {
            match self.placed.get(parent).map(|placed| &placed.node) {
                Some(Node::Dir { .. }) => {}
                // Nothing there to remove.
                None => return Ok(()),
                Some(_) => return self.make_parents(parent, archive, sink),
            }
        }
        if name == OPAQUE {
            let children: Vec<String> = self.children(parent);
            return children
                .iter()
                .try_for_each(|child| self.remove_older(child, sink));
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        let path = if parent.is_empty() {
            hidden.to_owned()
        } else {
            format!("{parent}/{hidden}")
        };
        self.remove_older(&path, sink)
    }

    /// Removes what the layers below have at the path and under it. Folders stay while this layer has something in them.
    fn remove_older<K: Sink>(&mut self, path: &str, sink: &mut K) -> Result<(), K::Error> {
        let here = self.placed.get(path).map(|placed| (path.to_owned(), placed));
        let mut old: Vec<(String, bool)> = Vec::new();
        // In reverse order what is in a folder comes before the folder.
        let below: Vec<(String, &Placed)> = here.into_iter().chain(self.below(path)).collect();
        let mut kept = HashSet::new();
        for (path, placed) in below.into_iter().rev() {
            if placed.layer == self.layer || kept.contains(path.as_str()) {
                kept.insert(split(&path).0.to_owned());
            } else {
                old.push((path, matches!(placed.node, Node::Dir { .. })));
            }
        }
        for (path, is_dir) in old {
            sink.remove(&path, is_dir)?;
            self.placed.remove(&path);
        }
        Ok(())
    }

    fn below(&self, path: &str) -> impl DoubleEndedIterator<Item = (String, &Placed)> {
        self.placed
            .range(inside(path))
            .map(|(path, placed)| (path.clone(), placed))
    }

    fn children(&self, parent: &str) -> Vec<String> {
        let is_child = |path: &&String| split(path).0 == parent;
        if parent.is_empty() {
            return self.placed.keys().filter(is_child).cloned().collect();
        }
        self.placed
            .range(inside(parent))
            .map(|(path, _)| path)
            .filter(is_child)
            .cloned()
            .collect()
    }
}

/// The paths that lie somewhere under the folder, as keys in order.
pub(crate) fn inside(folder: &str) -> Range<String> {
    // '0' follows '/', so the range is exactly what starts with the folder and a slash.
    format!("{folder}/")..format!("{folder}0")
}

/// Whether the path lies somewhere under the folder.
fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Folder and last name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Makes nothing: for listing and fuzzing.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    type Error = Fault;

    fn make_dir(&mut self, _: &str, _: u32) -> Result<(), Fault> {
        Ok(())
    }

    fn change_dir(&mut self, _: &str, _: u32) -> Result<(), Fault> {
        Ok(())
    }

    fn make_file<S: Source>(
        &mut self,
        _: &str,
        _: u32,
        _: u64,
        body: &mut Archive<'_, S>,
    ) -> Result<Option<Sha256>, Fault> {
        body.read_body::<Fault>(|_| Ok(()))?;
        Ok(None)
    }

    fn make_link(&mut self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn make_hard_link(&mut self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn remove(&mut self, _: &str, _: bool) -> Result<(), Fault> {
        Ok(())
    }
}
