//! The reserved regions that are granted, and to whom.

use alloc::vec::Vec;

use dma_types::Bdf;

use crate::finding::TableFinding;
use crate::plan::Plan;
use crate::region::{Ground, Pages, Region};

/// A region that is granted, and the functions that get it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    region: Region,
    devices: Vec<Bdf>,
}

/// Every region that is granted. What it does not have stays out of every domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Plan {
    /// Grants the regions that meet nothing of `ground`'s, and takes their memory away by `reserve`, which gives how many
    /// bytes of it the memory map calls free. Gives what there is to say about them besides.
    ///
    /// To be called once, before tables and buffers are made, and when the topology has its windows checked.
    pub fn grant_regions(
        &self,
        ground: &Ground<'_>,
        mut reserve: impl FnMut(Pages) -> u64,
    ) -> (Grants, Vec<TableFinding>) {
        let (mut grants, mut findings) = (Vec::new(), Vec::new());
        for region in &self.regions {
            let Region { offset, pages, .. } = *region;
            if let Some(over) = region.obstacle(ground) {
                findings.push(TableFinding::RegionRefused { offset, base: pages.start(), over });
                continue;
            }
            let free = reserve(pages);
            if free > 0 {
                findings.push(TableFinding::RegionNotReserved { offset, base: pages.start(), free });
            }
            let functions = ground.topology.functions();
            let named = region.functions.iter().filter_map(|index| functions.get(*index));
            let devices = named.map(|function| function.bdf).collect();
            grants.push(Grant { region: region.clone(), devices });
        }
        (Grants(grants), findings)
    }
}

impl Grants {
    /// Tells whether a granted region names a function. Allocates nothing.
    pub fn names(&self, device: Bdf) -> bool {
        self.0.iter().any(|grant| grant.devices.contains(&device))
    }

    /// The functions that granted regions name, by rising place, each once.
    pub fn devices(&self) -> Vec<Bdf> {
        let mut devices: Vec<_> = self.0.iter().flat_map(|grant| grant.devices.iter().copied()).collect();
        devices.sort_unstable();
        devices.dedup();
        devices
    }

    /// The regions of those functions that `is_member` tells to be of a group. Allocates nothing.
    pub fn of_group(&self, is_member: impl Fn(Bdf) -> bool + Clone) -> impl Iterator<Item = &Region> + Clone {
        let names_group = move |grant: &&Grant| grant.devices.iter().any(|device| is_member(*device));
        self.0.iter().filter(names_group).map(|grant| &grant.region)
    }
}
