//! The fuzz bodies over their corpora, and over what random changes make of them: a few seconds on every run, the same
//! bodies for hours under libFuzzer (`cargo +nightly fuzz run review` in `fuzz/`).

use hatchway::fuzzing::{TARGETS, Target};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many random inputs each body gets; whole files cost most.
const TRIES: usize = 400_000;
const TRIES_OF_FILES: usize = 40_000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Those whose inputs are whole files.
const FILES: [&str; 3] = ["review", "archive", "module_yaml"];

/// The entries of a corpus: files, or the lines of files.
fn inputs(name: &str) -> Vec<Vec<u8>> {
    let files = corpus(name);
    if FILES.contains(&name) {
        return files;
    }
    let lines = files.iter().flat_map(|file| file.split(|byte| *byte == b'\n'));
    lines.map(<[u8]>::to_vec).collect()
}

#[test]
fn every_body_bears_its_corpus() {
    for (name, body) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in &inputs {
            body(input);
        }
    }
}

#[test]
fn every_body_bears_random_changes_of_its_corpus() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    // Printed when the test fails: FUZZ_SEED makes it do the same again.
    println!("FUZZ_SEED={seed}");
    for target in TARGETS {
        run(target, seed);
    }
}

fn run((name, body): Target, seed: u64) {
    let inputs = inputs(name);
    let mut random = Random(seed | 1);
    let tries = if FILES.contains(&name) {
        TRIES_OF_FILES
    } else {
        TRIES
    };
    for _ in 0..tries {
        let mut input = inputs[random.below(inputs.len())].clone();
        for _ in 0..=random.below(4) {
            change(&mut input, &inputs, &mut random);
        }
        body(&input);
    }
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Random) {
    const TELLING: &[u8] = b"\"{}[]:,.-/0129aZ \\\xFF\x00";
    let at = random.below(input.len() + 1);
    match random.below(5) {
        0 => input.insert(at, TELLING[random.below(TELLING.len())]),
        1 if at < input.len() => drop(input.remove(at)),
        2 if at < input.len() => input[at] ^= 1 << random.below(8),
        3 => input.truncate(at),
        _ => {
            let other = &inputs[random.below(inputs.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1);
            input.splice(at..at, other[from..to].iter().copied());
        }
    }
}

/// xorshift64*, enough to choose with.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % bound
    }
}
