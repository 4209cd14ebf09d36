//! Which bridges pass requests on: those above a function that may make requests, and no others.
//!
//! A device may ignore its own bus-master bit; that of the port above it holds all the same (PCIe "Bus Master Enable" of
//! ports: requests from below are refused). So a port above nothing but blocked functions stays closed.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dma_types::Bdf;

use crate::control::BusMaster;
use crate::function::Function;
use crate::topology::Topology;

/// The bridges of a machine, and for whom each is open. All of them count as closed at first.
///
/// Made once, from a finished topology; noting changes allocates nothing.
#[derive(Debug)]
pub struct Passage {
    bridges: Vec<Bridge>,
    /// By rising BDF.
    functions: Vec<Below>,
}

#[derive(Debug)]
struct Bridge {
    bdf: Bdf,
    /// The bridge above, an index.
    parent: Option<usize>,
    /// Functions below, at any depth, that may make requests.
    users: AtomicU32,
}

/// A function that may get a way through bridges.
#[derive(Debug)]
struct Below {
    bdf: Bdf,
    parent: Option<usize>,
    may: AtomicBool,
}

impl Passage {
    /// Takes the bridges of a topology. A function that is not believed, or stands below a bridge that is not, never
    /// opens one.
    pub fn new(topology: &Topology) -> Self {
        let bridges: Vec<&Function> =
            topology.functions().iter().filter(|function| function.is_bridge()).collect();
        let place = |bdf: Bdf| bridges.binary_search_by_key(&bdf, |bridge| bridge.bdf).ok();
        let parent = |function: &Function| function.parent.and_then(place);
        let passes = |bridge: &Function| bridge.is_bridge() && bridge.refused.is_none();
        let believed = |function: &&Function| {
            !function.is_bridge() && function.refused.is_none() && topology.ancestors(function).all(passes)
        };
        let functions = topology.functions().iter().filter(believed);
        Self {
            functions: functions
                .map(|function| Below {
                    bdf: function.bdf,
                    parent: parent(function),
                    may: AtomicBool::new(false),
                })
                .collect(),
            bridges: bridges
                .iter()
                .map(|bridge| Bridge { bdf: bridge.bdf, parent: parent(bridge), users: AtomicU32::new(0) })
                .collect(),
        }
    }

    /// Every bridge of the machine, whose passage is counted.
    pub fn bridges(&self) -> impl Iterator<Item = Bdf> {
        self.bridges.iter().map(|bridge| bridge.bdf)
    }

    /// Notes whether a function may make requests from now on, and has `switch` open or close each bridge above it
    /// for which that makes the difference.
    ///
    /// To be called before a function's own bus mastering goes on and after it went off. Nobody else may call it
    /// meanwhile, in an interrupt neither.
    pub fn note(&self, function: Bdf, to: BusMaster, mut switch: impl FnMut(Bdf, BusMaster)) {
        let found = self.functions.binary_search_by_key(&function, |below| below.bdf);
        let Some(below) = found.ok().and_then(|index| self.functions.get(index)) else { return };
        let may = to == BusMaster::On;
        if below.may.swap(may, Ordering::Relaxed) == may {
            return;
        }
        let bridge = |index: Option<usize>| self.bridges.get(index?);
        let above = core::iter::successors(bridge(below.parent), |found| bridge(found.parent));
        for Bridge { bdf, users, .. } in above {
            let before = match to {
                BusMaster::On => users.fetch_add(1, Ordering::Relaxed),
                BusMaster::Off => users.fetch_sub(1, Ordering::Relaxed),
            };
            if before == u32::from(!may) {
                switch(*bdf, to);
            }
        }
    }
}

#[cfg(test)]
mod tests;
