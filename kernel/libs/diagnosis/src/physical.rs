//! Finds live records by the physical memory behind them.
//!
//! A hash table with chains through the slots. A run of up to 2^k pages is filed once, under k and the
//! block of 2^k pages in which it starts; so a page is found by looking, for each k in use, at its own
//! block and the one before.
//!
//! A slot stays filed when its mapping is released, and moves only when it is used for other memory: a
//! driver that maps the same buffers again pays nothing. What is found is therefore checked against the
//! books; and since one page may have been mapped any number of times, a look-up goes so far and no further.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dma_types::{PAGE_SIZE, PhysAddr};
use iova::{Arena, OutOfMemory};

use crate::Backing;

/// Chains; 4 bytes each.
const CHAINS: usize = 8192;
/// Slots that a look-up passes: some ten times what a million slots, each with pages of its own, lead it to.
const PASSED: usize = 4096;
/// No slot.
const NONE: u32 = u32::MAX;

/// The chains, and the place of every slot in its chain.
#[derive(Debug)]
pub(crate) struct PhysicalIndex {
    heads: Box<[u32; CHAINS]>,
    links: Arena<Links>,
    /// Bit k: a run of more than 2^(k-1) and at most 2^k pages was filed at some time.
    sizes: u64,
}

impl PhysicalIndex {
    /// An empty table with the memory of its heads.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        let mut heads = Vec::new();
        heads.try_reserve_exact(CHAINS).map_err(|_| OutOfMemory)?;
        heads.resize(CHAINS, NONE);
        let heads = heads.into_boxed_slice().try_into().map_err(|_| OutOfMemory)?;
        Ok(Self { heads, links: Arena::new(Links::UNLINKED), sizes: 0 })
    }

    /// Makes room for a slot number.
    ///
    /// # Errors
    /// [`OutOfMemory`]; nothing filed is affected.
    pub(crate) fn reserve(&mut self, slot: u32) -> Result<(), OutOfMemory> {
        self.links.reserve(slot.checked_add(1).ok_or(OutOfMemory)?)
    }

    /// Files a slot that has room, in place of what it was filed under before.
    pub(crate) fn file(&mut self, slot: u32, backing: &Backing) {
        let size = size_of(backing);
        let key = Key::new(size, (backing.first_page().as_u64() / PAGE_SIZE) >> size);
        let known = self.links[slot].key;
        if known != key {
            if known != Key::NONE {
                self.remove(slot);
            }
            self.sizes |= 1 << size;
            self.insert(slot, key);
        }
    }

    fn insert(&mut self, slot: u32, key: Key) {
        let next = core::mem::replace(&mut self.heads[key.chain()], slot);
        self.links[slot] = Links { previous: NONE, next, key };
        if next != NONE {
            self.links[next].previous = slot;
        }
    }

    fn remove(&mut self, slot: u32) {
        let Links { previous, next, key } = self.links[slot];
        if next != NONE {
            self.links[next].previous = previous;
        }
        if previous == NONE {
            self.heads[key.chain()] = next;
        } else {
            self.links[previous].next = next;
        }
    }

    /// A filed slot that may have this page behind it and that `covers` confirms.
    ///
    /// # Errors
    /// [`Unsearched`], if none was among the first that it passed, and there are more.
    pub(crate) fn find(
        &self,
        page: PhysAddr,
        covers: impl Fn(u32) -> bool,
    ) -> Result<Option<u32>, Unsearched> {
        let number = page.as_u64() / PAGE_SIZE;
        let mut sizes = self.sizes;
        let mut left = PASSED;
        while sizes != 0 {
            let size = sizes.trailing_zeros();
            sizes &= sizes - 1;
            let block = number >> size;
            for block in [Some(block), block.checked_sub(1)].into_iter().flatten() {
                let key = Key::new(size, block);
                let mut slot = self.heads[key.chain()];
                while let Some(links) = self.links.get(slot) {
                    left = left.checked_sub(1).ok_or(Unsearched)?;
                    if links.key == key && covers(slot) {
                        return Ok(Some(slot));
                    }
                    slot = links.next;
                }
            }
        }
        Ok(None)
    }
}

/// More mappings had to be looked at than a look-up passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsearched;

/// A slot's place in its chain.
#[derive(Clone, Copy, Debug)]
struct Links {
    previous: u32,
    next: u32,
    key: Key,
}

impl Links {
    const UNLINKED: Self = Self { previous: NONE, next: NONE, key: Key::NONE };
}

/// A run's size and the block in which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u64);

impl Key {
    /// Filed under nothing.
    const NONE: Self = Self(u64::MAX);

    /// Block numbers have at most 52 bits, sizes at most 6.
    const fn new(size: u32, block: u64) -> Self {
        Self(block ^ ((size as u64) << 56))
    }

    /// The number of its chain (multiplicative hashing).
    const fn chain(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CHAINS.trailing_zeros())) as usize
            % CHAINS
    }
}

/// The k of a run: it has at most 2^k pages.
const fn size_of(backing: &Backing) -> u32 {
    match backing.pages() {
        1 => 0,
        pages => u64::BITS - (pages - 1).leading_zeros(),
    }
}
