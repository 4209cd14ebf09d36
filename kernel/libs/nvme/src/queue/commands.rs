//! Command ids: which are outstanding, so that no completion counts twice.

/// The most commands that may be outstanding at once.
pub const MAX_COMMANDS: u16 = 64;

/// Bits of an id that number the slot; the others change each time the slot is used again.
const SLOT_BITS: u32 = MAX_COMMANDS.ilog2();

/// The id of a command, as the controller gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandId(u16);

impl CommandId {
    /// Takes the id as it stands in an entry.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The id as it stands in an entry.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The slot that it numbers, below [`MAX_COMMANDS`].
    pub const fn slot(self) -> usize {
        (self.0 % MAX_COMMANDS) as usize
    }
}

/// Commands, each in a slot of its own from its beginning until it is released.
///
/// A slot's id changes with each use, so that a completion that comes twice, or after its command was given up,
/// is not taken for that of the slot's next command: only after 1024 uses does an id come again.
#[derive(Clone, Debug)]
pub struct CommandTable {
    /// The id of the last command in each slot, or of its first before there was one.
    ids: [u16; MAX_COMMANDS as usize],
    /// Slots whose commands the controller has, as bits.
    outstanding: u64,
    /// Slots that a command can be begun in, as bits.
    free: u64,
}

impl CommandTable {
    /// A table for so many commands at once, 1 to [`MAX_COMMANDS`].
    pub fn new(depth: u16) -> Self {
        let depth = depth.clamp(1, MAX_COMMANDS);
        let ids = core::array::from_fn(|slot| slot as u16);
        Self { ids, outstanding: 0, free: u64::MAX >> (MAX_COMMANDS - depth) }
    }

    /// Commands outstanding.
    pub const fn outstanding(&self) -> u32 {
        self.outstanding.count_ones()
    }

    /// Takes a free slot under a fresh id; `None` if there is none.
    pub fn begin(&mut self) -> Option<CommandId> {
        if self.free == 0 {
            return None;
        }
        let slot = self.free.trailing_zeros();
        let id = self.ids.get_mut(slot as usize)?;
        *id = id.wrapping_add(1 << SLOT_BITS);
        self.outstanding |= 1 << slot;
        self.free &= !(1 << slot);
        Some(CommandId(*id))
    }

    /// Tells whether a command is outstanding under this id.
    pub fn is_outstanding(&self, id: CommandId) -> bool {
        self.outstanding >> id.slot() & 1 != 0 && self.ids.get(id.slot()) == Some(&id.0)
    }

    /// Ends a command, whose slot stays taken; false, and nothing has changed, if none is outstanding under this
    /// id.
    #[must_use]
    pub fn end(&mut self, id: CommandId) -> bool {
        let known = self.is_outstanding(id);
        if known {
            self.outstanding &= !(1 << id.slot());
        }
        known
    }

    /// Ends every command: the controller has forgotten them.
    pub const fn end_all(&mut self) {
        self.outstanding = 0;
    }

    /// Frees the slot of a command that has ended; one that has not, or is not the slot's last, changes nothing.
    pub fn release(&mut self, id: CommandId) {
        let ended = self.outstanding >> id.slot() & 1 == 0;
        if ended && self.ids.get(id.slot()) == Some(&id.0) {
            self.free |= 1 << id.slot();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_a_slot_has_an_id_of_its_own() {
        let mut table = CommandTable::new(1);
        let first = table.begin().unwrap();
        assert_eq!((first.slot(), table.begin()), (0, None));
        table.release(first);
        assert!(table.begin().is_none(), "it is outstanding");
        assert!(table.end(first) && !table.end(first));
        assert!(table.begin().is_none(), "it is not released");
        table.release(first);
        let second = table.begin().unwrap();
        assert_ne!(first, second);
        assert!(!table.end(first) && table.is_outstanding(second));
        assert_eq!(table.outstanding(), 1);
        table.end_all();
        table.release(first);
        assert_eq!((table.outstanding(), table.begin()), (0, None));
        table.release(second);
        assert!(table.begin().is_some_and(|third| third != second));
    }

    #[test]
    fn the_depth_is_kept() {
        for (depth, slots) in [(0, 1), (1, 1), (3, 3), (64, 64), (1000, 64)] {
            let mut table = CommandTable::new(depth);
            let ids: std::vec::Vec<_> = core::iter::from_fn(|| table.begin()).collect();
            assert_eq!(ids.len(), slots);
            assert!(ids.iter().enumerate().all(|(slot, id)| id.slot() == slot));
        }
    }
}
