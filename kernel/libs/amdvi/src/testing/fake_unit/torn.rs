//! Devices that ask all the time, whose entries are fetched word by word while the processor changes them.

use std::vec::Vec;

use dma_types::{Access, Iova, PhysAddr, SourceId};
use iommu::testing::View;

use crate::spec::control::Control;

use super::State;

/// In which order the words are fetched: the one with the domain before the one with the table, and the other way round.
const ORDERS: [[usize; 4]; 2] = [[1, 0, 2, 3], [0, 1, 3, 2]];

/// Stores of the processor between two words: entries are changed with few.
const PACES: [usize; 3] = [1, 2, 3];
/// Stores of the processor between two entries, so that a fetch begins at any point of a change.
const RESTS: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Torn {
    askers: Vec<Asker>,
    pub(super) reached: Vec<(SourceId, PhysAddr)>,
}

#[derive(Clone, Debug)]
struct Asker {
    source: SourceId,
    iova: Iova,
    entry: [u64; 4],
    fetched: usize,
    order: [usize; 4],
    pace: usize,
    rest: usize,
    /// Stores until the next word.
    idle: usize,
}

impl Asker {
    /// Gives up what was fetched so far.
    const fn begin_anew(&mut self) {
        self.fetched = 0;
        self.idle = self.rest;
    }
}

impl Torn {
    pub(super) fn ask(&mut self, source: SourceId, iova: Iova) {
        for (order, pace) in ORDERS.into_iter().flat_map(|order| PACES.map(|pace| (order, pace))) {
            for rest in 0..RESTS {
                let asker = Asker { source, iova, entry: [0; 4], fetched: 0, order, pace, rest, idle: rest };
                self.askers.push(asker);
            }
        }
    }

    /// Gives up what was fetched of an entry so far.
    pub(super) fn forget(&mut self, source: SourceId) {
        self.askers.iter_mut().filter(|asker| asker.source == source).for_each(Asker::begin_anew);
    }

    pub(super) fn forget_all(&mut self) {
        self.askers.iter_mut().for_each(Asker::begin_anew);
    }
}

impl State {
    /// What devices do between two stores of the processor.
    pub(super) fn meanwhile(&mut self) {
        if !self.control.contains(Control::UNIT) {
            return;
        }
        for number in 0..self.torn.askers.len() {
            let asker = &mut self.torn.askers[number];
            if asker.idle > 0 {
                asker.idle -= 1;
                continue;
            }
            let word = asker.order[asker.fetched];
            let at = self.table.address().as_u64() + u64::from(asker.source.bits()) * 32 + word as u64 * 8;
            let Some(value) = self.memory.device_read(PhysAddr::new(at), View::Coherent) else { continue };
            asker.entry[word] = value;
            asker.fetched += 1;
            asker.idle = asker.pace - 1;
            if asker.fetched == asker.order.len() {
                // Whole, whatever it was put together from; remembered in place of any other.
                self.caches.entries.insert(asker.source.bits(), asker.entry);
                let (source, iova, entry) = (asker.source, asker.iova, asker.entry);
                asker.begin_anew();
                self.request_by(source, iova, entry);
            }
            let asker = self.torn.askers[number].clone();
            // By what is remembered of the entry now, if anything is.
            if self.caches.entries.contains_key(&asker.source.bits())
                && let Ok(phys) = self.dma(asker.source, asker.iova, Access::Read)
            {
                self.torn.reached.push((asker.source, phys));
            }
        }
    }

    /// A request by an entry that was just fetched, without a look at what earlier ones led to.
    fn request_by(&mut self, source: SourceId, iova: Iova, entry: [u64; 4]) {
        if let Ok(found) = self.translate(entry, iova, Access::Read) {
            self.remember_request(source, iova, entry, found);
            self.torn.reached.push((source, found.phys));
        }
    }
}
