//! The two 8259 interrupt controllers, which are moved out of the way and silenced.
#![expect(unsafe_code, reason = "UNSAFETY: writes the controllers' ports")]

use x86_64::instructions::port::Port;

/// Where the sixteen lines would arrive: above the exceptions, below the devices' vectors.
const FIRST_VECTOR: u8 = 0x20;

/// Command and data port of one controller, and the vector of its first line.
const CONTROLLERS: [(u16, u16, u8, u8); 2] =
    [(0x20, 0x21, FIRST_VECTOR, 1 << 2), (0xa0, 0xa1, FIRST_VECTOR + 8, 2)];

/// Masks every line.
///
/// They are given vectors of their own first: a controller can raise a spurious interrupt though masked, and
/// as firmware leaves them, that would look like an exception (8259A data sheet, "Initialization Command Words").
pub fn mask_all() {
    for (command, data, vector, cascade) in CONTROLLERS {
        // Start in cascade mode with a fourth word; vector; wiring; 8086 mode; mask.
        for (port, value) in [(command, 0x11), (data, vector), (data, cascade), (data, 0x01), (data, 0xff)] {
            let mut port = Port::<u8>::new(port);
            // SAFETY: the standard ports of the controllers, which nothing else uses; where there are none
            // the writes have no effect.
            unsafe { port.write(value) };
        }
    }
}
