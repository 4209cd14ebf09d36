//! The machine's bus from outside: registers read and written past the kernel, by QEMU's test port.

use std::path::PathBuf;

use boot::qemu::TestPort;
use tempfile::TempDir;

use crate::edu;

pub use boot::qemu::config_space;

/// The port; QEMU opens it, and it is used once the machine is there.
#[derive(Debug)]
pub struct Outside {
    folder: TempDir,
    port: Option<TestPort>,
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
        TestPort::arguments(&self.path())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("port")
    }

    /// Writes four bytes of memory or of a device's registers.
    #[track_caller]
    pub fn write32(&mut self, address: u64, value: u32) {
        told(self.port().write32(address, value));
    }

    /// Writes eight bytes.
    #[track_caller]
    pub fn write64(&mut self, address: u64, value: u64) {
        told(self.port().write64(address, value));
    }

    /// Reads four bytes of memory or of a device's registers.
    ///
    /// # Panics
    /// If QEMU does not answer with a number.
    #[track_caller]
    pub fn read32(&mut self, address: u64) -> u32 {
        told(self.port().read32(address))
    }

    /// Writes four bytes of configuration space through the ports, which work before firmware ran too. No guest may
    /// use them meanwhile.
    #[track_caller]
    pub fn write_config_by_ports(&mut self, function: u16, offset: u8, value: u32) {
        told(self.port().write_config_by_ports(function, offset, value));
    }

    /// Writes four bytes to a port of the chipset.
    #[track_caller]
    pub fn write_port32(&mut self, port: u16, value: u32) {
        told(self.port().write_port32(port, value));
    }

    #[track_caller]
    fn port(&mut self) -> &mut TestPort {
        let path = self.path();
        self.port.get_or_insert_with(|| told(TestPort::connect(&path)))
    }
}

/// What an exchange with QEMU gave.
#[track_caller]
fn told<T>(exchanged: Result<T, boot::Error>) -> T {
    exchanged.unwrap_or_else(|error| panic!("{error}"))
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Outside {
    /// Has an `edu` whose registers lie there write 64 bytes to an address. The transfer runs a little later.
    pub fn let_edu_write(&mut self, registers: u64, address: u64) {
        for (register, value) in [
            (edu::SOURCE, edu::BUFFER),
            (edu::DESTINATION, address),
            (edu::COUNT, 64),
            (edu::COMMAND, edu::START | edu::TO_MEMORY),
        ] {
            self.write64(registers + register, value);
        }
    }
}
