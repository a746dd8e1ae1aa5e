//! What a layout holds, as a registry names it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use oci_spec::image::{Descriptor, ImageIndex, MediaType};

use crate::registry::budget::lock;
use crate::registry::layout::{Layout, LayoutError};
use crate::registry::manifest::MANIFEST;

/// Indexes within indexes that are followed.
const NESTED: usize = 3;

/// The repositories of a layout, read again when its index changes.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) layout: Layout,
    read: Mutex<Option<(Stamp, Arc<Repositories>)>>,
}

/// By name.
pub(super) type Repositories = BTreeMap<String, Listed>;

/// One repository.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) tags: BTreeMap<String, Descriptor>,
    /// Media types of all manifests that its tags lead to, by digest.
    pub(super) manifests: HashMap<String, MediaType>,
}

/// Tells one state of the index from the next; it is replaced by rename, so its inode changes.
type Stamp = (Option<SystemTime>, u64, u64);

impl Catalog {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            read: Mutex::default(),
        }
    }

    /// The repositories as they are now. Reads files: not for an async thread.
    pub(super) fn repositories(&self) -> Result<Arc<Repositories>, LayoutError> {
        let stamp = self.stamp()?;
        if let Some((known, repositories)) = lock(&self.read).as_ref()
            && *known == stamp
        {
            return Ok(Arc::clone(repositories));
        }
        let mut repositories = Repositories::new();
        for image in self.layout.images()? {
            let listed = repositories.entry(image.repository).or_default();
            self.follow(&image.descriptor, listed, 0)?;
            listed.tags.insert(image.tag, image.descriptor);
        }
        let repositories = Arc::new(repositories);
        *lock(&self.read) = Some((stamp, Arc::clone(&repositories)));
        Ok(repositories)
    }

    fn follow(&self, descriptor: &Descriptor, listed: &mut Listed, depth: usize) -> Result<(), LayoutError> {
        listed
            .manifests
            .insert(descriptor.digest().to_string(), descriptor.media_type().clone());
        let index = matches!(descriptor.media_type(), MediaType::ImageIndex)
            || descriptor.media_type().to_string()
                == "application/vnd.docker.distribution.manifest.list.v2+json";
        if !index || depth >= NESTED {
            return Ok(());
        }
        let Some(bytes) = self.layout.read_blob(descriptor.digest(), MANIFEST as u64)? else {
            return Ok(());
        };
        if let Ok(index) = serde_json::from_slice::<ImageIndex>(&bytes) {
            for child in index.manifests() {
                self.follow(child, listed, depth + 1)?;
            }
        }
        Ok(())
    }

    fn stamp(&self) -> Result<Stamp, LayoutError> {
        use std::os::unix::fs::MetadataExt;
        let path = self.layout.index_path();
        let metadata = fs::metadata(&path).map_err(|source| LayoutError::Access { path, source })?;
        Ok((metadata.modified().ok(), metadata.len(), metadata.ino()))
    }
}
