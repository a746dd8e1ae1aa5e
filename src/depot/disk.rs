//! The tree on disk. Every path is resolved by `cap-std` inside the folder that is being filled: also a mistake in the
//! rules above could not write anywhere else.

use std::io::{self, Write};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use sha2::{Digest, Sha256 as Hasher};

use super::durable::Settling;
use super::error::Fault;
use super::hidden::Hidden;
use super::steps::{Step, Steps};
use crate::archive::{
    self, Archive, MODE, Node, Sha256, Sink, Source, Tree, dir_mode, file_mode, shown, split,
};

/// Fills one folder.
pub(super) struct DiskSink<'a> {
    root: &'a Dir,
    steps: &'a dyn Steps,
    settling: Option<&'a mut Settling>,
    /// Whether the files' digests are wanted.
    digests: bool,
    folders: Folders<'a>,
    hidden: Hidden,
    /// Whether the process's umask takes bits away that an archive may ask for.
    masked: bool,
}

impl<'a> DiskSink<'a> {
    /// `root` is a new folder of mode 0755, as far as the umask let it.
    pub(super) fn new(
        root: &'a Dir,
        settling: Option<&'a mut Settling>,
        digests: bool,
        steps: &'a dyn Steps,
    ) -> Result<Self, Fault> {
        let mode = root
            .dir_metadata()
            .map_err(Fault::disk("look at the new folder"))?
            .permissions()
            .mode();
        let masked = mode & 0o777 != MODE;
        if masked {
            root.set_permissions(".", Permissions::from_mode(MODE))
                .map_err(Fault::disk("set the mode of the new folder"))?;
        }
        Ok(Self {
            root,
            steps,
            settling,
            digests,
            folders: Folders { root, last: None },
            hidden: Hidden::default(),
            masked,
        })
    }

    /// To be called when all layers are there: removes what they hid, and follows every link as the system does: one
    /// that leaves over other links is found here, whatever its text says.
    pub(super) fn finish(self, tree: &Tree) -> Result<(), Fault> {
        self.hidden
            .finish(self.root)
            .map_err(|(path, error)| doing("remove", &path)(error))?;
        for (path, node) in tree.iter() {
            let Node::Link { target } = node else { continue };
            match self.root.metadata(path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let target = shown(target.as_bytes());
                    let why = if error.kind() == io::ErrorKind::PermissionDenied {
                        format!("it is a link to \"{target}\", which leads out of the image")
                    } else {
                        format!("it is a link to \"{target}\", which cannot be followed: {error}")
                    };
                    return Err(archive::Fault::refused(path, why).into());
                }
            }
        }
        Ok(())
    }
}

/// The folder of the last entry stays open: archives go folder by folder.
struct Folders<'a> {
    root: &'a Dir,
    last: Option<(String, Dir)>,
}

impl Folders<'_> {
    /// The folder in which the path stands.
    fn of(&mut self, path: &str) -> Result<&Dir, Fault> {
        let folder = split(path).0;
        if folder.is_empty() {
            return Ok(self.root);
        }
        let known = self.last.take().filter(|(name, _)| name == folder);
        let known = match known {
            Some(known) => known,
            None => (
                folder.to_owned(),
                self.root.open_dir(folder).map_err(doing("open", folder))?,
            ),
        };
        Ok(&self.last.insert(known).1)
    }
}

impl Sink for DiskSink<'_> {
    type Error = Fault;

    fn make_dir(&mut self, path: &str, mode: u32) -> Result<(), Fault> {
        let reused = self.hidden.dir(self.root, path);
        if reused.map_err(doing("replace", path))? {
            self.change_dir(path, mode)?;
            self.steps.passed(Step::Entry);
            return Ok(());
        }
        let masked = self.masked;
        let mode = dir_mode(mode);
        let parent = self.folders.of(path)?;
        let name = split(path).1;
        let mut builder = DirBuilder::new();
        builder.mode(mode);
        parent
            .create_dir_with(name, &builder)
            .map_err(doing("make", path))?;
        if masked {
            parent
                .set_permissions(name, Permissions::from_mode(mode))
                .map_err(doing("set the mode of", path))?;
        }
        self.steps.passed(Step::Entry);
        Ok(())
    }

    fn change_dir(&mut self, path: &str, mode: u32) -> Result<(), Fault> {
        let permissions = Permissions::from_mode(dir_mode(mode));
        self.root
            .set_permissions(path, permissions)
            .map_err(doing("set the mode of", path))
    }

    fn make_file<S: Source>(
        &mut self,
        path: &str,
        mode: u32,
        size: u64,
        body: &mut Archive<'_, S>,
    ) -> Result<Option<Sha256>, Fault> {
        let mut hasher = self.digests.then(Hasher::new);
        let mode = file_mode(mode);
        let parent = self.folders.of(path)?;
        let reused = self.hidden.file(self.root, parent, path, size);
        let reused = reused.map_err(doing("replace", path))?;
        let has_mode = reused.is_none() && !self.masked;
        let mut file = if let Some(file) = reused {
            file
        } else {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(mode);
            parent
                .open_with(split(path).1, &options)
                .map_err(doing("make", path))?
        };
        if size > 0 {
            body.read_body(|piece| {
                if let Some(hasher) = &mut hasher {
                    hasher.update(piece);
                }
                file.write_all(piece).map_err(doing("write", path))
            })?;
        }
        if !has_mode {
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(doing("set the mode of", path))?;
        }
        if let Some(settling) = &mut self.settling {
            settling.wrote(size);
        }
        self.steps.passed(Step::Entry);
        Ok(hasher.map(|hasher| hasher.finalize().into()))
    }

    fn make_link(&mut self, path: &str, target: &str) -> Result<(), Fault> {
        self.hidden
            .clear(self.root, path)
            .map_err(doing("replace", path))?;
        self.folders
            .of(path)?
            .symlink_contents(target, split(path).1)
            .map_err(doing("make the link", path))?;
        self.steps.passed(Step::Entry);
        Ok(())
    }

    fn make_hard_link(&mut self, path: &str, target: &str) -> Result<(), Fault> {
        self.hidden
            .clear(self.root, path)
            .map_err(doing("replace", path))?;
        self.root
            .hard_link(target, self.root, path)
            .map_err(doing("make the hard link", path))?;
        self.steps.passed(Step::Entry);
        Ok(())
    }

    fn remove(&mut self, path: &str, is_dir: bool) -> Result<(), Fault> {
        self.folders.last = None;
        self.hidden.add(path, is_dir);
        Ok(())
    }
}

fn doing<'a>(what: &'a str, path: &'a str) -> impl FnOnce(io::Error) -> Fault + 'a {
    move |source| Fault::Disk {
        doing: format!("{what} \"{}\"", shown(path.as_bytes())),
        source,
    }
}
