//! The buffers that an attack gives its device for transfers that it may make.

use alloc::vec::Vec;

use dma_types::{Access, Iova};

use super::Skill;
use super::aim::NotPossible;
use super::contents::{bytes_at, complement};
use super::order::Judgement;
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
        // Not what the pattern is, even where that is all zeros.
        let other = complement(pattern);
        let source = dma.map(page(pattern)?, "attack source").map_err(|_| Judgement::Broken)?;
        let landing = dma.map(page(&other)?, "attack landing").map_err(|_| Judgement::Broken)?;
        let mut loans = Self { source: Some(source), decoy: None, landing: Some(landing) };
        if matches!(skill, Skill::Recognises { .. }) {
            loans.decoy = Some(dma.map(page(&other)?, "attack decoy").map_err(|_| Judgement::Broken)?);
        }
        Ok(loans)
    }

    /// Where the pattern is read.
    pub(super) fn source(&self) -> Result<Iova, Judgement> {
        self.source.as_ref().map(Mapping::iova).ok_or(Judgement::Broken)
    }

    /// Where something else is read.
    pub(super) fn decoy(&self) -> Result<Iova, Judgement> {
        self.decoy.as_ref().map(Mapping::iova).ok_or(Judgement::Broken)
    }

    /// Where the device stores what it writes.
    pub(super) fn landing(&self) -> Result<Iova, Judgement> {
        self.landing.as_ref().map(Mapping::iova).ok_or(Judgement::Broken)
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
