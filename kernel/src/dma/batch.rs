//! Many buffers in a device's hands at once, taken back with a single wait.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use diagnosis::{Label, Site};
use dma_types::{Direction, Iova};
use iova::IovaRange;

use super::books::Progress;
use super::lease::Lent;
use super::mapping::{DirectionType, give_up};
use super::{Buffer, Device, DmaError, Domain, PageBuffer, books, verifier};
use crate::devices::Trust;
use crate::memory::arc::Arc;
use crate::sync::InterruptsOff;

/// Buffers that belong to a device until they are unmapped together: a scatter/gather list, or the buffers of
/// a ring that is filled and emptied as a whole.
///
/// Holding one proves what a [`Mapping`](super::Mapping) proves, for each of its buffers. Taking them back
/// takes one invalidation and one wait for all of them, so that each costs a fraction of a mapping of its own.
/// Dropping it unmaps as well.
pub struct Batch<D, B: Buffer = PageBuffer> {
    domain: Arc<Domain>,
    /// In the order of the buffers; empty once they are given back.
    ranges: Vec<IovaRange>,
    buffers: Vec<B>,
    direction: PhantomData<fn() -> D>,
}

/// One piece of a scatter/gather list, as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts.
    pub iova: Iova,
    /// Its bytes.
    pub bytes: u64,
}

/// Buffers that could not be lent, and why.
pub struct RefusedBatch<B> {
    /// Why.
    pub error: DmaError,
    /// The buffers, as they were; none if the device may still reach some of them.
    pub buffers: Vec<B>,
}

impl<D: DirectionType, B: Buffer> Batch<D, B> {
    /// Gives the buffers to a device, all or none.
    #[track_caller]
    pub(super) fn new(
        device: &Device,
        mut buffers: Vec<B>,
        label: &'static str,
        trust: Trust,
    ) -> Result<Self, RefusedBatch<B>> {
        let site = Site::caller();
        let mut ranges = Vec::new();
        if let Err(error) = ranges.try_reserve_exact(buffers.len()) {
            return Err(RefusedBatch { error: error.into(), buffers });
        }
        let domain = match device.open_domain() {
            Ok(domain) => domain,
            Err(error) => return Err(RefusedBatch { error, buffers }),
        };
        if let Err(error) = lend_all(&mut buffers, D::DIRECTION, trust) {
            return Err(RefusedBatch { error, buffers });
        }
        let mut lent = buffers.iter().map(|buffer| Lent {
            memory: buffer.phys(),
            bytes: buffer.bytes(),
            direction: D::DIRECTION,
            label: Label(label),
            site,
        });
        let lending = if B::GUARDED {
            map_each(&domain, &mut lent, &mut ranges)
        } else {
            map_all(&domain, lent, &mut ranges)
        };
        let mut batch = Self { domain, ranges, buffers, direction: PhantomData };
        match lending {
            Ok(()) => Ok(batch),
            Err(error) => {
                let error = if error.may_be_reached() { batch.lose_next(error) } else { error };
                Err(RefusedBatch { error, buffers: batch.unmap_by(site).unwrap_or_default() })
            }
        }
    }
}

impl<D, B: Buffer> Batch<D, B> {
    /// The pieces to tell the device, in the order of the buffers.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment> {
        let pieces = self.ranges.iter().zip(&self.buffers);
        pieces.map(|(range, buffer)| Segment {
            iova: Iova::new(range.start().as_u64() + buffer.phys().page_offset()),
            bytes: buffer.bytes(),
        })
    }

    /// Takes the buffers back. When this returns, the device cannot reach any of them any more.
    ///
    /// # Errors
    /// If the unit did not confirm that; the buffers are lost then.
    #[track_caller]
    pub fn unmap(self) -> Result<Vec<B>, DmaError> {
        self.unmap_by(Site::caller())
    }

    /// Loses the buffer behind those that are mapped, which may be reached although it is not.
    fn lose_next(&mut self, error: DmaError) -> DmaError {
        let next = self.ranges.len();
        if next < self.buffers.len() { give_up(self.buffers.remove(next), error) } else { error }
    }

    fn unmap_by(mut self, site: Site) -> Result<Vec<B>, DmaError> {
        self.give_back(site)
    }

    fn give_back(&mut self, site: Site) -> Result<Vec<B>, DmaError> {
        let ranges = core::mem::take(&mut self.ranges);
        let starts = if B::GUARDED { verifier::starts(&ranges) } else { Vec::new() };
        let mut buffers = core::mem::take(&mut self.buffers);
        match unmap_all(&self.domain, ranges, site) {
            Ok(()) => {
                let mut starts = starts.into_iter();
                for damage in buffers.iter_mut().map(B::take_back) {
                    if let (Some(start), Some(damage)) = (starts.next(), damage) {
                        verifier::check_guard(&self.domain, start, damage, site);
                    }
                }
                Ok(buffers)
            }
            Err(error) => Err(give_up(buffers, error)),
        }
    }
}

/// Gets all buffers ready, or none.
fn lend_all<B: Buffer>(buffers: &mut [B], direction: Direction, trust: Trust) -> Result<(), DmaError> {
    for (number, buffer) in buffers.iter_mut().enumerate() {
        if let Err(error) = buffer.lend(direction, trust) {
            buffers.iter_mut().take(number).for_each(take_back);
            return Err(error.into());
        }
    }
    Ok(())
}

/// Takes note that no device has the buffer any more.
fn take_back<B: Buffer>(buffer: &mut B) {
    buffer.take_back();
}

/// Maps one after the other, as far as that goes; what is mapped is in `ranges`, which has room.
fn map_all(
    domain: &Domain,
    all: impl Iterator<Item = Lent>,
    ranges: &mut Vec<IovaRange>,
) -> Result<(), DmaError> {
    let off = InterruptsOff::new();
    let mut books = domain.books_within(&off);
    let at = books::now();
    for lent in all {
        ranges.push(match books.map_fast(lent, || at) {
            Ok(range) => range,
            Err(progress) => books.map_slow(progress, &lent, &off)?,
        });
    }
    Ok(())
}

/// The same by the slow path, for buffers that are filled or copied anyway: one piece of code for all kinds of them.
fn map_each(
    domain: &Domain,
    all: &mut dyn Iterator<Item = Lent>,
    ranges: &mut Vec<IovaRange>,
) -> Result<(), DmaError> {
    let off = InterruptsOff::new();
    let mut books = domain.books_within(&off);
    for lent in all {
        ranges.push(books.map_slow(Progress::Nothing, &lent, &off)?);
    }
    Ok(())
}

/// Unmaps all of it, with one wait.
fn unmap_all(domain: &Domain, ranges: Vec<IovaRange>, site: Site) -> Result<(), DmaError> {
    let off = InterruptsOff::new();
    domain.books_within(&off).unmap_all(ranges, site, &off)
}

impl<D, B: Buffer> Drop for Batch<D, B> {
    fn drop(&mut self) {
        if !self.ranges.is_empty() {
            // As with a mapping: what goes wrong is logged, and the buffers are then lost.
            let _ = self.give_back(Site::caller());
        }
    }
}

impl<B> From<RefusedBatch<B>> for DmaError {
    fn from(refused: RefusedBatch<B>) -> Self {
        refused.error
    }
}

impl<B> fmt::Debug for RefusedBatch<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
