//! Buffers of any length, which may share pages with others.
#![expect(unsafe_code, reason = "UNSAFETY: vouches for memory that devices write to")]

use dma_types::{Direction, PhysAddr};

use super::DmaError;
use super::bounce::Bounce;
use super::buffer::{Buffer, lend};
use super::guard::{Damage, Guard};
use crate::devices::Trust;
use crate::memory::pages::{NoPages, Pages};
use crate::memory::parts::Part;

/// Bytes of any number that nobody else has, zeroed at first.
///
/// Up to half a page they share a page with other buffers, of any driver. A device reaches such a buffer through a
/// page of its own ([`Bounce`]), unless the user trusts it: then at its place within the shared page. A longer
/// buffer has its pages to itself and is mapped where it lies, so that nothing is ever copied but little; what is
/// left of its last page is nobody's, and zeroed each time.
pub struct ByteBuffer {
    memory: Memory,
    len: usize,
    bounce: Option<Bounce>,
    guard: Option<Guard>,
}

/// Where bytes lie.
enum Memory {
    /// With others in one page.
    Part(Part),
    /// In pages of their own.
    Pages(Pages),
}

impl ByteBuffer {
    /// Takes room for `len` bytes.
    ///
    /// # Errors
    /// If `len` is 0 or there is no memory.
    pub fn new(len: usize) -> Result<Self, DmaError> {
        if len == 0 {
            return Err(DmaError::Empty);
        }
        let memory = match Part::holding(len) {
            Some(part) => Memory::Part(part),
            None => Memory::Pages(Pages::holding(len)?),
        };
        Ok(Self { memory, len, bounce: None, guard: None })
    }

    /// Bytes it holds.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        let room = match &self.memory {
            Memory::Part(part) => part.bytes(),
            Memory::Pages(pages) => pages.bytes(),
        };
        room.get(..self.len).unwrap_or_default()
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        self.room_mut().get_mut(..len).unwrap_or_default()
    }

    /// The bytes and what is left behind them of a part or of pages.
    fn room_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Part(part) => part.bytes_mut(),
            Memory::Pages(pages) => pages.bytes_mut(),
        }
    }

    /// Where the bytes themselves lie: for judges.
    pub(in crate::dma) fn home(&self) -> PhysAddr {
        match &self.memory {
            Memory::Part(part) => part.start(),
            Memory::Pages(pages) => pages.start(),
        }
    }
}

impl Buffer for ByteBuffer {}

// SAFETY: a part, pages or a bounce page, each the value's alone; a part's page is mapped only for who is trusted with it.
unsafe impl lend::Lend for ByteBuffer {
    const GUARDED: bool = true;

    fn phys(&self) -> PhysAddr {
        self.bounce.as_ref().map_or_else(|| self.home(), Bounce::phys)
    }

    fn bytes(&self) -> u64 {
        self.len as u64
    }

    // One piece of code for every kind of mapping.
    #[inline(never)]
    fn lend(&mut self, direction: Direction, trust: Trust) -> Result<(), NoPages> {
        match (&self.memory, trust) {
            (Memory::Part(_), Trust::Untrusted) => self.bounce = Some(Bounce::new(self.bytes(), direction)?),
            (Memory::Part(_), Trust::Trusted) => {}
            (Memory::Pages(_), _) => {
                let len = self.len;
                self.room_mut().get_mut(len..).unwrap_or_default().fill(0);
                self.guard = Guard::lay(self.room_mut(), len, direction);
            }
        }
        Ok(())
    }

    fn take_back(&mut self) -> Option<Damage> {
        if let Some(bounce) = self.bounce.take() {
            return bounce.settle(self.bytes_mut());
        }
        let (guard, len) = (self.guard.take()?, self.len);
        guard.damage(self.room_mut(), len)
    }
}
