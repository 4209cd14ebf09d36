//! Serial ports: COM1 for people and the log, COM2 (or the debug console) for the report.
//!
//! Nobody with interrupts off waits for a port: see [`Channel`]. A port that takes nothing for two seconds is waited for
//! no more, but offered what waits now and then: a terminal that was stopped and goes on gets it, and what did not fit
//! meanwhile is counted there.

mod channel;
mod port;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

use log::{Level, LevelFilter, Metadata, Record};
use outbox::Outbox;
use spin::Once;

use super::clock;
use crate::sync::{IrqLock, rank};
use channel::Offer;
use port::COM1;

pub use channel::{Channel, InUse, Notice, ROOM};
pub(crate) use channel::{leave_sending, let_others_send};
pub use port::Port;

/// How long a processor with nothing else to do sleeps at most while something waits for a port: a port that was given
/// 16 bytes has sent them by the fourth look.
pub(super) const NAP: Duration = Duration::from_micros(350);

static CONSOLE_OUTBOX: IrqLock<Outbox<ROOM>, rank::Outbox> = IrqLock::new(Outbox::new());
static REPORT_OUTBOX: IrqLock<Outbox<ROOM>, rank::Outbox> = IrqLock::new(Outbox::new());

static CONSOLE: Channel = Channel::new(&CONSOLE_OUTBOX);

/// Where the report goes; the journal alone writes there.
pub static REPORT: Channel = Channel::new(&REPORT_OUTBOX);

/// For a kernel that stopped while it wrote: the report's port once more.
static SPARE: IrqLock<Option<Port>, rank::Port> = IrqLock::new(None);

/// Gaps that the terminal was told of.
static GAPS: AtomicU32 = AtomicU32::new(0);

static LOG_MIRROR: Once<fn(Level, fmt::Arguments<'_>)> = Once::new();

/// Whether the terminal understands colours.
static SENDS_COLOURS: AtomicBool = AtomicBool::new(false);

/// Opens COM1, if it is there, and starts the log.
pub(crate) fn start() {
    CONSOLE.attach(Port::com1());
    // It is the first and only logger, so it is accepted.
    if log::set_logger(&SerialLog).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Says where the report goes; without a port it is dropped, and the kernel goes on.
pub fn set_report_port(open: impl Fn() -> Option<Port>) {
    *SPARE.lock() = open();
    REPORT.attach(open());
}

/// Writes a line of the report past everything that waits, on a line of its own: for a kernel that stopped while it
/// wrote. With this in use too there is nothing left to write with.
pub fn write_spare(line: &[u8]) {
    if let Some(mut spare) = SPARE.try_lock()
        && let Some(port) = &mut *spare
    {
        port.send_all(b"\n");
        port.send_all(line);
    }
}

/// Writes text for people.
pub fn write(text: fmt::Arguments<'_>) {
    CONSOLE.make_room();
    // In use only where an exception came in between, whose own text goes out by `write_now`.
    let _ = CONSOLE.print(text, &say_how_many_are_missing);
}

/// Writes text for people before anything else happens: for a kernel that stops, though the port may be in use by code
/// that was interrupted for good.
pub fn write_now(text: fmt::Arguments<'_>) {
    CONSOLE.send_all();
    match CONSOLE.print(text, &say_how_many_are_missing) {
        Ok(()) => CONSOLE.send_all(),
        // The owner never runs again; the port has been set up, so a second handle to it will do.
        Err(InUse) => {
            let _ = fmt::write(&mut Direct(Port::again(COM1)), text);
        }
    }
}

/// Makes room for what will be written with interrupts off, if the caller may wait for the ports.
pub fn make_room() {
    CONSOLE.make_room();
    REPORT.make_room();
}

/// Sends all that waits, for the console and for the report: before the machine goes off.
pub fn send_all() {
    CONSOLE.send_all();
    REPORT.send_all();
}

/// Offers each port some of what waits for it; tells whether one has more to take soon. Never waits.
pub(super) fn send_some() -> bool {
    let [console, report] = [&CONSOLE, &REPORT].map(Channel::offer_some);
    if console == Offer::Done && CONSOLE.lost() > 0 {
        // A terminal that has come back is told even if nobody writes any more.
        let _ = CONSOLE.print(format_args!(""), &say_how_many_are_missing);
    }
    [console, report].iter().any(|offer| matches!(offer, Offer::Taken | Offer::Busy))
}

/// How often the terminal was told that lines are missing, since this was last asked.
pub fn take_gaps() -> u32 {
    GAPS.swap(0, Ordering::Relaxed)
}

/// A byte that was typed, if there is one; never waits.
pub fn read_byte() -> Option<u8> {
    CONSOLE.receive()
}

/// The terminal has sent a control sequence, so it understands some.
pub fn let_colours_be_sent() {
    SENDS_COLOURS.store(true, Ordering::Relaxed);
}

/// Has every line of the log given to `mirror` too, after it was written; only the first call counts.
pub fn set_log_mirror(mirror: fn(Level, fmt::Arguments<'_>)) {
    LOG_MIRROR.call_once(|| mirror);
}

fn say_how_many_are_missing(lost: u64, outbox: &mut Outbox<ROOM>) -> bool {
    GAPS.fetch_add(1, Ordering::Relaxed);
    outbox
        .print(format_args!("\n[{lost} lines are missing here: the terminal was too slow for them]\n"))
        .is_ok()
}

/// Text past everything that waits.
struct Direct(Port);

impl fmt::Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\r\n"));
            self.0.send_all(line.as_bytes());
            self.0.send_all(end.as_bytes());
        }
        Ok(())
    }
}

/// The order that colours what is out of the ordinary; ECMA-48 "Select graphic rendition".
const fn colour(level: Level) -> Option<&'static str> {
    match level {
        Level::Error => Some("\x1b[31m"),
        Level::Warn => Some("\x1b[33m"),
        _ => None,
    }
}

/// The log, on COM1.
struct SerialLog;

impl log::Log for SerialLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let us = clock::now_ns() / 1000;
        let module = record.target().strip_prefix("kernel::").unwrap_or(record.target());
        let (seconds, us) = (us / 1_000_000, us % 1_000_000);
        let (level, text) = (record.level(), record.args());
        let line = format_args!("[{seconds:4}.{us:06}] {level:<5} {module}: {text}");
        match colour(level).filter(|_| SENDS_COLOURS.load(Ordering::Relaxed)) {
            Some(colour) => write(format_args!("{colour}{line}\x1b[0m\n")),
            None => write(format_args!("{line}\n")),
        }
        if let Some(mirror) = LOG_MIRROR.get() {
            mirror(level, format_args!("{line}\n"));
        }
    }

    fn flush(&self) {}
}
