//! Isolation groups: the functions that an IOMMU cannot tell apart or keep apart.
//!
//! Two functions are in one group if at least one of these holds, directly or through others:
//!
//! 1. Their requests may carry a common id ([`Topology::for_each_alias`]). So everything below a bridge
//!    with a conventional side is one group, and the bridge belongs to it.
//! 2. One is a root port that does not isolate, the other stands below it: such a port may turn a request
//!    around. A root port isolates if it has ACS and everything of [`AcsControls::PORT_ISOLATION`] that it
//!    offers is on; what it does not offer it does not do (PCIe "ACS Downstream Ports").
//! 3. Both belong to a switch of which some downstream port does not isolate, or stand below it. One such
//!    port is enough, since it may deliver a request to any of its neighbours. Downstream ports need the
//!    whole set.
//! 4. They are functions of one device, or stand below such functions, and at least one of these functions
//!    does not isolate: it may reach the others inside the device. A function of several isolates if it has
//!    ACS and what it offers of [`AcsControls::FUNCTION_ISOLATION`] is on (a port: as above).
//!    A conventional function never does. All that stands on the bus of a PCIe link is one device.
//!
//! What stands below a bridge is what the bridges above it prove ([`crate::Function::leads_to`]); whatever a refused
//! function names joins nothing.
//!
//! Not joined: different devices on a root bus, among them different root ports. The root complex is trusted
//! to take their requests to the IOMMU, as every operating system does.

use crate::acs::AcsControls;
use crate::function::{BridgeKind, Function};
use crate::requester::replaces_ids;
use crate::topology::Topology;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use dma_types::{Bdf, Segment};

/// The number of a group: they count from 0, by rising BDF of their first member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Functions that must share a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number, and its index in [`Groups::all`].
    pub id: GroupId,
    /// Its members, by rising BDF; never empty.
    pub members: Vec<Bdf>,
}

/// A division of all functions of a topology: each is in exactly one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    groups: Vec<Group>,
    /// Sorted by BDF.
    of: Vec<(Bdf, GroupId)>,
}

impl Groups {
    /// All groups, by number.
    pub fn all(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a function.
    pub fn of(&self, function: Bdf) -> Option<GroupId> {
        let index = self.of.binary_search_by_key(&function, |entry| entry.0).ok()?;
        self.of.get(index).map(|entry| entry.1)
    }

    /// The members of a group, itself among them.
    pub fn members(&self, group: GroupId) -> &[Bdf] {
        let group = usize::try_from(group.0).ok().and_then(|index| self.groups.get(index));
        group.map_or(&[], |group| &group.members)
    }
}

impl Topology {
    /// Divides the functions into groups, as the ACS controls stand now.
    ///
    /// Call [`Topology::enable_acs`] first: controls that are off join. The work grows as n log n with the functions.
    pub fn groups(&self) -> Groups {
        let mut sets = self.join();
        number(self.functions(), &mut sets)
    }

    /// Joins by every rule.
    fn join(&self) -> DisjointSets {
        let mut sets = DisjointSets::new(self.functions().len());
        join_phantoms(self, &mut sets);
        let mut merging: Vec<_> = self.functions().iter().map(merges).collect();
        merge_open_switches(self, &mut merging);
        join_devices(self, &mut sets, &mut merging);
        join_below(self, &mut sets, merging);
        sets
    }

    /// The groups, and how many steps through sets they took.
    #[cfg(test)]
    fn groups_and_steps(&self) -> (Groups, usize) {
        let mut sets = self.join();
        (number(self.functions(), &mut sets), sets.steps)
    }
}

/// Whether everything below a function is one group with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subtree {
    /// Everything below is in its group.
    Merged,
    /// What stands below may be apart.
    Apart,
}

/// Rule 1, as far as bridges replace ids, and rule 2.
fn merges(function: &Function) -> Subtree {
    let opens = function.bridge_kind() == Some(BridgeKind::RootPort) && !isolates(function);
    if opens || replaces_ids(function) { Subtree::Merged } else { Subtree::Apart }
}

/// Rule 1, as far as functions choose among ids of their own.
fn join_phantoms(topology: &Topology, sets: &mut DisjointSets) {
    let mut carried = Vec::new();
    for (index, function) in topology.functions().iter().enumerate() {
        let segment = function.bdf.segment;
        topology.for_each_phantom(function, &mut |id| carried.push((Bdf::new(segment, id), index)));
    }
    carried.sort_unstable();
    for same in carried.chunk_by(|a, b| a.0 == b.0) {
        for &(_, index) in same {
            sets.join_with_first(same.first().map(|first| first.1), index);
        }
    }
}

/// Rule 3: the function above an open downstream port is the switch's upstream port.
fn merge_open_switches(topology: &Topology, merging: &mut [Subtree]) {
    for (index, port) in topology.functions().iter().enumerate() {
        if port.bridge_kind() == Some(BridgeKind::DownstreamPort) && !isolates(port) {
            let top = topology.parent_of(index).unwrap_or(index);
            merging.get_mut(top).into_iter().for_each(|subtree| *subtree = Subtree::Merged);
        }
    }
}

/// Rule 4.
fn join_devices(topology: &Topology, sets: &mut DisjointSets, merging: &mut [Subtree]) {
    let functions = topology.functions().iter().enumerate();
    let mut devices: Vec<_> =
        functions.map(|(index, function)| (device(topology, function), index)).collect();
    devices.sort_unstable();
    for device in devices.chunk_by(|a, b| a.0 == b.0) {
        let mut members = device.iter().filter_map(|&(_, index)| topology.functions().get(index));
        let apart = device.len() == 1 || members.all(isolates);
        if apart {
            continue;
        }
        for &(_, index) in device {
            sets.join_with_first(device.first().map(|first| first.1), index);
            merging.get_mut(index).into_iter().for_each(|subtree| *subtree = Subtree::Merged);
        }
    }
}

/// Joins what stands below merging functions with them, from the root buses down.
fn join_below(topology: &Topology, sets: &mut DisjointSets, mut merging: Vec<Subtree>) {
    for index in 0..topology.functions().len() {
        let Some(parent) = topology.parent_of(index) else { continue };
        if merging.get(parent) == Some(&Subtree::Merged) {
            sets.join_with_first(Some(parent), index);
            merging.get_mut(index).into_iter().for_each(|subtree| *subtree = Subtree::Merged);
        }
    }
}

/// What makes functions one physical device: segment, bus, and the device number where it tells any apart.
fn device(topology: &Topology, function: &Function) -> (Segment, u8, Option<u8>) {
    let above = function.parent.and_then(|parent| topology.get(parent)).and_then(Function::bridge_kind);
    let on_link = matches!(above, Some(BridgeKind::RootPort | BridgeKind::DownstreamPort));
    let source = function.bdf.source;
    (function.bdf.segment, source.bus(), (!on_link).then_some(source.device()))
}

/// Tells whether a function keeps its own and its neighbours' requests apart.
fn isolates(function: &Function) -> bool {
    let Some(acs) = &function.acs else { return false };
    match function.bridge_kind() {
        Some(BridgeKind::RootPort) => acs.enforces_offered(AcsControls::PORT_ISOLATION),
        Some(BridgeKind::DownstreamPort) => acs.enforces(AcsControls::PORT_ISOLATION),
        Some(BridgeKind::UpstreamPort) | None => acs.enforces_offered(AcsControls::FUNCTION_ISOLATION),
        Some(_) => false,
    }
}

/// Numbers the sets in the order of their first members.
fn number(functions: &[Function], sets: &mut DisjointSets) -> Groups {
    let mut groups: Groups = Groups::default();
    let mut id_of_root = vec![None; functions.len()];
    for (index, function) in functions.iter().enumerate() {
        let next = GroupId(u32::try_from(groups.groups.len()).unwrap_or(u32::MAX));
        let root = sets.root(index);
        let id = match id_of_root.get_mut(root) {
            Some(slot) => *slot.get_or_insert(next),
            None => next,
        };
        if id == next {
            groups.groups.push(Group { id, members: Vec::new() });
        }
        if let Some(group) = groups.groups.get_mut(usize::try_from(id.0).unwrap_or(usize::MAX)) {
            group.members.push(function.bdf);
        }
        groups.of.push((function.bdf, id));
    }
    groups
}

/// Union-find over the indices of functions; the root of a set is its smallest member.
pub(crate) struct DisjointSets {
    parent: Vec<usize>,
    /// Steps taken, so that a test can bound them.
    #[cfg(test)]
    steps: usize,
}

impl DisjointSets {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// The smallest member of the set; paths only ever lead to smaller indices, so this ends. Halves the path.
    pub(crate) fn root(&mut self, mut index: usize) -> usize {
        while let Some(&parent) = self.parent.get(index)
            && parent < index
        {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let above = self.parent.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parent.get_mut(index) {
                *slot = above;
            }
            index = above;
        }
        index
    }

    pub(crate) fn join_with_first(&mut self, first: Option<usize>, index: usize) {
        let Some(first) = first else { return };
        let (a, b) = (self.root(first), self.root(index));
        if let Some(slot) = self.parent.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}

#[cfg(test)]
mod tests;
