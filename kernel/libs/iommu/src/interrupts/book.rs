//! The indices of one unit: which are free, and whose each one is or was.

use alloc::vec::Vec;

use dma_types::{InterruptIndex, MsiMessage};

use super::{IndexBlock, InterruptError, InterruptRemapper, Route, Sender};
use crate::TableError;

/// The most messages that one function has in a row (PCI "MSI Capability Structure").
const MOST_MESSAGES: usize = 32;

/// What became of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<O, T> {
    /// It never had an entry.
    NeverGiven,
    /// It has an entry.
    Live {
        /// Whose messages may name it.
        owner: O,
    },
    /// It had one, and has none now.
    Withdrawn {
        /// Whose messages could name it last.
        owner: O,
        /// When it was taken back.
        at: T,
    },
    /// The table ends before it.
    OutOfRange,
}

/// What is kept of an index.
#[derive(Clone, Copy, Debug)]
enum Slot<O, T> {
    Never,
    Live(O),
    /// Free to be given again.
    Free(O, T),
    /// Taken out of the table, which the unit has not confirmed: never given again.
    Lost(O, T),
}

/// Entries that were given, and the message that names them. They end with [`Interrupts::withdraw`]; to drop them keeps
/// them for good.
#[must_use = "the entries stay given until they are withdrawn"]
#[derive(Debug, PartialEq, Eq)]
pub struct Entries {
    block: IndexBlock,
    message: MsiMessage,
}

impl Entries {
    /// The indices.
    pub const fn block(&self) -> IndexBlock {
        self.block
    }

    /// What the device is to be programmed with.
    pub const fn message(&self) -> MsiMessage {
        self.message
    }
}

/// Every index of one unit, with whose it is (`O`) and when it was taken back (`T`).
#[derive(Debug)]
pub struct Interrupts<O, T> {
    slots: Vec<Slot<O, T>>,
    /// Where the search for free ones goes on, so that what an index was last is known for long.
    next: usize,
}

impl<O: Copy, T: Copy> Interrupts<O, T> {
    /// No entry given yet, on a unit with so many; of a unit that does not remap, all are out of range.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(unit: &impl InterruptRemapper) -> Result<Self, TableError> {
        let count = unit.interrupt_entries().min(1 << 16) as usize;
        let mut slots = Vec::new();
        slots.try_reserve_exact(count).map_err(|_| TableError::OutOfMemory)?;
        slots.resize(count, Slot::Never);
        Ok(Self { slots, next: 0 })
    }

    /// Gives entries in a row, one for each route: messages that name them pass once this returns, if `sender` sends
    /// them.
    ///
    /// # Errors
    /// As [`InterruptError`] says; no entry is given. Where the unit took no note, the entries are withdrawn, as far as it
    /// confirms that.
    pub fn give<U: InterruptRemapper>(
        &mut self,
        unit: &mut U,
        owner: O,
        sender: Sender,
        routes: &[Route],
        at: T,
    ) -> Result<Entries, InterruptError<U::InvalidationError>> {
        check(unit, routes)?;
        let block = self.find(routes.len())?;
        for (index, route) in block.indices().zip(routes) {
            unit.write_interrupt_entry(index, *route, sender);
        }
        self.note(block, Slot::Live(owner));
        if let Err(error) = unit.after_interrupt_entries_written(block) {
            // If this is not confirmed either, the indices stay taken.
            let _ = self.take_back(unit, block, (owner, at));
            return Err(InterruptError::NotNoted(error));
        }
        Ok(Entries { block, message: unit.interrupt_message(block) })
    }

    /// Takes entries back: no message that names them passes any more once this returns, and they may be given again.
    ///
    /// # Errors
    /// If they are another unit's; or the unit did not confirm that it forgot them: messages may still pass, and they
    /// stay taken for good.
    pub fn withdraw<U: InterruptRemapper>(
        &mut self,
        unit: &mut U,
        entries: Entries,
        at: T,
    ) -> Result<(), InterruptError<U::InvalidationError>> {
        let first = entries.block.first();
        let Fate::Live { owner } = self.fate(first) else { return Err(InterruptError::NotGiven(first)) };
        self.take_back(unit, entries.block, (owner, at)).map_err(InterruptError::Unconfirmed)
    }

    /// What became of an index, for whoever explains a blocked interrupt.
    pub fn fate(&self, index: InterruptIndex) -> Fate<O, T> {
        match self.slots.get(usize::from(index.0)) {
            None => Fate::OutOfRange,
            Some(Slot::Never) => Fate::NeverGiven,
            Some(Slot::Live(owner)) => Fate::Live { owner: *owner },
            Some(Slot::Free(owner, at) | Slot::Lost(owner, at)) => Fate::Withdrawn { owner: *owner, at: *at },
        }
    }

    /// Entries that may be named now, and those that the unit has not confirmed to have forgotten.
    pub fn in_use(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Live(_) | Slot::Lost(..))).count()
    }

    /// Entries of the table.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Finds a free block, from where the last one ended.
    fn find<I>(&mut self, messages: usize) -> Result<IndexBlock, InterruptError<I>> {
        let order = messages.trailing_zeros() as u8;
        let blocks = self.slots.len() / messages;
        let start = self.next.div_ceil(messages);
        let place = (0..blocks).map(|step| (start + step) % blocks * messages).find(|first| {
            let slots = self.slots.get(*first..*first + messages);
            slots.is_some_and(|slots| slots.iter().all(|slot| matches!(slot, Slot::Never | Slot::Free(..))))
        });
        let block = place.and_then(|first| {
            self.next = first + messages;
            IndexBlock::new(InterruptIndex(u16::try_from(first).ok()?), order)
        });
        block.ok_or(InterruptError::Full { messages })
    }

    fn note(&mut self, block: IndexBlock, slot: Slot<O, T>) {
        let first = usize::from(block.first().0);
        if let Some(slots) = self.slots.get_mut(first..first + block.count()) {
            slots.fill(slot);
        }
    }

    /// Out of the table, then out of the unit, and only then free.
    fn take_back<U: InterruptRemapper>(
        &mut self,
        unit: &mut U,
        block: IndexBlock,
        (owner, at): (O, T),
    ) -> Result<(), U::InvalidationError> {
        block.indices().for_each(|index| unit.clear_interrupt_entry(index));
        self.note(block, Slot::Lost(owner, at));
        unit.after_interrupt_entries_cleared(block)?;
        self.note(block, Slot::Free(owner, at));
        Ok(())
    }
}

/// Refuses what no entry can say.
fn check<U: InterruptRemapper>(
    unit: &U,
    routes: &[Route],
) -> Result<(), InterruptError<U::InvalidationError>> {
    let messages = routes.len();
    if unit.interrupt_entries() == 0 {
        return Err(InterruptError::NotRemapping);
    }
    if !messages.is_power_of_two() || messages > MOST_MESSAGES {
        return Err(InterruptError::BadCount { messages });
    }
    for route in routes {
        if route.vector < 16 {
            return Err(InterruptError::BadVector { vector: route.vector });
        }
        if !unit.reaches(route.destination) {
            return Err(InterruptError::OutOfReach(route.destination));
        }
    }
    Ok(())
}
