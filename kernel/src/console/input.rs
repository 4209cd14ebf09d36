//! Keys, from the serial line and from the keyboard.

use core::iter;

use options::{Key, KeyDecoder};

use crate::platform::keyboard::Keyboard;
use crate::platform::serial;

/// Bytes of the serial line that one look takes at most: more than a key has.
const MOST_BYTES: usize = 16;

/// Where keys come from.
pub struct Input {
    serial: KeyDecoder,
    keyboard: Option<Keyboard>,
}

impl Input {
    /// Listens to the serial line, and to a keyboard if there is one.
    pub fn detect() -> Self {
        let keyboard = Keyboard::detect();
        if keyboard.is_none() {
            log::info!("no PS/2 keyboard; the console listens to the serial line alone");
        }
        Self { serial: KeyDecoder::default(), keyboard }
    }

    /// Takes the next key, if one was pressed. Never waits.
    pub fn poll(&mut self) -> Option<Key> {
        // A line that never stops sending leaves the keyboard its turn.
        for byte in iter::from_fn(serial::read_byte).take(MOST_BYTES) {
            if let Some(key) = self.serial.take(byte) {
                return Some(key);
            }
        }
        self.keyboard.as_mut()?.poll()
    }
}
