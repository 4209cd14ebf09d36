//! The machine's bus from outside: registers read and written past the kernel, by QEMU's test port.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use tempfile::TempDir;

/// Where QEMU's BIOS puts the memory-mapped configuration space of segment 0.
const CONFIG_SPACE: u64 = 0xb000_0000;

/// The port; QEMU opens it, and it is used once the machine is there.
#[derive(Debug)]
pub struct Outside {
    folder: TempDir,
    port: Option<BufReader<UnixStream>>,
}

impl Outside {
    /// Makes room for the port.
    ///
    /// # Panics
    /// If there is no room for a folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")), port: None }
    }

    /// What opens the port.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let port = format!("unix:{},server=on,wait=off", self.path().display());
        ["-qtest".to_owned(), port, "-qtest-log".to_owned(), "/dev/null".to_owned()]
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    /// Writes four bytes of memory or of a device's registers.
    #[track_caller]
    pub fn write32(&mut self, address: u64, value: u32) {
        self.ask(&format!("writel {address:#x} {value:#x}"));
    }

    /// Writes eight bytes.
    #[track_caller]
    pub fn write64(&mut self, address: u64, value: u64) {
        self.ask(&format!("writeq {address:#x} {value:#x}"));
    }

    /// Reads four bytes of memory or of a device's registers.
    ///
    /// # Panics
    /// If QEMU does not answer with a number.
    #[track_caller]
    pub fn read32(&mut self, address: u64) -> u32 {
        let answer = self.ask(&format!("readl {address:#x}"));
        let digits = answer.trim().trim_start_matches("0x");
        u32::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// Writes four bytes of configuration space through the ports, which work before firmware ran too. No guest may
    /// use them meanwhile.
    #[track_caller]
    pub fn write_config_by_ports(&mut self, function: u16, offset: u8, value: u32) {
        let address = 1 << 31 | u32::from(function) << 8 | u32::from(offset);
        self.ask(&format!("outl 0xcf8 {address:#x}"));
        self.ask(&format!("outl 0xcfc {value:#x}"));
    }

    /// Gives one command, and what QEMU says besides that it is done.
    #[track_caller]
    fn ask(&mut self, command: &str) -> String {
        let path = self.path();
        let port = self.port.get_or_insert_with(|| match UnixStream::connect(path) {
            Ok(stream) => BufReader::new(stream),
            Err(error) => panic!("QEMU's test port: {error}"),
        });
        let mut answer = String::new();
        let exchanged = writeln!(port.get_mut(), "{command}").and_then(|()| port.read_line(&mut answer));
        match (exchanged, answer.strip_prefix("OK")) {
            (Ok(_), Some(rest)) => rest.trim().to_owned(),
            _ => panic!("{command}: {answer}"),
        }
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a function's configuration space lies in memory, once QEMU's BIOS has run.
pub const fn config_space(bus: u8, device: u8, function: u8) -> u64 {
    CONFIG_SPACE | (bus as u64) << 20 | (device as u64) << 15 | (function as u64) << 12
}

/// Registers of `edu` (QEMU "EDU device").
mod edu {
    pub const SOURCE: u64 = 0x80;
    pub const DESTINATION: u64 = 0x88;
    pub const COUNT: u64 = 0x90;
    pub const COMMAND: u64 = 0x98;
    /// The device's own buffer.
    pub const BUFFER: u64 = 0x4_0000;
    /// Start, from the buffer to memory.
    pub const WRITE: u64 = 0b11;
}

impl Outside {
    /// Has an `edu` whose registers lie there write 64 bytes to an address. The transfer runs a little later.
    pub fn let_edu_write(&mut self, registers: u64, address: u64) {
        for (register, value) in [
            (edu::SOURCE, edu::BUFFER),
            (edu::DESTINATION, address),
            (edu::COUNT, 64),
            (edu::COMMAND, edu::WRITE),
        ] {
            self.write64(registers + register, value);
        }
    }
}
