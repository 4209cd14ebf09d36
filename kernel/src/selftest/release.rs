//! Devices given up: whatever was taken for one is there again, however often, and wherever memory ran out.

use dma_types::{DomainId, Iova};
use report::DeviceState;

use super::{check, skip};
use crate::devices::{self, Admission, DeviceRecord, Role, SELF_TEST};
use crate::dma::{self, Both, ByteBuffer, Device, DmaError, FromDevice, PageBuffer, ToDevice};
use crate::iommu;
use crate::memory::failure::Shortage;
use crate::memory::{frames, heap};
use crate::platform::pci as bus;

/// Times that a device is claimed and released.
const TIMES: usize = 1000;

/// More allocations than claiming a device and mapping for it need.
const MOST_ALLOCATIONS: u64 = 1000;

/// Two pages of an array.
const SHARED: usize = 600;

/// Bytes that share a page.
const FEW: usize = 100;

/// 2 MiB in pages, as an exponent.
const LARGE: u8 = 9;

/// Claims a device and maps for it, and releases it, over and over.
pub(super) fn run() {
    const NAME: &str = "release";
    let Some(record) = idle_function(NAME) else { return };
    check(NAME, again_and_again(record));
}

fn again_and_again(record: &'static DeviceRecord) -> Result<(), &'static str> {
    // The first time may leave behind what stays: room in the kernel's lists, tables of the bus.
    use_once(record, 0).map_err(|_| "the device could not be claimed")?;
    let before = Possessions::of(record);
    for _ in 0..TIMES {
        use_once(record, 0).map_err(|_| "the device could not be claimed again")?;
        before.compare(&Possessions::of(record))?;
    }
    Ok(())
}

/// The same with memory that runs out after no allocation, after one, after two, until all succeed.
pub(super) fn run_short_of_memory() {
    const NAME: &str = "allocation-failure";
    let Some(record) = idle_function(NAME) else { return };
    check(NAME, short_of_memory(record));
}

fn short_of_memory(record: &'static DeviceRecord) -> Result<(), &'static str> {
    use_once(record, LARGE).map_err(|_| "the device could not be claimed")?;
    let before = Possessions::of(record);
    for allocations in 0..MOST_ALLOCATIONS {
        let shortage = Shortage::after(allocations);
        let outcome = use_once(record, LARGE);
        drop(shortage);
        before.compare(&Possessions::of(record))?;
        match outcome {
            Ok(()) if allocations == 0 => return Err("nothing was allocated, so nothing was shown"),
            Ok(()) => {
                log::info!("{allocations} allocations for a claim, an array and three buffers");
                return Ok(());
            }
            Err(_) => {}
        }
    }
    Err("it failed however much memory there was")
}

/// A device's life: claimed, given memory of every kind, released.
fn use_once(record: &'static DeviceRecord, exponent: u8) -> Result<(), DmaError> {
    let device = Device::claim(record, SELF_TEST, Iova::new(u64::MAX))?;
    let entry = iommu::unit_of(record).and_then(|unit| unit.domain_of(record.requester.source));
    if entry != Some(device.domain().space().id()) || !bus::masters(record.bdf) {
        return Err(DmaError::State { device: record.bdf, state: record.state() });
    }
    let shared = device.share::<u64, Both>(SHARED, "release test array")?;
    let pages = device.map::<ToDevice, _>(PageBuffer::new(exponent)?, "release test pages")?;
    let bytes = device.map::<FromDevice, _>(ByteBuffer::new(FEW)?, "release test bytes")?;
    let page = device.map::<Both, _>(PageBuffer::new(0)?, "release test page")?;
    pages.unmap()?;
    bytes.unmap()?;
    page.unmap()?;
    drop(shared);
    device.release()
}

/// The first of [`idle_functions`]; skips the check if there is none.
fn idle_function(name: &str) -> Option<&'static DeviceRecord> {
    let found = idle_functions().next();
    if found.is_none() {
        skip(name, "every device here has a driver or firmware left it at work");
    }
    found
}

/// Devices that nobody drives, that had nothing going on when the kernel came, and that may work.
pub(super) fn idle_functions() -> impl Iterator<Item = &'static DeviceRecord> {
    let idle = |record: &&DeviceRecord| {
        record.state() == DeviceState::Blocked
            && record.role == Role::Endpoint
            && record.admission == Admission::Admitted
            && !record.bus_master_at_boot
            && iommu::unit_of(record).is_some_and(iommu::Unit::is_enforcing)
            && dma::domain_of(record).is_none()
    };
    devices::all().iter().filter(idle)
}

/// What is in use, and what a device has.
#[derive(Clone, Copy)]
struct Possessions {
    free_frames: usize,
    heap_bytes: usize,
    domains: usize,
    domain_ids: usize,
    entry: Option<DomainId>,
    masters: bool,
    state: DeviceState,
    driver: Option<&'static str>,
}

impl Possessions {
    fn of(record: &DeviceRecord) -> Self {
        let unit = iommu::unit_of(record);
        let mut domains = 0;
        dma::domains(|_| domains += 1);
        Self {
            free_frames: frames::free_frames(),
            heap_bytes: heap::used_bytes(),
            domains,
            domain_ids: unit.map_or(0, iommu::Unit::domains),
            entry: unit.and_then(|unit| unit.domain_of(record.requester.source)),
            masters: bus::masters(record.bdf),
            state: record.state(),
            driver: record.driver(),
        }
    }

    fn compare(&self, now: &Self) -> Result<(), &'static str> {
        match () {
            () if now.masters || now.state != self.state => Err("the device was not blocked"),
            () if now.entry != self.entry => Err("the device's id still leads somewhere"),
            () if now.driver != self.driver => Err("the device still has a driver"),
            () if now.domains != self.domains || now.domain_ids != self.domain_ids => {
                Err("a domain was left behind")
            }
            () if now.heap_bytes != self.heap_bytes => Err("bytes of the heap were lost"),
            () if now.free_frames != self.free_frames => Err("frames were lost"),
            () => Ok(()),
        }
    }
}
