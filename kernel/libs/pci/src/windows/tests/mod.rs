//! Machines with a device that lies about its windows, beside others that do not.
//!
//! | what | where |
//! | --- | --- |
//! | memory | up to 2 GiB, and 1 GiB from 4 GiB on |
//! | configuration space | 0xb000_0000, 256 MiB |
//! | remapping unit | 0xc000_0000, two pages |
//! | reserved region | 0xc100_0000, 64 KiB |
//! | root port 00:1c.0 | passes 0xe000_0000 to 0xe07f_ffff and 1 GiB from 512 GiB on down to bus 1 |
//! | neighbour 00:03.0 | 1 MiB at 0xfea0_0000 |

mod lies;
mod random;
mod tables;

use super::*;
use crate::enumerate::BusRange;
use crate::testing::{FakeFunction, FakeSpace, bdf};
use crate::{EcamWindow, Refusal, Topology};
use dma_types::Segment;

const ADDRESS_BITS: u8 = 40;
const UNIT: Owner = Owner::Unit { index: 0 };
const IO_APIC: Owner = Owner::IoApic { id: 9 };
const REGION: Owner = Owner::Region { offset: 0x68 };

/// A function on the root bus.
const ON_ROOT: &str = "00:05.0";
/// A function below the root port.
const BELOW: &str = "01:00.0";
/// An honest function on the root bus.
const NEIGHBOUR: &str = "00:03.0";

fn claims() -> Claims {
    let mut claims = Claims::of_machine(ADDRESS_BITS);
    let mut add = |start, bytes, owner| {
        claims.add(AddressRange::with_length(PhysAddr::new(start), bytes), owner);
    };
    add(0, 0x8000_0000, Owner::Memory);
    add(1 << 32, 1 << 30, Owner::Memory);
    add(0xc000_0000, 0x2000, UNIT);
    add(0xc100_0000, 0x1_0000, REGION);
    add(0xc200_0000, 0x20, IO_APIC);
    add(0xc300_0000, 0x400, Owner::EventTimer);
    let buses = BusRange { segment: Segment(0), first: 0, last: 255 };
    claims.add_configuration(&[EcamWindow::new(buses, PhysAddr::new(0xb000_0000), ADDRESS_BITS).unwrap()]);
    claims
}

/// Both places, each with a window that fits.
fn machine() -> FakeSpace {
    FakeSpace::new()
        .root_port("00:1c.0", 1, 1)
        .with("00:1c.0", |f| {
            f.set16(0x20, 0xe000).set16(0x22, 0xe070).set16(0x24, 0x0001).set16(0x26, 0x3ff1);
            f.set32(0x28, 0x80).set32(0x2c, 0x80).set16(4, 2)
        })
        .endpoint(NEIGHBOUR, 0x1234, 0x11e8)
        .with(NEIGHBOUR, |f| f.bar(0, 0xfea0_0000, 0xfff0_0000).set16(4, 3))
        .endpoint(ON_ROOT, 0x1234, 0x11e8)
        .with(ON_ROOT, |f| f.bar(0, 0xfe80_0000, 0xffff_f000).set16(4, 3))
        .express_endpoint(BELOW, 0x1234, 0x11e8)
        .with(BELOW, |f| f.bar(0, 0xe010_0000, 0xffff_f000).set16(4, 3))
}

/// Sets a base address register and, where the value says so, the one above it.
fn bar(f: &mut FakeFunction, register: usize, value: u64, mask: u64) -> &mut FakeFunction {
    f.bar(register, value as u32, mask as u32);
    if value & 7 == 4 {
        f.bar(register + 1, (value >> 32) as u32, (mask >> 32) as u32);
        // The lowest four bits of an upper half are address as well.
        f.upper_bar(register + 1, (mask >> 32) as u32);
    }
    f
}

fn check(space: &FakeSpace) -> Topology {
    let mut topology = space.enumerate();
    topology.check_windows(space, &claims());
    topology
}

fn refusal(topology: &Topology, at: &str) -> Option<Refusal> {
    topology.get(bdf(at)).unwrap().refused
}

fn window(topology: &Topology, at: &str, register: u8) -> Option<(u64, u64)> {
    let window = topology.get(bdf(at)).unwrap().windows.of_register(register)?;
    Some((window.start().as_u64(), window.bytes()))
}
