//! The machine's bus from outside: registers read and written past the guest, by QEMU's test port.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::Error;

/// How long QEMU may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection to the test port of a running QEMU.
#[derive(Debug)]
pub struct TestPort(BufReader<UnixStream>);

impl TestPort {
    /// QEMU's arguments that open the port; QEMU makes the socket.
    pub fn arguments(socket: &Path) -> [String; 4] {
        let port = format!("unix:{},server=on,wait=off", socket.display());
        ["-qtest".to_owned(), port, "-qtest-log".to_owned(), "/dev/null".to_owned()]
    }

    /// Connects to a QEMU that runs.
    ///
    /// # Errors
    /// If it was started without the port, or is gone.
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(socket).map_err(Error::file(socket))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(Error::file(socket))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Writes four bytes of memory or of a device's registers.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn write32(&mut self, address: u64, value: u32) -> Result<(), Error> {
        self.ask(&format!("writel {address:#x} {value:#x}")).map(|_| ())
    }

    /// Writes two bytes.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn write16(&mut self, address: u64, value: u16) -> Result<(), Error> {
        self.ask(&format!("writew {address:#x} {value:#x}")).map(|_| ())
    }

    /// Writes eight bytes.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn write64(&mut self, address: u64, value: u64) -> Result<(), Error> {
        self.ask(&format!("writeq {address:#x} {value:#x}")).map(|_| ())
    }

    /// Reads four bytes of memory or of a device's registers.
    ///
    /// # Errors
    /// If QEMU is gone, or does not answer with a number.
    pub fn read32(&mut self, address: u64) -> Result<u32, Error> {
        let answer = self.ask(&format!("readl {address:#x}"))?;
        let digits = answer.trim_start_matches("0x");
        u32::from_str_radix(digits, 16).map_err(|_| Error::Control(format!("readl: {answer}")))
    }

    /// Writes four bytes of configuration space through the ports, which work before firmware ran too. No guest may
    /// use them meanwhile.
    ///
    /// # Errors
    /// If QEMU is gone.
    pub fn write_config_by_ports(&mut self, function: u16, offset: u8, value: u32) -> Result<(), Error> {
        let address = 1 << 31 | u32::from(function) << 8 | u32::from(offset);
        self.write_port32(0xcf8, address)?;
        self.write_port32(0xcfc, value)
    }

    /// Writes four bytes to a port of the chipset.
    ///
    /// # Errors
    /// If QEMU does not answer, or refuses.
    pub fn write_port32(&mut self, port: u16, value: u32) -> Result<(), Error> {
        self.ask(&format!("outl {port:#x} {value:#x}")).map(|_| ())
    }

    /// Gives one command, and returns what QEMU says besides that it is done.
    fn ask(&mut self, command: &str) -> Result<String, Error> {
        let mut answer = String::new();
        writeln!(self.0.get_mut(), "{command}")
            .and_then(|()| self.0.read_line(&mut answer))
            .map_err(Error::system("QEMU's test port"))?;
        match answer.strip_prefix("OK") {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(Error::Control(format!("{command}: {}", answer.trim()))),
        }
    }
}

/// Where a function's configuration space lies in memory, once QEMU's BIOS has run.
pub const fn config_space(bus: u8, device: u8, function: u8) -> u64 {
    /// Where QEMU's BIOS puts the memory-mapped configuration space of segment 0.
    const CONFIG_SPACE: u64 = 0xb000_0000;
    CONFIG_SPACE | (bus as u64) << 20 | (device as u64) << 15 | (function as u64) << 12
}
