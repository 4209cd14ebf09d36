//! The hardware behind a channel: a 16550, or a hypervisor's debug console.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the registers of the serial ports")]

use outbox::Patience;
use uart_16550::backend::Backend;
use uart_16550::spec::registers::{LSR, offsets};
use uart_16550::{BaudRate, Config, Uart16550};
use x86_64::instructions::port::Port as IoPort;

use crate::platform::clock;

/// Where the first two serial ports of a PC are.
pub(super) const COM1: u16 = 0x3f8;
const COM2: u16 = 0x2f8;
/// Where a hypervisor's debug console takes bytes; a read gives the same number.
const DEBUG_CONSOLE: u16 = 0xe9;
/// Bytes that the debug console is given in one go.
const DEBUG_PIECE: usize = 256;
/// Status reads in a row until a port that is being set up is taken for absent: some seconds.
const SET_UP_LOOKS: u32 = 1 << 22;

const CONFIG: Config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };

/// A port that was found.
#[derive(Debug)]
pub struct Port(Kind);

#[derive(Debug)]
enum Kind {
    Serial(Uart16550<Registers>),
    DebugConsole,
}

impl Port {
    /// The first serial port, if a loopback test finds it.
    pub(super) fn com1() -> Option<Self> {
        Self::serial(COM1)
    }

    /// The second serial port, if a loopback test finds it.
    pub fn com2() -> Option<Self> {
        Self::serial(COM2)
    }

    /// The debug console of a hypervisor, if there is one.
    pub fn debugcon() -> Option<Self> {
        let mut port = IoPort::<u8>::new(DEBUG_CONSOLE);
        // SAFETY: nothing else is at this port on a PC; a read has no effect.
        let answer = unsafe { port.read() };
        (u16::from(answer) == DEBUG_CONSOLE).then_some(Self(Kind::DebugConsole))
    }

    /// Sets a serial port up, if a loopback test finds it.
    fn serial(base: u16) -> Option<Self> {
        let mut uart = handle(base);
        uart.init(CONFIG).ok()?;
        uart.test_loopback().ok()?;
        let looks = &mut uart.backend_mut().looks_left;
        let answered = *looks > 0;
        *looks = u32::MAX;
        answered.then_some(Self(Kind::Serial(uart)))
    }

    /// A second handle to a port that has been set up: for a stop, when the owner of the first never runs again.
    pub(super) fn again(base: u16) -> Self {
        Self(Kind::Serial(handle(base)))
    }

    /// Gives the port what it takes at once, and tells how many bytes that was. Never waits.
    pub(super) fn offer(&mut self, bytes: &[u8]) -> usize {
        match &mut self.0 {
            Kind::Serial(uart) => uart.send_bytes(bytes),
            Kind::DebugConsole => {
                let mut port = IoPort::<u8>::new(DEBUG_CONSOLE);
                let piece = bytes.iter().take(DEBUG_PIECE);
                // SAFETY: the debug console was found there; it takes any byte at once.
                piece.map(|byte| unsafe { port.write(*byte) }).count()
            }
        }
    }

    /// Gives the port all bytes, or those that it takes until patience ends.
    pub(super) fn send_all(&mut self, bytes: &[u8]) {
        let (mut rest, mut patience) = (bytes, Patience::new());
        while !rest.is_empty() && !patience.is_exhausted() {
            match self.offer(rest) {
                0 => patience.note_standstill(clock::now_ns()),
                taken => {
                    patience.note_progress();
                    rest = rest.get(taken..).unwrap_or_default();
                }
            }
        }
    }

    /// A byte that came in, if there is one. Never waits.
    pub(super) fn receive(&mut self) -> Option<u8> {
        let Kind::Serial(uart) = &mut self.0 else { return None };
        // All ones are no status: there is no port any more.
        let is_there = uart.lsr() != LSR::from_bits_retain(u8::MAX);
        if is_there { uart.try_receive_byte().ok() } else { None }
    }
}

/// A handle to a port that has been set up, or will be.
fn handle(base: u16) -> Uart16550<Registers> {
    let registers = Registers { base, looks_left: SET_UP_LOOKS };
    // SAFETY: the eight registers of a standard serial port, which nothing but this module uses.
    unsafe { Uart16550::new_with_backend(registers) }
}

/// The registers of a port. The driver waits without end while it sets one up; so after too many looks the port is said
/// to be ready.
#[derive(Debug)]
struct Registers {
    base: u16,
    /// Status reads that are still the port's own.
    looks_left: u32,
}

impl Registers {
    /// What a port that waits for nothing says: ready to send, and something received.
    const READY: LSR = LSR::DATA_READY.union(LSR::THR_EMPTY).union(LSR::TRANSMITTER_EMPTY);

    fn register(&self, offset: u8) -> IoPort<u8> {
        IoPort::new(self.base + u16::from(offset))
    }
}

impl Backend for Registers {
    unsafe fn read(&mut self, offset: u8) -> u8 {
        if usize::from(offset) == offsets::LSR && self.looks_left != u32::MAX {
            let Some(left) = self.looks_left.checked_sub(1) else { return Self::READY.bits() };
            self.looks_left = left;
        }
        // SAFETY: a register of the port.
        unsafe { self.register(offset).read() }
    }

    unsafe fn write(&mut self, offset: u8, value: u8) {
        // SAFETY: a register of the port.
        unsafe { self.register(offset).write(value) };
    }
}
