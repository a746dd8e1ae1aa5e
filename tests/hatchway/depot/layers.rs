//! Layers over layers: whiteouts, overwrites, links, modes, compressions.

use hatchway::archive::Limits;
use hatchway::depot::{Depot, Unpacked, VersionKey};
use tar::EntryType;

use super::archives::{Tar, gzip, header, image, layer, lines, pax_record, pieces, zstd};

async fn unpack(layers: &[Vec<u8>]) -> (tempfile::TempDir, Unpacked) {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let layers: Vec<_> = layers.iter().map(|bytes| layer(bytes)).collect();
    let unpacked = depot.unpack("a", &key, &image("v1"), layers).await.unwrap();
    (dir, unpacked)
}

async fn result(layers: &[Tar]) -> Vec<String> {
    let layers: Vec<_> = layers.iter().map(|archive| archive.clone().end()).collect();
    let (_dir, unpacked) = unpack(&layers).await;
    lines(&unpacked.path)
}

#[tokio::test]
async fn upper_layers_overwrite_and_whiteouts_remove() {
    let base = Tar::default()
        .dir("d")
        .file("d/kept", "1")
        .file("d/gone", "1")
        .file("changed", "1")
        .dir("opaque")
        .file("opaque/old", "1")
        .dir("opaque/deep")
        .file("opaque/deep/old", "1")
        .dir("dir-to-file")
        .file("dir-to-file/x", "1")
        .file("file-to-dir", "1")
        .link("link-to-dir", "d");
    let upper = Tar::default()
        .file("d/.wh.gone", "")
        .file("changed", "22")
        .file("opaque/new", "2")
        .file("opaque/.wh..wh..opq", "")
        .file("dir-to-file", "2")
        .dir("file-to-dir")
        .file("file-to-dir/x", "2")
        .dir("link-to-dir")
        .file("link-to-dir/x", "2")
        .file(".wh.never-there", "")
        .file("no-such/.wh.x", "")
        .file(".wh..wh.plnk/1.2", "");
    assert_eq!(
        result(&[base, upper]).await,
        [
            "changed 644 22",
            "d 755 /",
            "d/kept 644 1",
            "dir-to-file 644 2",
            "file-to-dir 755 /",
            "file-to-dir/x 644 2",
            "link-to-dir 755 /",
            "link-to-dir/x 644 2",
            "opaque 755 /",
            "opaque/new 644 2",
        ]
    );
}

#[tokio::test]
async fn a_whiteout_hides_only_the_layers_below() {
    let base = Tar::default()
        .dir("d")
        .file("d/old", "1")
        .dir("d/s")
        .file("d/s/old", "1")
        .file("d/s-x", "1");
    let upper = Tar::default()
        .file("d/new", "2")
        .file("d/s/new", "2")
        .file(".wh.d", "");
    assert_eq!(
        result(&[base, upper]).await,
        ["d 755 /", "d/new 644 2", "d/s 755 /", "d/s/new 644 2"]
    );
}

#[tokio::test]
async fn a_whiteout_takes_whole_folders_and_their_namesakes_stay() {
    let base = Tar::default()
        .file("d/a/b/c", "1")
        .file("d-x", "1")
        .file("d.x", "1")
        .file("e", "1");
    assert_eq!(
        result(&[base, Tar::default().file(".wh.d", "")]).await,
        ["d-x 644 1", "d.x 644 1", "e 644 1"]
    );
}

#[tokio::test]
async fn the_whole_image_may_be_opaque() {
    let base = Tar::default().file("d/a", "1").file("b", "1");
    let upper = Tar::default().file(".wh..wh..opq", "").file("c", "2");
    assert_eq!(result(&[base, upper]).await, ["c 644 2"]);
}

#[tokio::test]
async fn links_that_stay_inside_are_kept() {
    let archive = Tar::default()
        .dir("a/b")
        .file("a/f", "x")
        .link("a/b/up", "../f")
        .link("dangling", "not/there")
        .hard_link("h", "a/f")
        .link("a/b/root", "../..");
    assert_eq!(
        result(&[archive]).await,
        [
            "a 755 /",
            "a/b 755 /",
            "a/b/root -> ../..",
            "a/b/up -> ../f",
            "a/f 644 x",
            "dangling -> not/there",
            "h 644 x"
        ]
    );
}

#[tokio::test]
async fn nothing_of_what_was_hidden_is_left_in_what_came_in_its_place() {
    let base = Tar::default()
        .file("shorter", "1111")
        .file("longer", "1")
        .file("emptied", "1111")
        .entry(EntryType::Regular, b"stricter", b"", 0o755, b"1")
        .link("link-to-file", "longer")
        .file("file-to-link", "1")
        .file("file-to-hard-link", "1")
        .dir("back")
        .file("back/gone", "1")
        .dir("back/deep")
        .file("back/deep/gone", "1")
        .dir("to-file")
        .dir("to-file/deep")
        .file("to-file/deep/gone", "1")
        .file("removed-and-back", "1111");
    let middle = Tar::default()
        .file(".wh.back", "")
        .file(".wh.to-file", "")
        .file(".wh.removed-and-back", "");
    let upper = Tar::default()
        .file("shorter", "33")
        .file("longer", "333333")
        .file("emptied", "")
        .entry(EntryType::Regular, b"stricter", b"", 0o600, b"3")
        .file("link-to-file", "3")
        .link("file-to-link", "shorter")
        .hard_link("file-to-hard-link", "shorter")
        .entry(EntryType::Directory, b"back", b"", 0o750, b"")
        .file("back/new", "3")
        .file("to-file", "3")
        .file("removed-and-back", "3");
    assert_eq!(
        result(&[base, middle, upper]).await,
        [
            "back 750 /",
            "back/new 644 3",
            "emptied 644 ",
            "file-to-hard-link 644 33",
            "file-to-link -> shorter",
            "link-to-file 644 3",
            "longer 644 333333",
            "removed-and-back 644 3",
            "shorter 644 33",
            "stricter 600 3",
            "to-file 644 3",
        ]
    );
}

#[tokio::test]
async fn a_folder_that_became_a_file_and_a_folder_again_holds_what_came_last() {
    let layers = [
        Tar::default().dir("d").file("d/old", "1"),
        Tar::default().file("d", "2"),
        Tar::default().dir("d").file("d/new", "3"),
        Tar::default().file(".wh.d", ""),
        Tar::default().dir("d").file("d/last", "5"),
    ];
    assert_eq!(result(&layers).await, ["d 755 /", "d/last 644 5"]);
}

#[tokio::test]
async fn a_hard_link_keeps_its_content_when_the_other_name_is_overwritten() {
    let base = Tar::default().file("a", "old").hard_link("b", "a");
    let upper = Tar::default().file("a", "new").hard_link("c", "b");
    assert_eq!(
        result(&[base, upper]).await,
        ["a 644 new", "b 644 old", "c 644 old"]
    );
}

#[tokio::test]
async fn special_bits_and_write_access_for_others_go() {
    let mut archive = Tar::default();
    for (name, mode) in [
        ("suid", 0o4755),
        ("sgid", 0o2755),
        ("all", 0o7777),
        ("none", 0),
        ("ro", 0o444),
        ("rw", 0o666),
    ] {
        archive = archive.entry(EntryType::Regular, name.as_bytes(), b"", mode, b"");
    }
    archive = archive.entry(EntryType::Directory, b"tmp", b"", 0o1777, b"");
    archive = archive
        .entry(EntryType::Directory, b"shut", b"", 0o555, b"")
        .file("shut/f", "");
    assert_eq!(
        result(&[archive]).await,
        [
            "all 755 ",
            "none 400 ",
            "ro 444 ",
            "rw 644 ",
            "sgid 755 ",
            "shut 755 /",
            "shut/f 644 ",
            "suid 755 ",
            "tmp 755 /"
        ]
    );
}

#[tokio::test]
async fn every_compression_and_every_piece_size_gives_the_same_folder() {
    let archive = Tar::default()
        .dir("./")
        .file("./a", "x".repeat(100_000))
        .file(&format!("{}/b", "long".repeat(40)), "y")
        .end();
    let mut twice = archive.clone();
    twice.truncate(1_024);
    let rest = archive[1_024..].to_vec();
    let members = [gzip(&twice), gzip(&rest)].concat();
    let frames = [zstd(&twice), zstd(&rest)].concat();
    let skippable = [
        &[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..],
        &zstd(&archive),
    ]
    .concat();
    let (_dir, plain) = unpack(std::slice::from_ref(&archive)).await;
    let wanted = lines(&plain.path);
    for bytes in [
        gzip(&archive),
        zstd(&archive),
        members,
        frames,
        skippable,
        archive,
    ] {
        for size in [1, 3, 4_096] {
            let dir = tempfile::tempdir().unwrap();
            let depot = Depot::open(dir.path(), Limits::default()).unwrap();
            let key = VersionKey::Release("1.0.0".parse().unwrap());
            let unpacked = depot
                .unpack("a", &key, &image("v1"), [pieces(&bytes, size)])
                .await
                .unwrap();
            assert_eq!(lines(&unpacked.path), wanted);
            assert_eq!((unpacked.bytes, unpacked.entries), (100_001, 3));
        }
    }
}

#[tokio::test]
async fn other_tools_ways_of_writing_are_read() {
    let long = "long/".repeat(30) + "name";
    let mut v7 = header(EntryType::new(0), b"v7-folder/", b"", 0o755, 0);
    v7.set_cksum();
    let mut ustar = tar::Header::new_ustar();
    ustar.set_path("u".repeat(90) + "/" + &"v".repeat(90)).unwrap();
    ustar.set_mode(0o644);
    ustar.set_size(1);
    ustar.set_cksum();
    let archive = Tar::default()
        .raw(
            &header(EntryType::XGlobalHeader, b"pax_global_header", b"", 0o644, 13),
            b"13 comment=c\n",
        )
        .raw(&v7, b"")
        .raw(&ustar, b"x")
        .pax(
            &[
                pax_record("mtime", b"1.5"),
                pax_record("SCHILY.xattr.a", b"1\n2=3\n"),
                pax_record("path", long.as_bytes()),
                pax_record("size", b"1"),
            ]
            .concat(),
        )
        .file("short", "y")
        .pax(&pax_record("linkpath", b"v7-folder"))
        .link("l", "elsewhere")
        .entry(EntryType::Continuous, b"contiguous", b"", 0o644, b"z");
    let found = result(&[archive]).await;
    for wanted in [
        "v7-folder 755 /".to_owned(),
        format!("{}/{} 644 x", "u".repeat(90), "v".repeat(90)),
        format!("{long} 644 y"),
        "l -> v7-folder".to_owned(),
        "contiguous 644 z".to_owned(),
    ] {
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
}
