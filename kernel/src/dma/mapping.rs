//! A buffer in a device's hands.

use alloc::sync::Arc;
use core::marker::PhantomData;

use diagnosis::{Label, Site};
use dma_types::{Direction, Iova, PhysAddr};
use iova::IovaRange;

use super::{DmaError, Domain, PageBuffer};

/// A direction as a type.
pub trait DirectionType {
    /// The direction.
    const DIRECTION: Direction;
}

/// The device reads what the driver wrote.
pub struct ToDevice;
/// The device writes what the driver will read.
pub struct FromDevice;
/// Both.
pub struct Both;

impl DirectionType for ToDevice {
    const DIRECTION: Direction = Direction::ToDevice;
}

impl DirectionType for FromDevice {
    const DIRECTION: Direction = Direction::FromDevice;
}

impl DirectionType for Both {
    const DIRECTION: Direction = Direction::Bidirectional;
}

/// A buffer that belongs to a device until it is unmapped.
///
/// Holding one proves that the device can reach exactly this buffer at [`iova`](Self::iova), in this
/// direction. Dropping it unmaps as well; where the unit does not confirm that, the buffer is given up for
/// good, because the device may still reach it.
pub struct Mapping<D> {
    iova: Iova,
    memory: PhysAddr,
    /// Gone only while it is being given back.
    parts: Option<Parts>,
    direction: PhantomData<D>,
}

struct Parts {
    domain: Arc<Domain>,
    range: IovaRange,
    buffer: PageBuffer,
}

impl<D: DirectionType> Mapping<D> {
    /// Gives the buffer to the devices of a domain.
    #[track_caller]
    pub(super) fn new(
        domain: Arc<Domain>,
        buffer: PageBuffer,
        label: &'static str,
    ) -> Result<Self, DmaError> {
        let site = Site::caller();
        let memory = buffer.phys();
        let range = domain.map(memory, buffer.len(), D::DIRECTION, Label(label), site)?;
        let iova = range.start();
        Ok(Self { iova, memory, parts: Some(Parts { domain, range, buffer }), direction: PhantomData })
    }
}

impl<D> Mapping<D> {
    /// The address to tell the device.
    pub fn iova(&self) -> Iova {
        self.iova
    }

    /// Where the buffer lies: for probes that look at what a device did to it.
    pub(super) fn phys(&self) -> PhysAddr {
        self.memory
    }

    /// Takes the buffer back. When this returns, the device cannot reach it any more.
    ///
    /// # Errors
    /// If the unit did not confirm that; the buffer is lost then.
    #[track_caller]
    pub fn unmap(mut self) -> Result<PageBuffer, DmaError> {
        match self.parts.take() {
            Some(parts) => parts.give_back(Site::caller()),
            None => Err(DmaError::Books),
        }
    }
}

impl Parts {
    fn give_back(self, site: Site) -> Result<PageBuffer, DmaError> {
        let Self { domain, range, buffer } = self;
        match domain.unmap(range, site) {
            Ok(()) => Ok(buffer),
            Err(error) => {
                log::error!("a buffer is given up, because a device may still reach it: {error}");
                core::mem::forget(buffer);
                Err(error)
            }
        }
    }
}

impl<D> Drop for Mapping<D> {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // The caller of a drop is the compiler's own glue, so this line itself is the site. What goes
            // wrong is logged, and the buffer is then lost.
            let _ = parts.give_back(Site::caller());
        }
    }
}
