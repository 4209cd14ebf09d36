//! The buffers that an attack gives its device for transfers that it may make.

use alloc::vec::Vec;

use ::attack::{Judgement, NotPossible, OwnBuffer, Skill};
use dma_types::{Access, Iova};

use super::aim::bytes_at;
use crate::dma::{Device, FromDevice, Mapping, PageBuffer, ToDevice, inspect};

/// What a device may read, and where it may write.
#[derive(Default)]
pub(super) struct Loans {
    source: Option<Mapping<ToDevice>>,
    decoy: Option<Mapping<ToDevice>>,
    landing: Option<Mapping<FromDevice>>,
}

impl Loans {
    /// A buffer with the pattern and one to store it in; one that recognises gets a buffer with something else
    /// in it as well.
    pub(super) fn lend(dma: &Device, skill: &Skill, pattern: &[u8]) -> Result<Self, Judgement> {
        let page = |place: OwnBuffer| page(&place.prepared(pattern));
        let source = dma.map(page(OwnBuffer::Source)?, "attack source").map_err(|_| Judgement::Broken)?;
        let landing = dma.map(page(OwnBuffer::Landing)?, "attack landing").map_err(|_| Judgement::Broken)?;
        let mut loans = Self { source: Some(source), decoy: None, landing: Some(landing) };
        if matches!(skill, Skill::Recognises { .. }) {
            let decoy = dma.map(page(OwnBuffer::Decoy)?, "attack decoy").map_err(|_| Judgement::Broken)?;
            loans.decoy = Some(decoy);
        }
        Ok(loans)
    }

    /// Where a buffer lies for the device.
    pub(super) fn at(&self, place: OwnBuffer) -> Result<Iova, Judgement> {
        let at = match place {
            OwnBuffer::Source => self.source.as_ref().map(Mapping::iova),
            OwnBuffer::Decoy => self.decoy.as_ref().map(Mapping::iova),
            OwnBuffer::Landing => self.landing.as_ref().map(Mapping::iova),
        };
        at.ok_or(Judgement::Broken)
    }

    /// What the device has stored.
    pub(super) fn landed(&self, length: usize) -> Result<Vec<u8>, Judgement> {
        let landing = self.landing.as_ref().ok_or(Judgement::Broken)?;
        bytes_at(inspect::mapping(landing), length).ok_or(Judgement::Broken)
    }

    /// Takes back the buffer that the device uses for such an access, and tells where the device saw it.
    pub(super) fn take_back(&mut self, access: Access) -> Result<(Iova, PageBuffer), Judgement> {
        let (iova, page) = if access == Access::Write {
            let old = self.landing.take().ok_or(Judgement::Broken)?;
            (old.iova(), old.unmap())
        } else {
            let old = self.source.take().ok_or(Judgement::Broken)?;
            (old.iova(), old.unmap())
        };
        Ok((iova, page.map_err(|_| Judgement::Broken)?))
    }
}

/// A page that begins with these bytes.
fn page(bytes: &[u8]) -> Result<PageBuffer, Judgement> {
    let mut page = PageBuffer::new(0).map_err(|_| Judgement::NotPossible(NotPossible::Memory))?;
    page.bytes_mut().get_mut(..bytes.len()).ok_or(Judgement::Broken)?.copy_from_slice(bytes);
    Ok(page)
}
