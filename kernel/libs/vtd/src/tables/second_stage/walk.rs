//! Reading the tables: what an address translates to, and by which entries.

use dma_types::{Iova, PageSize, Permissions, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::{SecondStageEntry, Snoop};
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
    /// Where the entry stands in memory.
    pub at: PhysAddr,
    /// The entry as it was read there.
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

impl Step {
    /// Tells whether mapping and unmapping write such an entry at this level, whatever it refers to.
    pub(super) fn may_be_ours(&self, snoop: Snoop) -> bool {
        let found = self.entry.with_software(0);
        let leaf_size =
            Level::numbered(self.level).page_size().filter(|_| self.level == 1 || found.is_large());
        let ours = match (found.permissions(), leaf_size) {
            (None, _) => SecondStageEntry::EMPTY,
            (Some(permissions), Some(size)) => {
                SecondStageEntry::leaf(found.address(), size, permissions, snoop)
            }
            (Some(_), None) => SecondStageEntry::table(found.address()),
        };
        found == ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::capability::SupportedPageSizes;
    use crate::spec::second_stage::TableLevels;
    use crate::tables::second_stage::Format;
    use crate::tables::test_memory::TestMemory;
    use crate::tables::{Coherence, SecondStage};

    const IOVA: Iova = Iova::new(0x40_3000);

    fn one_page() -> (TestMemory, SecondStage) {
        let format = Format {
            levels: TableLevels::Four,
            address_width: 48,
            page_sizes: SupportedPageSizes::from_bits(0b11),
            snoop: Snoop::AsRequested,
            coherence: Coherence::NonCoherent,
        };
        let mut memory = TestMemory::new();
        let mut stage = SecondStage::new(&mut memory, format).unwrap();
        stage.map(&mut memory, IOVA, PhysAddr::new(0x9_3000), 0x1000, Permissions::READ_WRITE).unwrap();
        (memory, stage)
    }

    fn sound(memory: &TestMemory, stage: &SecondStage, iova: Iova) -> bool {
        stage.may_have_written(&stage.walk_path(memory, iova))
    }

    #[test]
    fn one_bit_wrong_on_the_way_is_noticed() {
        let (mut memory, mut stage) = one_page();
        let path = stage.walk_path(&memory, IOVA);
        assert!(sound(&memory, &stage, IOVA));
        // Permissions of a table, PS where it means nothing or another thing, SNP, TM; both R and W of the leaf.
        let bits = [
            (4, 0b1),
            (3, 0b10),
            (2, 1 << 7),
            (4, 1 << 7),
            (1, 1 << 11),
            (2, 1 << 11),
            (1, 1 << 62),
            (1, 0b11),
        ];
        for (level, bits) in bits {
            let step = path.steps().find(|step| step.level == level).unwrap();
            memory.write(step.at, step.entry.bits() ^ bits);
            assert!(!sound(&memory, &stage, IOVA), "level {level}, bits {bits:#x}");
            memory.write(step.at, step.entry.bits());
        }
        assert!(sound(&memory, &stage, IOVA));
        stage.release(&mut memory);
    }

    #[test]
    fn what_is_mapped_and_unmapped_is_never_taken_for_damage() {
        let (mut memory, mut stage) = one_page();
        let large = Iova::new(0x8000_0000);
        for permissions in [Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE] {
            stage.map(&mut memory, large, PhysAddr::new(0x4000_0000), 1 << 30, permissions).unwrap();
            assert!(sound(&memory, &stage, Iova::new(0x8020_5000)));
            stage.unmap(&mut memory, large, 1 << 30).unwrap().release(&mut memory);
            assert!(sound(&memory, &stage, large));
        }
        stage.unmap(&mut memory, IOVA, 0x1000).unwrap().release(&mut memory);
        assert!(sound(&memory, &stage, IOVA));
        stage.release(&mut memory);
    }
}
