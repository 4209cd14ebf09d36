//! The kernel's report: writes its lines, and counts what `end` must tell.
//!
//! Lines go out whole and in order, their times never go back, and writing allocates nothing. They wait for the port in a
//! ring where the writer must not. An exception may come while one is written; what the stopped kernel then has to say
//! goes past the ring, on a line of its own.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use outbox::Outbox;
use report::{Check, End, EndStatus, Event, Lost, MAX_LINE, Outcome};

use crate::platform::clock;
use crate::platform::serial::{self, InUse, REPORT};
use crate::sync::{IrqGuard, IrqLock, rank};

/// A line in the making.
static LINE: IrqLock<[u8; MAX_LINE], rank::ReportLine> = IrqLock::new([0; MAX_LINE]);

/// For a kernel that stopped in the middle of one.
static SPARE_LINE: IrqLock<[u8; MAX_LINE], rank::ReportLine> = IrqLock::new([0; MAX_LINE]);

/// Bytes of the report that are kept for who carries it away another way.
const KEPT_BYTES: usize = 96 << 10;

/// The report's beginning; all zeros, so that it takes no room in the kernel's file.
struct Kept {
    bytes: [u8; KEPT_BYTES],
    length: usize,
    /// Lines that had no room.
    lost: u64,
}

static KEPT: IrqLock<Kept, rank::KeptReport> =
    IrqLock::new(Kept { bytes: [0; KEPT_BYTES], length: 0, lost: 0 });

/// The time of the latest line.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Bytes of the line that says how many are missing.
const LOST_LINE: usize = 128;

static CHECKS: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static SKIPPED: AtomicU64 = AtomicU64::new(0);
static FAULTS: AtomicU64 = AtomicU64::new(0);
static FAULT_INTERRUPTS: AtomicU64 = AtomicU64::new(0);
static SPURIOUS: AtomicU64 = AtomicU64::new(0);
static BROKEN: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);

/// Writes one line.
pub fn emit(event: &Event<'_>) {
    if ENDED.load(Ordering::Acquire) {
        return;
    }
    REPORT.make_room();
    if write(event).is_err()
        && let Some(line) = SPARE_LINE.try_lock()
    {
        with_line(event, line, serial::write_spare);
    }
    match event {
        // Nobody will send what a stop says.
        Event::Bugcheck(_) | Event::End(_) => REPORT.send_all(),
        _ => REPORT.send_if_free(),
    }
}

/// Puts a line into the ring.
fn write(event: &Event<'_>) -> Result<(), InUse> {
    let line = LINE.try_lock().ok_or(InUse)?;
    let put = |bytes: &[u8]| {
        keep(bytes);
        REPORT.push(bytes, &say_how_many_are_missing)
    };
    with_line(event, line, put).unwrap_or(Ok(()))
}

/// Keeps a line, if it has room.
fn keep(line: &[u8]) {
    // Held only by who was interrupted for good.
    let Some(mut kept) = KEPT.try_lock() else { return };
    let Kept { bytes, length, lost } = &mut *kept;
    let end = *length + line.len();
    // Once one had no room, later ones are left out too: what is kept has no gaps.
    match bytes.get_mut(*length..end).filter(|_| *lost == 0) {
        Some(room) => {
            room.copy_from_slice(line);
            *length = end;
        }
        None => *lost += 1,
    }
}

/// The report so far. Where it was too long to be kept, its last line says how many lines are missing.
pub fn kept() -> Vec<u8> {
    let mut report = Vec::with_capacity(KEPT_BYTES + LOST_LINE);
    let lost = {
        let kept = KEPT.lock();
        report.extend_from_slice(kept.bytes.get(..kept.length).unwrap_or_default());
        kept.lost
    };
    if lost > 0 {
        let mut line = [0; LOST_LINE];
        let event = Event::Lost(Lost { t: LATEST.load(Ordering::Relaxed), lines: lost });
        report.extend_from_slice(report::write_line(&event, &mut line).unwrap_or_default());
    }
    report
}

/// Makes the line of an event and hands it on. An interrupt may have written since the event was made: then the line is
/// as late as that one's.
fn with_line<T>(
    event: &Event<'_>,
    mut line: IrqGuard<'_, [u8; MAX_LINE], rank::ReportLine>,
    then: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let latest = LATEST.fetch_max(event.t(), Ordering::Relaxed);
    let made = if event.t() < latest {
        let mut event = event.clone();
        event.set_t(latest);
        report::write_line(&event, &mut *line)
    } else {
        report::write_line(event, &mut *line)
    };
    match made {
        Ok(bytes) => Some(then(bytes)),
        Err(error) => {
            log::error!("{error}");
            None
        }
    }
}

/// Says where lines are missing; a report that is not whole vouches for nothing.
fn say_how_many_are_missing(lines: u64, outbox: &mut Outbox<{ serial::ROOM }>) -> bool {
    note_failure();
    let mut line = [0; LOST_LINE];
    let lost = Event::Lost(Lost { t: LATEST.load(Ordering::Relaxed), lines });
    report::write_line(&lost, &mut line).is_ok_and(|bytes| outbox.push(bytes).is_ok())
}

/// Reports a check and counts it.
pub fn check(name: &str, result: Outcome, detail: Option<&str>) {
    CHECKS.fetch_add(1, Ordering::Relaxed);
    match result {
        Outcome::Pass => {}
        Outcome::Fail => {
            FAILED.fetch_add(1, Ordering::Relaxed);
            log::error!("check {name} failed: {}", detail.unwrap_or("no detail"));
        }
        Outcome::Skip => {
            SKIPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    emit(&Event::Check(Check {
        t: clock::now_ns(),
        name: name.into(),
        result,
        detail: detail.map(Into::into),
    }));
}

/// Notes that the run cannot end well, for a reason that has a line of its own: a leak, a wrong verdict, a
/// fault that nobody caused, or protection that is not complete.
pub fn note_failure() {
    BROKEN.store(true, Ordering::Release);
}

/// Counts drained fault records.
pub fn count_faults(records: u64) {
    FAULTS.fetch_add(records, Ordering::Relaxed);
}

/// Counts a fault interrupt, and whether it found anything.
pub fn count_fault_interrupt(found: Found) {
    FAULT_INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    if found == Found::Nothing {
        SPURIOUS.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a fault interrupt found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A record or a queue error.
    Something,
    /// Neither.
    Nothing,
}

/// Fault interrupts and spurious ones so far.
pub fn fault_interrupts() -> (u64, u64) {
    (FAULT_INTERRUPTS.load(Ordering::Relaxed), SPURIOUS.load(Ordering::Relaxed))
}

/// Fault records drained so far.
pub fn faults() -> u64 {
    FAULTS.load(Ordering::Relaxed)
}

/// How the run came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ran to its end.
    Regular,
    /// It stopped.
    Stopped,
}

/// Writes the last line; later ones are dropped.
pub fn end(ending: Ending) {
    if REPORT.lost() > 0 {
        note_failure();
    }
    let failed = FAILED.load(Ordering::Relaxed);
    let status = match ending {
        Ending::Stopped => EndStatus::Bugcheck,
        Ending::Regular if failed > 0 || BROKEN.load(Ordering::Acquire) => EndStatus::Failed,
        Ending::Regular => EndStatus::Ok,
    };
    emit(&Event::End(End {
        t: clock::now_ns(),
        status,
        checks: CHECKS.load(Ordering::Relaxed),
        failed,
        skipped: SKIPPED.load(Ordering::Relaxed),
        faults: FAULTS.load(Ordering::Relaxed),
        fault_interrupts: FAULT_INTERRUPTS.load(Ordering::Relaxed),
        spurious: SPURIOUS.load(Ordering::Relaxed),
    }));
    ENDED.store(true, Ordering::Release);
}
