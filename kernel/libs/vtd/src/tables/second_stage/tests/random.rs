//! Random maps and unmaps against a plain list of mappings.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

/// A range mapped with one call, or what is left of it.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    iova: u64,
    phys: u64,
    bytes: u64,
    permissions: Permissions,
}

impl Mapping {
    const fn end(&self) -> u64 {
        self.iova + self.bytes
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Map {
        iova: u64,
        phys: u64,
        bytes: u64,
        permissions: Permissions,
    },
    /// One live mapping, by its index.
    Unmap {
        index: prop::sample::Index,
    },
    /// A range around one end of a live mapping.
    UnmapPart {
        index: prop::sample::Index,
        skip: u64,
        bytes: u64,
    },
    /// Invalidations complete: what was unlinked is freed.
    Complete,
}

/// Lengths in pages around the sizes of tables.
fn pages() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..20_u64, 1 => 510..515_u64, 1 => Just(512_u64), 1 => Just(1024), 1 => 1000..1600_u64]
}

/// Addresses around table boundaries of every level, within 39 bits.
fn starts() -> impl Strategy<Value = u64> {
    let boundary = prop_oneof![
        Just(MIB2),
        Just(4 * MIB2),
        Just(GIB),
        Just(3 * GIB),
        Just(1 << 38),
        Just((1 << 39) - 8 * MIB2),
    ];
    (boundary, prop_oneof![Just(512_u64), 480..530_u64]).prop_map(|(at, pages)| at + (pages * KIB4) - MIB2)
}

fn operations() -> impl Strategy<Value = Operation> {
    let permissions =
        prop_oneof![Just(Permissions::READ), Just(Permissions::WRITE), Just(Permissions::READ_WRITE),];
    // Memory either at the same place within 2 MiB or not.
    let shift = prop_oneof![2 => Just(0_u64), 1 => 1..512_u64];
    prop_oneof![
        6 => (starts(), shift, pages(), permissions).prop_map(|(iova, shift, pages, permissions)| {
            Operation::Map { iova, phys: iova + 7 * GIB + shift * KIB4, bytes: pages * KIB4, permissions }
        }),
        4 => any::<prop::sample::Index>().prop_map(|index| Operation::Unmap { index }),
        2 => (any::<prop::sample::Index>(), 0..600_u64, pages()).prop_map(|(index, skip, pages)| {
            Operation::UnmapPart { index, skip: skip * KIB4, bytes: pages * KIB4 }
        }),
        1 => Just(Operation::Complete),
    ]
}

/// The tables, and beside them what they are to hold.
struct Bench {
    memory: TestMemory,
    stage: SecondStage,
    live: Vec<Mapping>,
    pending: Option<Unmapped>,
}

impl Bench {
    fn new(levels: TableLevels, page_sizes: u8) -> Self {
        let (memory, stage) = domain(levels, page_sizes);
        Self { memory, stage, live: Vec::new(), pending: None }
    }

    fn covering(&self, iova: u64) -> Option<Mapping> {
        self.live.iter().copied().find(|mapping| (mapping.iova..mapping.end()).contains(&iova))
    }

    fn map(&mut self, new: Mapping) {
        let free = self.live.iter().all(|old| old.end() <= new.iova || new.end() <= old.iova);
        let before = (self.memory.pages(), self.stage.mapped_bytes());
        let (iova, phys) = (Iova::new(new.iova), PhysAddr::new(new.phys));
        match self.stage.map(&mut self.memory, iova, phys, new.bytes, new.permissions) {
            Ok(()) => {
                assert!(free);
                self.live.push(new);
            }
            Err(MapError::Overlap(_)) => {
                assert!(!free);
                assert_eq!((self.memory.pages(), self.stage.mapped_bytes()), before);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn unmap(&mut self, iova: u64, bytes: u64) {
        let hole = (iova..iova + bytes).step_by(KIB4 as usize).find(|page| self.covering(*page).is_none());
        match self.stage.unmap(&mut self.memory, Iova::new(iova), bytes) {
            Ok(unmapped) => {
                assert_eq!(hole, None);
                self.cut(iova, bytes);
                match &mut self.pending {
                    Some(pending) => pending.join(&mut self.memory, unmapped),
                    None => self.pending = Some(unmapped),
                }
            }
            Err(UnmapError::NotMapped(at)) => assert_eq!(hole, Some(at.as_u64())),
            Err(UnmapError::Splits(at, size)) => {
                assert!(size != PageSize::Size4K && self.stage.format.page_sizes.supports(size));
                assert_eq!(self.stage.translate(&self.memory, at).unwrap().2, size);
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Removes a range from the list.
    fn cut(&mut self, iova: u64, bytes: u64) {
        let end = iova + bytes;
        for old in core::mem::take(&mut self.live) {
            if old.iova < iova {
                self.live.push(Mapping { bytes: old.bytes.min(iova - old.iova), ..old });
            }
            if old.end() > end {
                let skip = end.saturating_sub(old.iova);
                let (iova, phys) = (old.iova + skip, old.phys + skip);
                self.live.push(Mapping { iova, phys, bytes: old.bytes - skip, ..old });
            }
        }
    }

    fn run(&mut self, operation: &Operation) {
        match operation {
            Operation::Map { iova, phys, bytes, permissions } => {
                self.map(Mapping { iova: *iova, phys: *phys, bytes: *bytes, permissions: *permissions })
            }
            Operation::Unmap { index } if !self.live.is_empty() => {
                let mapping = *index.get(&self.live);
                self.unmap(mapping.iova, mapping.bytes);
            }
            Operation::UnmapPart { index, skip, bytes } if !self.live.is_empty() => {
                let mapping = *index.get(&self.live);
                self.unmap(mapping.iova + skip, *bytes);
            }
            Operation::Complete => {
                if let Some(pending) = self.pending.take() {
                    pending.release(&mut self.memory);
                }
            }
            _ => {}
        }
    }

    /// Compares one page: the walker's view, the tables' own, and the list.
    fn probe(&self, iova: u64) {
        if iova >= self.stage.limit {
            return;
        }
        let expected = self.covering(iova);
        for access in [Access::Read, Access::Write, Access::Atomic] {
            let found = request(&self.memory, &self.stage, iova, access);
            match expected.filter(|mapping| mapping.permissions.allow(access)) {
                Some(mapping) => {
                    let found = found.unwrap();
                    assert_eq!(found.phys.as_u64(), iova - mapping.iova + mapping.phys);
                    assert_eq!(found.permissions, mapping.permissions);
                    let (phys, permissions, size) =
                        self.stage.translate(&self.memory, Iova::new(iova)).unwrap();
                    assert_eq!((phys, permissions, size), (found.phys, found.permissions, found.page_size));
                }
                None => assert!(matches!(found.unwrap_err().reason, 5 | 6)),
            }
        }
        assert_eq!(self.stage.translate(&self.memory, Iova::new(iova)).is_some(), expected.is_some());
    }

    fn check(&self, operation: &Operation) {
        if let Operation::Map { iova, bytes, .. } = operation {
            self.probe_around(*iova, *bytes);
        }
        for mapping in &self.live {
            self.probe_around(mapping.iova, mapping.bytes);
        }
        let bytes: u64 = self.live.iter().map(|mapping| mapping.bytes).sum();
        assert_eq!(self.stage.mapped_bytes(), bytes);
    }

    /// Both edges, the pages beside them, and 2 MiB away.
    fn probe_around(&self, iova: u64, bytes: u64) {
        let end = iova + bytes;
        for at in [iova, iova + bytes / 2, end - 1, end, end + MIB2] {
            self.probe(at);
        }
        for before in [1, MIB2] {
            self.probe(iova.saturating_sub(before));
        }
    }

    fn finish(mut self) {
        self.run(&Operation::Complete);
        assert_eq!(self.stage.table_pages(), self.memory.pages() as u64);
        while let Some(mapping) = self.live.last().copied() {
            self.unmap(mapping.iova, mapping.bytes);
            self.probe_around(mapping.iova, mapping.bytes);
        }
        self.run(&Operation::Complete);
        assert_eq!((self.stage.mapped_bytes(), self.stage.table_pages()), (0, self.memory.pages() as u64));
        assert!(self.empty_tables() <= IDLE_TABLES);
        self.stage.release(&mut self.memory);
        assert_eq!(self.memory.pages(), 0);
    }

    /// Tables without a present entry, the top-level one left out.
    fn empty_tables(&self) -> usize {
        let is_empty = |page: &PhysAddr| {
            (0..512).all(|index| TableMemory::read(&self.memory, word(*page, index)) & 3 == 0)
        };
        let pages = self.memory.page_addresses();
        pages.iter().filter(|page| **page != self.stage.root() && is_empty(page)).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn tables_hold_what_was_mapped_and_nothing_else(
        levels in prop_oneof![Just(TableLevels::Three), Just(TableLevels::Four), Just(TableLevels::Five)],
        page_sizes in 0..4_u8,
        operations in prop::collection::vec(operations(), 1..40),
    ) {
        let mut bench = Bench::new(levels, page_sizes);
        for operation in &operations {
            bench.run(operation);
            bench.check(operation);
        }
        bench.finish();
    }
}
