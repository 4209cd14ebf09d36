//! Plays each target's corpus, copies of it with changes, and random bytes. The same inputs in every run; ten times as
//! many with `IVT_FULL=1`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{fs, iter};

use fuzz::{TARGETS, Target};

/// The longest input that is made up.
const LONGEST: usize = 600;

/// Numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        // What means most: nothing, all, one bit, anything.
        match self.below(6) {
            0 => 0,
            1 => 0xff,
            2 => 1 << self.below(8),
            _ => self.next().to_le_bytes()[3],
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        iter::repeat_with(|| self.byte()).take(length).collect()
    }

    /// A copy with some changes: bytes set, cut out, doubled, or taken from another.
    fn changed(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(input.len() + 1);
            match self.below(8) {
                0 => input.truncate(at),
                1 => {
                    let more = self.bytes(16);
                    input.splice(at..at, more);
                }
                2 => {
                    let end = at + self.below(input.len() + 1 - at);
                    let piece = input[at..end].to_vec();
                    input.splice(at..at, piece);
                }
                3 => {
                    let other = &corpus[self.below(corpus.len())];
                    input.splice(at.., other[self.below(other.len() + 1)..].iter().copied());
                }
                _ => {
                    let byte = self.byte();
                    input.get_mut(at).into_iter().for_each(|place| *place = byte);
                }
            }
        }
        input
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a readable file")).collect()
}

fn try_one(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.body)(input))).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{} does not hold for these {} bytes: {hex}", target.name, input.len());
    }
}

fn play(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{name} has a corpus");
    corpus.iter().for_each(|input| try_one(target, input));
    let full = std::env::var("IVT_FULL").is_ok_and(|value| value == "1");
    let inputs = if full { 10 * target.inputs } else { target.inputs };
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for number in 0..inputs {
        let input = if number % 4 == 0 { dice.bytes(LONGEST) } else { dice.changed(&corpus) };
        try_one(target, &input);
    }
}

/// A test for each target, so that they run side by side and are named when they fail.
macro_rules! play {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )+

        #[test]
        fn every_target_is_played_and_has_a_driver() {
            let driver = include_str!("../libfuzzer/Cargo.toml");
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),+]);
            for target in TARGETS {
                assert!(driver.contains(&format!("name = \"{}\"\n", target.name)), "{}", target.name);
            }
        }
    };
}

play! { acpi_table coverage cper e1000e explain nvme options pci virtio vtd }
