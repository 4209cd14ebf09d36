//! What the firmware and the loader say about physical memory.

use bootloader_api::BootInfo;
use bootloader_api::info::MemoryRegionKind;
use dma_types::{PAGE_SIZE, PhysAddr};
use frames::{MapFull, MemoryKind, MemoryMap, Region, Span};

use super::{frames as allocator, image, paging};
use crate::sync::{IrqLock, rank};

/// Memory below this is left alone: firmware and start-up code of other processors use it.
pub const LOW_MEMORY_END: PhysAddr = PhysAddr::new(1 << 20);

static MAP: IrqLock<MemoryMap, rank::MemoryMap> = IrqLock::new(MemoryMap::new());

/// Tells whether all of a range is memory: looking at it has no effect, and it can be seen in the direct map.
pub fn is_ram(start: PhysAddr, length: u64) -> bool {
    MAP.lock().is_ram(Span::with_length(start, length))
}

/// Tells whether any of a range is memory.
pub fn touches_ram(start: PhysAddr, length: u64) -> bool {
    MAP.lock().touches_ram(Span::with_length(start, length))
}

/// Tells whether any of a range is the kernel's own: image, tables, stacks, heap, books. Such memory is never
/// mapped for a device.
pub fn is_kernel(start: PhysAddr, length: u64) -> bool {
    let span = Span::with_length(start, length);
    MAP.lock().overlapping(span).any(|region| region.kind == MemoryKind::Kernel) || allocator::is_kernel(span)
}

/// Tells whether any of a range holds ACPI tables or what the firmware keeps for them.
pub fn touches_acpi(start: PhysAddr, length: u64) -> bool {
    let acpi = |region: Region| matches!(region.kind, MemoryKind::AcpiTables | MemoryKind::AcpiNvs);
    MAP.lock().overlapping(Span::with_length(start, length)).any(acpi)
}

/// Calls `visit` for every region, from the lowest. It must not ask this module anything.
pub(super) fn for_each(visit: impl FnMut(&Region)) {
    MAP.lock().regions().iter().for_each(visit);
}

/// The physical pages of the kernel's code.
pub fn kernel_text_pages() -> impl Iterator<Item = PhysAddr> {
    image::text().into_iter().flatten().step_by(PAGE_SIZE as usize).filter_map(paging::translate)
}

/// Bytes of memory of every kind.
pub fn total_bytes() -> u64 {
    let map = MAP.lock();
    map.regions().iter().filter(|region| region.kind.is_ram()).map(|region| region.span.length()).sum()
}

/// Takes the loader's list over.
///
/// Firmware maps can overlap: the less usable kind wins. A list with more pieces than the map holds loses
/// usable memory, never a reservation.
pub(super) fn load(boot_info: &BootInfo) {
    let mut map = MAP.lock();
    let regions = boot_info.memory_regions.iter().map(|region| {
        let span = Span::new(PhysAddr::new(region.start), PhysAddr::new(region.end));
        (span, kind(region.kind))
    });
    for (span, kind) in regions.clone().filter(|(_, kind)| *kind == MemoryKind::Usable) {
        note_full(span, map.set(span.inner_pages(), kind));
    }
    for (span, kind) in regions.filter(|(_, kind)| *kind != MemoryKind::Usable) {
        if let Err(full) = map.set(span.outer_pages(), kind) {
            panic!("{full}, and {span} ({kind}) must not be used");
        }
    }
    if let Some(image) = image::get() {
        note_full(image.file, map.set(image.file, MemoryKind::Kernel));
    }
}

/// Tells whether a condition holds for all of a span; not where the map says nothing.
pub(super) fn all(span: Span, condition: impl Fn(&Region) -> bool) -> bool {
    let bytes: u64 = MAP.lock().overlapping(span).filter(condition).map(|part| part.span.length()).sum();
    bytes == span.length()
}

/// Changes what a span is.
pub(super) fn set(span: Span, kind: MemoryKind) {
    note_full(span, MAP.lock().set(span, kind));
}

/// The lowest usable span with room for `length` bytes, above low memory.
pub(super) fn find_usable(length: u64) -> Option<Span> {
    let map = MAP.lock();
    map.regions()
        .iter()
        .filter(|region| region.kind == MemoryKind::Usable)
        .map(|region| region.span.split_at(LOW_MEMORY_END).1)
        .find(|span| span.length() >= length)
}

/// The next stretch of memory of any kind from an address on.
pub fn next_ram(from: PhysAddr) -> Option<Span> {
    let map = MAP.lock();
    let mut ram = map.overlapping(Span::new(from, PhysAddr::new(u64::MAX))).filter(|part| part.kind.is_ram());
    let first = ram.next()?.span;
    let end = ram.fold(first.end(), |end, part| if part.span.start() == end { part.span.end() } else { end });
    Some(Span::new(first.start(), end))
}

/// Makes the next stretch of the loader's memory usable.
pub(super) fn take_loader_span() -> Option<Span> {
    let mut map = MAP.lock();
    let span = map.regions().iter().find(|region| region.kind == MemoryKind::Loader)?.span;
    map.set(span, MemoryKind::Usable).ok()?;
    Some(span)
}

/// The address behind the last memory that frames can come from.
pub(super) fn usable_end() -> PhysAddr {
    let map = MAP.lock();
    let managed = |region: &&Region| matches!(region.kind, MemoryKind::Usable | MemoryKind::Loader);
    map.regions().iter().rev().find(managed).map_or(PhysAddr::new(0), |region| region.span.end())
}

fn kind(kind: MemoryRegionKind) -> MemoryKind {
    match kind {
        MemoryRegionKind::Usable => MemoryKind::Usable,
        MemoryRegionKind::Bootloader => MemoryKind::Loader,
        MemoryRegionKind::UnknownBios(number) => MemoryKind::from_bios(number),
        MemoryRegionKind::UnknownUefi(number) => MemoryKind::from_uefi(number),
        _ => MemoryKind::Reserved,
    }
}

fn note_full(span: Span, result: Result<(), MapFull>) {
    if let Err(full) = result {
        log::warn!("{full}; {span} is left as it is");
    }
}
