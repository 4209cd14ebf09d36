//! Configuration space through the two legacy ports, PCI "Software Generation of Configuration Transactions".
//!
//! One port takes the address, the other the data. The fault handler may come between the two, so whoever
//! accesses puts the address back that it found: an interrupted access then goes on as if nothing had been.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the I/O ports of configuration mechanism 1")]

use dma_types::Bdf;
use x86_64::instructions::port::Port;
use x86_64::structures::port::{PortRead, PortWrite};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
/// Address: access configuration space.
const ENABLE: u32 = 1 << 31;

/// Reads a register of segment 0. `offset` is below 256 and aligned to the size of `T`.
pub fn read<T: PortRead>(function: Bdf, offset: u16) -> T {
    at(function, offset, |port| {
        // SAFETY: configuration reads have no side effects on memory.
        unsafe { T::read_from_port(port) }
    })
}

/// Writes a register of segment 0. `offset` is below 256 and aligned to the size of `T`.
pub fn write<T: PortWrite>(function: Bdf, offset: u16, value: T) {
    at(function, offset, |port| {
        // SAFETY: the register that this changes is the one that the caller named; what it makes a function do
        // to memory is held back by bus mastering and by the IOMMU.
        unsafe { T::write_to_port(port, value) };
    });
}

/// Runs an access with the address port set, and puts the old address back.
fn at<T>(function: Bdf, offset: u16, access: impl FnOnce(u16) -> T) -> T {
    let mut address = Port::<u32>::new(ADDRESS);
    // SAFETY: reading the address port has no effect.
    let before = unsafe { address.read() };
    let register = u32::from(function.source.bits()) << 8 | u32::from(offset & 0xfc);
    // SAFETY: only selects what the data port stands for.
    unsafe { address.write(ENABLE | register) };
    let result = access(DATA + (offset & 3));
    // SAFETY: as above.
    unsafe { address.write(before) };
    result
}
