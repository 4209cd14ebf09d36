//! Serial ports: COM1 for people and the log, COM2 (or the debug console) for the report.
//!
//! A port that does not answer, or stops taking bytes, is given up: the kernel does not wait for it twice.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the registers of the serial ports")]

use core::fmt::{self, Write};

use log::{LevelFilter, Metadata, Record};
use spin::Once;
use uart_16550::backend::Backend;
use uart_16550::spec::registers::{LSR, offsets};
use uart_16550::{BaudRate, Config, Uart16550};
use x86_64::instructions::port::Port;

use super::clock;
use crate::arch::interrupts::IrqLock;

const COM1: u16 = 0x3f8;
const COM2: u16 = 0x2f8;
/// Where a hypervisor's debug console takes bytes; a read gives the same number.
const DEBUG_CONSOLE: u16 = 0xe9;
/// Status reads in a row until a port is given up: some seconds.
const PATIENCE: u32 = 1 << 22;

const CONFIG: Config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };

static CONSOLE: IrqLock<Option<Uart>> = IrqLock::new(None);
static LOG_MIRROR: Once<fn(fmt::Arguments<'_>)> = Once::new();

/// Opens COM1, if it is there, and starts the log.
pub(crate) fn start() {
    *CONSOLE.lock() = Uart::open(COM1);
    // It is the first and only logger, so it is accepted.
    if log::set_logger(&SerialLog).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Writes text for people.
pub fn write(text: fmt::Arguments<'_>) {
    if let Some(port) = CONSOLE.lock().as_mut() {
        port.print(text);
    }
}

/// Writes text for people though the port may be in use by code that was interrupted for good.
pub fn write_now(text: fmt::Arguments<'_>) {
    match CONSOLE.try_lock() {
        Some(mut port) => port.iter_mut().for_each(|port| port.print(text)),
        // The owner never runs again; the port has been set up, so a second handle to it will do.
        None => Uart::handle(COM1).print(text),
    }
}

/// A byte that was typed, if there is one; never waits.
pub fn read_byte() -> Option<u8> {
    CONSOLE.lock().as_mut()?.uart.try_receive_byte().ok()
}

/// Has every line of the log given to `mirror` too, after it was written; only the first call counts.
pub fn set_log_mirror(mirror: fn(fmt::Arguments<'_>)) {
    LOG_MIRROR.call_once(|| mirror);
}

/// Where the report goes.
#[derive(Debug)]
pub struct ReportPort(Channel);

#[derive(Debug)]
enum Channel {
    Com2(Uart),
    DebugConsole,
}

impl ReportPort {
    /// The second serial port, if a loopback test finds it.
    pub fn com2() -> Option<Self> {
        Uart::open(COM2).map(|uart| Self(Channel::Com2(uart)))
    }

    /// The debug console of a hypervisor, if there is one.
    pub fn debugcon() -> Option<Self> {
        let mut port = Port::<u8>::new(DEBUG_CONSOLE);
        // SAFETY: nothing else is at this port on a PC; a read has no effect.
        let answer = unsafe { port.read() };
        (u16::from(answer) == DEBUG_CONSOLE).then_some(Self(Channel::DebugConsole))
    }

    /// Writes bytes as they are; drops them once the port was given up.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Channel::Com2(uart) => uart.send(bytes),
            Channel::DebugConsole => {
                let mut port = Port::<u8>::new(DEBUG_CONSOLE);
                for byte in bytes {
                    // SAFETY: the debug console was found there; it takes any byte at once.
                    unsafe { port.write(*byte) };
                }
            }
        }
    }
}

/// A serial port that is waited for only so long.
#[derive(Debug)]
struct Uart {
    uart: Uart16550<PatientPorts>,
}

impl Uart {
    /// Sets the port up, if a loopback test finds it.
    fn open(base: u16) -> Option<Self> {
        let mut port = Self::handle(base);
        // The test waits for its own bytes to come back, so that is what must not take for ever.
        port.uart.backend_mut().waiting_for = LSR::DATA_READY;
        port.uart.init(CONFIG).ok()?;
        port.uart.test_loopback().ok()?;
        port.uart.backend_mut().waiting_for = LSR::THR_EMPTY;
        let gave_up = port.uart.backend().gave_up();
        (!gave_up).then_some(port)
    }

    /// A handle to a port that has been set up, or will be.
    fn handle(base: u16) -> Self {
        let ports = PatientPorts { base, waiting_for: LSR::THR_EMPTY, status_reads: 0 };
        // SAFETY: the eight registers of a standard serial port, which nothing but this module uses.
        Self { uart: unsafe { Uart16550::new_with_backend(ports) } }
    }

    /// Sends bytes; drops them once the port was given up.
    fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.uart.backend().gave_up() {
            let sent = self.uart.send_bytes(rest);
            rest = rest.get(sent..).unwrap_or(&[]);
        }
    }

    fn print(&mut self, text: fmt::Arguments<'_>) {
        // The port takes everything; a value that fails to show itself has shown what it could.
        let _ = self.write_fmt(text);
    }
}

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    self.send(line.as_bytes());
                    self.send(b"\r\n");
                }
                None => self.send(line.as_bytes()),
            }
        }
        Ok(())
    }
}

/// The registers of a port; pretends that it is ready once it kept the driver waiting for too long, since
/// the driver's own waits have no end.
#[derive(Debug)]
struct PatientPorts {
    base: u16,
    /// What the status must show now and then.
    waiting_for: LSR,
    /// Status reads since it did, or since a byte was sent.
    status_reads: u32,
}

impl PatientPorts {
    /// What a port that waits for nothing says: ready to send, and something received.
    const READY: LSR = LSR::DATA_READY.union(LSR::THR_EMPTY).union(LSR::TRANSMITTER_EMPTY);

    const fn gave_up(&self) -> bool {
        self.status_reads >= PATIENCE
    }

    fn register(&self, offset: u8) -> Port<u8> {
        Port::new(self.base + u16::from(offset))
    }
}

impl Backend for PatientPorts {
    unsafe fn read(&mut self, offset: u8) -> u8 {
        if usize::from(offset) == offsets::LSR {
            if self.gave_up() {
                return Self::READY.bits();
            }
            // SAFETY: a register of the port.
            let status = unsafe { self.register(offset).read() };
            let shown = LSR::from_bits_retain(status).contains(self.waiting_for);
            self.status_reads = if shown { 0 } else { self.status_reads + 1 };
            return status;
        }
        // SAFETY: a register of the port.
        unsafe { self.register(offset).read() }
    }

    unsafe fn write(&mut self, offset: u8, value: u8) {
        if usize::from(offset) == offsets::DATA && !self.gave_up() {
            self.status_reads = 0;
        }
        // SAFETY: a register of the port.
        unsafe { self.register(offset).write(value) };
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
        let line = format_args!("[{seconds:4}.{us:06}] {level:<5} {module}: {text}\n");
        write(line);
        if let Some(mirror) = LOG_MIRROR.get() {
            mirror(line);
        }
    }

    fn flush(&self) {}
}
