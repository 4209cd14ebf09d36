//! A root port and the device in its slot, worked from outside: the guest takes no part.

use std::sync::{Arc, Mutex};

use vfio_device::{Bar, ConfigSpace, Identity, PlainCard};

use crate::Error;
use crate::evil::arena::Arena;
use crate::qemu::config_space;

/// Slot control: power on; and power off, with the indicator of it off (PCIe "Slot Control Register").
const POWER_ON: u16 = 0;
const POWER_OFF: u16 = 0x0700;
/// Where the capability list begins, a PCI Express capability's id, and slot control in it.
const LIST_HEAD: u64 = 0x34;
const EXPRESS: u32 = 0x10;
const SLOT_CONTROL: u64 = 0x18;
/// More capabilities than fit.
const MOST_CAPABILITIES: usize = 48;

/// A device of a class that the kernel has a driver for, so that it is tempted.
pub(super) fn tempting_card() -> Arc<Mutex<PlainCard>> {
    let identity = Identity { vendor: 0x1b36, device: 0x0010, class: 0x01_0802 };
    let config = ConfigSpace::new(identity).express_endpoint();
    Arc::new(Mutex::new(PlainCard::new(config).with_bar(0, Bar::Memory64, 0x4000)))
}

/// Takes out whatever stands in the slot of a root port on bus 0, as a hand does.
pub(super) fn pull(arena: &mut Arena, port: u8) -> Result<(), Error> {
    control(arena, port, POWER_OFF)
}

/// Makes the slot of a root port on bus 0 ready for a device.
pub(super) fn make_ready(arena: &mut Arena, port: u8) -> Result<(), Error> {
    control(arena, port, POWER_ON)
}

fn control(arena: &mut Arena, port: u8, value: u16) -> Result<(), Error> {
    let port = config_space(0, port, 0);
    let mut at = u64::from(arena.outside.read32(port + LIST_HEAD)? & 0xfc);
    for _ in 0..MOST_CAPABILITIES {
        let capability = arena.outside.read32(port + at)?;
        if at != 0 && capability & 0xff == EXPRESS {
            return arena.outside.write16(port + at + SLOT_CONTROL, value);
        }
        at = u64::from(capability >> 8 & 0xfc);
    }
    Err(Error::Control("the root port has no PCI Express capability".to_owned()))
}
