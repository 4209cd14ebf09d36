//! The walk for a request, from the root entry down, by what stands in memory.

use dma_types::{DomainId, Iova, PhysAddr, SourceId};

use crate::spec::context_entry::{ContextEntry, TranslationType};
use crate::spec::root_entry::RootEntry;
use crate::spec::second_stage::TableLevels;
use crate::tables::root_table::{context_entry_at, high_word, root_entry_at};

use super::level::Level;
use super::walk::path_from;
use super::{Step, WalkPath};

/// The entries that a unit in legacy mode reads for a request, as far as they can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestWalk {
    /// The root entry of the requester's bus.
    pub root: Option<RootEntry>,
    /// The requester's context entry, where the root entry leads to one.
    pub context: Option<ContextEntry>,
    /// The page-table entries, where the context entry leads to any.
    pub path: WalkPath,
}

/// Walks as the unit does, for a report about a request that it blocked.
///
/// Nothing in the tables is trusted: `read` gives a word of memory, or `None` for what is none, where the walk
/// ends. Without an address it ends with the context entry.
pub fn walk_request(
    read: &dyn Fn(PhysAddr) -> Option<u64>,
    root_table: PhysAddr,
    source: SourceId,
    iova: Option<Iova>,
) -> RequestWalk {
    let pair = |at: PhysAddr| Some((read(at)?, read(high_word(at))?));
    let root =
        pair(root_entry_at(root_table, source.bus())).map(|(low, high)| RootEntry::from_words(low, high));
    let context = root
        .filter(|root| root.is_present())
        .and_then(|root| pair(context_entry_at(root.context_table(), source)))
        .map(|(low, high)| ContextEntry::from_words(low, high));
    let top = context.filter(|context| context.is_present()).zip(iova).and_then(|(context, iova)| {
        let levels = context.levels()?;
        let walked = context.translation_type() != TranslationType::PASS_THROUGH;
        (walked && iova.as_u64() >> levels.width() == 0).then(|| (Level::top(levels), context.table()))
    });
    RequestWalk { root, context, path: path_from(read, top, iova.unwrap_or_default()) }
}

impl RequestWalk {
    /// Tells whether the root and the context entry are what [`RootTable::attach`](crate::tables::RootTable::attach)
    /// writes to lead a requester to these tables, every bit.
    pub fn leads_to(&self, domain: DomainId, table: PhysAddr, levels: TableLevels) -> bool {
        self.root.is_some_and(|root| root == RootEntry::present(root.context_table()))
            && self.context == Some(ContextEntry::second_stage(domain, table, levels))
    }

    /// The page-table entries in the order of the walk.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step> {
        self.path.steps()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, SecondStage};
    use super::*;
    use crate::TableMemory;
    use crate::spec::capability::SupportedPageSizes;
    use crate::spec::second_stage::Snoop;
    use crate::tables::test_memory::TestMemory;
    use crate::tables::{Coherence, RootTable};
    use crate::testing::walker::WalkMemory;
    use dma_types::{PAGE_SIZE, PageSize, Permissions};
    use std::vec::Vec;

    const IOVA: Iova = Iova::new(0x1234_5000);
    const PAGE: PhysAddr = PhysAddr::new(0x0777_7000);
    const DOMAIN: DomainId = DomainId(7);

    fn source() -> SourceId {
        SourceId::new(0, 3, 0).unwrap()
    }

    /// A root table with one requester in a domain in which one page is mapped for reading.
    fn attached() -> (TestMemory, RootTable, SecondStage) {
        let mut memory = TestMemory::with(Coherence::Coherent);
        let format = Format {
            levels: TableLevels::Four,
            address_width: 48,
            page_sizes: SupportedPageSizes::from_bits(0),
            snoop: Snoop::AsRequested,
            coherence: Coherence::Coherent,
        };
        let mut stage = SecondStage::new(&mut memory, format).unwrap();
        stage.map(&mut memory, IOVA, PAGE, PAGE_SIZE, Permissions::READ).unwrap();
        let mut roots = RootTable::new(&mut memory, Coherence::Coherent).unwrap();
        let _ = roots.attach(&mut memory, source(), DOMAIN, stage.root(), stage.levels()).unwrap();
        (memory, roots, stage)
    }

    fn walk(memory: &TestMemory, roots: &RootTable, source: SourceId, iova: Option<Iova>) -> RequestWalk {
        walk_request(&|at| WalkMemory::read(memory, at), roots.address(), source, iova)
    }

    fn levels(walk: &RequestWalk) -> Vec<u8> {
        walk.steps().map(|step| step.level).collect()
    }

    #[test]
    fn one_bit_wrong_in_the_root_or_context_entry_is_noticed() {
        let (mut memory, roots, stage) = attached();
        let leads = |memory: &TestMemory, domain| {
            walk(memory, &roots, source(), None).leads_to(domain, stage.root(), stage.levels())
        };
        assert!(leads(&memory, DOMAIN) && !leads(&memory, DomainId(8)));
        let (root, entry) = (roots.root_entry_address(0), roots.entry_address(&memory, source()));
        // P and reserved bits, FPD, TT and AW, a bit of the table's address and one of the domain.
        let low = [(root, 0), (root, 1), (entry, 0), (entry, 1), (entry, 2), (entry, 4), (entry, 12)];
        let high = [(root, 0), (entry, 0), (entry, 7), (entry, 8), (entry, 24)];
        for (at, bit) in low.into_iter().chain(high.map(|(at, bit)| (high_word(at), bit))) {
            let right = TableMemory::read(&memory, at);
            memory.write(at, right ^ 1 << bit);
            assert!(!leads(&memory, DOMAIN), "{at}, bit {bit}");
            memory.write(at, right);
        }
        assert!(leads(&memory, DOMAIN));
    }

    #[test]
    fn the_walk_meets_what_the_tables_hold() {
        let (memory, roots, stage) = attached();
        let found = walk(&memory, &roots, source(), Some(IOVA));
        assert_eq!(found.root, Some(roots.root_entry(&memory, 0)));
        assert_eq!(found.context, Some(roots.entry(&memory, source())));
        assert_eq!(found.path, stage.walk_path(&memory, IOVA));
        assert_eq!(found.path.translation(IOVA), Some((PAGE, Permissions::READ, PageSize::Size4K)));
        let beside = walk(&memory, &roots, source(), Some(Iova::new(0x1234_6000)));
        assert_eq!((levels(&beside), beside.path.translation(IOVA)), ([4, 3, 2, 1].into(), None));
    }

    #[test]
    fn it_ends_where_there_is_nothing_to_follow() {
        let (memory, roots, _) = attached();
        let without_address = walk(&memory, &roots, source(), None);
        assert!(without_address.context.unwrap().is_present() && levels(&without_address).is_empty());
        let too_wide = walk(&memory, &roots, source(), Some(Iova::new(1 << 48)));
        assert!(levels(&too_wide).is_empty());
        let stranger = walk(&memory, &roots, SourceId::new(9, 0, 0).unwrap(), Some(IOVA));
        assert!(stranger.root.unwrap().is_present() && !stranger.context.unwrap().is_present());
        assert!(levels(&stranger).is_empty());
    }

    #[test]
    fn it_ends_where_a_table_leads_nowhere() {
        let nowhere = PhysAddr::new(0x00ff_ffff_f000);
        let (mut memory, roots, stage) = attached();
        let context = roots.root_entry(&memory, 0).context_table();
        let entry = context_entry_at(context, source());
        let step = stage.walk_path(&memory, IOVA).steps().nth(1).unwrap();

        memory.write(step.at, nowhere.as_u64() | 3);
        assert_eq!(levels(&walk(&memory, &roots, source(), Some(IOVA))), [4, 3]);
        memory.write(entry, nowhere.as_u64() | 1);
        let found = walk(&memory, &roots, source(), Some(IOVA));
        assert!(found.context.is_some() && levels(&found).is_empty());
        memory.write(root_entry_at(roots.address(), 0), nowhere.as_u64() | 1);
        let found = walk(&memory, &roots, source(), Some(IOVA));
        assert_eq!((found.root.map(RootEntry::context_table), found.context), (Some(nowhere), None));
        let found = walk_request(&|_| None, nowhere, source(), Some(IOVA));
        assert_eq!((found.root, found.context, levels(&found)), (None, None, [].into()));
    }

    #[test]
    fn reserved_depths_and_pass_through_have_no_tables() {
        let (mut memory, roots, _) = attached();
        let entry = context_entry_at(roots.root_entry(&memory, 0).context_table(), source());
        let (low, high) = (TableMemory::read(&memory, entry), TableMemory::read(&memory, high_word(entry)));
        memory.write(entry, low | u64::from(TranslationType::PASS_THROUGH.0) << 2);
        assert!(levels(&walk(&memory, &roots, source(), Some(IOVA))).is_empty());
        memory.write(entry, low);
        memory.write(high_word(entry), high | 7);
        assert!(levels(&walk(&memory, &roots, source(), Some(IOVA))).is_empty());
        memory.write(high_word(entry), high);
        assert_eq!(levels(&walk(&memory, &roots, source(), Some(IOVA))).len(), 4);
    }
}
