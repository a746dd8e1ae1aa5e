//! What an archive may be that nobody should unpack, and what is said of it.

use std::io::Write;

use tar::EntryType;

use super::archives::{Tar, gzip, header, pax_record, zstd};

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) layers: Vec<Vec<u8>>,
    /// What the refusal says behind the image.
    pub(super) said: &'static str,
}

fn case(name: &'static str, archive: Tar, said: &'static str) -> Case {
    Case {
        name,
        layers: vec![archive.end()],
        said,
    }
}

fn special(kind: EntryType) -> Tar {
    Tar::default()
        .file("ok", "fine")
        .entry(kind, b"dev/x", b"", 0o644, b"")
}

fn sized(size: u64) -> Tar {
    Tar::default().raw(&header(EntryType::Regular, b"big", b"", 0o644, size), b"x")
}

fn pax(records: &[u8]) -> Tar {
    Tar::default().pax(records).file("a", "12345")
}

/// A size that does not fit into octal digits, in base 256, with high bytes that some readers drop.
fn base256() -> Tar {
    let mut head = header(EntryType::Regular, b"a", b"", 0o644, 0);
    head.as_old_mut().size = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    head.set_cksum();
    Tar::default().raw(&head, b"x")
}

pub(super) fn cases() -> Vec<Case> {
    let start = || Tar::default().file("ok", "fine");
    let long_name = "n".repeat(256);
    let long_path = "d/".repeat(1_100) + "f";
    let deep = "d/".repeat(66) + "f";
    vec![
        case(
            "parent folder",
            start().file("../evil", "x"),
            r#"entry "../evil": its path leads out of the image"#,
        ),
        case(
            "parent folder inside",
            start().file("a/../../evil", "x"),
            r#"entry "a/../../evil": its path leads out of the image"#,
        ),
        case(
            "parent folder that comes back",
            start().file("a/../b", "x"),
            r#"entry "a/../b": its path leads out of the image"#,
        ),
        case(
            "absolute",
            start().file("/tmp/evil", "x"),
            r#"entry "/tmp/evil": its path is absolute"#,
        ),
        case(
            "absolute by PAX",
            Tar::default().pax(&pax_record("path", b"/evil")).file("a", ""),
            r#"entry "/evil": its path is absolute"#,
        ),
        case(
            "absolute by long name",
            Tar::default().file(&format!("/{}", "a/".repeat(60)), ""),
            "its path is absolute",
        ),
        case("empty", Tar::default().file("", "x"), "its name is empty"),
        case(
            "NUL",
            Tar::default().pax(&pax_record("path", b"a\0b")).file("a", ""),
            r#"entry "a\u{0}b": its name holds a NUL"#,
        ),
        case(
            "not UTF-8",
            start().entry(EntryType::Regular, b"caf\xe9", b"", 0o644, b""),
            r#"entry "caf\xe9": its name is not UTF-8"#,
        ),
        case(
            "long name",
            start().file(&long_name, ""),
            "its name has 256 bytes between slashes, the limit is 255",
        ),
        case(
            "long path",
            start().file(&long_path, ""),
            "its name has 2201 bytes, the limit is 2048",
        ),
        case(
            "deep",
            start().file(&deep, ""),
            "it lies under 66 folders, the limit is 64",
        ),
        case(
            "endless long name",
            Tar::default().raw(
                &header(EntryType::GNULongName, b"././@LongLink", b"", 0o644, 1 << 30),
                b"",
            ),
            "describes another entry with 1073741824 bytes",
        ),
        case(
            "absolute link",
            start().link("l", "/etc/passwd"),
            r#"entry "l": it is a link to the absolute path "/etc/passwd""#,
        ),
        case(
            "relative link",
            start().link("d/l", "../../x"),
            r#"entry "d/l": it is a link to "../../x", which leads out of the image"#,
        ),
        case(
            "link to the parent",
            start().link("l", ".."),
            r#"entry "l": it is a link to "..", which leads out of the image"#,
        ),
        case(
            "link that leaves and comes back",
            start().link("l", "a/../../x/y"),
            "which leads out of the image",
        ),
        case(
            "chained links",
            start()
                .dir("a/b/c")
                .link("a/b/c/up", "../..")
                .link("out", "a/b/c/up/../.."),
            r#"entry "out": it is a link to "a/b/c/up/../..", which leads out of the image"#,
        ),
        case(
            "chained links, the second first",
            start()
                .link("out", "a/b/c/up/../..")
                .dir("a/b/c")
                .link("a/b/c/up", "../.."),
            r#"entry "out": it is a link to"#,
        ),
        case(
            "link to itself",
            start().link("l", "l"),
            r#"entry "l": it is a link to "l", which cannot be followed"#,
        ),
        case(
            "link without target",
            start().link("l", ""),
            r#"entry "l": it is a link without a usable target"#,
        ),
        case(
            "through a link",
            start().dir("d").link("l", "d").file("l/evil", "x"),
            r#"entry "l/evil": the folder "l" above it is a link"#,
        ),
        case(
            "through a file",
            start().file("ok/evil", "x"),
            r#"entry "ok/evil": the folder "ok" above it is a file"#,
        ),
        case(
            "hard link outside",
            start().hard_link("h", "../../etc/passwd"),
            r#"entry "h": it is a hard link to "../../etc/passwd", of which its path leads out"#,
        ),
        case(
            "absolute hard link",
            start().hard_link("h", "/etc/passwd"),
            r#"entry "h": it is a hard link to "/etc/passwd", of which its path is absolute"#,
        ),
        case(
            "hard link to nothing",
            start().hard_link("h", "later").file("later", ""),
            r#"entry "h": it is a hard link to "later", which is no file"#,
        ),
        case(
            "hard link to a link",
            start().link("l", "ok").hard_link("h", "l"),
            r#"entry "h": it is a hard link to "l", which is no file"#,
        ),
        case(
            "hard link through a link",
            start()
                .dir("d")
                .file("d/f", "")
                .link("l", "d")
                .hard_link("h", "l/f"),
            r#"entry "h": it is a hard link to "l/f", which is no file"#,
        ),
        case(
            "hard link to itself",
            start().hard_link("ok", "ok"),
            r#"entry "ok": it stands twice in its layer"#,
        ),
        case(
            "character device",
            special(EntryType::Char),
            r#"entry "dev/x": it is a character device"#,
        ),
        case(
            "block device",
            special(EntryType::Block),
            r#"entry "dev/x": it is a block device"#,
        ),
        case("fifo", special(EntryType::Fifo), r#"entry "dev/x": it is a fifo"#),
        case(
            "sparse",
            special(EntryType::GNUSparse),
            r#"entry "dev/x": it is a sparse file"#,
        ),
        case(
            "unknown type",
            special(EntryType::new(b'V')),
            r#"entry "dev/x": it is of the unknown type "V""#,
        ),
        case(
            "twice",
            start().file("./ok", "other"),
            r#"entry "./ok": it stands twice in its layer"#,
        ),
        case(
            "folder twice",
            Tar::default().dir("d").dir("d/"),
            r#"entry "d/": it stands twice in its layer"#,
        ),
        case(
            "root twice",
            Tar::default().dir("./").dir("."),
            r#"entry ".": it stands twice in its layer"#,
        ),
        case(
            "folder then link",
            Tar::default().dir("d").link("d", "x"),
            r#"entry "d": it stands twice in its layer"#,
        ),
        case(
            "implied folder then link",
            Tar::default().file("d/f", "").link("d", "x"),
            r#"entry "d": it replaces a folder in which its own layer has entries"#,
        ),
        case(
            "root as a file",
            Tar::default().file("./.", "x"),
            "it is a file in place of the image's own folder",
        ),
        case(
            "root as a link",
            Tar::default().link("./.", "x"),
            "it is a link in place of the image's own folder",
        ),
        case(
            "root as a hard link",
            start().hard_link("./.", "ok"),
            "it stands in place of the image's own folder",
        ),
        case(
            "folder with bytes",
            Tar::default().entry(EntryType::Directory, b"d", b"", 0o755, b"x"),
            r#"entry "d": it claims 1 bytes, and only files may have any"#,
        ),
        case(
            "link with bytes",
            Tar::default().entry(EntryType::Symlink, b"l", b"x", 0o755, b"x"),
            r#"entry "l": it claims 1 bytes, and only files may have any"#,
        ),
        case(
            "100 GB, base 256",
            sized(100 << 30),
            r#"entry "big": claims a size of more than 8 GiB"#,
        ),
        case(
            "7 GB",
            sized(7 << 30),
            r#"entry "big": it has 7516192768 bytes, with which the image unpacks to more than the limit of 1073741824"#,
        ),
        case(
            "base 256",
            base256(),
            r#"entry "a": claims a size of more than 8 GiB"#,
        ),
        case(
            "PAX size",
            pax(&pax_record("size", b"100000000000")),
            r#"entry "a": claims 5 bytes, its PAX header 100000000000"#,
        ),
        case(
            "PAX size zero",
            pax(&pax_record("size", b"0")),
            r#"entry "a": claims 5 bytes, its PAX header 0"#,
        ),
        case(
            "PAX size, unreadable",
            pax(&pax_record("size", b"-1")),
            "has an unreadable size in its PAX header",
        ),
        case(
            "PAX size twice",
            pax(&[pax_record("size", b"5"), pax_record("size", b"9")].concat()),
            r#"says "size" twice"#,
        ),
        case("PAX length", pax(b"99 path=a\n"), "has a malformed PAX header"),
        case(
            "PAX sparse",
            pax(&pax_record("GNU.sparse.major", b"1")),
            "is a sparse file",
        ),
        case(
            "PAX twice",
            Tar::default()
                .pax(&pax_record("path", b"a"))
                .pax(&pax_record("path", b"b"))
                .file("c", ""),
            "describes the same entry twice",
        ),
        case(
            "global PAX path",
            Tar::default()
                .raw(
                    &header(EntryType::XGlobalHeader, b"g", b"", 0o644, 10),
                    b"10 path=b\n",
                )
                .file("a", ""),
            "sets a name or a size for all entries",
        ),
        case(
            "PAX for nothing",
            start().pax(&pax_record("path", b"a")),
            "describes an entry that does not follow",
        ),
        case(
            "whiteout of the folder",
            start().file("d/.wh...", ""),
            r#"entry "d/.wh...": it is a whiteout of no name"#,
        ),
        case(
            "whiteout of itself",
            start().file("d/f", "").file("d/.wh..", ""),
            r#"entry "d/.wh..": it is a whiteout of no name"#,
        ),
        case(
            "whiteout of nothing",
            start().file(".wh.", ""),
            r#"entry ".wh.": it is a whiteout of no name"#,
        ),
        case(
            "inside a whiteout",
            start().file(".wh.a/b", ""),
            "a folder above it has the name of a whiteout",
        ),
        case(
            "whiteout through a link",
            start().dir("d").link("l", "d").file("l/.wh.x", ""),
            r#"the folder "l" above it is a link"#,
        ),
        Case {
            name: "folder replaced by a link, then written through",
            layers: vec![
                Tar::default().dir("d").file("d/f", "old").dir("e").end(),
                Tar::default().link("d", "e").file("d/f", "evil").end(),
            ],
            said: r#"entry "d/f": the folder "d" above it is a link"#,
        },
        Case {
            name: "written through a link of the layer below",
            layers: vec![
                Tar::default().dir("e").link("d", "e").end(),
                Tar::default().file("d/f", "evil").end(),
            ],
            said: r#"entry "d/f": the folder "d" above it is a link"#,
        },
        Case {
            name: "a link that a later layer makes leave",
            layers: vec![
                Tar::default()
                    .dir("a/b/c")
                    .link("out", "a/b/c/../../../ok")
                    .file("ok", "")
                    .end(),
                Tar::default().link("a/b/c", "../x").dir("a/x").end(),
            ],
            said: r#"entry "out": it is a link to "a/b/c/../../../ok", which leads out of the image"#,
        },
        Case {
            name: "hard link over what it links to",
            layers: vec![
                Tar::default().file("f", "x").end(),
                Tar::default().hard_link("f", "f").end(),
            ],
            said: r#"entry "f": it is a hard link to what it replaces"#,
        },
        Case {
            name: "no end",
            layers: vec![start().0],
            said: r#"entry "ok": what follows it ends without the mark of an end"#,
        },
        Case {
            name: "cut in a header",
            layers: vec![start().0[..700].into()],
            said: r#"entry "ok": is cut short"#,
        },
        Case {
            name: "cut in content",
            layers: vec![start().0[..514].into()],
            said: r#"entry "ok": is cut short"#,
        },
        Case {
            name: "nothing",
            layers: vec![Vec::new()],
            said: "ends without the mark of an end",
        },
        Case {
            name: "a web page",
            layers: vec![b"<html>not found</html>".repeat(40)],
            said: "a header's checksum is wrong",
        },
        Case {
            name: "bytes behind the end",
            layers: vec![[start().end(), start().end()].concat()],
            said: "has bytes behind its end",
        },
        Case {
            name: "cut gzip",
            layers: vec![gzip(&start().end())[..40].into()],
            said: "cannot be decompressed",
        },
        Case {
            name: "gzip with rubbish behind it",
            layers: vec![[gzip(&start().end()), b"rubbish".to_vec()].concat()],
            said: "cannot be decompressed",
        },
        Case {
            name: "gzip with a wrong sum",
            layers: vec![broken_sum()],
            said: "cannot be decompressed",
        },
        Case {
            name: "a second gzip member with an archive",
            layers: vec![[gzip(&start().end()), gzip(&start().end())].concat()],
            said: "has bytes behind its end",
        },
        Case {
            name: "cut zstd",
            layers: vec![cut(zstd(&start().end()))],
            said: "cannot be decompressed",
        },
        Case {
            name: "zstd with rubbish behind it",
            layers: vec![[zstd(&start().end()), b"rubbish".to_vec()].concat()],
            said: "cannot be decompressed",
        },
        Case {
            name: "zstd with a huge window",
            layers: vec![huge_window()],
            said: "cannot be decompressed",
        },
        Case {
            name: "gzip bomb",
            layers: vec![bomb(true)],
            said: r#"entry "zeros": unpacks to more than 200 times"#,
        },
        Case {
            name: "zstd bomb",
            layers: vec![bomb(false)],
            said: r#"entry "zeros": unpacks to more than 200 times"#,
        },
        Case {
            name: "bomb behind the end",
            layers: vec![bomb_behind_the_end()],
            said: r#"entry "ok": unpacks to more than 200 times"#,
        },
    ]
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 3);
    bytes
}

fn broken_sum() -> Vec<u8> {
    let mut bytes = gzip(&Tar::default().file("ok", "fine").end());
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    bytes
}

fn huge_window() -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder
        .write_all(&Tar::default().file("ok", "fine").end())
        .unwrap();
    encoder.finish().unwrap()
}

fn bomb(gz: bool) -> Vec<u8> {
    let archive = Tar::default().file("zeros", vec![0; 20 << 20]).end();
    if gz {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&archive).unwrap();
        return encoder.finish().unwrap();
    }
    zstd(&archive)
}

fn bomb_behind_the_end() -> Vec<u8> {
    let mut archive = Tar::default().file("ok", "fine").end();
    archive.resize(20 << 20, 0);
    zstd(&archive)
}
