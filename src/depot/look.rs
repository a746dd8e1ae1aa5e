//! Looking into an image without unpacking it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use bytes::Bytes;
use futures_util::Stream;

use super::archive::{Archive, Member, MemberKind};
use super::decode::{Budget, Source};
use super::error::{Fault, UnpackError};
use super::flow::{self, Image, Layer};
use super::limits::Limits;
use super::staging;
use super::tree::{Node, Nowhere, OPAQUE, Tree, WHITEOUT, split};

/// One path of an image, all layers applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Relative, without `.` and `..`.
    pub path: String,
    /// What it is.
    pub kind: ListedKind,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKind {
    /// A folder.
    Dir,
    /// A file; a hard link is one, too.
    File {
        /// Bytes.
        size: u64,
        /// Permissions as unpacking would set them.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as it is written.
        target: String,
    },
}

/// The image's files as unpacking would make them, in the order of their paths; refused is what unpacking would refuse,
/// links over links that leave excepted, which only a disk tells.
///
/// # Errors
/// [`UnpackError`].
pub async fn list_entries<S, E>(
    limits: Limits,
    image: &Image,
    layers: impl IntoIterator<Item = Layer<S>>,
) -> Result<Vec<Listed>, UnpackError>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    flow::feed(image, layers, move |incoming| {
        let mut tree = Tree::default();
        staging::each_layer(incoming, limits, &mut tree, &mut Nowhere)?;
        Ok(tree
            .iter()
            .map(|(path, node)| Listed {
                path: path.to_owned(),
                kind: listed(node),
            })
            .collect())
    })
    .await
}

fn listed(node: &Node) -> ListedKind {
    match node {
        Node::Dir { .. } => ListedKind::Dir,
        Node::File { mode, size, .. } => ListedKind::File {
            size: *size,
            mode: super::disk::file_mode(*mode),
        },
        Node::Link { target } => ListedKind::Link {
            target: target.clone(),
        },
    }
}

/// Reads the named files (relative paths, as in a listing), each of at most `max` bytes. What is not in the image is
/// not in the answer. The topmost layer is read first, and no layer below the one that settles the last name.
///
/// # Errors
/// [`UnpackError`], also for a name that is a link or larger than `max`.
pub async fn extract_files<S, E>(
    limits: Limits,
    max: u64,
    image: &Image,
    layers: impl IntoIterator<Item = Layer<S>>,
    names: &[&str],
) -> Result<BTreeMap<String, Vec<u8>>, UnpackError>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut found = BTreeMap::new();
    let mut layers: Vec<Layer<S>> = layers.into_iter().collect();
    while let Some(layer) = layers.pop().filter(|_| !wanted.is_empty()) {
        let names = wanted.clone();
        let mut search = flow::feed(image, [layer], move |incoming| {
            let mut search = Search {
                wanted: names,
                max,
                ..Search::default()
            };
            let mut budget = Budget::new(limits);
            staging::each_archive(incoming, &mut budget, |archive| search.layer(archive))?;
            Ok(search)
        })
        .await?;
        wanted.retain(|name| !search.found.contains_key(name) && !search.gone.contains(name));
        found.append(&mut search.found);
    }
    Ok(found)
}

/// What one layer says about the names.
#[derive(Default)]
struct Search {
    wanted: BTreeSet<String>,
    max: u64,
    found: BTreeMap<String, Vec<u8>>,
    /// Removed or replaced by this layer: the layers below have no say.
    gone: BTreeSet<String>,
}

impl Search {
    fn layer<S: Source>(&mut self, archive: &mut Archive<'_, S>) -> Result<(), Fault> {
        while let Some(member) = archive.next()? {
            self.member(&member, archive)?;
        }
        Ok(())
    }

    fn member<S: Source>(&mut self, member: &Member, archive: &mut Archive<'_, S>) -> Result<(), Fault> {
        let (parent, name) = split(&member.path);
        if name == OPAQUE {
            self.hide(|wanted| parent.is_empty() || under(wanted, parent));
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            let path = if parent.is_empty() {
                hidden.to_owned()
            } else {
                format!("{parent}/{hidden}")
            };
            self.hide(|wanted| wanted == path || under(wanted, &path));
        } else if self.wanted.contains(&member.path) {
            match member.kind {
                MemberKind::File { size } => return self.read(member, size, archive),
                MemberKind::Dir => self.hide(|wanted| wanted == member.path),
                MemberKind::Link { .. } | MemberKind::HardLink { .. } => {
                    return Err(
                        archive.refused("it is a link, which is followed only when the image is unpacked")
                    );
                }
            }
        } else if member.kind != MemberKind::Dir {
            self.hide(|wanted| under(wanted, &member.path));
        }
        Ok(())
    }

    fn hide(&mut self, hidden: impl Fn(&str) -> bool) {
        self.gone
            .extend(self.wanted.iter().filter(|wanted| hidden(wanted)).cloned());
    }

    fn read<S: Source>(
        &mut self,
        member: &Member,
        size: u64,
        archive: &mut Archive<'_, S>,
    ) -> Result<(), Fault> {
        if size > self.max {
            return Err(archive.refused(format!(
                "it has {size} bytes, and at most {} are read of it",
                self.max
            )));
        }
        let mut content = Vec::new();
        archive.read_body(|piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        if self.found.insert(member.path.clone(), content).is_some() {
            return Err(archive.refused("it stands twice in its layer"));
        }
        Ok(())
    }
}

fn under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}
