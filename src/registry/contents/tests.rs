use std::io::Write;

use bytes::Bytes;
use tar::EntryType;
use tokio::sync::mpsc;

use super::flow::Pipe;
use super::layer::{Layer, read_layer};
use super::{Contents, ReadLimits};

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_entry_type(if path.ends_with('/') {
            EntryType::Directory
        } else {
            EntryType::Regular
        });
        // Bypasses the checks of set_path, as an attacker would.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn read_bytes(bytes: Vec<u8>, limits: ReadLimits) -> Result<Layer, String> {
    let (sender, receiver) = mpsc::channel(1024);
    for piece in bytes.chunks(1 << 20) {
        sender.try_send(Bytes::copy_from_slice(piece)).unwrap();
    }
    drop(sender);
    read_layer(Pipe::new(receiver), &|path| path == "version.json", limits)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn reads_plain_gzip_and_zstd_layers() {
    let tar = archive(&[
        ("./", b""),
        ("./version.json", b"{}"),
        ("templates/", b""),
        ("templates/a.yaml", b"a: 1"),
    ]);
    let zstd = zstd::encode_all(tar.as_slice(), 3).unwrap();
    for bytes in [gzip(&tar), zstd, tar] {
        let layer = read_bytes(bytes, ReadLimits::default()).unwrap();
        let names: Vec<_> = layer.contents.entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["templates", "templates/a.yaml", "version.json"]);
        assert_eq!(layer.contents.files["version.json"], b"{}");
        assert_eq!(layer.contents.files.len(), 1);
    }
}

#[test]
fn applies_layers_in_order_with_whiteouts() {
    let mut contents = Contents::default();
    for entries in [
        &[
            ("a/", b"" as &[u8]),
            ("a/x", b"1"),
            ("a/y", b"2"),
            ("b/", b""),
            ("b/z", b"3"),
            ("version.json", b"old"),
        ][..],
        &[
            ("a/.wh.x", b"" as &[u8]),
            ("b/.wh..wh..opq", b""),
            ("b/new", b"4"),
            ("version.json", b"new"),
            ("ab", b"5"),
        ][..],
        &[(".wh.ab", b"" as &[u8]), ("a", b"now a file")][..],
    ] {
        read_bytes(archive(entries), ReadLimits::default())
            .unwrap()
            .apply(&mut contents);
    }
    let names: Vec<_> = contents.entries.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "b/new", "version.json"]);
    assert_eq!(contents.files["version.json"], b"new");
}

#[test]
fn refuses_too_much_of_anything() {
    let small = ReadLimits {
        unpacked: 4096,
        entries: 2,
        ratio: 200,
        ratio_from: 1 << 16,
        file: 4,
        files: 6,
    };
    let cases: [(Vec<u8>, ReadLimits, &str); 6] = [
        (
            archive(&[("a", &[0; 9000])]),
            small,
            "unpacks to more than 4096 bytes",
        ),
        (
            archive(&[("a", b""), ("b", b""), ("c", b"")]),
            ReadLimits {
                unpacked: 1 << 20,
                ..small
            },
            "too many entries",
        ),
        (
            archive(&[("version.json", b"12345")]),
            small,
            "entry \"version.json\": 5 bytes are too many",
        ),
        (
            archive(&[("a/../../b", b"")]),
            ReadLimits::default(),
            "entry \"a/../../b\": leaves the image",
        ),
        (gzip(&vec![0; 1 << 20]), ReadLimits::default(), ""),
        (
            gzip(&archive(&[("a", &vec![0; 1 << 20])])),
            ReadLimits {
                ratio_from: 1 << 16,
                ..ReadLimits::default()
            },
            "unpacks to more than 200 times its size",
        ),
    ];
    for (bytes, limits, expected) in cases {
        match read_bytes(bytes, limits) {
            Err(reason) => assert!(!expected.is_empty() && reason.contains(expected), "{reason}"),
            // A flood of zeros is an archive's end.
            Ok(layer) => assert!(
                expected.is_empty() && layer.contents.entries.is_empty(),
                "{expected}"
            ),
        }
    }
}

#[test]
fn does_not_read_endless_headers_into_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(512 << 20);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(4 << 20, b'a');
    let reason = read_bytes(bytes, ReadLimits::default()).unwrap_err();
    assert!(reason.contains("headers of more than"), "{reason}");
}
