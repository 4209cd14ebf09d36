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
//! Not joined: different devices on a root bus, among them different root ports. The root complex is trusted
//! to take their requests to the IOMMU, as every operating system does.

use crate::acs::AcsControls;
use crate::function::{BridgeKind, Function};
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
    /// Call [`Topology::enable_acs`] first: controls that are off join.
    pub fn groups(&self) -> Groups {
        let mut sets = DisjointSets::new(self.functions().len());
        join_shared_requesters(self, &mut sets);
        join_below_ports(self, &mut sets);
        join_devices(self, &mut sets);
        number(self.functions(), &mut sets)
    }
}

/// Rule 1.
fn join_shared_requesters(topology: &Topology, sets: &mut DisjointSets) {
    let mut carried = Vec::new();
    for (index, function) in topology.functions().iter().enumerate() {
        let segment = function.bdf.segment;
        topology.for_each_alias(function, |id| carried.push((Bdf::new(segment, id), index)));
    }
    join_equal(carried, sets);
}

/// Rules 2 and 3.
fn join_below_ports(topology: &Topology, sets: &mut DisjointSets) {
    for port in topology.functions() {
        let top = match port.bridge_kind() {
            Some(BridgeKind::RootPort) if !isolates(port) => port.bdf,
            Some(BridgeKind::DownstreamPort) if !isolates(port) => port.parent.unwrap_or(port.bdf),
            _ => continue,
        };
        join_subtree(topology, top, sets);
    }
}

/// Rule 4.
fn join_devices(topology: &Topology, sets: &mut DisjointSets) {
    let functions = topology.functions();
    let mut devices: Vec<_> =
        functions.iter().enumerate().map(|(index, function)| (device(topology, function), index)).collect();
    devices.sort_unstable();
    for device in devices.chunk_by(|a, b| a.0 == b.0) {
        let members = || device.iter().filter_map(|&(_, index)| Some((index, functions.get(index)?)));
        let apart = device.len() == 1 || members().all(|(_, function)| isolates(function));
        if apart {
            continue;
        }
        for (index, function) in members() {
            join_subtree(topology, function.bdf, sets);
            sets.join_with_first(device.first().map(|first| first.1), index);
        }
    }
}

/// Joins a function with all that stands below it.
fn join_subtree(topology: &Topology, top: Bdf, sets: &mut DisjointSets) {
    let first = topology.index_of(top);
    for function in topology.below(top) {
        if let Some(index) = topology.index_of(function.bdf) {
            sets.join_with_first(first, index);
        }
    }
}

/// Joins the indices that stand beside equal keys.
fn join_equal(mut keyed: Vec<(Bdf, usize)>, sets: &mut DisjointSets) {
    keyed.sort_unstable();
    for same in keyed.chunk_by(|a, b| a.0 == b.0) {
        for &(_, index) in same {
            sets.join_with_first(same.first().map(|first| first.1), index);
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
struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect() }
    }

    /// The smallest member of the set; paths only ever lead to smaller indices, so this ends.
    fn root(&mut self, index: usize) -> usize {
        let mut root = index;
        while let Some(&parent) = self.parent.get(root)
            && parent < root
        {
            root = parent;
        }
        if let Some(slot) = self.parent.get_mut(index) {
            *slot = root;
        }
        root
    }

    fn join_with_first(&mut self, first: Option<usize>, index: usize) {
        let Some(first) = first else { return };
        let (a, b) = (self.root(first), self.root(index));
        if let Some(slot) = self.parent.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}

#[cfg(test)]
mod tests;
