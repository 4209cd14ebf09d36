//! Any bytes as what an NVMe controller completes, and as what it says of itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use dma_types::{Iova, PAGE_SIZE};
use nvme::spec::command::NamespaceId;
use nvme::spec::completion::{CompletionEntry, Phase};
use nvme::spec::identify::{ControllerInfo, NamespaceInfo, active_namespaces};
use nvme::spec::registers::QueueId;
use nvme::spec::smart::SmartLog;
use nvme::spec::status::Status;
use nvme::{CommandId, Completions, Prps, QueuePair, Refusal};

use crate::Bytes;

/// Steps at most.
const MOST: usize = 600;
const QUEUE: QueueId = QueueId(1);
/// Where lists of pages lie.
const LIST: u64 = 0x70_0000;

/// A command ends once and only if it was begun, no call takes more steps than the queue has entries, and what the
/// controller says of itself never leads beyond itself.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    check_data(bytes.rest());
    check_pages(Iova::new(bytes.u64()), bytes.u32());
    check_queue(bytes);
}

fn check_data(data: &[u8]) {
    let controller = ControllerInfo::parse(data, PAGE_SIZE);
    assert!(controller.max_transfer.is_none_or(|bytes| bytes > PAGE_SIZE && bytes.is_power_of_two()));
    for text in [controller.serial.as_str(), controller.model.as_str(), controller.firmware.as_str()] {
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
    if let Ok(namespace) = NamespaceInfo::parse(data) {
        assert!(namespace.blocks > 0 && (512..=65_536).contains(&namespace.block_bytes));
        assert!(namespace.blocks.checked_mul(namespace.block_bytes.into()).is_some());
    }
    let named: Vec<_> = active_namespaces(data, NamespaceId(0)).collect();
    assert!(named.is_sorted() && named.len() <= 1024);
    assert!(!SmartLog::parse(data).to_string().is_empty());
}

/// What describes a buffer names its pages and those of the list, and nothing else.
fn check_pages(start: Iova, bytes: u32) {
    let bytes = u64::from(bytes % 0x80_0000);
    let Ok(prps) = Prps::new(start, bytes) else { return };
    let buffer = start.page().as_u64()..=start.as_u64() + (bytes - 1);
    let list = LIST..LIST + prps.list_pages() * PAGE_SIZE;
    let mut pages = vec![start.page().as_u64()];
    for entry in 0..prps.list_entries() {
        let address = prps.list_entry(Iova::new(LIST), entry);
        let is_link = entry % 512 == 511 && entry + 1 < prps.list_entries();
        assert!(if is_link { list.contains(&address) } else { buffer.contains(&address) }, "{address:#x}");
        pages.extend(Some(address).filter(|_| !is_link));
    }
    let pointer = prps.pointer(Iova::new(LIST));
    assert!(pointer.first == start.as_u64());
    if prps.list_entries() == 0 && pointer.second != 0 {
        pages.push(pointer.second);
    }
    let every = buffer.step_by(PAGE_SIZE as usize);
    assert!(pages.into_iter().eq(every), "each page once, in order");
}

/// Completion memory that changes with each look.
struct Memory<'a> {
    bytes: RefCell<Bytes<'a>>,
    open: RefCell<BTreeSet<u16>>,
    /// The tag of what is new.
    phase: Cell<Phase>,
    reads: Cell<usize>,
    entries: u16,
}

impl Memory<'_> {
    /// An id that is open more often than not.
    fn id(&self) -> CommandId {
        let mut bytes = self.bytes.borrow_mut();
        let open = self.open.borrow();
        let choice = bytes.byte();
        let picked = open.iter().nth(usize::from(choice) % open.len().max(1));
        let id = picked.copied().filter(|_| choice < 0xc0);
        CommandId::from_bits(id.unwrap_or_else(|| bytes.u16()))
    }
}

impl Completions for Memory<'_> {
    fn read(&self, place: u16) -> CompletionEntry {
        assert!(place < self.entries);
        self.reads.set(self.reads.get() + 1);
        let id = self.id();
        let mut bytes = self.bytes.borrow_mut();
        // Nothing is new once all bytes were used.
        let is_new = !bytes.is_empty() && bytes.byte() != 0;
        let [queue, head] = bytes.array();
        let phase = if is_new { self.phase.get() } else { self.phase.get().next() };
        let queue = QueueId(if queue < 0xf0 { QUEUE.0 } else { queue.into() });
        CompletionEntry::new(queue, head.into(), id, phase, Status(0), u32::from(id.bits()))
    }

    fn free(&self, head: u16) {
        assert!(head < self.entries);
        if head == 0 {
            self.phase.set(self.phase.get().next());
        }
    }

    fn refused(&self, _: Refusal, so_far: u64) {
        assert!(so_far.is_power_of_two());
    }
}

fn check_queue(mut bytes: Bytes<'_>) {
    let (entries, depth) = (2 + u16::from(bytes.byte() % 70), bytes.u16() % 80);
    let mut pair = QueuePair::new(QUEUE, entries, depth);
    let memory = Memory {
        bytes: RefCell::new(bytes),
        open: RefCell::default(),
        phase: Cell::new(Phase::Set),
        reads: Cell::new(0),
        entries,
    };
    let mut is_condemned = false;
    for _ in 0..MOST {
        if memory.bytes.borrow().is_empty() {
            break;
        }
        let what = memory.bytes.borrow_mut().byte();
        match what % 16 {
            0..=6 => {
                if let Some((id, place)) = pair.begin() {
                    assert!(place < entries && memory.open.borrow_mut().insert(id.bits()), "{id:?} is open");
                }
            }
            7..=12 => is_condemned = take(&mut pair, &memory, is_condemned),
            13 => pair.release(memory.id()),
            14 => {
                pair.end_all();
                memory.open.borrow_mut().clear();
            }
            _ => {
                pair.restart();
                memory.open.borrow_mut().clear();
                memory.phase.set(Phase::Set);
                is_condemned = false;
            }
        }
        assert_eq!(pair.outstanding() as usize, memory.open.borrow().len());
        assert!(pair.head() < entries && pair.tail() < entries);
        assert!(memory.open.borrow().len() < usize::from(entries));
    }
}

/// Takes what has ended; tells whether the controller was found out.
fn take(pair: &mut QueuePair, memory: &Memory<'_>, was_condemned: bool) -> bool {
    memory.reads.set(0);
    let next = pair.next(memory);
    assert!(memory.reads.get() <= 2 * usize::from(memory.entries) + 1);
    match next {
        Ok(Some(finished)) => {
            assert!(!was_condemned && memory.open.borrow_mut().remove(&finished.id.bits()), "{finished:?}");
            if finished.id.bits() & 1 == 0 {
                pair.release(finished.id);
            }
            false
        }
        Ok(None) => {
            assert!(!was_condemned);
            false
        }
        Err(nonsense) => {
            assert!(nonsense.completions == memory.entries && (!was_condemned || memory.reads.get() == 0));
            true
        }
    }
}
