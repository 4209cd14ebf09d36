//! What an address by itself says of how it came about.

use std::ops::Range;

use dma_types::PAGE_SIZE;

use super::super::context::Context;
use super::Cause;

/// What firmware keeps for itself on a PC.
const LOW: Range<u64> = PAGE_SIZE..0x10_0000;
/// Where programs of 64 bits live: their code and heap, then libraries and stacks.
const PROCESS: [Range<u64>; 2] = [0x5500_0000_0000..0x5700_0000_0000, 0x7e00_0000_0000..0x8000_0000_0000];
/// Numbers of 32 bits whose topmost bit was copied upwards.
const EXTENDED: Range<u64> = 0xffff_ffff_0000_0000..0xffff_ffff_ffff_f000;
/// Where the kernel itself lives.
const KERNEL: Range<u64> = 0xffff_8000_0000_0000..0xffff_ffff_0000_0000;

/// Whether a request named a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// It did, so that its addresses are those of the process.
    Process,
    /// It did not, as far as the text tells.
    Nobody,
}

/// The likeliest cause of a request for an address; `None` where the address says nothing.
pub(super) fn cause(address: u64, names: Names, context: &Context) -> Option<Cause> {
    if address < PAGE_SIZE {
        return Some(
            "The device was given no address: a descriptor, queue or table pointer was still zero, or was reset.".into(),
        );
    }
    if let Some(owner) = context.owner_of(address) {
        return Some(
            format!(
                "The address lies in the registers of {owner}: a device reached for another one (peer to peer), which was \
                 not mapped for it, or a driver gave it the address of registers instead of memory."
            )
            .into(),
        );
    }
    let cause = match address {
        _ if LOW.contains(&address) => {
            "The address lies below 1 MiB, where firmware keeps its own data: firmware still drives the device (USB \
             keyboards of old style, start over the network) and declares no reserved region for it."
        }
        _ if names == Names::Nobody && PROCESS.iter().any(|range| range.contains(&address)) => {
            "The address looks like one of a process: a program's pointer reached the device, but the request names no \
             process (PASID)."
        }
        _ if EXTENDED.contains(&address) => {
            "The upper half of the address is all ones: a number of 32 bits was extended by its sign, or a pointer into \
             the kernel's code or modules was given."
        }
        _ if KERNEL.contains(&address) => {
            "The address is a pointer of the kernel's: the driver gave the device a virtual address instead of the one \
             that mapping returned."
        }
        _ => return None,
    };
    Some(cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_where_they_come_from() {
        let said = |address, names| cause(address, names, &Context::default()).unwrap_or_default();
        for (address, part) in [
            (0, "no address"),
            (0xe_b380, "below 1 MiB"),
            (0x7fe0_c994_3000, "one of a process"),
            (0x55d0_c994_3000, "one of a process"),
            (0xffff_ffff_c123_4000, "extended by its sign"),
            (0xffff_8881_0234_5000, "pointer of the kernel's"),
            (0x1234_5000, ""),
            (0x10_0000, ""),
        ] {
            let said = said(address, Names::Nobody);
            assert!(said.contains(part) && said.is_empty() == part.is_empty(), "{address:#x}: {said}");
        }
        assert_eq!(said(0x7fe0_c994_3000, Names::Process), "");
    }
}
