//! What this machine is called.

use core::fmt;

use dma_types::PhysAddr;
use smbios::{EntryPoint, Names};
use spin::Once;

use crate::arch::cpu;
use crate::memory::direct::firmware_bytes;

/// Where a BIOS puts the entry point: SMBIOS "Accessing SMBIOS Information". UEFI names it in a table of its own, which the
/// boot loader does not hand over, so there the machine has no names.
const PLACE: (PhysAddr, usize) = (PhysAddr::new(0xf_0000), 1 << 16);

static NAMES: Once<Names<'static>> = Once::new();

/// What the machine and its firmware call themselves, as far as it can be seen.
pub fn names() -> &'static Names<'static> {
    NAMES.call_once(|| read().unwrap_or_default())
}

fn read() -> Option<Names<'static>> {
    let (start, length) = PLACE;
    let entry = EntryPoint::find(firmware_bytes(start, length)?)?;
    Some(Names::read(firmware_bytes(entry.table, usize::try_from(entry.length).ok()?)?))
}

/// The machine's name for people: maker, product and firmware, or its processor's where nothing else is known of it.
pub fn name() -> impl fmt::Display {
    Name
}

struct Name;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { maker, product, board, firmware_vendor, firmware_version, firmware_date } = *names();
        match (maker, product.or(board)) {
            (None, None) => match cpu::identity().brand() {
                "" => f.write_str("This machine")?,
                brand => write!(f, "A machine with {brand}")?,
            },
            (maker, product) => {
                let gap = if maker.is_some() && product.is_some() { " " } else { "" };
                write!(f, "{}{gap}{}", maker.unwrap_or_default(), product.unwrap_or_default())?;
            }
        }
        let firmware = [firmware_vendor, firmware_version, firmware_date];
        let mut link = ", firmware";
        firmware.into_iter().flatten().try_for_each(|text| {
            write!(f, "{link} {text}")?;
            link = "";
            Ok(())
        })
    }
}
