//! A bad driver, on purpose: one misuse of the DMA layer after the other, each by its name.
//!
//! Where the verifier is on, each must stop the machine, which only somebody outside can check; here fails what does
//! not. Where it is off, none may do anything but lose the bad driver's own data.

mod address;
mod virtio;

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use dma_types::{Access, Direction, Iova};
use options::Switch;

use super::bytes::{give, take};
use super::release::idle_functions;
use super::{check, skip, some_device, transfer};
use crate::devices::virtio::Lender;
use crate::devices::{Overreach, SELF_TEST};
use crate::dma::{
    Both, ByteBuffer, Device, DmaError, FromDevice, Loans, Mapping, PageBuffer, ToDevice, verifier,
};
use crate::memory::arc::Arc;
use ::attack::Skill;

/// One misuse.
pub(super) struct Misuse {
    /// The self-test's name.
    pub name: &'static str,
    by: By,
}

/// By whom the layer is misused.
enum By {
    /// A driver that lends by bare address.
    Loans(fn(&Loans) -> Result<(), DmaError>),
    /// The crate that drives virtio's queues.
    Crate(fn(&Lender) -> Result<(), DmaError>),
    /// A driver that holds mappings.
    Driver(fn(Device) -> Result<(), DmaError>),
    /// A device that writes further than it was told.
    Device(fn(&'static dyn Overreach) -> Result<(), &'static str>),
}

/// Every one.
pub(super) const MISUSES: [Misuse; 23] = [
    Misuse { name: "verifier-common-freed-twice", by: By::Loans(address::free_twice) },
    Misuse { name: "verifier-freed-twice", by: By::Loans(address::give_back_twice) },
    Misuse { name: "verifier-common-left", by: By::Loans(address::leave_common) },
    Misuse { name: "verifier-mappings-left", by: By::Driver(leave_mapping) },
    Misuse { name: "verifier-loans-left", by: By::Loans(address::leave_loan) },
    Misuse { name: "verifier-guard-damaged", by: By::Device(overrun) },
    Misuse { name: "verifier-batch-guard-damaged", by: By::Device(overrun_batch) },
    Misuse { name: "verifier-freed-while-mapped", by: By::Loans(address::free_while_mapped) },
    Misuse { name: "verifier-sync-after-return", by: By::Loans(address::sync_after_return) },
    Misuse { name: "verifier-used-after-release", by: By::Loans(address::use_after_release) },
    Misuse { name: "verifier-lent-twice", by: By::Loans(address::lend_twice) },
    Misuse { name: "verifier-never-lent", by: By::Loans(address::give_back_never_lent) },
    Misuse { name: "verifier-zero-length", by: By::Loans(address::lend_nothing) },
    Misuse { name: "verifier-wrong-direction", by: By::Loans(address::give_back_other_way) },
    Misuse { name: "verifier-wrong-memory", by: By::Loans(address::give_back_less) },
    Misuse { name: "verifier-sync-outside", by: By::Loans(address::sync_outside) },
    Misuse { name: "verifier-image-lent", by: By::Loans(address::lend_image) },
    Misuse { name: "verifier-stack-lent", by: By::Loans(address::lend_stack) },
    Misuse { name: "verifier-virtio-lent-twice", by: By::Crate(virtio::share_twice) },
    Misuse { name: "verifier-virtio-never-mapped", by: By::Crate(virtio::share_unannounced) },
    Misuse { name: "verifier-virtio-never-lent", by: By::Crate(virtio::unshare_unshared) },
    Misuse { name: "verifier-virtio-wrong-memory", by: By::Crate(virtio::free_less) },
    Misuse { name: "verifier-virtio-common-left", by: By::Crate(virtio::leave_queue) },
];

const LABEL: &str = "verifier test";
/// Bytes that are lent.
const FEW: usize = 100;
const OUT: Direction = Direction::ToDevice;
const IN: Direction = Direction::FromDevice;

impl Misuse {
    /// Misuses the layer, and reports whether the kernel is rightly still there.
    pub(super) fn run(&self) {
        let outcome = if let By::Device(misuse) = self.by {
            let Some(device) = some_device(self.name) else { return };
            misuse(device)
        } else {
            let Some(device) = idle_device(self.name) else { return };
            match device.and_then(|device| self.misuse(device)) {
                Ok(()) | Err(DmaError::NotLent { .. } | DmaError::Empty | DmaError::Released) => Ok(()),
                Err(_) => Err("the misuse was not possible"),
            }
        };
        let expected = if verifier::is_on() { Err("the misuse was not seen") } else { Ok(()) };
        check(self.name, outcome.and(expected));
    }

    fn misuse(&self, device: Device) -> Result<(), DmaError> {
        match self.by {
            By::Loans(misuse) => misuse(&Loans::new(Arc::try_new(device)?)),
            By::Crate(misuse) => with_lender(device, misuse),
            By::Driver(misuse) => misuse(device),
            By::Device(_) => Ok(()),
        }
    }
}

/// Correct use, with the verifier on: nothing may be seen.
pub(super) fn run_correct() {
    const NAME: &str = "verifier-correct-use";
    if !verifier::is_on() {
        return skip(NAME, "the verifier is off");
    }
    let Some(device) = idle_device(NAME) else { return };
    let before = verifier::checks();
    check(
        NAME,
        match device.and_then(use_correctly) {
            Ok(()) if verifier::checks() > before => Ok(()),
            Ok(()) => Err("nothing was checked"),
            Err(_) => Err("it was not possible"),
        },
    );
}

/// The verifier switched on and off, and reset, while memory is lent: nothing may be seen that was not done, nor what
/// was done while nobody looked.
pub(super) fn run_switched() {
    const NAME: &str = "verifier-switched";
    let Some(idle) = idle_device(NAME) else { return };
    let Some(copying) = some_device(NAME) else { return };
    let before = if verifier::is_on() { Switch::On } else { Switch::Off };
    let outcome = idle.and_then(switch_while_lent).map_err(|_| "it was not possible");
    let outcome = outcome.and_then(|()| switch_while_guarded(copying));
    verifier::set(before);
    check(NAME, outcome);
}

/// The device of the first idle function, claimed; skips the check if there is none.
fn idle_device(name: &str) -> Option<Result<Device, DmaError>> {
    let Some(record) = idle_functions().next() else {
        skip(name, "every device here has a driver or firmware left it at work");
        return None;
    };
    Some(Device::claim(record, SELF_TEST, Iova::new(u64::MAX)))
}

fn use_correctly(device: Device) -> Result<(), DmaError> {
    let shared = device.share::<u64, Both>(8, LABEL)?;
    let alone = device.map::<FromDevice, _>(ByteBuffer::new(FEW)?, LABEL).map_err(|refused| refused.error)?;
    alone.unmap()?;
    let two = [FEW; 2].map(ByteBuffer::new).into_iter().collect::<Result<_, _>>()?;
    device.map_batch::<FromDevice, _>(two, LABEL).map_err(|refused| refused.error)?.unmap()?;
    drop(shared);
    let device = Arc::try_new(device)?;
    let loans = Loans::new(device);
    let mut bytes = filled();
    // The same address may be lent and freed any number of times.
    for direction in [OUT, IN, Direction::Bidirectional] {
        let iova = loans.lend(&bytes, direction, LABEL)?;
        loans.sync_for_device(iova, FEW / 2, &bytes[FEW / 2..])?;
        loans.sync_for_driver(iova, 0, &mut bytes[..FEW / 2])?;
        loans.give_back(iova, &mut bytes, direction)?;
        let common = loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
        loans.free(common, FEW)?;
    }
    loans.close();
    drop(loans);
    let Some(device) = idle_functions().next() else { return Ok(()) };
    with_lender(Device::claim(device, SELF_TEST, Iova::new(u64::MAX))?, virtio::use_correctly)
}

/// Lets a crate work with a device.
fn with_lender(device: Device, work: fn(&Lender) -> Result<(), DmaError>) -> Result<(), DmaError> {
    work(&Lender::new(Arc::try_new(device)?)?)
}

const SWITCHES: [[Switch; 2]; 2] = [[Switch::Off, Switch::On], [Switch::On, Switch::Off]];

fn switch_while_lent(device: Device) -> Result<(), DmaError> {
    let loans = Loans::new(Arc::try_new(device)?);
    let mut bytes = filled();
    for [first, then] in SWITCHES {
        verifier::set(first);
        let iova = loans.lend(&bytes, IN, LABEL)?;
        let common = loans.allocate(FEW, IN, LABEL)?;
        verifier::set(then);
        verifier::reset();
        loans.sync_for_driver(iova, 0, &mut bytes)?;
        loans.give_back(iova, &mut bytes, IN)?;
        loans.free(common, FEW)?;
    }
    verifier::set(Switch::On);
    loans.close();
    Ok(())
}

fn switch_while_guarded(device: &'static dyn Overreach) -> Result<(), &'static str> {
    for [first, then] in SWITCHES {
        verifier::set(first);
        let mapping = overrun_buffer(device)?;
        verifier::set(then);
        take(mapping)?;
    }
    Ok(())
}

/// Bytes of the heap.
fn filled() -> Vec<u8> {
    vec![1; FEW]
}

/// Lends two buffers at once for as long as something is done with the address of the last.
fn lend_two(
    device: &Device,
    bytes: usize,
    work: &dyn Fn(Iova) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let buffers: Result<Vec<_>, _> = [bytes; 2].map(ByteBuffer::new).into_iter().collect();
    let buffers = buffers.map_err(|_| "no memory")?;
    let batch = device.map_batch::<FromDevice, _>(buffers, LABEL).map_err(|_| "no room")?;
    work(batch.segments().last().ok_or("an empty batch")?.iova)?;
    batch.unmap().map(drop).map_err(|_| "the buffers could not be taken back")
}

/// Lets a device write behind the end of its buffer, within the page.
fn overrun(device: &'static dyn Overreach) -> Result<(), &'static str> {
    take(overrun_buffer(device)?).map(drop)
}

fn overrun_buffer(device: &'static dyn Overreach) -> Result<Mapping<FromDevice, ByteBuffer>, &'static str> {
    let buffer = ByteBuffer::new(half_of_copy(device)?).map_err(|_| "no memory")?;
    let mapping = give(device.dma(), buffer)?;
    transfer(device, Access::Write, mapping.iova())?;
    Ok(mapping)
}

/// The same with the last buffer of a batch.
fn overrun_batch(device: &'static dyn Overreach) -> Result<(), &'static str> {
    lend_two(device.dma(), half_of_copy(device)?, &|iova| transfer(device, Access::Write, iova))
}

/// Half as many bytes as a device writes when it is told to.
fn half_of_copy(device: &dyn Overreach) -> Result<usize, &'static str> {
    match device.skill() {
        Skill::Copies { bytes } => Ok(bytes as usize / 2),
        Skill::Recognises { .. } => Err("it cannot be told how much to write"),
    }
}

fn leave_mapping(device: Device) -> Result<(), DmaError> {
    mem::forget(device.map::<ToDevice, _>(PageBuffer::new(0)?, LABEL)?);
    device.release()
}
