//! Devices that are told to overreach from outside, while the kernel does something else.

use tests::{Outside, Running, config_space};

/// The first base address register.
const BAR0: u64 = 0x10;

/// Writes device registers past the kernel.
pub struct Attacker(Outside);

impl Attacker {
    /// Makes room for the port, which QEMU opens.
    pub fn new() -> Self {
        Self(Outside::new())
    }

    /// What goes past the kernel.
    pub fn outside(&self) -> &Outside {
        &self.0
    }

    /// Has the `edu` at a place on bus 0 write 64 bytes to an address. The transfer runs a little later.
    pub fn strike(&mut self, running: &mut Running, device: u8, address: u64) {
        let bar = running.memory(config_space(0, device, 0) + BAR0, 4);
        let bar = u32::from_le_bytes(bar.try_into().expect("four bytes"));
        self.0.let_edu_write(u64::from(bar & !0xf), address);
    }
}
