//! Disks: what they store, and blocks read and written by hand.

use alloc::string::String;
use core::fmt;

use ::network::Tally;
use dma_types::{Bdf, PAGE_SIZE};
use options::{DiskRange, Transfer};
use report::Outcome;
use spin::Once;

use crate::devices::{self, DeviceRecord, Disk, DiskError, Driver, Namespace};
use crate::dma::{DmaError, PageBuffer};
use crate::platform::cancel;
use crate::{journal, println};

/// Most blocks of one command.
const MOST_BLOCKS: u32 = 1 << 20;

/// Pages that are moved at once, as a power of two; a block always fits.
const BUFFER_EXPONENT: u8 = 4;

/// Bytes that a dump shows at most.
const SHOWN: usize = 64;
/// Bytes of a dump's line, and of what a check tells.
const LINE: usize = 16;

/// The one disk that may be written to.
static WRITABLE: Once<Bdf> = Once::new();

/// Allows writing to one disk, for good. Without that nobody writes to any.
pub fn allow_writing(disk: Option<Bdf>) {
    if let Some(bdf) = disk {
        WRITABLE.call_once(|| bdf);
    }
}

/// Why blocks cannot be read or written.
pub enum DiskMistake {
    /// The function is no disk that works.
    NoDisk(Bdf),
    /// The disk has no such namespace.
    NoNamespace {
        /// The one asked for.
        asked: u32,
        /// The lowest and the highest that it has, if any.
        has: Option<(u32, u32)>,
    },
    /// The number of blocks is none, or too many.
    Count(u32),
    /// The blocks lie beyond the namespace.
    Beyond {
        /// What was asked for.
        range: DiskRange,
        /// Blocks of the namespace.
        blocks: u64,
    },
    /// Nobody allowed to write to it.
    ReadOnly(Bdf),
}

impl fmt::Display for DiskMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk(bdf) => write!(f, "{bdf} is no disk with a driver; expected one that `disks` lists"),
            Self::NoNamespace { asked, has: Some((first, last)) } => {
                write!(
                    f,
                    "there is no namespace {asked}; expected one of {first} to {last} that `disks` lists"
                )
            }
            Self::NoNamespace { asked, has: None } => {
                write!(f, "there is no namespace {asked}: the disk has none")
            }
            Self::Count(count) => write!(f, "expected 1 to {MOST_BLOCKS} blocks, not {count}"),
            Self::Beyond { range: DiskRange { namespace, block, count }, blocks } => write!(
                f,
                "{count} blocks from {block} pass the end; expected blocks 0 to {} of namespace {namespace}",
                blocks.saturating_sub(1)
            ),
            Self::ReadOnly(bdf) => {
                write!(f, "{bdf} is not written to; expected a boot with the option disk-write={bdf}")
            }
        }
    }
}

/// Lists the disks.
pub fn list() {
    let disks = || devices::drivers().filter_map(|driver| Some((driver.record(), driver.disk()?)));
    for (record, disk) in disks() {
        println!("{} {}", record.bdf, disk.description());
        for Namespace { id, blocks, block_bytes } in disk.namespaces() {
            let mib = (u128::from(blocks) * u128::from(block_bytes)) >> 20;
            println!("  namespace {id}: {blocks} blocks of {block_bytes} bytes, {mib} MiB");
        }
        if let Some(health) = disk.health() {
            println!("  health: {health}");
        }
    }
    if disks().next().is_none() {
        println!("no disk has a driver");
    }
}

/// Reads blocks, or writes a pattern to them, and reports it as a check.
///
/// # Errors
/// If there are no such blocks, or they must not be written to; nothing was done then.
pub fn run(record: &'static DeviceRecord, transfer: Transfer, range: DiskRange) -> Result<(), DiskMistake> {
    let found = devices::drivers().filter(|driver| driver.record().bdf == record.bdf).find_map(Driver::disk);
    let disk = found.ok_or(DiskMistake::NoDisk(record.bdf))?;
    let namespace = check_range(disk, range)?;
    let (name, outcome) = match transfer {
        Transfer::Read => ("disk read", read(disk, namespace, range)),
        Transfer::Write if WRITABLE.get() != Some(&record.bdf) => {
            return Err(DiskMistake::ReadOnly(record.bdf));
        }
        Transfer::Write => ("disk write", write(disk, namespace, range)),
    };
    let DiskRange { namespace, block, count } = range;
    let what = format_args!("{} {namespace} {block} {count}", record.bdf);
    let (result, detail) = match outcome {
        Ok(_) if cancel::is_requested() => (Outcome::Skip, alloc::format!("{what}: not all of them")),
        Ok(facts) => (Outcome::Pass, alloc::format!("{what} {facts}")),
        Err(error) => (Outcome::Fail, alloc::format!("{what}: {error}")),
    };
    println!("{name} {detail}");
    journal::check(name, result, Some(&detail));
    Ok(())
}

fn check_range(disk: &dyn Disk, range: DiskRange) -> Result<Namespace, DiskMistake> {
    let all = disk.namespaces();
    let namespace = all.iter().find(|namespace| namespace.id == range.namespace).copied();
    let namespace = namespace.ok_or_else(|| {
        let ids = || all.iter().map(|namespace| namespace.id);
        DiskMistake::NoNamespace { asked: range.namespace, has: ids().min().zip(ids().max()) }
    })?;
    if range.count == 0 || range.count > MOST_BLOCKS {
        return Err(DiskMistake::Count(range.count));
    }
    let end = range.block.checked_add(u64::from(range.count));
    match end.filter(|end| *end <= namespace.blocks) {
        Some(_) => Ok(namespace),
        None => Err(DiskMistake::Beyond { range, blocks: namespace.blocks }),
    }
}

/// The range in pieces that fit into the buffer: first block and number of blocks.
fn pieces(namespace: Namespace, range: DiskRange) -> impl Iterator<Item = (u64, u32)> {
    let at_once = ((PAGE_SIZE << BUFFER_EXPONENT) as u32 / namespace.block_bytes).max(1);
    (0..range.count).step_by(at_once as usize).map(move |done| {
        let left = range.count - done;
        (range.block + u64::from(done), left.min(at_once))
    })
}

fn buffer() -> Result<PageBuffer, DiskError> {
    Ok(PageBuffer::new(BUFFER_EXPONENT).map_err(DmaError::from)?)
}

/// Reads the blocks, shows the first bytes, and tells the checksum of all.
fn read(disk: &dyn Disk, namespace: Namespace, range: DiskRange) -> Result<String, DiskError> {
    let (mut buffer, mut sum, mut first) = (buffer()?, Tally::default(), None);
    for (block, blocks) in pieces(namespace, range).take_while(|_| !cancel::is_requested()) {
        buffer = disk.read(namespace.id, block, buffer, blocks)?;
        let bytes = (blocks * namespace.block_bytes) as usize;
        let bytes = buffer.bytes().get(..bytes).unwrap_or_default();
        sum.add(bytes);
        first.get_or_insert_with(|| {
            dump(bytes);
            hex(bytes)
        });
    }
    Ok(alloc::format!("crc32={:#x} first={}", sum.crc32(), first.unwrap_or_default()))
}

/// Writes its own number, as 64 bits in little-endian order, all over each block, then flushes.
fn write(disk: &dyn Disk, namespace: Namespace, range: DiskRange) -> Result<String, DiskError> {
    let mut buffer = buffer()?;
    for (block, blocks) in pieces(namespace, range).take_while(|_| !cancel::is_requested()) {
        let numbers = block..block + u64::from(blocks);
        for (bytes, number) in buffer.bytes_mut().chunks_mut(namespace.block_bytes as usize).zip(numbers) {
            bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&number.to_le_bytes()));
        }
        buffer = disk.write(namespace.id, block, buffer, blocks)?;
    }
    disk.flush(namespace.id)?;
    Ok(String::from("written and flushed"))
}

/// The first bytes in hex.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(LINE) {
        // A string takes whatever is written to it.
        let _ = fmt::write(&mut text, format_args!("{byte:02x}"));
    }
    text
}

/// Shows the first bytes in lines.
fn dump(bytes: &[u8]) {
    for (line, number) in bytes.chunks(LINE).zip(0..SHOWN / LINE) {
        let text: String = line
            .iter()
            .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' })
            .collect();
        println!("{:06x}  {}  {text}", number * LINE, hex(line));
    }
}
