//! A split virtqueue, from the device's side (virtio "Split Virtqueues"). Written from the specification alone.

use vfio_device::{DmaError, Port};

/// Bytes of a descriptor, and its flags.
const DESCRIPTOR: u64 = 16;
const NEXT: u16 = 1;
const DEVICE_WRITES: u16 = 2;
/// Where both rings have their index and their first entry.
const INDEX: u64 = 2;
const ENTRIES: u64 = 4;
/// Bytes of an entry that the driver makes available, and of one that the device has used.
const AVAILABLE: u64 = 2;
const USED: u64 = 8;

/// Where a queue lies, as the driver said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) size: u16,
    pub(super) vector: u16,
    pub(super) descriptors: u64,
    pub(super) driver: u64,
    pub(super) device: u64,
}

/// A queue at work.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) place: Place,
    /// Requests taken from the driver's ring so far.
    taken: u16,
    /// The index that the driver is shown.
    pub(super) used: u16,
}

/// A buffer of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) bytes: usize,
}

/// A request: what the device reads, and what it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) head: u16,
    pub(super) read: Vec<Piece>,
    pub(super) written: Vec<Piece>,
}

impl Chain {
    /// Bytes that the device may write.
    pub(super) fn room(&self) -> usize {
        self.written.iter().map(|piece| piece.bytes).sum()
    }

    /// Every buffer.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.read.iter().chain(&self.written).copied()
    }

    /// All that the device is to read.
    pub(super) fn gather(&self, port: &Port) -> Result<Vec<u8>, DmaError> {
        let parts: Result<Vec<_>, _> =
            self.read.iter().map(|piece| port.read(piece.address, piece.bytes)).collect();
        parts.map(|parts| parts.concat())
    }

    /// Writes bytes to where they go, as far as there is room.
    pub(super) fn scatter(&self, port: &Port, mut bytes: &[u8]) -> Result<(), DmaError> {
        for piece in &self.written {
            let (now, later) = bytes.split_at(piece.bytes.min(bytes.len()));
            if !now.is_empty() {
                port.write(piece.address, now)?;
            }
            bytes = later;
        }
        Ok(())
    }
}

impl Queue {
    pub(super) fn new(place: Place) -> Self {
        Self { place, taken: 0, used: 0 }
    }

    /// Takes the next request, if there is one.
    pub(super) fn take(&mut self, port: &Port) -> Result<Option<Chain>, DmaError> {
        let Place { size, driver, .. } = self.place;
        if size == 0 || number::<u16, 2>(port, driver + INDEX, u16::from_le_bytes)? == self.taken {
            return Ok(None);
        }
        let slot = u64::from(self.taken % size);
        let head = number(port, driver + ENTRIES + slot * AVAILABLE, u16::from_le_bytes)?;
        self.taken = self.taken.wrapping_add(1);
        let mut chain = Chain { head, ..Chain::default() };
        let mut next = Some(head);
        // A chain is never longer than the queue.
        for _ in 0..size {
            let Some(index) = next.filter(|index| *index < size) else { break };
            let at = self.place.descriptors + u64::from(index) * DESCRIPTOR;
            let [words, address] = [at + 8, at].map(|at| number(port, at, u64::from_le_bytes));
            let (words, address) = (words?, address?);
            let piece = Piece { address, bytes: words as u32 as usize };
            let flags = (words >> 32) as u16;
            if flags & DEVICE_WRITES == 0 { &mut chain.read } else { &mut chain.written }.push(piece);
            next = (flags & NEXT != 0).then_some((words >> 48) as u16);
        }
        Ok(Some(chain))
    }

    /// Puts an entry into the used ring and shows the driver the new index.
    pub(super) fn give_back(&mut self, port: &Port, id: u32, bytes: u32) -> Result<(), DmaError> {
        self.write_entry(port, id, bytes)?;
        self.show_index(port, self.used.wrapping_add(1))
    }

    /// Writes the entry that the driver looks at next.
    pub(super) fn write_entry(&self, port: &Port, id: u32, bytes: u32) -> Result<(), DmaError> {
        let slot = u64::from(self.used % self.place.size.max(1));
        let entry = [id.to_le_bytes(), bytes.to_le_bytes()].concat();
        port.write(self.place.device + ENTRIES + slot * USED, &entry)
    }

    /// Shows the driver an index.
    pub(super) fn show_index(&mut self, port: &Port, index: u16) -> Result<(), DmaError> {
        self.used = index;
        port.write(self.place.device + INDEX, &index.to_le_bytes())
    }
}

/// A little-endian number in memory.
fn number<T, const N: usize>(port: &Port, at: u64, decode: fn([u8; N]) -> T) -> Result<T, DmaError> {
    let bytes = port.read(at, N)?;
    Ok(decode(bytes.first_chunk().copied().unwrap_or([0; N])))
}
