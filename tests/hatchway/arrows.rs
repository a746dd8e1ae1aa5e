//! The arrows of ARCHITECTURE.md, held: which room of `src` knows which, and which of them are pure. Read from the
//! sources as text: a dependency that stands there counts, also one that the compiler would throw away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may know. A new room gets a row here and its place in ARCHITECTURE.md.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "api",
            "archive",
            "certificates",
            "cluster",
            "conversion",
            "depot",
            "documents",
            "registry",
            "review",
            "rules",
            "settings",
            "telemetry",
            "values",
            "webhook",
            "world",
        ],
    ),
    (
        "fuzzing",
        &[
            "archive",
            "conversion",
            "registry",
            "review",
            "rules",
            "values",
            "webhook",
            "world",
        ],
    ),
    (
        "cluster",
        &[
            "api",
            "documents",
            "network",
            "review",
            "rules",
            "telemetry",
            "values",
            "world",
        ],
    ),
    ("review", &["api", "conversion", "rules", "webhook", "world"]),
    ("webhook", &["certificates", "telemetry"]),
    ("rules", &["api", "settings", "values", "world"]),
    ("conversion", &["settings"]),
    ("certificates", &["api", "telemetry"]),
    ("world", &["api", "settings", "values"]),
    ("settings", &["values"]),
    ("api", &["values"]),
    ("documents", &["values"]),
    ("registry", &["api", "archive", "network", "values"]),
    ("depot", &["archive", "values"]),
    ("archive", &["values"]),
    ("network", &[]),
    ("telemetry", &[]),
    ("values", &[]),
];

/// Rooms that get world and time as arguments.
const PURE: &[&str] = &["api", "rules", "settings", "values", "world"];

/// What a pure room does not do: ask the clock or the surroundings, do I/O, wait.
const IMPURE: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "tokio",
    "async fn",
    ".await",
];

/// Where a pure room does so all the same, and why that is fine.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "world/shared.rs",
        "tokio",
        "a count of changes that others wait on; nothing in the room waits",
    ),
    (
        "settings/runtime.rs",
        "Instant::now",
        "a CEL rule is cut off when the review's time is over: the deadline comes in as an argument",
    ),
    (
        "settings/evaluate.rs",
        "Instant::now",
        "a CEL rule may take 200 ms in a review, all the places where it applies together",
    ),
    (
        "settings/evaluate.rs",
        "std::thread",
        "deeply nested rules recurse, and get a stack of their own",
    ),
    (
        "settings/rules/compile.rs",
        "std::thread",
        "the same while they are compiled",
    ),
];

/// Rooms that stand between a review and its verdict.
const IN_THE_WAY: &[&str] = &["webhook", "review", "rules", "world", "settings", "conversion"];

/// What could call out while a review waits.
const CALLS_OUT: &[&str] = &[
    "TcpStream::connect",
    "UnixStream",
    "UdpSocket",
    "hyper_util::client",
    "hyper_rustls",
    "kube::",
    "reqwest",
];

/// A file of `src` that is no test, without its tests and comments.
struct Source {
    /// The room.
    room: String,
    /// The path below `src`.
    path: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if is_rust && !is_test && !["main.rs", "lib.rs"].contains(&below.as_str()) {
                let room = below.split(['/', '.']).next().unwrap().to_owned();
                let code = code(&std::fs::read_to_string(&path).unwrap());
                found.push(Source {
                    room,
                    path: below,
                    code,
                });
            }
        }
    }
    found
}

/// What is compiled outside tests, which stand last in a file; comments may name whom they like.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The rooms that a piece of code names.
fn known_rooms(source: &Source) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .collect()
    };
    let path = &source.path;
    assert!(
        !source.code.contains("crate::{"),
        "{path} names several rooms in one `use`: write one for each, or nobody can follow the arrows"
    );
    assert!(
        !source.code.contains("super::super::"),
        "{path} climbs out of sight: write the path from `crate`"
    );
    let rooms = source.code.split("crate::").skip(1).map(name);
    rooms.filter(|room| *room != source.room).collect()
}

#[test]
fn every_room_stands_in_the_table_and_every_row_is_a_room() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let rows: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(
        rooms, rows,
        "left: src, right: the table of arrows in tests/hatchway/arrows.rs"
    );
}

#[test]
fn no_room_knows_one_that_it_may_not_know() {
    let table: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        for room in known_rooms(&source) {
            let may = table.get(source.room.as_str()).copied().unwrap_or_default();
            if !may.contains(&room.as_str()) {
                wrong.push(format!("src/{} knows {room}", source.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "turn the arrow, or change the table here and the drawing in ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

/// The lines of the drawing, from the top, each with the rooms that stand on it.
fn drawing() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(root().with_file_name("ARCHITECTURE.md")).unwrap();
    let (_, after) = page.split_once("Arrows point down this list only").unwrap();
    let block = after.split("```").nth(1).unwrap();
    let lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| line.split(" · ").map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_arrow_points_down_the_drawing() {
    let levels: BTreeMap<String, usize> = drawing()
        .into_iter()
        .enumerate()
        .flat_map(|(level, rooms)| rooms.into_iter().map(move |room| (room, level)))
        .collect();
    for (room, known) in ROOMS {
        let level = |room: &str| {
            levels
                .get(room)
                .unwrap_or_else(|| panic!("{room} is not in the drawing"))
        };
        for below in *known {
            assert!(
                level(room) < level(below),
                "{room} may know {below}, which is not drawn below it"
            );
        }
    }
    assert_eq!(levels.len(), ROOMS.len(), "a room is drawn that is none");
}

#[test]
fn pure_rooms_ask_neither_clock_nor_surroundings() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources() {
        if !PURE.contains(&source.room.as_str()) {
            continue;
        }
        for word in IMPURE.iter().filter(|word| source.code.contains(**word)) {
            match EXCEPTIONS
                .iter()
                .position(|(path, exception, _)| *path == source.path && exception == word)
            {
                Some(exception) => drop(used.insert(exception)),
                None => wrong.push(format!("src/{} says {word}", source.path)),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "give it to them as an argument:\n{}",
        wrong.join("\n")
    );
    for (i, (path, word, _)) in EXCEPTIONS.iter().enumerate() {
        assert!(
            used.contains(&i),
            "{path} says {word} no more: strike the exception"
        );
    }
}

#[test]
fn nothing_between_a_review_and_its_verdict_can_call_out() {
    let mut wrong = Vec::new();
    for source in sources() {
        if IN_THE_WAY.contains(&source.room.as_str()) {
            let words = CALLS_OUT.iter().filter(|word| source.code.contains(**word));
            wrong.extend(words.map(|word| format!("src/{} says {word}", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
