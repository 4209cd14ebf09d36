//! What a mapping costs: by size, in batches, in tables, and among many others; and a fault among those.
#![expect(unsafe_code, reason = "UNSAFETY: lends the same memory many times")]

use alloc::vec::Vec;

use super::{fault, median, tell, tell_in};
use crate::devices::Overreach;
use crate::dma::inspect::Again;
use crate::dma::{Batch, Buffer, ByteBuffer, Device, DmaError, FromDevice, PageBuffer};
use crate::platform::{cancel, clock};

/// How often an operation is measured.
const ROUNDS: usize = 1000;

/// Rounds before: until then ranges are new to the domain, which costs more.
const WARM_UP: usize = 300;

/// Sizes that are mapped: names of the two figures, and the power of two of pages.
const SIZES: [(&str, &str, u8); 3] =
    [("map_4k", "unmap_4k", 0), ("map_64k", "unmap_64k", 4), ("map_2m", "unmap_2m", 9)];

/// Lengths that are no whole pages: names of the two figures, and bytes. The short one is lent through a page of its own.
const LENGTHS: [(&str, &str, usize); 2] =
    [("map_100_bytes", "unmap_100_bytes", 100), ("map_6000_bytes", "unmap_6000_bytes", 6000)];

/// Mappings that live meanwhile, and the names of the figures among them.
const LIVE: [(usize, &str, &str); 2] = [
    (FAULTS_AMONG, "map_4k_100k_live", "unmap_4k_100k_live"),
    (1_000_000, "map_4k_1m_live", "unmap_4k_1m_live"),
];

/// Mappings that live while the device faults.
const FAULTS_AMONG: usize = 100_000;

/// Mappings of a batch.
const BATCH: usize = 32;

/// Mappings that are put among the living in one go.
const CROWD: usize = 4096;

/// Bytes for which the tables are weighed, and the bytes of each piece: too few for a large entry, and with the
/// page between pieces as many as one table has entries for.
const GIB: u64 = 1 << 30;
const PIECE: u64 = (2 << 20) - 4096;

/// Measures and reports.
pub(super) fn run(overreach: &'static dyn Overreach) -> Result<(), DmaError> {
    let device = overreach.dma();
    for (map, unmap, order) in SIZES {
        single(device, (map, unmap), PageBuffer::new(order)?)?;
    }
    for (map, unmap, bytes) in LENGTHS {
        single(device, (map, unmap), ByteBuffer::new(bytes)?)?;
    }
    batches(device)?;
    tables(device)?;
    if cancel::is_requested() {
        return Ok(());
    }
    among_many(overreach)
}

/// Maps and unmaps one buffer again and again.
#[inline(never)]
fn single<B: Buffer>(device: &Device, (map, unmap): (&str, &str), mut buffer: B) -> Result<(), DmaError> {
    let (mut mapped, mut unmapped) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM_UP + ROUNDS {
        let start = clock::timestamp();
        let mapping = device.map::<FromDevice, _>(buffer, "bench");
        let between = clock::timestamp();
        buffer = mapping?.unmap()?;
        let end = clock::timestamp();
        if round >= WARM_UP {
            mapped.push(clock::ns_at(between) - clock::ns_at(start));
            unmapped.push(clock::ns_at(end) - clock::ns_at(between));
        }
    }
    tell(map, median(mapped), ROUNDS as u64);
    tell(unmap, median(unmapped), ROUNDS as u64);
    Ok(())
}

/// The memory of a buffer, once more.
fn again(buffer: &PageBuffer, bytes: u64) -> Again<'_> {
    // SAFETY: every batch here is unmapped, or dropped, before its buffer is, and no device is told of one.
    unsafe { Again::new(buffer, bytes) }
}

/// Maps and unmaps so many buffers together; the figures are for one of them.
fn batches(device: &Device) -> Result<(), DmaError> {
    let pages = (0..BATCH).map(|_| PageBuffer::new(0)).collect::<Result<Vec<_>, _>>()?;
    let mut buffers = pages.iter().map(|page| again(page, page.len())).collect();
    let (mut mapped, mut unmapped) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM_UP + ROUNDS {
        let start = clock::timestamp();
        let batch = device.map_batch::<FromDevice, _>(buffers, "bench");
        let between = clock::timestamp();
        buffers = batch?.unmap()?;
        let end = clock::timestamp();
        if round >= WARM_UP {
            mapped.push((clock::ns_at(between) - clock::ns_at(start)).div_ceil(BATCH as u64));
            unmapped.push((clock::ns_at(end) - clock::ns_at(between)).div_ceil(BATCH as u64));
        }
    }
    tell("map_4k_batch32", median(mapped), ROUNDS as u64);
    tell("unmap_4k_batch32", median(unmapped), ROUNDS as u64);
    Ok(())
}

/// Weighs the tables of a mapped GiB.
fn tables(device: &Device) -> Result<(), DmaError> {
    let buffer = PageBuffer::new(9)?;
    let before = device.domain().space().size();
    let pieces: Vec<_> = (0..GIB.div_ceil(PIECE)).map(|_| again(&buffer, PIECE)).collect();
    let batch: Batch<FromDevice, _> = device.map_batch(pieces, "bench tables")?;
    let after = device.domain().space().size();
    batch.unmap()?;
    let bytes = (after.table_pages - before.table_pages) * 4096;
    let mapped = after.mapped_bytes - before.mapped_bytes;
    tell_in(
        "bytes",
        "table_bytes_per_gib",
        (u128::from(bytes) * u128::from(GIB) / u128::from(mapped)) as u64,
        1,
    );
    Ok(())
}

/// Maps and unmaps one buffer among many mappings that stay, and lets the device fault among them.
fn among_many(overreach: &'static dyn Overreach) -> Result<(), DmaError> {
    let device = overreach.dma();
    let buffer = PageBuffer::new(0)?;
    let mut live: Vec<Batch<FromDevice, Again<'_>>> = Vec::new();
    for (count, map, unmap) in LIVE {
        while live.len() * CROWD < count {
            let crowd = (0..CROWD).map(|_| again(&buffer, 4096)).collect();
            live.push(device.map_batch(crowd, "bench crowd")?);
        }
        single(device, (map, unmap), PageBuffer::new(0)?)?;
        if count == FAULTS_AMONG {
            fault::run(overreach);
        }
    }
    live.into_iter().try_for_each(|crowd| crowd.unmap().map(drop))
}
