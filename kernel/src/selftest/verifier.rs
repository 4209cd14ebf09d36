//! A bad driver, on purpose: one misuse of the DMA layer after the other, each by its name.
//!
//! Where the verifier is on, each must stop the machine, which only somebody outside can check; here fails what does
//! not. Where it is off, none may do anything but lose the bad driver's own data.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: follows a bare pointer, as the drivers do that this one stands for"
)]

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use dma_types::{Access, Direction, Iova};

use super::release::idle_functions;
use super::{check, skip, some_device, transfer};
use crate::devices::SELF_TEST;
use crate::dma::{Both, ByteBuffer, Device, DmaError, FromDevice, Loans, PageBuffer, ToDevice, verifier};
use crate::memory::arc::Arc;
use crate::probe::{Overreach, Skill};

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
    /// A driver that holds mappings.
    Driver(fn(Device) -> Result<(), DmaError>),
    /// A device that writes further than it was told.
    Device,
}

/// Every one.
pub(super) const MISUSES: [Misuse; 17] = [
    Misuse { name: "verifier-common-freed-twice", by: By::Loans(free_twice) },
    Misuse { name: "verifier-freed-twice", by: By::Loans(give_back_twice) },
    Misuse { name: "verifier-common-left", by: By::Loans(leave_common) },
    Misuse { name: "verifier-mappings-left", by: By::Driver(leave_mapping) },
    Misuse { name: "verifier-loans-left", by: By::Loans(leave_loan) },
    Misuse { name: "verifier-guard-damaged", by: By::Device },
    Misuse { name: "verifier-freed-while-mapped", by: By::Loans(free_while_mapped) },
    Misuse { name: "verifier-sync-after-return", by: By::Loans(sync_after_return) },
    Misuse { name: "verifier-used-after-release", by: By::Loans(use_after_release) },
    Misuse { name: "verifier-lent-twice", by: By::Loans(lend_twice) },
    Misuse { name: "verifier-never-lent", by: By::Loans(give_back_never_lent) },
    Misuse { name: "verifier-zero-length", by: By::Loans(lend_nothing) },
    Misuse { name: "verifier-wrong-direction", by: By::Loans(give_back_other_way) },
    Misuse { name: "verifier-wrong-memory", by: By::Loans(give_back_less) },
    Misuse { name: "verifier-sync-outside", by: By::Loans(sync_outside) },
    Misuse { name: "verifier-image-lent", by: By::Loans(lend_image) },
    Misuse { name: "verifier-stack-lent", by: By::Loans(lend_stack) },
];

const LABEL: &str = "verifier test";
/// Bytes that are lent.
const FEW: usize = 100;
const OUT: Direction = Direction::ToDevice;
const IN: Direction = Direction::FromDevice;

impl Misuse {
    /// Misuses the layer, and reports whether the kernel is rightly still there.
    pub(super) fn run(&self) {
        let outcome = match self.by {
            By::Device => match some_device(self.name) {
                Some(device) => overrun(device),
                None => return,
            },
            By::Loans(_) | By::Driver(_) => {
                let Some(record) = idle_functions().next() else {
                    return skip(self.name, "every device here has a driver or firmware left it at work");
                };
                let device = Device::claim(record, SELF_TEST, Iova::new(u64::MAX));
                match device.and_then(|device| self.misuse(device)) {
                    Ok(()) | Err(DmaError::NotLent { .. } | DmaError::Empty | DmaError::Released) => Ok(()),
                    Err(_) => Err("the misuse was not possible"),
                }
            }
        };
        let expected = if verifier::is_on() { Err("the misuse was not seen") } else { Ok(()) };
        check(self.name, outcome.and(expected));
    }

    fn misuse(&self, device: Device) -> Result<(), DmaError> {
        match self.by {
            By::Loans(misuse) => misuse(&Loans::new(Arc::try_new(device)?)),
            By::Driver(misuse) => misuse(device),
            By::Device => Ok(()),
        }
    }
}

/// Correct use, with the verifier on: nothing may be seen.
pub(super) fn run_correct() {
    const NAME: &str = "verifier-correct-use";
    let Some(record) = idle_functions().next() else {
        return skip(NAME, "every device here has a driver or firmware left it at work");
    };
    if !verifier::is_on() {
        return skip(NAME, "the verifier is off");
    }
    let before = verifier::checks();
    let used = Device::claim(record, SELF_TEST, Iova::new(u64::MAX)).and_then(use_correctly);
    check(
        NAME,
        match used {
            Ok(()) if verifier::checks() > before => Ok(()),
            Ok(()) => Err("nothing was checked"),
            Err(_) => Err("it was not possible"),
        },
    );
}

fn use_correctly(device: Device) -> Result<(), DmaError> {
    let shared = device.share::<u64, Both>(8, LABEL)?;
    let bytes = device.map::<FromDevice, _>(ByteBuffer::new(FEW)?, LABEL)?;
    bytes.unmap()?;
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
        loans.free(common.iova)?;
    }
    loans.close();
    Ok(())
}

/// Bytes of the heap.
fn filled() -> Vec<u8> {
    vec![1; FEW]
}

/// Lets a device write behind the end of its buffer, within the page.
fn overrun(device: &'static dyn Overreach) -> Result<(), &'static str> {
    let Skill::Copies { bytes } = device.skill() else { return Err("it cannot be told how much to write") };
    let buffer = ByteBuffer::new(bytes as usize / 2).map_err(|_| "no memory")?;
    let mapping = device.dma().map::<FromDevice, _>(buffer, LABEL).map_err(|_| "no room")?;
    transfer(device, Access::Write, mapping.iova())?;
    mapping.unmap().map(drop).map_err(|_| "the buffer could not be taken back")
}

fn free_twice(loans: &Loans) -> Result<(), DmaError> {
    let common = loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    loans.free(common.iova)?;
    loans.free(common.iova)
}

fn give_back_twice(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes, OUT)?;
    loans.give_back(iova, &mut bytes, OUT)
}

fn leave_common(loans: &Loans) -> Result<(), DmaError> {
    loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    loans.close();
    Ok(())
}

fn leave_loan(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(&filled(), OUT, LABEL)?;
    loans.close();
    Ok(())
}

fn leave_mapping(device: Device) -> Result<(), DmaError> {
    mem::forget(device.map::<ToDevice, _>(PageBuffer::new(0)?, LABEL)?);
    device.release()
}

fn free_while_mapped(loans: &Loans) -> Result<(), DmaError> {
    let common = loans.allocate(FEW, Direction::Bidirectional, LABEL)?;
    // SAFETY: common memory holds as many bytes, is there until it is freed, and the device was told nothing of it.
    let lent = unsafe { core::slice::from_raw_parts(common.memory.as_ptr(), FEW / 2) };
    loans.lend(lent, OUT, LABEL)?;
    loans.free(common.iova)
}

fn sync_after_return(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, IN, LABEL)?;
    loans.give_back(iova, &mut bytes, IN)?;
    loans.sync_for_driver(iova, 0, &mut bytes)
}

fn use_after_release(loans: &Loans) -> Result<(), DmaError> {
    loans.close();
    loans.lend(&filled(), OUT, LABEL).map(drop)
}

fn lend_twice(loans: &Loans) -> Result<(), DmaError> {
    let bytes = filled();
    loans.lend(&bytes, OUT, LABEL)?;
    loans.lend(&bytes[FEW / 2..], OUT, LABEL).map(drop)
}

fn give_back_never_lent(loans: &Loans) -> Result<(), DmaError> {
    loans.give_back(Iova::new(0x1000), &mut filled(), OUT)
}

fn lend_nothing(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(&[], OUT, LABEL).map(drop)
}

fn give_back_other_way(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes, IN)
}

fn give_back_less(loans: &Loans) -> Result<(), DmaError> {
    let mut bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.give_back(iova, &mut bytes[..FEW / 2], OUT)
}

fn sync_outside(loans: &Loans) -> Result<(), DmaError> {
    let bytes = filled();
    let iova = loans.lend(&bytes, OUT, LABEL)?;
    loans.sync_for_device(iova, FEW / 2, &bytes)
}

fn lend_image(loans: &Loans) -> Result<(), DmaError> {
    loans.lend(LABEL.as_bytes(), OUT, LABEL).map(drop)
}

fn lend_stack(loans: &Loans) -> Result<(), DmaError> {
    let bytes = core::hint::black_box([1; FEW]);
    loans.lend(&bytes, OUT, LABEL).map(drop)
}
