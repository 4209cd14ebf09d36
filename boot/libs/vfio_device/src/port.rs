//! What a device does by itself: requests to memory, and interrupts.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::books::Books;
use crate::link::Link;
use crate::wire::{Body, Command, DATA, Header};

/// How long the machine may take for a request: it stands still now and then.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DmaError {
    /// The machine refused it: bus mastering is off, or the IOMMU blocked it. The error number is the machine's.
    #[error("refused (error {0})")]
    Refused(u32),
    /// There is no machine, or not any more.
    #[error("no machine")]
    Gone,
    /// The machine did not answer in time.
    #[error("no answer")]
    TimedOut,
    /// Asked by the thread that answers the machine, which would wait for itself.
    #[error("asked by the thread that answers")]
    WouldBlock,
}

/// The machine has not enabled that interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine has not enabled that interrupt")]
pub struct NoInterrupt;

/// A request that is under way.
#[derive(Debug)]
#[must_use = "a request whose answer nobody takes stays in the list"]
pub struct Ticket(u16);

/// The device's way into the machine. Clones are the same port.
#[derive(Clone, Debug)]
pub struct Port(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    link: Option<Arc<Link>>,
    answering: Option<ThreadId>,
    next: u16,
    /// Requests under way, and their answers where they have come.
    requests: HashMap<u16, Option<Result<Vec<u8>, DmaError>>>,
    books: Books,
    vectors: HashMap<u32, OwnedFd>,
}

impl Port {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Whether a machine is there.
    pub fn is_connected(&self) -> bool {
        self.state().link.is_some()
    }

    /// Waits until a machine is there, or no longer than that.
    pub fn wait_connected(&self, limit: Duration) -> bool {
        let (state, _) = self
            .0
            .changed
            .wait_timeout_while(self.state(), limit, |state| state.link.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.link.is_some()
    }

    /// What the IOMMU lets the device reach just now.
    pub fn books(&self) -> Books {
        self.state().books.clone()
    }

    /// Looks at the books without a copy.
    pub fn with_books<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.state().books)
    }

    /// Writes memory, and waits for the outcome.
    ///
    /// # Errors
    /// If nothing was written, or the machine is gone.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DmaError> {
        self.start_write(address, bytes).and_then(|ticket| self.wait(ticket)).map(|_| ())
    }

    /// Reads memory, and waits for the outcome.
    ///
    /// # Errors
    /// If nothing was read, or the machine is gone.
    pub fn read(&self, address: u64, length: usize) -> Result<Vec<u8>, DmaError> {
        self.start_read(address, length).and_then(|ticket| self.wait(ticket))
    }

    /// Sends a write; more may be sent before it is done.
    ///
    /// # Errors
    /// If there is no machine.
    pub fn start_write(&self, address: u64, bytes: &[u8]) -> Result<Ticket, DmaError> {
        self.start(Command::DMA_WRITE, &Body::default().u64(address).u64(bytes.len() as u64).bytes(bytes).0)
    }

    /// Sends a read; more may be sent before it is done.
    ///
    /// # Errors
    /// If there is no machine.
    pub fn start_read(&self, address: u64, length: usize) -> Result<Ticket, DmaError> {
        self.start(Command::DMA_READ, &Body::default().u64(address).u64(length as u64).0)
    }

    /// Waits for a request's outcome: what was read, nothing for a write.
    ///
    /// # Errors
    /// If it was refused, or the machine is gone.
    pub fn wait(&self, ticket: Ticket) -> Result<Vec<u8>, DmaError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut state = self.state();
        if state.answering == Some(std::thread::current().id()) {
            return Err(DmaError::WouldBlock);
        }
        loop {
            match state.requests.get(&ticket.0) {
                None => return Err(DmaError::Gone),
                Some(Some(_)) => {
                    return state.requests.remove(&ticket.0).flatten().unwrap_or(Err(DmaError::Gone));
                }
                Some(None) => (),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.requests.remove(&ticket.0);
                return Err(DmaError::TimedOut);
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Raises an MSI-X interrupt.
    ///
    /// # Errors
    /// If the machine has not enabled it.
    pub fn raise(&self, vector: u32) -> Result<(), NoInterrupt> {
        let state = self.state();
        let event = state.vectors.get(&vector).ok_or(NoInterrupt)?;
        rustix::io::write(event.as_fd(), &1_u64.to_ne_bytes()).map(|_| ()).map_err(|_| NoInterrupt)
    }

    /// How many interrupts the machine has enabled.
    pub fn enabled_interrupts(&self) -> usize {
        self.state().vectors.len()
    }

    fn start(&self, command: Command, body: &[u8]) -> Result<Ticket, DmaError> {
        let (link, id) = {
            let mut state = self.state();
            let link = state.link.clone().ok_or(DmaError::Gone)?;
            let id = loop {
                state.next = state.next.wrapping_add(1);
                if !state.requests.contains_key(&state.next) {
                    break state.next;
                }
            };
            state.requests.insert(id, None);
            (link, id)
        };
        match link.send(&Header::request(id, command, body.len()), body) {
            Ok(()) => Ok(Ticket(id)),
            Err(_) => {
                self.state().requests.remove(&id);
                Err(DmaError::Gone)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread that answers tells.
impl Port {
    pub(crate) fn connected(&self, link: Arc<Link>) {
        let mut state = self.state();
        state.link = Some(link);
        state.answering = Some(std::thread::current().id());
        drop(state);
        self.0.changed.notify_all();
    }

    pub(crate) fn disconnected(&self) {
        let mut state = self.state();
        state.link = None;
        state.vectors.clear();
        state.books.unmap_all();
        for answer in state.requests.values_mut().filter(|answer| answer.is_none()) {
            *answer = Some(Err(DmaError::Gone));
        }
        drop(state);
        self.0.changed.notify_all();
    }

    pub(crate) fn answered(&self, header: &Header, body: &[u8]) {
        let mut state = self.state();
        if let Some(slot) = state.requests.get_mut(&header.id) {
            *slot = Some(match header.error() {
                Some(errno) => Err(DmaError::Refused(errno)),
                None => Ok(body.get(DATA..).unwrap_or_default().to_vec()),
            });
        }
        drop(state);
        self.0.changed.notify_all();
    }

    pub(crate) fn change_books(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.state().books);
    }

    /// Takes over what raises the interrupts `start..start + count`; a missing descriptor takes one away.
    pub(crate) fn set_interrupts(&self, start: u32, count: u32, events: Vec<OwnedFd>) {
        let mut state = self.state();
        if count == 0 {
            state.vectors.clear();
        }
        let mut events = events.into_iter();
        // More than the kind of interrupt has are not believed.
        for vector in start..start.saturating_add(count.min(2048)) {
            match events.next() {
                Some(event) => state.vectors.insert(vector, event),
                None => state.vectors.remove(&vector),
            };
        }
    }
}
