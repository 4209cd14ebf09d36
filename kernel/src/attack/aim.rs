//! What an attack is aimed at: an address, the memory behind it, and what keeps both as they are.

use alloc::vec;
use alloc::vec::Vec;

use ::attack::{NotPossible, RealPage, check_address, choose_page, offset_of};
use diagnosis::Verdict;
use dma_types::{Access, Iova, PAGE_SIZE, PhysAddr};
use options::Target;

use super::kept;
use super::neighbour::{self, Neighbour};
use super::order::Sabotage;
use crate::devices::Overreach;
use crate::dma::{Both, FromDevice, Mapping, PageBuffer, ToDevice, inspect};
use crate::faults::predict;
use crate::iommu;
use crate::memory::{direct, map};

/// Pages tried until one's number is in no earlier verdict's way.
const TRIES: usize = 64;

/// A prepared target.
pub struct Aim {
    /// The address that the device is given.
    pub iova: Iova,
    /// The memory behind it, if it is RAM.
    pub memory: Option<PhysAddr>,
    /// The verdict that the fault must get; none where no fault can come.
    pub expected: Option<Verdict>,
    /// Keeps the target as it is until the attack is judged.
    pub hold: Hold,
}

/// What an attack moves.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// Bytes.
    pub length: u32,
    /// What memory that is made for it holds.
    pub secret: &'a [u8],
    /// What the device writes, if it cannot be told what.
    pub stamp: Option<&'a [u8]>,
    /// What is done to the attack.
    pub sabotage: Sabotage,
}

/// What keeps a target as it is, until it is dropped.
pub enum Hold {
    /// It lasts by itself.
    Nothing,
    /// Memory in no domain.
    Page(PageBuffer),
    /// A mapping that the device may read.
    Readable(Mapping<ToDevice>),
    /// A mapping that the device may write.
    Writable(Mapping<FromDevice>),
    /// A page behind one that the device may read.
    BesideReadable(Mapping<ToDevice>, PageBuffer),
    /// A page behind one that the device may write.
    BesideWritable(Mapping<FromDevice>, PageBuffer),
    /// Another device's mapping.
    Foreign(Mapping<Both>),
    /// A buffer of the device's in a page with another one.
    Neighbour(Neighbour),
}

impl Hold {
    /// The target's memory by itself, taken back from whoever had it; none if it lasts by itself, or if the unit
    /// does not confirm that it is out of reach.
    pub fn into_target(self) -> Option<kept::KeptTarget> {
        let page = match self {
            Self::Nothing => return None,
            Self::Neighbour(neighbour) => return Some(kept::KeptTarget::Bytes(neighbour.into_beside())),
            Self::Page(page) => Some(page),
            Self::BesideReadable(before, page) => before.unmap().ok().map(|_| page),
            Self::BesideWritable(before, page) => before.unmap().ok().map(|_| page),
            Self::Readable(mapping) => mapping.unmap().ok(),
            Self::Writable(mapping) => mapping.unmap().ok(),
            Self::Foreign(mapping) => mapping.unmap().ok(),
        };
        page.map(kept::KeptTarget::Page)
    }
}

impl Aim {
    /// Prepares every target but `freed`, which is made of the attack's own buffers.
    ///
    /// Memory that is made for the purpose is filled with `load.secret`.
    pub fn prepare(
        device: &'static dyn Overreach,
        access: Access,
        target: Target,
        load: &Load<'_>,
    ) -> Result<Self, NotPossible> {
        let secret = load.secret;
        match target {
            Target::Canary => canary(device, access, secret),
            Target::Kernel => real_page(device, access, map::kernel_text_pages(), load),
            Target::Tables => real_page(device, access, iommu::table_pages(device.record()), load),
            Target::Foreign => foreign(device, access, secret),
            Target::WrongDirection => wrong_direction(device, access, secret),
            Target::PastEnd => past_end(device, access, secret),
            Target::Address(iova) => address(device, access, iova, load),
            Target::Neighbour => neighbour::aim(device, access, load),
            // Made of the attack's own buffers, and no memory at all.
            Target::Freed | Target::Interrupt => Err(NotPossible::NoAddressSpace),
        }
    }
}

impl Aim {
    /// [`check_address`] for this address and device.
    ///
    /// # Errors
    /// As there.
    pub fn check_address(&self, device: &dyn Overreach, length: u32) -> Result<(), NotPossible> {
        check_address(self.iova, length, device.record().reach(), |iova| device.dma().is_live(iova))
    }
}

/// What lies in memory there; nothing if it is not RAM.
pub fn bytes_at(memory: PhysAddr, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    direct::read(memory, &mut bytes).ok()?;
    Some(bytes)
}

/// A page's physical address as a device would send it that knows of no translation.
fn as_sent(device: &dyn Overreach, memory: PhysAddr) -> Option<Iova> {
    let iova = Iova::new(memory.as_u64());
    device.dma().reaches(iova).then_some(iova)
}

/// Memory that belongs to no device.
fn canary(device: &'static dyn Overreach, access: Access, secret: &[u8]) -> Result<Aim, NotPossible> {
    // Pages with the wrong number are kept until one fits, or the allocator would give them again.
    let mut misfits: [Option<PageBuffer>; TRIES] = [const { None }; TRIES];
    let mut why = NotPossible::Beyond;
    for slot in &mut misfits {
        let mut page = PageBuffer::new(0).map_err(|_| NotPossible::Memory)?;
        let memory = inspect::buffer(&page);
        if let Some(iova) = as_sent(device, memory) {
            if predict(device.record(), iova, access) == Verdict::NeverMapped {
                fill(&mut page, secret);
                return Ok(Aim {
                    iova,
                    memory: Some(memory),
                    expected: Some(Verdict::NeverMapped),
                    hold: Hold::Page(page),
                });
            }
            why = NotPossible::Numbers;
        }
        *slot = Some(page);
    }
    Err(why)
}

/// A page of the kernel that must stay as it is.
fn real_page(
    device: &'static dyn Overreach,
    access: Access,
    pages: impl Iterator<Item = PhysAddr>,
    load: &Load<'_>,
) -> Result<Aim, NotPossible> {
    let pages = pages.map(|memory| RealPage { memory, iova: as_sent(device, memory) });
    let is_nobodys = |iova| predict(device.record(), iova, access) == Verdict::NeverMapped;
    let place = |page| match load.stamp {
        Some(stamp) => offset_of(stamp, &bytes_at(page, PAGE_SIZE as usize)?),
        None => Some(0),
    };
    let (memory, iova) = choose_page(pages, is_nobodys, place)?;
    Ok(Aim { iova, memory: Some(memory), expected: Some(Verdict::NeverMapped), hold: Hold::Nothing })
}

/// A buffer of another device, by its physical address.
fn foreign(device: &'static dyn Overreach, access: Access, secret: &[u8]) -> Result<Aim, NotPossible> {
    let other = crate::devices::capable()
        .find(|other| other.record().group != device.record().group && other.dma().is_open())
        .ok_or(NotPossible::Alone)?;
    let mut misfits: [Option<PageBuffer>; TRIES] = [const { None }; TRIES];
    let mut why = NotPossible::Beyond;
    for slot in &mut misfits {
        let mut page = PageBuffer::new(0).map_err(|_| NotPossible::Memory)?;
        fill(&mut page, secret);
        let memory = inspect::buffer(&page);
        let mapping = other.dma().map::<Both, _>(page, "foreign target").map_err(|_| NotPossible::Memory)?;
        if let Some(iova) = as_sent(device, memory) {
            if predict(device.record(), iova, access) == Verdict::Foreign {
                return Ok(Aim {
                    iova,
                    memory: Some(memory),
                    expected: Some(Verdict::Foreign),
                    hold: Hold::Foreign(mapping),
                });
            }
            why = NotPossible::Numbers;
        }
        *slot = Some(mapping.unmap().map_err(|_| NotPossible::Memory)?);
    }
    Err(why)
}

/// A buffer that the device may use the other way only; its entry is cold, since a warm one is refused in
/// silence by some units.
fn wrong_direction(
    device: &'static dyn Overreach,
    access: Access,
    secret: &[u8],
) -> Result<Aim, NotPossible> {
    let mut page = PageBuffer::new(0).map_err(|_| NotPossible::Memory)?;
    fill(&mut page, secret);
    let memory = Some(inspect::buffer(&page));
    let label = "wrong-direction target";
    let (iova, hold) = if access == Access::Write {
        let mapping = device.dma().map::<ToDevice, _>(page, label).map_err(|_| NotPossible::Memory)?;
        (mapping.iova(), Hold::Readable(mapping))
    } else {
        let mapping = device.dma().map::<FromDevice, _>(page, label).map_err(|_| NotPossible::Memory)?;
        (mapping.iova(), Hold::Writable(mapping))
    };
    Ok(Aim { iova, memory, expected: Some(Verdict::WrongDirection), hold })
}

/// The page right behind a buffer. In memory another page follows there, so that an entry too many would
/// show.
fn past_end(device: &'static dyn Overreach, access: Access, secret: &[u8]) -> Result<Aim, NotPossible> {
    let (page, behind) = PageBuffer::new(1).map_err(|_| NotPossible::Memory)?.halves();
    let mut behind = behind.ok_or(NotPossible::Memory)?;
    fill(&mut behind, secret);
    let memory = Some(inspect::buffer(&behind));
    let label = "past-end target";
    let (start, hold) = if access == Access::Write {
        let mapping = device.dma().map::<FromDevice, _>(page, label).map_err(|_| NotPossible::Memory)?;
        (mapping.iova(), Hold::BesideWritable(mapping, behind))
    } else {
        let mapping = device.dma().map::<ToDevice, _>(page, label).map_err(|_| NotPossible::Memory)?;
        (mapping.iova(), Hold::BesideReadable(mapping, behind))
    };
    let iova = start.checked_add(PAGE_SIZE).ok_or(NotPossible::Beyond)?;
    Ok(Aim { iova, memory, expected: Some(Verdict::Overrun), hold })
}

/// An address as given.
fn address(
    device: &'static dyn Overreach,
    access: Access,
    iova: Iova,
    load: &Load<'_>,
) -> Result<Aim, NotPossible> {
    let memory = PhysAddr::new(iova.as_u64());
    let memory = direct::is_ram(memory, u64::from(load.length)).then_some(memory);
    let aim =
        Aim { iova, memory, expected: Some(predict(device.record(), iova, access)), hold: Hold::Nothing };
    aim.check_address(device, load.length)?;
    if load.stamp.is_some_and(|stamp| !stands_at(stamp, memory)) {
        return Err(NotPossible::Contents);
    }
    Ok(aim)
}

/// Tells whether these bytes stand there, or are the zeros that are sent where there is no memory.
fn stands_at(stamp: &[u8], memory: Option<PhysAddr>) -> bool {
    let there = match memory {
        Some(memory) => bytes_at(memory, stamp.len()),
        None => Some(vec![0; stamp.len()]),
    };
    there.is_some_and(|there| there == stamp)
}

fn fill(page: &mut PageBuffer, secret: &[u8]) {
    page.bytes_mut()[..secret.len()].copy_from_slice(secret);
}
