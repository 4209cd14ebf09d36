//! The kernel's report: writes its lines, and counts what `end` must tell.
//!
//! Lines go out whole and in order, and nothing here allocates. An exception may come in the middle of a
//! line; what the stopped kernel then has to say goes through a second writer, on a line of its own.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use report::{Check, End, EndStatus, Event, MAX_LINE, Outcome};

use crate::arch::interrupts::IrqLock;
use crate::platform::clock;
use crate::platform::serial::ReportPort;

/// Where lines go and the buffer they are made in; apart, so that the buffer is all zeros and takes no room in
/// the kernel's file.
struct Writer {
    port: IrqLock<Option<ReportPort>>,
    line: &'static IrqLock<[u8; MAX_LINE]>,
}

static LINE: IrqLock<[u8; MAX_LINE]> = IrqLock::new([0; MAX_LINE]);
static SPARE_LINE: IrqLock<[u8; MAX_LINE]> = IrqLock::new([0; MAX_LINE]);

static WRITER: Writer = Writer { port: IrqLock::new(None), line: &LINE };

/// For a kernel that stopped in the middle of a line.
static SPARE: Writer = Writer { port: IrqLock::new(None), line: &SPARE_LINE };

static CHECKS: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static SKIPPED: AtomicU64 = AtomicU64::new(0);
static FAULTS: AtomicU64 = AtomicU64::new(0);
static FAULT_INTERRUPTS: AtomicU64 = AtomicU64::new(0);
static SPURIOUS: AtomicU64 = AtomicU64::new(0);
static BROKEN: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);

/// Chooses where the report goes; without a port it is dropped, and the kernel goes on.
pub fn set_port(open: impl Fn() -> Option<ReportPort>) {
    *SPARE.port.lock() = open();
    *WRITER.port.lock() = open();
}

/// Writes one line.
pub fn emit(event: &Event<'_>) {
    if ENDED.load(Ordering::Relaxed) {
        return;
    }
    if WRITER.write(b"", event).is_err() {
        // With both in use there is nothing left to write with.
        let _ = SPARE.write(b"\n", event);
    }
}

/// The writer is in the middle of a line.
struct InUse;

impl Writer {
    /// Writes a line, and something before it.
    fn write(&self, before: &[u8], event: &Event<'_>) -> Result<(), InUse> {
        let mut port = self.port.try_lock().ok_or(InUse)?;
        let mut line = self.line.try_lock().ok_or(InUse)?;
        let Some(port) = &mut *port else { return Ok(()) };
        port.write_bytes(before);
        match report::write_line(event, &mut *line) {
            Ok(bytes) => port.write_bytes(bytes),
            Err(error) => log::error!("{error}"),
        }
        Ok(())
    }
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
    BROKEN.store(true, Ordering::Relaxed);
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
    let failed = FAILED.load(Ordering::Relaxed);
    let status = match ending {
        Ending::Stopped => EndStatus::Bugcheck,
        Ending::Regular if failed > 0 || BROKEN.load(Ordering::Relaxed) => EndStatus::Failed,
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
    ENDED.store(true, Ordering::Relaxed);
}
