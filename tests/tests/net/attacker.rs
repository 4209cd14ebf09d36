//! Devices that are told to overreach from outside, while the kernel does something else.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use tempfile::TempDir;
use tests::Running;

/// Where QEMU's BIOS puts the memory-mapped configuration space of segment 0.
const CONFIG_SPACE: u64 = 0xb000_0000;
/// The first base address register.
const BAR0: u64 = 0x10;

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

/// Writes device registers past the kernel, by QEMU's test port.
pub struct Attacker {
    folder: TempDir,
    port: Option<BufReader<UnixStream>>,
}

impl Attacker {
    /// Makes room for the port, which QEMU opens.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: None }
    }

    /// What opens the port.
    pub fn arguments(&self) -> [String; 4] {
        let port = format!("unix:{},server=on,wait=off", self.path().display());
        ["-qtest".to_owned(), port, "-qtest-log".to_owned(), "/dev/null".to_owned()]
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    /// Has the `edu` at a place on bus 0 write 64 bytes to an address. The transfer runs a little later.
    pub fn strike(&mut self, running: &mut Running, device: u64, address: u64) {
        let header = running.memory(CONFIG_SPACE | device << 15, 64);
        let bar = u32::from_le_bytes(header[BAR0 as usize..][..4].try_into().expect("four bytes"));
        let registers = u64::from(bar & !0xf);
        for (register, value) in [
            (edu::SOURCE, edu::BUFFER),
            (edu::DESTINATION, address),
            (edu::COUNT, 64),
            (edu::COMMAND, edu::WRITE),
        ] {
            self.write(registers + register, value);
        }
    }

    fn write(&mut self, address: u64, value: u64) {
        let path = self.path();
        let port = self
            .port
            .get_or_insert_with(|| BufReader::new(UnixStream::connect(path).expect("QEMU's test port")));
        writeln!(port.get_mut(), "writeq {address:#x} {value:#x}").expect("QEMU listens");
        let mut answer = String::new();
        port.read_line(&mut answer).expect("QEMU answers");
        assert_eq!(answer.trim(), "OK");
    }
}
