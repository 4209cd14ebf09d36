//! What a unit is like, what firmware left in it, and what goes wrong with it.

use crate::spec::control::Control;
use crate::spec::features::Features;
use crate::spec::page_entry::TableLevels;
use crate::spec::ring::DeviceTableBase;
use crate::unit::Caching;

/// What a unit can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FakeConfig {
    /// The deepest page table that it walks.
    pub deepest: TableLevels,
    /// Whether one command has everything forgotten.
    pub invalidate_all: Offer,
    /// Whether it remembers what was not present.
    pub caching: Caching,
    /// How fast it works.
    pub pace: Pace,
    /// From when on device entries count.
    pub entries: Entries,
    /// Bytes of its window.
    pub window: usize,
}

/// From when on a device entry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// From the device table's on.
    Found,
    /// From the first command to forget it on; until then its requests pass (so does QEMU).
    WhenTold,
}

/// Whether a unit has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It has.
    Yes,
    /// It has not.
    No,
}

/// When commands are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When the tail is written.
    AtOnce,
    /// One by one, at each [`step`](super::FakeUnit::step).
    Stepwise,
}

/// A part that does not work any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Commands are not carried out.
    Commands,
    /// What a completion wait is to store never arrives.
    Answers,
    /// What is switched on never says that it runs.
    Start,
    /// The control register keeps what it has.
    Control,
}

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// The unit takes a command for one that it does not know.
    IllegalCommand,
    /// It cannot read a command.
    UnreadableCommand,
}

/// What firmware left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftovers {
    /// The control register.
    pub control: Control,
    /// The device table register.
    pub table: DeviceTableBase,
    /// Base and limit of the range that passes untranslated.
    pub exclusion: (u64, u64),
}

impl Default for FakeConfig {
    fn default() -> Self {
        Self {
            deepest: TableLevels::Six,
            invalidate_all: Offer::Yes,
            caching: Caching::Present,
            pace: Pace::AtOnce,
            entries: Entries::Found,
            window: 0x4000,
        }
    }
}

impl Default for Leftovers {
    fn default() -> Self {
        Self { control: Control::empty(), table: DeviceTableBase(0), exclusion: (0, 0) }
    }
}

impl FakeConfig {
    /// The extended feature register.
    pub fn features(&self) -> Features {
        let depth = u64::from(self.deepest.count()).saturating_sub(4);
        Features(depth << 10 | u64::from(self.invalidate_all == Offer::Yes) << 6)
    }
}
