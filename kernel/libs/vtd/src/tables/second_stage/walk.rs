//! Reading the tables: what an address translates to, and by which entries.

use dma_types::{Iova, PageSize, Permissions, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::SecondStageEntry;
use crate::tables::word;

use super::SecondStage;
use super::level::Level;

/// The deepest table.
const MAX_LEVELS: usize = 5;

/// One entry that a walk reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Level of the table it stands in; 1 is the lowest.
    pub level: u8,
    /// Where it stands.
    pub at: PhysAddr,
    /// What stands there.
    pub entry: SecondStageEntry,
}

/// The entries that a walk reads, from the highest level down to where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPath {
    steps: [Option<Step>; MAX_LEVELS],
}

impl WalkPath {
    /// The entries in the order of the walk. The last one is a leaf, or blocks.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step> {
        self.steps.into_iter().flatten()
    }

    /// What the address translates to by the entry that ends the walk; the entries above it permit everything.
    pub fn translation(&self, iova: Iova) -> Option<(PhysAddr, Permissions, PageSize)> {
        let last = self.steps().next_back()?;
        let permissions = last.entry.permissions()?;
        let size = Level::numbered(last.level).page_size()?;
        let offset = iova.as_u64() & (size.bytes() - 1);
        Some((last.entry.address().checked_add(offset)?, permissions, size))
    }

    /// The entry of a level, if the walk came to it.
    pub fn entry(&self, level: u8) -> Option<SecondStageEntry> {
        self.steps().find(|step| step.level == level).map(|step| step.entry)
    }
}

/// Walks to an address; an address beyond the width reads no entry.
pub(super) fn path<M: TableMemory + ?Sized>(stage: &SecondStage, memory: &M, iova: Iova) -> WalkPath {
    let top = (iova.as_u64() < stage.limit).then(|| (stage.top(), stage.root));
    path_from(&|at| Some(memory.read(at)), top, iova)
}

/// Walks to an address through the table of a level, where there is one; a table that cannot be read ends it.
pub(super) fn path_from(
    read: &dyn Fn(PhysAddr) -> Option<u64>,
    top: Option<(Level, PhysAddr)>,
    iova: Iova,
) -> WalkPath {
    let mut steps = [None; MAX_LEVELS];
    let mut next = top;
    for step in &mut steps {
        let Some((level, table)) = next else { break };
        let at = word(table, level.index(iova));
        let Some(entry) = read(at).map(SecondStageEntry::from_bits) else { break };
        *step = Some(Step { level: level.number(), at, entry });
        let ends = !entry.is_present() || entry.is_large();
        next = level.below().filter(|_| !ends).map(|below| (below, entry.address()));
    }
    WalkPath { steps }
}
