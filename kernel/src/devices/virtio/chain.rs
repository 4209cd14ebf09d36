//! The buffers of a request: pages lent to the device for as long as it takes.
#![expect(unsafe_code, reason = "UNSAFETY: sends pointers to pages together with what owns them")]

use alloc::boxed::Box;
use alloc::vec;
use core::ptr::NonNull;

use arrayvec::ArrayVec;
use dma_types::{Access, Iova};

use super::hal::Announced;
use crate::dma::{self, DirectionType, DmaError, FromDevice, Mapping, PageBuffer, ToDevice};

/// Buffers of one request at most.
pub const PARTS: usize = 3;

/// Pages lent to the device, of which it is told the first bytes.
pub struct Loan<D> {
    mapping: Mapping<D>,
    memory: NonNull<[u8]>,
}

// SAFETY: the pages are the mapping's own, which may be sent.
unsafe impl<D> Send for Loan<D> {}

impl<D: DirectionType> Loan<D> {
    /// Lends `buffer`, of which the device is told the first `bytes`, or all if it has fewer.
    ///
    /// # Errors
    /// If the device cannot be given it.
    #[track_caller]
    pub fn new(
        device: &dma::Device,
        mut buffer: PageBuffer,
        bytes: usize,
        label: &'static str,
    ) -> Result<Self, DmaError> {
        let whole = buffer.bytes_mut();
        let bytes = bytes.min(whole.len());
        let memory = NonNull::from(&mut whole[..bytes]);
        Ok(Self { mapping: device.map(buffer, label)?, memory })
    }
}

/// One buffer of a request.
pub enum Part {
    /// The device reads it.
    Read(Loan<ToDevice>),
    /// The device writes it.
    Written(Loan<FromDevice>),
    /// No buffer: an address that an attack aims at, and memory that stands for it on this side.
    Aim {
        /// What the device does there.
        access: Access,
        /// The address.
        iova: Iova,
        /// As many bytes as the device is told.
        stand_in: Box<[u8]>,
    },
}

/// The buffers of one request, those that the device reads first.
pub type Chain = ArrayVec<Part, PARTS>;

/// The pages of a request, one for each of its buffers that has any.
pub type Pages = ArrayVec<Option<PageBuffer>, PARTS>;

impl Part {
    /// A page of its own that begins with these bytes, for the device to read.
    ///
    /// # Errors
    /// If there is no memory, or the device cannot be given it.
    #[track_caller]
    pub fn to_read(device: &dma::Device, bytes: &[u8], label: &'static str) -> Result<Self, DmaError> {
        Ok(Self::Read(Loan::new(device, page_with(bytes)?, bytes.len(), label)?))
    }

    /// A page of its own that begins with these bytes until the device has written over them.
    ///
    /// # Errors
    /// As for [`to_read`](Self::to_read).
    #[track_caller]
    pub fn to_write(device: &dma::Device, bytes: &[u8], label: &'static str) -> Result<Self, DmaError> {
        Ok(Self::Written(Loan::new(device, page_with(bytes)?, bytes.len(), label)?))
    }

    /// An address that an attack aims at.
    pub fn aim(access: Access, iova: Iova, bytes: usize) -> Self {
        Self::Aim { access, iova, stand_in: vec![0; bytes].into_boxed_slice() }
    }

    /// Tells whether the device reads it.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Aim { access: Access::Read, .. })
    }

    /// Where it lies, for the crate and for the device.
    pub fn announced(&mut self) -> Announced {
        match self {
            Self::Read(loan) => Announced { memory: loan.memory, iova: loan.mapping.iova() },
            Self::Written(loan) => Announced { memory: loan.memory, iova: loan.mapping.iova() },
            Self::Aim { iova, stand_in, .. } => {
                Announced { memory: NonNull::from(&mut **stand_in), iova: *iova }
            }
        }
    }

    /// Takes the pages back; an address that was aimed at has none.
    ///
    /// # Errors
    /// If the unit did not confirm that the device cannot reach them any more.
    #[track_caller]
    pub fn end(self) -> Result<Option<PageBuffer>, DmaError> {
        match self {
            Self::Read(loan) => loan.mapping.unmap().map(Some),
            Self::Written(loan) => loan.mapping.unmap().map(Some),
            Self::Aim { .. } => Ok(None),
        }
    }
}

/// A page that begins with these bytes; no more than a page of them.
fn page_with(bytes: &[u8]) -> Result<PageBuffer, DmaError> {
    let mut page = PageBuffer::new(0)?;
    page.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    Ok(page)
}
