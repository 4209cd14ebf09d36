//! What stands where.

use crate::enumerate::BusFinding;
use crate::function::Function;
use alloc::vec::Vec;
use dma_types::{Bdf, Segment, SourceId};

/// Every function that was found, sorted by its place.
///
/// Parents lead up to a root bus in finitely many steps, whatever the hardware said.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    functions: Vec<Function>,
    /// The index of each function's parent.
    parents: Vec<Option<usize>>,
    findings: Vec<BusFinding>,
}

impl Topology {
    pub(crate) fn new(mut functions: Vec<Function>, findings: Vec<BusFinding>) -> Self {
        functions.sort_unstable_by_key(|function| function.bdf);
        let mut topology = Self { functions, parents: Vec::new(), findings };
        let index_of = |function: &Function| topology.index_of(function.parent?);
        topology.parents = topology.functions.iter().map(index_of).collect();
        topology
    }

    /// All functions, by rising BDF.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    pub(crate) fn functions_mut(&mut self) -> &mut [Function] {
        &mut self.functions
    }

    /// Adds functions whose bus mastering went off before they were found to those that firmware left mastering the
    /// bus.
    pub fn note_bus_masters(&mut self, was_on: impl Fn(Bdf) -> bool) {
        for function in &mut self.functions {
            function.bus_master_at_boot |= was_on(function.bdf);
        }
    }

    /// What made no sense.
    pub fn findings(&self) -> &[BusFinding] {
        &self.findings
    }

    /// The function at a place.
    pub fn get(&self, bdf: Bdf) -> Option<&Function> {
        self.functions.get(self.index_of(bdf)?)
    }

    /// The index of a function in [`Topology::functions`].
    pub fn index_of(&self, bdf: Bdf) -> Option<usize> {
        self.functions.binary_search_by_key(&bdf, |function| function.bdf).ok()
    }

    /// The bridges above a function, nearest first.
    pub fn ancestors<'a>(&'a self, function: &'a Function) -> impl Iterator<Item = &'a Function> {
        let nearest = function.parent.and_then(|parent| self.index_of(parent));
        core::iter::successors(nearest, |index| self.parent_of(*index))
            .filter_map(|index| self.functions.get(index))
    }

    /// The index of the bridge that stands right above the function with this index; it is smaller than that.
    pub(crate) fn parent_of(&self, index: usize) -> Option<usize> {
        self.parents.get(index).copied().flatten()
    }

    /// The functions below a bridge, at any depth.
    ///
    /// They stand side by side, since the buses below a bridge do.
    pub fn below(&self, bridge: Bdf) -> &[Function] {
        let Some(buses) = self.get(bridge).and_then(|bridge| bridge.leads_to) else { return &[] };
        let place = |function: &Function| (function.bdf.segment, function.bdf.source.bus());
        let start = self.functions.partition_point(|function| place(function) < (buses.segment, buses.first));
        let end = self.functions.partition_point(|function| place(function) <= (buses.segment, buses.last));
        self.functions.get(start..end).unwrap_or_default()
    }

    /// Follows a path of (device, function) pairs that starts on a bus and leads through bridges, as ACPI
    /// tables name devices (VT-d "Device Scope Structure").
    ///
    /// `None` if a step meets no function, or before the path ends one that is not believed to be a bridge.
    pub fn resolve(
        &self,
        segment: Segment,
        start_bus: u8,
        path: impl IntoIterator<Item = (u8, u8)>,
    ) -> Option<&Function> {
        let mut bus = Some(start_bus);
        let mut found = None;
        for (device, function) in path {
            let here = self.get(Bdf::new(segment, SourceId::new(bus?, device, function)?))?;
            bus = here.leads_to.map(|buses| buses.first);
            found = Some(here);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{FakeSpace, bdf};
    use std::vec::Vec;

    #[test]
    fn who_was_silenced_before_it_was_found_counts_as_a_master() {
        let space = FakeSpace::new()
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .with("00:03.0", |f| f.set16(4, 0x0004))
            .endpoint("00:04.0", 0x1234, 0x11e8)
            .endpoint("00:05.0", 0x1234, 0x11e8);
        let mut topology = space.enumerate();
        topology.note_bus_masters(|function| function == bdf("00:04.0"));
        let masters: Vec<_> =
            topology.functions().iter().map(|function| function.bus_master_at_boot).collect();
        assert_eq!(masters, [true, true, false]);
    }

    #[test]
    fn lookups_and_paths_follow_the_bridges() {
        let topology = FakeSpace::new()
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .root_port("00:1c.0", 1, 3)
            .express_to_pci_bridge("01:00.0", 2, 2)
            .endpoint("02:05.0", 0x1234, 0x11e8)
            .enumerate();
        let edu = topology.get(bdf("02:05.0")).unwrap();
        let above: Vec<_> = topology.ancestors(edu).map(|bridge| bridge.bdf).collect();
        assert_eq!(above, [bdf("01:00.0"), bdf("00:1c.0")]);
        assert_eq!(topology.below(bdf("00:1c.0")).len(), 2);
        assert_eq!(topology.below(bdf("00:03.0")).len(), 0);
        let segment = edu.bdf.segment;
        assert_eq!(topology.resolve(segment, 0, [(0x1c, 0), (0, 0), (5, 0)]), Some(edu));
        for path in [&[(0x1c, 0), (1, 0), (5, 0)][..], &[(3, 0), (0, 0)], &[(32, 0)], &[]] {
            assert_eq!(topology.resolve(segment, 0, path.iter().copied()), None, "{path:?}");
        }
        assert_eq!(topology.get(bdf("0001:00:03.0")), None);
    }
}
