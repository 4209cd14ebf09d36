//! The reference walker: what a device may reach, found from table memory alone.
//!
//! A straightforward reading of VT-d "Legacy Mode Address Translation" that shares no code with the
//! tables it judges. It caches nothing, so it tells what a unit does once everything stale has been
//! invalidated. Requests to 0xFEEx_xxxx are interrupts and never come here; translation types other than
//! second stage count as programmed invalidly.

use core::fmt;

use dma_types::{Access, DomainId, Iova, PageSize, Permissions, PhysAddr, SourceId};

const ROOT_NOT_PRESENT: u8 = 0x1;
const CONTEXT_NOT_PRESENT: u8 = 0x2;
const CONTEXT_INVALID: u8 = 0x3;
const BEYOND_WIDTH: u8 = 0x4;
const NO_WRITE: u8 = 0x5;
const NO_READ: u8 = 0x6;
const TABLE_FETCH: u8 = 0x7;
const ROOT_FETCH: u8 = 0x8;
const CONTEXT_FETCH: u8 = 0x9;
const ROOT_RESERVED: u8 = 0xa;
const CONTEXT_RESERVED: u8 = 0xb;
const TABLE_RESERVED: u8 = 0xc;
const INTERRUPT_RANGE: u8 = 0xe;

/// Memory as a unit sees it.
pub trait WalkMemory {
    /// Reads the 8-byte word at a multiple of 8, or `None` where there is no memory.
    fn read(&self, at: PhysAddr) -> Option<u64>;
}

/// What the unit's capability registers promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkLimits {
    /// SAGAW: bit 1 for 3 levels, bit 2 for 4, bit 3 for 5.
    pub table_levels: u8,
    /// SLLPS: bit 0 for 2 MiB, bit 1 for 1 GiB.
    pub large_pages: u8,
    /// MGAW in bits: the widest address that a device may send.
    pub address_width: u8,
    /// SC: whether entries may force snooping.
    pub snoop_control: bool,
}

/// Where a request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The memory it reaches.
    pub phys: PhysAddr,
    /// What all levels together permit.
    pub permissions: Permissions,
    /// What the last entry covers.
    pub page_size: PageSize,
    /// The tag in the context entry.
    pub domain: DomainId,
}

/// Why a request is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkFault {
    /// The fault reason (VT-d "Fault Recording Registers"), in its legacy-mode coding.
    pub reason: u8,
    /// The level of the second-stage entry that blocked it, 1 the lowest; `None` before any was read.
    pub level: Option<u8>,
}

impl fmt::Display for WalkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "blocked with reason {:#x} at level {level}", self.reason),
            None => write!(f, "blocked with reason {:#x}", self.reason),
        }
    }
}

impl core::error::Error for WalkFault {}

/// Translates one request of `source` to `iova` through the tables below the root table at `root`.
///
/// Reads and writes need their own permission; every other kind of access needs both.
///
/// # Errors
///
/// The fault that a unit would report.
pub fn walk(
    memory: &dyn WalkMemory,
    root: PhysAddr,
    source: SourceId,
    iova: Iova,
    access: Access,
    limits: &WalkLimits,
) -> Result<Translation, WalkFault> {
    let context =
        context(memory, root, source, limits).map_err(|reason| WalkFault { reason, level: None })?;
    let address = iova.as_u64();
    let width = u32::from(limits.address_width).min(12 + 9 * u32::from(context.levels));
    if address.checked_shr(width).is_some_and(|beyond| beyond != 0) {
        return Err(WalkFault { reason: BEYOND_WIDTH, level: None });
    }
    descend(memory, &context, address, access, limits)
}

/// A checked context entry.
struct Context {
    table: u64,
    levels: u8,
    domain: u16,
}

/// Finds the requester's context entry; the error is a reason.
fn context(
    memory: &dyn WalkMemory,
    root: PhysAddr,
    source: SourceId,
    limits: &WalkLimits,
) -> Result<Context, u8> {
    let root_at = (root.as_u64() & !0xfff) + u64::from(source.bits() >> 8) * 16;
    let low = fetch(memory, root_at).ok_or(ROOT_FETCH)?;
    let high = fetch(memory, root_at + 8).ok_or(ROOT_FETCH)?;
    if low & 1 == 0 {
        return Err(ROOT_NOT_PRESENT);
    }
    if low & 0xffe != 0 || high != 0 {
        return Err(ROOT_RESERVED);
    }

    let context_at = (low & !0xfff) + u64::from(source.bits() & 0xff) * 16;
    let low = fetch(memory, context_at).ok_or(CONTEXT_FETCH)?;
    let high = fetch(memory, context_at + 8).ok_or(CONTEXT_FETCH)?;
    if low & 1 == 0 {
        return Err(CONTEXT_NOT_PRESENT);
    }
    if low & 0xff0 != 0 || high & 0xffff_ffff_ff00_0080 != 0 {
        return Err(CONTEXT_RESERVED);
    }
    let width_code = (high & 0b111) as u8;
    let supported = limits.table_levels & 0b1110 & 1 << width_code != 0;
    if low & 0b1100 != 0 || !supported {
        return Err(CONTEXT_INVALID);
    }
    Ok(Context { table: low & !0xfff, levels: width_code + 2, domain: (high >> 8) as u16 })
}

/// Walks the second-stage tables for an address within the width.
fn descend(
    memory: &dyn WalkMemory,
    context: &Context,
    address: u64,
    access: Access,
    limits: &WalkLimits,
) -> Result<Translation, WalkFault> {
    let mut table = context.table;
    let (mut readable, mut writable) = (true, true);
    for level in (1..=context.levels).rev() {
        let fault = |reason| WalkFault { reason, level: Some(level) };
        let shift = 12 + 9 * (u32::from(level) - 1);
        let entry = match fetch(memory, table + (address >> shift & 0x1ff) * 8) {
            Some(entry) => entry,
            // A top-level table that is not memory is the context entry's fault.
            None if level == context.levels => return Err(fault(CONTEXT_INVALID)),
            None => return Err(fault(TABLE_FETCH)),
        };
        readable &= entry & 1 != 0;
        writable &= entry & 2 != 0;
        if access != Access::Read && !writable {
            return Err(fault(NO_WRITE));
        }
        if access != Access::Write && !readable {
            return Err(fault(NO_READ));
        }

        let last = level == 1 || entry & 0x80 != 0;
        if entry & reserved_bits(level, last, limits) != 0 {
            return Err(fault(TABLE_RESERVED));
        }
        let base = entry & 0x000f_ffff_ffff_f000;
        if !last {
            table = base;
            continue;
        }
        let phys = base + (address & ((1 << shift) - 1));
        if phys >> 20 == 0xfee {
            return Err(fault(INTERRUPT_RANGE));
        }
        let permissions = match (readable, writable) {
            (true, true) => Permissions::READ_WRITE,
            (true, false) => Permissions::READ,
            _ => Permissions::WRITE,
        };
        let page_size = match level {
            1 => PageSize::Size4K,
            2 => PageSize::Size2M,
            _ => PageSize::Size1G,
        };
        return Ok(Translation {
            phys: PhysAddr::new(phys),
            permissions,
            page_size,
            domain: DomainId(context.domain),
        });
    }
    // A walk ends at level 1 at the latest.
    Err(WalkFault { reason: CONTEXT_INVALID, level: None })
}

/// The bits that must be 0 in an entry that permits something.
fn reserved_bits(level: u8, last: bool, limits: &WalkLimits) -> u64 {
    const TRANSIENT: u64 = 1 << 62;
    const SNOOP: u64 = 1 << 11;
    const PAGE_SIZE: u64 = 1 << 7;
    let snoop = if last && limits.snoop_control { 0 } else { SNOOP };
    let size = match (level, last) {
        // Not looked at here, or known to be 0.
        (1, _) | (_, false) => 0,
        (2, true) if limits.large_pages & 0b01 != 0 => 0x001f_f000,
        (3, true) if limits.large_pages & 0b10 != 0 => 0x3fff_f000,
        _ => PAGE_SIZE,
    };
    TRANSIENT | snoop | size
}

fn fetch(memory: &dyn WalkMemory, at: u64) -> Option<u64> {
    memory.read(PhysAddr::new(at))
}

#[cfg(test)]
mod tests;
