//! Bytes behind a buffer, in pages that a device reaches because of it, by which a device is caught that runs past
//! the buffer's end.

use dma_types::Direction;

use super::verifier;

/// What a guard is filled with, as Microsoft's verifier does.
const FILL: u8 = 0x0f;

/// Bytes that are looked at together.
const WORD: usize = size_of::<u64>();

/// That a guard was laid behind a buffer: from its length on to the end of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard;

/// The first byte of a guard that a device changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it lies: bytes from the buffer's start on.
    pub offset: usize,
}

impl Guard {
    /// Fills what lies behind the first `len` bytes of pages, if calls are checked and the device may write there.
    pub(super) fn lay(pages: &mut [u8], len: usize, direction: Direction) -> Option<Self> {
        if !verifier::is_on() || !direction.permissions().write() {
            return None;
        }
        pages.get_mut(len..)?.fill(FILL);
        Some(Self)
    }

    /// Looks behind the first `len` bytes for one that is not as it was filled.
    pub(super) fn damage(self, pages: &[u8], len: usize) -> Option<Damage> {
        let guard = pages.get(len..)?;
        let (words, _) = guard.as_chunks();
        let sound = words.iter().take_while(|word| **word == [FILL; WORD]).count() * WORD;
        let changed = guard.get(sound..)?.iter().position(|byte| *byte != FILL)?;
        Some(Damage { offset: len + sound + changed })
    }
}
