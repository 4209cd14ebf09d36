//! Targets of attacks that are over: they stay as they were reported until the power goes, so that a look from
//! outside means something.

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicBool, Ordering};

use super::aim::Hold;
use crate::dma::{ByteBuffer, PageBuffer};
use crate::memory::frames;
use crate::sync::{IrqLock, rank};

/// Kept targets have one frame of so many: a drill of thousands of devices must not take the machine's memory.
const SHARE: usize = 8;

/// Memory that an attack was aimed at; in no domain.
#[expect(dead_code, reason = "what is kept is never looked at from inside")]
pub enum KeptTarget {
    /// A page.
    Page(PageBuffer),
    /// Part of one.
    Bytes(ByteBuffer),
}

/// The oldest first.
static KEPT: IrqLock<VecDeque<KeptTarget>, rank::Kept> = IrqLock::new(VecDeque::new());

/// The oldest had to be let go.
static OVERFLOWN: AtomicBool = AtomicBool::new(false);

/// Keeps the target of an attack that was reported, once the device cannot reach it any more. Where that is not
/// confirmed, the memory is given up for good, and so stays as well.
///
/// If all room is taken, the oldest goes, and it is said once.
pub fn keep(hold: Hold) {
    let Some(target) = hold.into_target() else { return };
    let oldest = {
        let mut kept = KEPT.lock();
        let is_full = kept.len() >= frames::total_frames() / SHARE || kept.try_reserve(1).is_err();
        let oldest = if is_full { kept.pop_front() } else { None };
        // Never beyond what is reserved: it was, or a place became free.
        if !is_full || oldest.is_some() {
            kept.push_back(target);
        }
        oldest
    };
    if oldest.is_some() && !OVERFLOWN.swap(true, Ordering::Relaxed) {
        log::warn!(
            "targets of the first attacks are used again for want of room: a look from outside finds only those of the \
             last ones as they were reported"
        );
    }
}
