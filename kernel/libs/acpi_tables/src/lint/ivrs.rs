//! Checks of an IVRS table.

use dma_types::{PAGE_SIZE, SourceId};

use super::{COMPARED, IvrsProblem, LintFinding, Problem, Sink};
use crate::ivrs::{Block, DeviceEntry, EntryDetail, EntryKind, Ivhd, Ivmd, IvmdFlags, Ivrs, SpecialVariety};

/// Registers of a unit begin on a multiple of this.
const UNIT_ALIGNMENT: u64 = 16 << 10;

/// Checks the table as a whole, then each block.
pub fn check(table: &Ivrs<'_>, found: Sink<'_>) {
    check_table(table, found);
    for block in table.blocks().filter_map(Result::ok) {
        match block {
            Block::Ivhd(ivhd) => check_unit(&ivhd, found),
            Block::Ivmd(ivmd) => check_memory(&ivmd, found),
            Block::Unknown(unknown) => report(IvrsProblem::UnknownBlock(unknown.kind), unknown.offset, found),
        }
    }
    check_repeated(table, found);
    if table.blocks().nth(COMPARED).is_some() {
        found(LintFinding { problem: Problem::TooMany, offset: 48 });
    }
}

/// The units among the blocks that are compared with each other.
fn units<'a>(table: &Ivrs<'a>) -> impl Iterator<Item = Ivhd<'a>> + use<'a> {
    table.blocks().take(COMPARED).filter_map(|block| match block {
        Ok(Block::Ivhd(ivhd)) => Some(ivhd),
        _ => None,
    })
}

fn check_table(table: &Ivrs<'_>, found: Sink<'_>) {
    if table.trailing_bytes() > 0 {
        found(LintFinding { problem: Problem::TrailingBytes(table.trailing_bytes()), offset: 4 });
    }
    if !table.info().dma_remap_opt_in() {
        report(IvrsProblem::NoOptIn, 36, found);
    }
    reserved(36, table.info().reserved_bits().into(), found);
    reserved(40, u64::from_le_bytes(table.reserved()), found);
    if units(table).next().is_none() {
        report(IvrsProblem::NoUnit, 48, found);
    }
}

fn check_unit(ivhd: &Ivhd<'_>, found: Sink<'_>) {
    let base_at = ivhd.offset.saturating_add(8);
    if ivhd.base.as_u64() == 0 {
        report(IvrsProblem::UnitBaseZero, base_at, found);
    }
    if !ivhd.base.is_aligned(UNIT_ALIGNMENT) {
        report(IvrsProblem::UnitBaseUnaligned(ivhd.base), base_at, found);
    }
    let mut open_range = None;
    for entry in ivhd.entries().filter_map(Result::ok) {
        check_range(&entry, &mut open_range, found);
        check_entry(&entry, found);
    }
    if let Some((_, offset)) = open_range {
        report(IvrsProblem::RangeNotEnded, offset, found);
    }
}

/// A unit may be described by several blocks, but each of another kind.
fn check_repeated(table: &Ivrs<'_>, found: Sink<'_>) {
    let unit = |ivhd: &Ivhd<'_>| (ivhd.kind, ivhd.segment, ivhd.device_id);
    for ivhd in units(table) {
        let earlier = units(table)
            .take_while(|earlier| earlier.offset < ivhd.offset)
            .find(|earlier| unit(earlier) == unit(&ivhd));
        if let Some(earlier) = earlier {
            report(IvrsProblem::UnitTwice { earlier: earlier.offset }, ivhd.offset, found);
        }
    }
}

/// A range of devices is a start and an end with nothing but padding between.
fn check_range(entry: &DeviceEntry<'_>, open: &mut Option<(SourceId, usize)>, found: Sink<'_>) {
    let (kind, last) = (entry.kind, entry.device_id);
    let problem = match *open {
        _ if kind == EntryKind::PADDING => None,
        Some(_) if kind.starts_range() => Some(IvrsProblem::RangeNested),
        Some((first, _)) if kind == EntryKind::RANGE_END => {
            (first > last).then_some(IvrsProblem::RangeBackwards { first, last })
        }
        Some(_) => Some(IvrsProblem::EntryInRange(kind)),
        None if kind == EntryKind::RANGE_END => Some(IvrsProblem::RangeNotBegun),
        None => None,
    };
    if kind.starts_range() {
        *open = Some((entry.device_id, entry.offset));
    } else if kind == EntryKind::RANGE_END {
        *open = None;
    }
    if let Some(problem) = problem {
        report(problem, entry.offset, found);
    }
}

fn check_entry(entry: &DeviceEntry<'_>, found: Sink<'_>) {
    match entry.detail {
        EntryDetail::None | EntryDetail::Extended(_) => {}
        EntryDetail::Alias { reserved: [before, after], .. } => {
            reserved(entry.offset.saturating_add(4), before.into(), found);
            reserved(entry.offset.saturating_add(7), after.into(), found);
        }
        EntryDetail::Special { variety, .. } => {
            if !matches!(variety, SpecialVariety::IOAPIC | SpecialVariety::HPET) {
                report(IvrsProblem::UnknownVariety(variety.0), entry.offset.saturating_add(7), found);
            }
        }
        EntryDetail::Acpi(device) => {
            let (format, bytes) = (device.uid_format, device.uid.len());
            // 0 is none, 1 a number of eight bytes, 2 text of any length.
            if !matches!((format, bytes), (0, 0) | (1, 8) | (2, _)) {
                report(IvrsProblem::UniqueId { format, bytes }, entry.offset.saturating_add(20), found);
            }
        }
        EntryDetail::Unknown(_) => report(IvrsProblem::UnknownEntry(entry.kind), entry.offset, found),
    }
}

fn check_memory(ivmd: &Ivmd<'_>, found: Sink<'_>) {
    let Ivmd { offset, start, bytes, .. } = *ivmd;
    if !start.is_aligned(PAGE_SIZE) || bytes & PAGE_SIZE.saturating_sub(1) != 0 {
        report(IvrsProblem::MemoryUnaligned(start), offset.saturating_add(16), found);
    }
    if ivmd.flags.contains(IvmdFlags::EXCLUSION) {
        report(IvrsProblem::Exclusion { start, bytes }, offset, found);
    }
    if !ivmd.extra.is_empty() {
        report(IvrsProblem::MemoryExtra(ivmd.extra.len()), offset.saturating_add(32), found);
    }
    reserved(offset.saturating_add(1), ivmd.flags.difference(IvmdFlags::all()).bits().into(), found);
    reserved(offset.saturating_add(8), u64::from_le_bytes(ivmd.reserved), found);
}

fn report(problem: IvrsProblem, offset: usize, found: Sink<'_>) {
    found(LintFinding { problem: Problem::Ivrs(problem), offset });
}

/// Reports a field of reserved bits that is not zero.
fn reserved(offset: usize, bits: u64, found: Sink<'_>) {
    if bits != 0 {
        found(LintFinding { problem: Problem::ReservedBits(bits), offset });
    }
}
