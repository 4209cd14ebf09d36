//! The target `neighbour`: what lies beside a device's buffer in the same page.
//!
//! The device is aimed at the mapped page, behind the end of its buffer. No fault can come of that. Where the
//! rest of the page is exposed, another buffer lies there; where it is not, zeros that are nobody's.

use alloc::vec::Vec;

use ::attack::{Judgement, NotPossible};
use dma_types::{Access, Iova, PhysAddr};
use frames::PartSize;

use super::aim::{Aim, Hold, Load, bytes_at};
use super::order::Sabotage;
use crate::devices::{Overreach, Trust};
use crate::dma::{ByteBuffer, DirectionType, FromDevice, Mapping, ToDevice, inspect};

/// Buffers taken until two lie side by side: more than two pages hold of the shortest.
const TRIES: usize = 128;

/// What the device's buffer holds.
const FILL: u8 = 0x6b;

/// A buffer in a device's hands, and another right behind it in the same page.
pub struct Neighbour {
    /// Gone once it is judged.
    lent: Option<Lent>,
    /// Never looked at by this, only kept.
    beside: ByteBuffer,
}

/// A buffer lent one way or the other.
enum Lent {
    Readable(Mapping<ToDevice, ByteBuffer>),
    Writable(Mapping<FromDevice, ByteBuffer>),
}

/// Takes aim at what lies behind a buffer in its page.
pub(super) fn aim(
    device: &'static dyn Overreach,
    access: Access,
    load: &Load<'_>,
) -> Result<Aim, NotPossible> {
    if device.record().trust == Trust::Trusted && load.sabotage == Sabotage::None {
        return Err(NotPossible::Trusted);
    }
    // Filled to its end, so that what lies behind it is the next one.
    let bytes = PartSize::for_bytes(load.length as usize).ok_or(NotPossible::TooLong)?.bytes();
    let (mut buffer, mut beside) = side_by_side(bytes)?;
    buffer.bytes_mut().fill(FILL);
    let secret = beside.bytes_mut().get_mut(..load.secret.len()).ok_or(NotPossible::TooLong)?;
    secret.copy_from_slice(load.secret);
    let memory = inspect::bytes(&beside);
    let lent = match access {
        Access::Write => Lent::Writable(lend(device, buffer, load.sabotage)?),
        _ => Lent::Readable(lend(device, buffer, load.sabotage)?),
    };
    let iova = lent.iova().checked_add(bytes as u64).ok_or(NotPossible::Beyond)?;
    let hold = Hold::Neighbour(Neighbour { lent: Some(lent), beside });
    Ok(Aim { iova, memory: Some(memory), expected: None, hold })
}

/// Maps the buffer; as for a trusted device if the neighbour is to be exposed.
fn lend<D: DirectionType>(
    device: &dyn Overreach,
    buffer: ByteBuffer,
    sabotage: Sabotage,
) -> Result<Mapping<D, ByteBuffer>, NotPossible> {
    let label = "neighbour target";
    let mapped = match sabotage {
        Sabotage::None => device.dma().map(buffer, label),
        Sabotage::MapTarget => inspect::map_as_trusted(device.dma(), buffer, label),
    };
    mapped.map_err(|_| NotPossible::Memory)
}

/// Two buffers of that length in one page, the second right behind the first.
fn side_by_side(bytes: usize) -> Result<(ByteBuffer, ByteBuffer), NotPossible> {
    let behind = |buffer: &ByteBuffer| inspect::bytes(buffer).checked_add(bytes as u64);
    let mut taken: Vec<ByteBuffer> = Vec::new();
    while taken.len() < TRIES {
        let beside = ByteBuffer::new(bytes).map_err(|_| NotPossible::Memory)?;
        let start = inspect::bytes(&beside);
        let in_one_page = |end: PhysAddr| end == start && start.page_offset() != 0;
        match taken.iter().position(|buffer| behind(buffer).is_some_and(in_one_page)) {
            Some(first) => return Ok((taken.swap_remove(first), beside)),
            None => taken.push(beside),
        }
    }
    Err(NotPossible::Memory)
}

impl Neighbour {
    /// The neighbour by itself.
    pub(super) fn into_beside(self) -> ByteBuffer {
        self.beside
    }

    /// [`Judgement::of_neighbour`], by what lies in the page.
    ///
    /// # Errors
    /// If the unit did not give the buffer back.
    pub(super) fn judge(&mut self, stamp: &[u8]) -> Result<Judgement, Judgement> {
        let lent = self.lent.take().ok_or(Judgement::Broken)?;
        let arrived = match &lent {
            Lent::Readable(_) => true,
            Lent::Writable(mapping) => {
                let behind = inspect::mapping(mapping).checked_add(mapping.len());
                behind.and_then(|start| bytes_at(start, stamp.len())).is_some_and(|bytes| bytes == stamp)
            }
        };
        let buffer = lent.unmap().map_err(|_| Judgement::Broken)?;
        let intact = buffer.bytes().iter().all(|byte| *byte == FILL);
        Ok(Judgement::of_neighbour(arrived, intact))
    }
}

impl Lent {
    fn iova(&self) -> Iova {
        match self {
            Self::Readable(mapping) => mapping.iova(),
            Self::Writable(mapping) => mapping.iova(),
        }
    }

    fn unmap(self) -> Result<ByteBuffer, crate::dma::DmaError> {
        match self {
            Self::Readable(mapping) => mapping.unmap(),
            Self::Writable(mapping) => inspect::unmap_overrun(mapping),
        }
    }
}
