//! Requests under way: what each keeps from everybody until it ends, and how it ended.

use core::mem;
use core::time::Duration;

use dma_types::Iova;
use nvme::spec::command::{Blocks, NamespaceId, SubmissionEntry, Transfer};
use nvme::spec::status::Status;
use nvme::{CommandId, MAX_COMMANDS, Nonsense, Prps};

use super::controller::Controller;
use super::error::NvmeError;
use super::queue::Queue;
use crate::devices::Namespace;
use crate::dma::{self, DmaError, FromDevice, Mapping, PageBuffer, Shared, ToDevice};
use crate::platform::clock::Deadline;

/// Most bytes of one command: what a list of [`LIST_ENTRIES`] describes wherever the buffer begins.
pub const MAX_BYTES: u64 = 512 << 10;

/// Entries of each command's list, which so never crosses a page.
const LIST_ENTRIES: usize = 128;

/// Longest time for one command.
pub const COMMAND_TIME: Duration = Duration::from_secs(30);

/// A transfer of blocks.
#[derive(Clone, Copy, Debug)]
pub struct Io {
    /// What is done.
    pub transfer: Transfer,
    /// The namespace.
    pub namespace: Namespace,
    /// The first block.
    pub block: u64,
    /// How many, at least one.
    pub blocks: u32,
}

impl Io {
    /// Bytes that it moves.
    pub fn bytes(&self) -> u64 {
        u64::from(self.blocks) * u64::from(self.namespace.block_bytes)
    }

    /// The blocks as a command names them.
    #[inline]
    fn command_blocks(&self) -> Result<Blocks, NvmeError> {
        let count_less_one = self.blocks.checked_sub(1).and_then(|count| u16::try_from(count).ok());
        let count_less_one = count_less_one.ok_or(NvmeError::TooLong { bytes: self.bytes() })?;
        Ok(Blocks { namespace: NamespaceId(self.namespace.id), first: self.block, count_less_one })
    }
}

/// A request that was started. It must be taken once it has ended, or its place stays taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(CommandId);

/// What a request keeps until it ends.
pub enum Held {
    /// Nothing: its memory is the caller's affair.
    Nothing,
    /// A buffer that the device fills.
    Filled(Mapping<FromDevice>),
    /// A buffer that the device reads.
    Read(Mapping<ToDevice>),
}

impl Held {
    /// Where the device finds the buffer; 0 if there is none.
    #[inline]
    pub fn iova(&self) -> Iova {
        match self {
            Self::Nothing => Iova::new(0),
            Self::Filled(mapping) => mapping.iova(),
            Self::Read(mapping) => mapping.iova(),
        }
    }

    /// Takes the buffer back: the device cannot reach it any more.
    #[inline(always)]
    pub fn give_back(self) -> Result<Option<PageBuffer>, DmaError> {
        Ok(match self {
            Self::Nothing => None,
            Self::Filled(mapping) => Some(mapping.unmap()?),
            Self::Read(mapping) => Some(mapping.unmap()?),
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The controller completed it with this status.
    Completed(Status),
    /// The controller did not, in the time it had.
    Timeout,
    /// It went with a reset of the controller.
    Reset,
    /// The device was cut off.
    CutOff,
}

impl End {
    fn result(self) -> Result<(), NvmeError> {
        Err(match self {
            Self::Completed(status) if status.is_success() => return Ok(()),
            Self::Completed(status) => NvmeError::Status(status),
            Self::Timeout => NvmeError::Timeout,
            Self::Reset => NvmeError::Reset,
            Self::CutOff => NvmeError::CutOff,
        })
    }
}

/// One place for a request.
struct Slot {
    id: CommandId,
    state: State,
    held: Held,
}

#[derive(Clone, Copy)]
enum State {
    Free,
    Open(Deadline),
    Ended(End),
}

impl Slot {
    const FREE: Self = Self { id: CommandId::from_bits(0), state: State::Free, held: Held::Nothing };
}

/// The queue for blocks, and the requests in it.
pub struct Requests {
    queue: Queue,
    lists: Shared<u64, ToDevice>,
    /// Where the controller finds the lists.
    lists_base: Iova,
    slots: [Slot; MAX_COMMANDS as usize],
}

impl Requests {
    /// No requests yet.
    ///
    /// # Errors
    /// If there is no memory for the lists.
    pub fn new(dma: &dma::Device, queue: Queue) -> Result<Self, DmaError> {
        let lists = dma.share(LIST_ENTRIES * usize::from(MAX_COMMANDS), "nvme prp lists")?;
        let lists_base = lists.iova();
        Ok(Self { queue, lists, lists_base, slots: [const { Slot::FREE }; MAX_COMMANDS as usize] })
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Starts a transfer between blocks and `io.bytes()` bytes at an address.
    ///
    /// # Errors
    /// If there is no room, or a command cannot describe it; what was to be held goes back.
    #[inline(always)]
    pub fn start(
        &mut self,
        controller: &Controller,
        io: &Io,
        at: Iova,
        held: Held,
    ) -> Result<Token, NvmeError> {
        let prps = Prps::new(at, io.bytes())?;
        if prps.list_entries() > LIST_ENTRIES as u64 {
            return Err(NvmeError::TooLong { bytes: io.bytes() });
        }
        // Nothing may fail once the place is taken.
        let blocks = io.command_blocks()?;
        let begun = self.queue.begin().ok_or(NvmeError::Busy)?;
        let first = begun.0.slot() * LIST_ENTRIES;
        let list = Iova::new(self.lists_base.as_u64() + (first * size_of::<u64>()) as u64);
        for (entry, place) in (0..prps.list_entries()).zip(first..) {
            self.lists.write(place, prps.list_entry(list, entry));
        }
        let entry = SubmissionEntry::transfer(io.transfer, blocks, prps.pointer(list));
        Ok(self.submit(controller, begun, entry, held))
    }

    /// Starts a flush of a namespace.
    ///
    /// # Errors
    /// If there is no room.
    pub fn start_flush(
        &mut self,
        controller: &Controller,
        namespace: NamespaceId,
    ) -> Result<Token, NvmeError> {
        let begun = self.queue.begin().ok_or(NvmeError::Busy)?;
        Ok(self.submit(controller, begun, SubmissionEntry::flush(namespace), Held::Nothing))
    }

    #[inline(always)]
    fn submit(
        &mut self,
        controller: &Controller,
        begun: (CommandId, u16),
        entry: SubmissionEntry,
        held: Held,
    ) -> Token {
        let id = begun.0;
        if let Some(slot) = self.slots.get_mut(id.slot()) {
            slot.id = id;
            slot.state = State::Open(Deadline::after(COMMAND_TIME));
            slot.held = held;
        }
        self.queue.submit(controller, begun, entry);
        Token(id)
    }

    /// Tells whether a completion waits to be collected.
    pub fn has_news(&self) -> bool {
        self.queue.has_news()
    }

    /// Notes the next completion, and whose it is.
    ///
    /// # Errors
    /// [`Nonsense`]: the controller has to be reset.
    pub fn collect(&mut self, controller: &Controller) -> Result<Option<Token>, Nonsense> {
        let Some(finished) = self.queue.next(controller)? else { return Ok(None) };
        if let Some(slot) = self.slots.get_mut(finished.id.slot()) {
            slot.state = State::Ended(End::Completed(finished.status));
        }
        Ok(Some(Token(finished.id)))
    }

    /// Ends every request that is under way, because the controller will not.
    pub fn end_all(&mut self, end: End) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Open(_)) {
                slot.state = State::Ended(end);
            }
        }
        self.queue.end_all();
    }

    /// Begins anew after a reset of the controller, which finds everything at other numbers now.
    pub fn restart(&mut self, as_sent: &dyn Fn(Iova) -> Iova) {
        self.lists_base = as_sent(self.lists.iova());
        self.queue.restart(as_sent);
    }

    /// When a request must have ended; `None` if it has, or there is none.
    pub fn deadline(&self, token: Token) -> Option<Deadline> {
        match self.slots.get(token.0.slot()) {
            Some(Slot { id, state: State::Open(deadline), .. }) if *id == token.0 => Some(*deadline),
            _ => None,
        }
    }

    /// Takes a request that has ended, with what it held, and frees its place.
    #[inline(always)]
    pub fn take(&mut self, token: Token) -> Option<(Held, Result<(), NvmeError>)> {
        let slot = self.slots.get_mut(token.0.slot())?;
        let State::Ended(end) = slot.state else { return None };
        if slot.id != token.0 {
            return None;
        }
        slot.state = State::Free;
        self.queue.release(token.0);
        Some((mem::replace(&mut slot.held, Held::Nothing), end.result()))
    }
}
