//! A port and what waits for it.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use outbox::{Full, Outbox, Patience};

use super::port::Port;
use crate::platform::clock;
use crate::sync::{IrqLock, interrupts_are_on, rank};

/// Bytes that may wait: some forty lines about faults.
pub const ROOM: usize = 64 << 10;

/// Pieces that a port is given in one look at most, where it takes them all at once.
const PIECES: usize = 64;

/// Room that whoever may wait makes before it writes, so that nothing of it is lost.
const AMPLE: usize = ROOM / 2;

/// Whether those with interrupts off leave the sending to others: once there are others.
static OTHERS_SEND: AtomicBool = AtomicBool::new(false);

/// A way out: a port, or none, and a ring in front of it.
///
/// Text goes into the ring whole. Who has interrupts on then sends all that waits, and waits for the port; who has them
/// off goes on, and what it wrote is sent by the next who waits for something or writes. So no interrupt handler ever
/// waits for a port.
#[derive(Debug)]
pub struct Channel {
    port: IrqLock<Attached, rank::Port>,
    /// Apart, so that it is all zeros and takes no room in the kernel's file.
    outbox: &'static IrqLock<Outbox<ROOM>, rank::Outbox>,
}

#[derive(Debug)]
struct Attached {
    port: Option<Port>,
    patience: Patience,
}

/// What came of offering a port what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Nothing waits any more.
    Done,
    /// The port took something, and there is more.
    Taken,
    /// The port took nothing; it is worth waiting for.
    Busy,
    /// The port has taken nothing for so long that nobody waits for it.
    Standstill,
}

/// Somebody who never goes on holds what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse;

/// From here on there are others to send what is written with interrupts off: who waits, and who writes.
pub(crate) fn let_others_send() {
    OTHERS_SEND.store(true, Ordering::Release);
}

/// Whether who writes now leaves the sending to others, though interrupts may be on.
static LEAVES_SENDING: AtomicBool = AtomicBool::new(false);

/// Does something that writes and may not wait for a port, whether interrupts are on or off.
pub(crate) fn leave_sending<T>(work: impl FnOnce() -> T) -> T {
    let before = LEAVES_SENDING.swap(true, Ordering::Relaxed);
    let result = work();
    LEAVES_SENDING.store(before, Ordering::Relaxed);
    result
}

/// Whether the caller may wait for a port.
fn may_wait() -> bool {
    let at_leisure = interrupts_are_on() && !LEAVES_SENDING.load(Ordering::Relaxed);
    at_leisure || !OTHERS_SEND.load(Ordering::Acquire)
}

impl Channel {
    pub(super) const fn new(outbox: &'static IrqLock<Outbox<ROOM>, rank::Outbox>) -> Self {
        Self { port: IrqLock::new(Attached { port: None, patience: Patience::new() }), outbox }
    }

    /// Attaches a port.
    pub(super) fn attach(&self, port: Option<Port>) {
        *self.port.lock() = Attached { port, patience: Patience::new() };
    }

    /// Writes text as a terminal wants it; dropped where there is no port. `notice` says how many texts are missing
    /// before it, where some are.
    ///
    /// # Errors
    /// [`InUse`].
    pub(super) fn print(&self, text: fmt::Arguments<'_>, notice: &Notice) -> Result<(), InUse> {
        self.write(|outbox| outbox.print(text), notice)?;
        self.send_if_free();
        Ok(())
    }

    /// Writes bytes as they are; like [`print`](Self::print). Sends nothing yet.
    ///
    /// # Errors
    /// [`InUse`].
    pub fn push(&self, bytes: &[u8], notice: &Notice) -> Result<(), InUse> {
        self.write(|outbox| outbox.push(bytes), notice)
    }

    fn write(
        &self,
        put: impl FnOnce(&mut Outbox<ROOM>) -> Result<(), Full>,
        notice: &Notice,
    ) -> Result<(), InUse> {
        if self.port.try_lock().ok_or(InUse)?.port.is_none() {
            return Ok(());
        }
        let mut outbox = self.outbox.try_lock().ok_or(InUse)?;
        let lost = outbox.lost();
        if lost > 0 && notice(lost, &mut outbox) {
            // The notice itself may have found no room and been counted.
            outbox.told_of_lost(lost);
        }
        // What has no room is counted there, and said before the next.
        let _ = put(&mut outbox);
        Ok(())
    }

    /// Makes room for what the caller is about to write, if it may wait.
    pub fn make_room(&self) {
        while may_wait() && self.outbox.try_lock().is_some_and(|outbox| outbox.room() < AMPLE) {
            if matches!(self.offer(), Offer::Standstill | Offer::Done) {
                return;
            }
        }
    }

    /// Sends all that waits, if the caller may wait for the port; offers it a piece if the port stands still.
    pub fn send_if_free(&self) {
        if may_wait() {
            self.send_all();
        }
    }

    /// Sends all that waits, whether interrupts are on or not: for the end of the run, and for a stop.
    pub fn send_all(&self) {
        while matches!(self.offer(), Offer::Taken | Offer::Busy) {
            core::hint::spin_loop();
        }
    }

    /// Offers the port what waits, piece by piece, for as long as it takes them at once, but not for long. Never waits
    /// itself.
    pub(super) fn offer_some(&self) -> Offer {
        let mut offers = (0..PIECES).map(|_| self.offer());
        offers.find(|offer| *offer != Offer::Taken).unwrap_or(Offer::Taken)
    }

    /// Offers the port a piece of what waits. Never waits itself.
    pub(super) fn offer(&self) -> Offer {
        // Held only where an exception came in between; nothing can be sent then.
        let (Some(mut attached), Some(mut outbox)) = (self.port.try_lock(), self.outbox.try_lock()) else {
            return Offer::Standstill;
        };
        let Attached { port, patience } = &mut *attached;
        let Some(port) = port.as_mut().filter(|_| !outbox.is_empty()) else { return Offer::Done };
        let taken = port.offer(outbox.next());
        outbox.sent(taken);
        match taken {
            0 => patience.note_standstill(clock::now_ns()),
            _ => patience.note_progress(),
        }
        match taken {
            _ if outbox.is_empty() => Offer::Done,
            0 if patience.is_exhausted() => Offer::Standstill,
            0 => Offer::Busy,
            _ => Offer::Taken,
        }
    }

    /// Texts that are missing and of which nothing was said yet.
    pub fn lost(&self) -> u64 {
        self.outbox.try_lock().map_or(0, |outbox| outbox.lost())
    }

    /// A byte that came in, if there is one. Never waits.
    pub(super) fn receive(&self) -> Option<u8> {
        self.port.lock().port.as_mut()?.receive()
    }
}

/// Says in the ring how many texts are missing; tells whether it found room for that.
pub type Notice = dyn Fn(u64, &mut Outbox<ROOM>) -> bool;
