//! Contents of files, the same on every machine, that compress roughly two to one as those of real images do.

/// A generator of numbers that look random (xorshift64*).
pub struct Numbers(u64);

impl Numbers {
    /// The same seed, the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        // The high half: the low bits of this generator are the weaker ones.
        usize::try_from(self.next() >> 32).unwrap_or(0) % end
    }
}

/// What files are made of: words, as in templates, schemas and scripts, and records of machine code.
pub struct Content {
    words: Vec<String>,
}

impl Content {
    /// A vocabulary.
    pub fn new() -> Self {
        let mut numbers = Numbers::new(1);
        let words = (0..4_096)
            .map(|_| {
                let length = 2 + numbers.below(9);
                (0..length)
                    .map(|_| char::from(b"etaoinshrdlucmfw"[numbers.below(16)]))
                    .collect()
            })
            .collect();
        Self { words }
    }

    /// Appends `size` bytes that depend on `seed` alone.
    pub fn write(&self, seed: u64, size: usize, into: &mut Vec<u8>) {
        let mut numbers = Numbers::new(seed + 2);
        let end = into.len() + size;
        while into.len() < end {
            if numbers.below(2) == 0 {
                self.text(&mut numbers, into);
            } else {
                code(&mut numbers, into);
            }
        }
        into.truncate(end);
    }

    fn text(&self, numbers: &mut Numbers, into: &mut Vec<u8>) {
        for _ in 0..24 {
            into.resize(into.len() + 2 * numbers.below(4), b' ');
            for _ in 0..3 + numbers.below(5) {
                // Some words are much more frequent than others.
                let among = self.words.len() >> numbers.below(8);
                into.extend_from_slice(self.words[numbers.below(among)].as_bytes());
                into.push(b" :.-"[numbers.below(4)]);
            }
            into.push(b'\n');
        }
    }
}

/// Instructions: few kinds of them, small operands, now and then an address.
fn code(numbers: &mut Numbers, into: &mut Vec<u8>) {
    for _ in 0..160 {
        let kind = numbers.below(24) >> numbers.below(3);
        into.extend_from_slice(&[0x48, 0x8b, 0x44 ^ kind.to_le_bytes()[0]]);
        let bits = numbers.next().to_le_bytes();
        match kind % 4 {
            0 => into.extend_from_slice(&bits[..4]),
            1 => into.extend_from_slice(&[bits[0], 0, 0, 0]),
            _ => into.extend_from_slice(&[bits[0] & 0x3f, bits[1]]),
        }
    }
}
