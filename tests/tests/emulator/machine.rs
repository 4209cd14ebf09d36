//! A machine without a guest: stock QEMU, its processor halted, driven by its test port.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use tempfile::TempDir;

/// Where the unit's registers lie.
pub const UNIT: u64 = 0xfed9_0000;

/// Bytes of a firmware, and where the processor begins in it (SDM "First Instruction Executed").
const FIRMWARE_BYTES: usize = 0x1_0000;
const RESET_VECTOR: usize = FIRMWARE_BYTES - 16;
/// The file of QEMU's messages.
const MESSAGES: &str = "messages";
/// `cli; hlt`, and again after a non-maskable interrupt.
const HALT: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

/// Arguments that describe the machine, but for firmware, unit and devices. While the processor is halted, time leaps
/// to the next thing that happens.
const MACHINE: &[&str] = &[
    "-machine",
    "q35,hpet=off",
    "-icount",
    "shift=0,sleep=off",
    "-m",
    "256",
    "-display",
    "none",
    "-nodefaults",
    "-qtest",
    "stdio",
    "-qtest-log",
    "none",
];

/// QEMU's test port; clones speak to the same machine.
#[derive(Clone)]
pub struct Port(Rc<RefCell<Pipes>>);

struct Pipes {
    /// The firmware, and what QEMU says besides.
    folder: TempDir,
    qemu: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Port {
    /// Starts a machine with a unit of these properties, and with devices.
    pub fn start(program: &Path, unit: &str, devices: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let firmware = folder.path().join("halt.bin");
        let mut code = vec![0; FIRMWARE_BYTES];
        code[RESET_VECTOR..][..HALT.len()].copy_from_slice(&HALT);
        std::fs::write(&firmware, code).unwrap();
        let mut qemu = Command::new(program);
        qemu.args(MACHINE).arg("-bios").arg(firmware).args(["-device", unit]);
        for device in devices {
            qemu.args(["-device", device]);
        }
        let messages = folder.path().join(MESSAGES);
        let to_messages = std::fs::File::create(&messages).unwrap();
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(to_messages);
        let mut qemu = qemu.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let to = qemu.stdin.take().unwrap();
        let from = BufReader::new(qemu.stdout.take().unwrap());
        Self(Rc::new(RefCell::new(Pipes { folder, qemu, to, from })))
    }

    /// Gives one command, and what QEMU says besides that it is done. Lines about interrupts are passed over.
    fn ask(&self, command: &str) -> String {
        let mut pipes = self.0.borrow_mut();
        writeln!(pipes.to, "{command}").unwrap_or_else(|error| panic!("{command}: {error}"));
        loop {
            let mut line = String::new();
            let read = pipes.from.read_line(&mut line);
            if !read.is_ok_and(|bytes| bytes > 0) {
                let messages = std::fs::read_to_string(pipes.folder.path().join(MESSAGES));
                panic!("QEMU ended at {command}: {}", messages.unwrap_or_default());
            }
            if let Some(answer) = line.strip_prefix("OK") {
                return answer.trim().to_owned();
            }
            assert!(line.starts_with("IRQ"), "{command}: {line}");
        }
    }

    fn number(&self, command: &str) -> u64 {
        let answer = self.ask(command);
        u64::from_str_radix(answer.trim_start_matches("0x"), 16)
            .unwrap_or_else(|_| panic!("{command}: {answer}"))
    }

    /// Reads four bytes.
    pub fn read32(&self, at: u64) -> u32 {
        u32::try_from(self.number(&format!("readl {at:#x}"))).unwrap()
    }

    /// Writes four bytes.
    pub fn write32(&self, at: u64, value: u32) {
        self.ask(&format!("writel {at:#x} {value:#x}"));
    }

    /// Reads eight bytes.
    pub fn read64(&self, at: u64) -> u64 {
        self.number(&format!("readq {at:#x}"))
    }

    /// Writes eight bytes.
    pub fn write64(&self, at: u64, value: u64) {
        self.ask(&format!("writeq {at:#x} {value:#x}"));
    }

    /// Fills memory with zeros.
    pub fn clear(&self, at: u64, bytes: u64) {
        self.ask(&format!("memset {at:#x} {bytes:#x} 0x0"));
    }

    /// Writes four bytes of a function's configuration space.
    pub fn write_config(&self, bus: u8, devfn: u8, offset: u8, value: u32) {
        let address = 1 << 31 | u32::from(bus) << 16 | u32::from(devfn) << 8 | u32::from(offset);
        self.ask(&format!("outl 0xcf8 {address:#x}"));
        self.ask(&format!("outl 0xcfc {value:#x}"));
    }

    /// Lets a bridge lead to its buses and pass a window of memory down.
    fn open_bridge(&self, (bus, devfn): (u8, u8), (first, last): (u8, u8), window: (u32, u32)) {
        self.write_config(bus, devfn, 0x18, u32::from(bus) | u32::from(first) << 8 | u32::from(last) << 16);
        self.write_config(bus, devfn, 0x20, window.0 >> 16 | window.1 & 0xfff0_0000);
        self.write_config(bus, devfn, 0x04, 0x0006);
    }

    /// Gives all bridges their numbers and windows.
    pub fn open_bridges(&self) {
        self.open_bridge((0, 5 << 3), (1, 1), (0xe020_0000, 0xe02f_ffff));
        self.open_bridge((0, 6 << 3), (2, 3), (0xe030_0000, 0xe04f_ffff));
        self.open_bridge((2, 0), (3, 3), (0xe030_0000, 0xe03f_ffff));
    }
}
