//! A buffer in a device's hands.

use core::fmt;
use core::marker::PhantomData;
use core::mem;

use diagnosis::{Label, Site};
use dma_types::{Direction, Iova, PhysAddr};

use super::guard::Damage;
use super::lease::Lease;
use super::{Buffer, Device, DmaError, PageBuffer, verifier};
use crate::devices::Trust;

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
pub struct Mapping<D, B: Buffer = PageBuffer> {
    /// Gone only while it is being given back.
    parts: Option<Parts<B>>,
    direction: PhantomData<fn() -> D>,
}

struct Parts<B> {
    lease: Lease,
    buffer: B,
}

/// A buffer that could not be lent, and why.
pub struct Refused<B> {
    /// Why.
    pub error: DmaError,
    /// The buffer, as it was; none if the device may reach it, so that it is lost.
    pub buffer: Option<B>,
}

impl<D: DirectionType, B: Buffer> Mapping<D, B> {
    /// Gives the buffer to a device.
    #[track_caller]
    #[inline(always)]
    pub(super) fn new(
        device: &Device,
        mut buffer: B,
        label: &'static str,
        trust: Trust,
    ) -> Result<Self, Refused<B>> {
        if let Err(error) = buffer.lend(D::DIRECTION, trust) {
            return Err(Refused { error: error.into(), buffer: Some(buffer) });
        }
        let memory = (buffer.phys(), buffer.bytes());
        match device.lend(memory, D::DIRECTION, Label(label), Site::caller()) {
            Ok(lease) => Ok(Self { parts: Some(Parts { lease, buffer }), direction: PhantomData }),
            Err(error) => Err(Refused::after(error, buffer)),
        }
    }
}

impl<D, B: Buffer> Mapping<D, B> {
    /// The address to tell the device.
    pub fn iova(&self) -> Iova {
        let Parts { lease, buffer } = self.parts();
        Iova::new(lease.start().as_u64() + buffer.phys().page_offset())
    }

    /// Bytes that the device can reach there.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u64 {
        self.buffer().bytes()
    }

    /// The buffer, for what may be looked at while the device has it.
    pub(super) fn buffer(&self) -> &B {
        &self.parts().buffer
    }

    /// The same, to be changed under the device's hands: what is read there later may be the device's.
    pub(super) fn buffer_mut(&mut self) -> &mut B {
        match &mut self.parts {
            Some(parts) => &mut parts.buffer,
            None => unreachable!("a mapping without its parts"),
        }
    }

    /// # Panics
    /// Never: the parts go only with the mapping itself.
    fn parts(&self) -> &Parts<B> {
        match &self.parts {
            Some(parts) => parts,
            None => unreachable!("a mapping without its parts"),
        }
    }

    /// Where the memory that the device reaches lies: for attacks that look at what a device did to it.
    pub(super) fn phys(&self) -> PhysAddr {
        self.buffer().phys()
    }

    /// Takes the buffer back. When this returns, the device cannot reach it any more.
    ///
    /// # Errors
    /// If the unit did not confirm that; the buffer is lost then.
    ///
    /// # Panics
    /// Never: the parts go only with the mapping itself.
    #[track_caller]
    #[inline(always)]
    pub fn unmap(mut self) -> Result<B, DmaError> {
        let parts = self.parts.take();
        // Nothing is left that dropping it would give back.
        mem::forget(self);
        match parts {
            Some(parts) => parts.give_back(Site::caller()),
            None => unreachable!("a mapping without its parts"),
        }
    }
}

impl<D, B: Buffer> Mapping<D, B> {
    /// Takes back a buffer of which it is known that the device was told to run past its end.
    ///
    /// # Errors
    /// As [`unmap`](Self::unmap).
    ///
    /// # Panics
    /// Never, as there.
    pub(super) fn unmap_overrun(mut self, site: Site) -> Result<B, DmaError> {
        match self.parts.take() {
            Some(parts) => parts.end(site, |_| {}),
            None => unreachable!("a mapping without its parts"),
        }
    }
}

impl<B: Buffer> Parts<B> {
    #[inline(always)]
    fn give_back(self, site: Site) -> Result<B, DmaError> {
        if B::GUARDED && verifier::is_on() {
            return self.give_back_checked(site);
        }
        self.end(site, |_| {})
    }

    /// The same with a look at the guard.
    #[cold]
    #[inline(never)]
    fn give_back_checked(self, site: Site) -> Result<B, DmaError> {
        let (domain, start) = (self.lease.domain.clone(), self.lease.start());
        self.end(site, |damage| verifier::check_guard(&domain, start, damage, site))
    }

    /// Apart, so that a mapping whose parts are gone costs no more than a look.
    #[cold]
    #[inline(never)]
    fn give_back_unasked(self) {
        // The caller of a drop is the compiler's own glue, so this line itself is the site. What goes wrong is
        // logged, and the buffer is then lost.
        let _ = self.give_back(Site::caller());
    }

    /// The buffer, once `tell` knows what the device did to the guard behind it.
    #[inline(always)]
    fn end(self, site: Site, tell: impl FnOnce(Damage)) -> Result<B, DmaError> {
        let Self { lease, mut buffer } = self;
        match lease.end(site) {
            Ok(()) => {
                if let Some(damage) = buffer.take_back() {
                    tell(damage);
                }
                Ok(buffer)
            }
            Err(error) => Err(give_up(buffer, error)),
        }
    }
}

/// Loses a buffer that a device may still reach.
#[cold]
pub(super) fn give_up<B>(buffer: B, error: DmaError) -> DmaError {
    log::error!("a buffer is given up, because a device may still reach it: {error}");
    mem::forget(buffer);
    error
}

impl<D, B: Buffer> Drop for Mapping<D, B> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.give_back_unasked();
        }
    }
}

impl<B: Buffer> Refused<B> {
    /// Takes a buffer back that was to be lent, if that is safe.
    #[cold]
    #[inline(never)]
    fn after(error: DmaError, mut buffer: B) -> Self {
        if error.may_be_reached() {
            return Self { error: give_up(buffer, error), buffer: None };
        }
        buffer.take_back();
        Self { error, buffer: Some(buffer) }
    }
}

impl<B> From<Refused<B>> for DmaError {
    fn from(refused: Refused<B>) -> Self {
        refused.error
    }
}

impl<B> fmt::Debug for Refused<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
