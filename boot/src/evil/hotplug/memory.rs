//! How much memory the kernel uses, by its command `memory`.

use std::fmt::{self, Display};

use crate::Error;
use crate::evil::arena::Arena;
use crate::evil::sweep::PAGE;

/// How the lines begin that count frames, and the heap's bytes: `heap: 5 bytes in use of 8`.
const FRAMES: &str = "frames: ";
const HEAP: &str = "heap: ";

/// Memory in use at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Frames that are free, or the heap's, which it keeps.
    pub(super) free_frames: i64,
    /// Bytes of the heap in use.
    pub(super) heap_bytes: i64,
    /// Mappings that are live, of all domains.
    pub(super) mappings: i64,
}

impl Memory {
    /// Asks the kernel; `None` if it does not answer.
    pub(super) fn ask(arena: &mut Arena) -> Result<Option<Self>, Error> {
        Ok(arena.run_command("memory")?.and_then(|said| Self::read(&said)))
    }

    /// Takes the figures from what the command says.
    fn read(said: &str) -> Option<Self> {
        let before = |text: &str, word: &str| -> Option<i64> {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok())
        };
        let number = |line: &str, head: &str, word: usize| -> Option<i64> {
            line.strip_prefix(head)?.split_whitespace().nth(word)?.parse().ok()
        };
        let lines = || said.lines().map(str::trim);
        let heap = lines().find(|line| line.starts_with(HEAP))?;
        let heap_frames = number(heap, HEAP, 5)? / PAGE as i64;
        Some(Self {
            free_frames: lines().find_map(|line| number(line, FRAMES, 0))? + heap_frames,
            heap_bytes: number(heap, HEAP, 0)?,
            mappings: lines()
                .filter(|line| line.starts_with("domain "))
                .filter_map(|line| before(line, "mappings"))
                .sum(),
        })
    }

    /// What has been taken since.
    pub(super) fn taken_until(self, later: Self) -> Taken {
        Taken {
            frames: self.free_frames - later.free_frames,
            heap_bytes: later.heap_bytes - self.heap_bytes,
            mappings: later.mappings - self.mappings,
        }
    }
}

/// What was taken between two looks; less than nothing was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) frames: i64,
    pub(super) heap_bytes: i64,
    pub(super) mappings: i64,
}

impl Taken {
    /// Whether it is no more than that, of anything.
    pub(super) fn is_within(self, most: Self) -> bool {
        self.frames <= most.frames && self.heap_bytes <= most.heap_bytes && self.mappings <= most.mappings
    }
}

impl Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:+} frames, {:+} bytes of heap, {:+} mappings",
            self.frames, self.heap_bytes, self.mappings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_figures_are_read_and_compared() {
        let said = "memory\r\nframes: 20000 of 30000 free\r\n  900 the kernel's, 33 devices' buffers and firmware \
                    regions, of 4096 bytes each\r\nheap: 12345 bytes in use of 262144\r\ndomain 1 of group 3: 4 table \
                    pages, 7 mappings of 4096 bytes\r\ndomain 2 of group 4: 4 table pages, 2 mappings of 8192 bytes\r\n";
        let memory = Memory::read(said).unwrap();
        assert_eq!(memory, Memory { free_frames: 20064, heap_bytes: 12345, mappings: 9 });
        let later = Memory { free_frames: 20066, heap_bytes: 12400, mappings: 9 };
        assert_eq!(memory.taken_until(later).to_string(), "-2 frames, +55 bytes of heap, +0 mappings");
        let taken = memory.taken_until(later);
        assert!(taken.is_within(taken) && !taken.is_within(Taken { heap_bytes: 54, ..taken }));
        assert_eq!(Memory::read("ivt> "), None);
    }
}
