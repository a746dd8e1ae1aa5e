//! One layer's archive, entry by entry, every entry checked for itself: what it is, what it is called, how large it claims
//! to be. The `tar` crate reads the header blocks; its walk over entries is not used, because it would hold a long name
//! of any size in memory, would take a PAX size for the header's, and cannot tell an end from a cut.

use tar::{EntryType, Header};

use super::decode::{Budget, Decoder, Fill, Metered, Source};
use super::error::{Fault, shown};
use super::limits::Limits;
use super::pax::Pax;

const BLOCK: usize = 512;
/// Bytes that a header describing another entry may have (long names, PAX records with attributes).
const DESCRIPTION: u64 = 1 << 20;
/// Modes keep these bits and no others: what is special or writable by everybody goes.
pub(crate) const MODE: u32 = 0o755;

/// An entry as it may be used: the name is relative, without `.` and `..`, and empty for the root folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    pub(super) kind: MemberKind,
    pub(super) mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MemberKind {
    Dir,
    File {
        size: u64,
    },
    /// A symbolic link; read as text it stays inside, what it leads over is not known here.
    Link {
        target: String,
    },
    /// A hard link to an entry of that name.
    HardLink {
        target: String,
    },
}

/// Reads one layer.
pub(crate) struct Archive<'b, S: Source> {
    bytes: Metered<'b, S>,
    /// Content of the present entry that was not read yet, and the padding behind it.
    body: u64,
    padding: u64,
    /// For messages: the name of the present entry.
    name: String,
}

impl<'b, S: Source> Archive<'b, S> {
    pub(super) fn new(decoder: Decoder<S>, budget: &'b mut Budget) -> Self {
        Self {
            bytes: Metered::new(decoder, budget),
            body: 0,
            padding: 0,
            name: String::new(),
        }
    }

    /// The next entry; `None` at the end, with nothing but zeros behind it.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Fault> {
        let (mut long_name, mut long_link, mut pax) = (None, None, Pax::default());
        let mut described = false;
        loop {
            self.skip_body()?;
            let Some(header) = self.header()? else {
                if described {
                    return Err(self.broken("describes an entry that does not follow"));
                }
                return Ok(None);
            };
            self.name = shown(&header.path_bytes());
            self.count_entry()?;
            let size = self.size(&header)?;
            match header.entry_type() {
                EntryType::GNULongName if long_name.is_none() => long_name = Some(self.long_name(size)?),
                EntryType::GNULongLink if long_link.is_none() => long_link = Some(self.long_name(size)?),
                EntryType::XHeader if pax.is_empty() => {
                    let records = self.description(size)?;
                    pax = Pax::parse(&records).map_err(|why| self.refused(why))?;
                }
                EntryType::XGlobalHeader => {
                    let records = self.description(size)?;
                    if !Pax::parse(&records).map_err(|why| self.refused(why))?.is_empty() {
                        return Err(self.refused("sets a name or a size for all entries"));
                    }
                    continue;
                }
                EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader => {
                    return Err(self.refused("describes the same entry twice"));
                }
                kind => {
                    let name = pax
                        .path
                        .or(long_name)
                        .unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = pax
                        .linkpath
                        .or(long_link)
                        .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
                    self.name = shown(&name);
                    if let Some(said) = pax.size.filter(|said| *said != size) {
                        return Err(self.refused(format!("claims {size} bytes, its PAX header {said}")));
                    }
                    return self.member(kind, &header, size, &name, &link).map(Some);
                }
            }
            described = true;
        }
    }

    /// Hands the present entry's content on, in pieces as they come.
    pub(crate) fn read_body<E: From<Fault>>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.body > 0 {
            let wanted = usize::try_from(self.body).unwrap_or(usize::MAX);
            let name = &self.name;
            let have = self.bytes.fill().map_err(|fill| told(name, fill))?;
            if have.is_empty() {
                return Err(self.broken("is cut short").into());
            }
            let piece = &have[..have.len().min(wanted)];
            take(piece)?;
            let length = piece.len();
            self.bytes.consume(length);
            self.body -= length as u64;
        }
        Ok(())
    }

    /// A refusal of the present entry.
    pub(super) fn refused(&self, why: impl Into<String>) -> Fault {
        let entry = (!self.name.is_empty()).then(|| self.name.clone());
        Fault::Refused {
            entry,
            why: why.into(),
            broken: false,
        }
    }

    fn broken(&self, why: impl Into<String>) -> Fault {
        let entry = (!self.name.is_empty()).then(|| self.name.clone());
        Fault::Refused {
            entry,
            why: why.into(),
            broken: true,
        }
    }

    fn count_entry(&mut self) -> Result<(), Fault> {
        let budget = &mut *self.bytes.budget;
        budget.entries += 1;
        let limit = budget.limits.entries;
        if budget.entries > limit {
            return Err(self.refused(format!("comes after {limit} entries, the limit of an image")));
        }
        Ok(())
    }

    fn size(&self, header: &Header) -> Result<u64, Fault> {
        // Base 256 says sizes of 8 GiB and more, which are over every limit, and readers disagree about its high bytes.
        if header.as_old().size[0] & 0x80 != 0 {
            return Err(self.refused("claims a size of more than 8 GiB"));
        }
        header
            .entry_size()
            .map_err(|_| self.broken("has an unreadable size"))
    }

    fn member(
        &mut self,
        kind: EntryType,
        header: &Header,
        size: u64,
        name: &[u8],
        link: &[u8],
    ) -> Result<Member, Fault> {
        let limits = self.bytes.budget.limits;
        let path = clean(name, &limits).map_err(|why| self.refused(why))?;
        let mode = header.mode().map_err(|_| self.broken("has an unreadable mode"))? & MODE;
        let folder = name.ends_with(b"/");
        let kind = match kind {
            EntryType::Directory => MemberKind::Dir,
            // Before there was a type for folders they were empty files with a slash behind their name.
            EntryType::Regular | EntryType::Continuous if folder => MemberKind::Dir,
            EntryType::Regular | EntryType::Continuous => MemberKind::File { size },
            EntryType::Symlink => MemberKind::Link {
                target: check_link(&path, link).map_err(|why| self.refused(why))?,
            },
            EntryType::Link => {
                let target = clean(link, &limits).map_err(|why| {
                    self.refused(format!(
                        "it is a hard link to \"{}\", of which {why}",
                        shown(link)
                    ))
                })?;
                MemberKind::HardLink { target }
            }
            other => return Err(self.refused(foreign(other))),
        };
        if let MemberKind::File { size } = kind {
            let budget = &mut *self.bytes.budget;
            budget.content = budget.content.saturating_add(size);
            if budget.content > limits.unpacked {
                let limit = limits.unpacked;
                return Err(self.refused(format!(
                    "it has {size} bytes, with which the image unpacks to more than the limit of {limit}"
                )));
            }
            if path.is_empty() {
                return Err(self.refused("it is a file in place of the image's own folder"));
            }
        } else if size > 0 {
            return Err(self.refused(format!("it claims {size} bytes, and only files may have any")));
        }
        Ok(Member { path, kind, mode })
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        let mut name = self.description(size)?;
        // GNU tar ends the name with a NUL; one in the middle stays and is refused with the name.
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn description(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > DESCRIPTION {
            return Err(self.refused(format!(
                "describes another entry with {size} bytes, the limit is {DESCRIPTION}"
            )));
        }
        let mut all = Vec::new();
        self.read_body::<Fault>(|piece| {
            all.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }

    fn skip_body(&mut self) -> Result<(), Fault> {
        self.read_body::<Fault>(|_| Ok(()))?;
        while self.padding > 0 {
            let name = &self.name;
            let have = self.bytes.fill().map_err(|fill| told(name, fill))?.len();
            if have == 0 {
                // The last content is whole: see `header`.
                self.padding = 0;
                break;
            }
            let length = have.min(usize::try_from(self.padding).unwrap_or(usize::MAX));
            self.bytes.consume(length);
            self.padding -= length as u64;
        }
        Ok(())
    }

    /// The next header, its checksum right, and what follows it measured.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let mut block = [0; BLOCK];
        match self.block(&mut block)? {
            BLOCK => {}
            // Some tools (umoci 0.4) neither pad the last content nor mark the end. That nothing is missing is known all
            // the same: from the compression's own end, and from the layer's digest.
            0 if !self.name.is_empty() => return Ok(None),
            0 => return Err(self.whole("is empty")),
            _ => return Err(self.whole("is cut short")),
        }
        if block.iter().all(|&byte| byte == 0) {
            self.end()?;
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum: u32 = block[..148]
            .iter()
            .chain(&[b' '; 8])
            .chain(&block[156..])
            .map(|&byte| u32::from(byte))
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(self.whole("is no archive, or a damaged one: a header's checksum is wrong"));
        }
        // An unreadable size is told with the entry's name, by the caller.
        let size = header.entry_size().unwrap_or(0);
        self.body = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Ok(Some(header))
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < BLOCK {
            let name = &self.name;
            let have = self.bytes.fill().map_err(|fill| told(name, fill))?;
            if have.is_empty() {
                break;
            }
            let amount = have.len().min(BLOCK - filled);
            block[filled..filled + amount].copy_from_slice(&have[..amount]);
            self.bytes.consume(amount);
            filled += amount;
        }
        Ok(filled)
    }

    /// Behind the end only zeros: what one reader passes over, another could take for files.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            let name = &self.name;
            let have = self.bytes.fill().map_err(|fill| told(name, fill))?;
            if have.is_empty() {
                return Ok(());
            }
            let (length, zeros) = (have.len(), have.iter().all(|&byte| byte == 0));
            if !zeros {
                return Err(self.whole("has bytes behind its end"));
            }
            self.bytes.consume(length);
        }
    }

    /// The archive as a whole is at fault; the last entry says where.
    fn whole(&self, why: &str) -> Fault {
        if self.name.is_empty() {
            return self.broken(why);
        }
        self.broken(format!("what follows it {why}"))
    }
}

fn told(name: &str, fill: Fill) -> Fault {
    let entry = (!name.is_empty()).then(|| name.to_owned());
    match fill {
        Fill::Cut => Fault::Cut,
        Fill::Refused(why) => Fault::Refused {
            entry,
            why,
            broken: false,
        },
        Fill::Broken(error) => {
            let why = format!("cannot be decompressed: {error}");
            Fault::Refused {
                entry,
                why,
                broken: true,
            }
        }
    }
}

/// What an entry is that may not be in an image.
fn foreign(kind: EntryType) -> String {
    match kind {
        EntryType::Char => "it is a character device".to_owned(),
        EntryType::Block => "it is a block device".to_owned(),
        EntryType::Fifo => "it is a fifo".to_owned(),
        EntryType::GNUSparse => "it is a sparse file".to_owned(),
        other => format!("it is of the unknown type \"{}\"", shown(&[other.as_byte()])),
    }
}

/// A name as a relative path without `.` and `..`; the error is a reason for a refusal.
fn clean(name: &[u8], limits: &Limits) -> Result<String, String> {
    if name.len() > limits.path {
        return Err(format!(
            "its name has {} bytes, the limit is {}",
            name.len(),
            limits.path
        ));
    }
    let text = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    if text.is_empty() {
        return Err("its name is empty".to_owned());
    }
    if text.contains('\0') {
        return Err("its name holds a NUL".to_owned());
    }
    if text.starts_with('/') {
        return Err("its path is absolute".to_owned());
    }
    let mut path = String::with_capacity(text.len());
    let mut depth = 0;
    for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            return Err("its path leads out of the image".to_owned());
        }
        if part.len() > limits.name {
            return Err(format!(
                "its name has {} bytes between slashes, the limit is {}",
                part.len(),
                limits.name
            ));
        }
        if depth > 0 {
            path.push('/');
        }
        path.push_str(part);
        depth += 1;
    }
    if depth > limits.depth + 1 {
        return Err(format!(
            "it lies under {} folders, the limit is {}",
            depth - 1,
            limits.depth
        ));
    }
    Ok(path)
}

/// A symbolic link's target, when as text it stays inside. Links over links are looked at when all is on disk.
fn check_link(path: &str, target: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(target).map_err(|_| "it is a link whose target is not UTF-8")?;
    if text.is_empty() || text.contains('\0') || text.len() >= 4_096 {
        return Err("it is a link without a usable target".to_owned());
    }
    if text.starts_with('/') {
        return Err(format!("it is a link to the absolute path \"{}\"", shown(target)));
    }
    if path.is_empty() {
        return Err("it is a link in place of the image's own folder".to_owned());
    }
    let mut depth = path.matches('/').count();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                depth = depth.checked_sub(1).ok_or_else(|| {
                    format!(
                        "it is a link to \"{}\", which leads out of the image",
                        shown(target)
                    )
                })?;
            }
            _ => depth += 1,
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_names() {
        let limits = Limits::default();
        for (name, path) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            ("./", ""),
            (".", ""),
            ("a/./b", "a/b"),
            ("..a", "..a"),
        ] {
            assert_eq!(clean(name.as_bytes(), &limits).as_deref(), Ok(path));
        }
        for bad in [&b""[..], b"/a", b"a/../b", b"..", b"a\0b", b"a\xff"] {
            assert!(clean(bad, &limits).is_err());
        }
        assert!(clean("a".repeat(256).as_bytes(), &limits).is_err());
        assert!(clean("a/".repeat(66).as_bytes(), &limits).is_err());
        assert!(clean("a/".repeat(65).as_bytes(), &limits).is_ok());
    }

    #[test]
    fn links_stay_inside_as_text() {
        for (path, target, good) in [
            ("a", "b", true),
            ("a/b", "../c", true),
            ("a", "..", false),
            ("a/b", "..", true),
            ("a/b", "../..", false),
            ("a/b", "x/../../../y", false),
            ("a", "/a", false),
            ("a", "", false),
            ("", "a", false),
        ] {
            assert_eq!(
                check_link(path, target.as_bytes()).is_ok(),
                good,
                "{path} -> {target}"
            );
        }
    }
}
