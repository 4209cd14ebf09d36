//! The PS/2 keyboard, by polling its controller.
//!
//! The controller (i8042) is part of every QEMU PC and of most real ones, where firmware lets USB keyboards
//! appear as one; where it is absent the kernel goes on without. Its mouse port is left alone.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the I/O ports of the keyboard controller")]

use options::Key;
use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{DecodedKey, HandleControl, KeyCode, PS2Keyboard, ScancodeSet1};
use x86_64::instructions::port::Port;

const DATA_PORT: u16 = 0x60;
/// Status when read, command when written.
const STATUS_PORT: u16 = 0x64;

/// Status: a byte can be read.
const OUTPUT_FULL: u8 = 1 << 0;
/// Status: the controller has not taken the last byte written.
const INPUT_FULL: u8 = 1 << 1;
/// Status: the byte comes from the mouse.
const FROM_MOUSE: u8 = 1 << 5;
/// What a port reads where nothing answers.
const NOTHING: u8 = 0xff;

/// Command: read the configuration byte.
const READ_CONFIGURATION: u8 = 0x20;
/// Command: write the configuration byte.
const WRITE_CONFIGURATION: u8 = 0x60;
/// Command: let the keyboard speak.
const ENABLE_KEYBOARD: u8 = 0xae;

/// Configuration: interrupts of keyboard and mouse.
const INTERRUPTS: u8 = 1 << 0 | 1 << 1;
/// Configuration: the keyboard is off.
const KEYBOARD_OFF: u8 = 1 << 4;
/// Configuration: scan codes arrive as set 1.
const TRANSLATION: u8 = 1 << 6;

/// To the keyboard: report keys.
const ENABLE_SCANNING: u8 = 0xf4;

/// How often a status is read before the controller is given up; each read takes about a microsecond.
const PATIENCE: usize = 20_000;
/// The most bytes taken in one go; more than controller and keyboard hold together.
const MAX_PENDING: usize = 32;

/// A keyboard with the US layout. Holding one proves that a controller answered.
pub struct Keyboard {
    ports: Ports,
    decoder: PS2Keyboard<Us104Key, ScancodeSet1>,
}

impl Keyboard {
    /// Looks for the controller and sets it up for polling; `None` if there is none.
    ///
    /// Takes up to some tens of milliseconds where the controller is damaged.
    pub fn detect() -> Option<Self> {
        let mut ports = Ports { data: Port::new(DATA_PORT), status: Port::new(STATUS_PORT) };
        if ports.status() == NOTHING {
            return None;
        }
        ports.drain();
        ports.command(READ_CONFIGURATION)?;
        let configuration = ports.wait_for_byte()?;
        ports.command(WRITE_CONFIGURATION)?;
        ports.send(configuration & !(INTERRUPTS | KEYBOARD_OFF) | TRANSLATION)?;
        ports.command(ENABLE_KEYBOARD)?;
        // A keyboard that is not plugged in does not answer; one plugged in later may still be heard.
        if ports.send(ENABLE_SCANNING).is_some() {
            let _acknowledged = ports.wait_for_byte();
        }
        let decoder = PS2Keyboard::new(ScancodeSet1::new(), Us104Key, HandleControl::MapLettersToUnicode);
        Some(Self { ports, decoder })
    }

    /// Takes the next key that was pressed, if any.
    pub fn poll(&mut self) -> Option<Key> {
        for _ in 0..MAX_PENDING {
            let byte = match self.ports.pending()? {
                Pending::Mouse => continue,
                Pending::Keyboard(byte) => byte,
            };
            if let Some(key) = self.decode(byte) {
                return Some(key);
            }
        }
        None
    }

    fn decode(&mut self, byte: u8) -> Option<Key> {
        // A byte that makes no sense is dropped; the decoder starts anew by itself.
        let event = self.decoder.add_byte(byte).ok()??;
        match self.decoder.process_keyevent(event)? {
            // The decoder has another character for the key that erases backwards.
            DecodedKey::Unicode('\u{7f}') => Some(Key::Delete),
            DecodedKey::Unicode(character) => Key::from_char(character),
            DecodedKey::RawKey(code) => named(code),
        }
    }
}

/// A key without a character.
const fn named(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::ArrowUp => Key::Up,
        KeyCode::ArrowDown => Key::Down,
        KeyCode::ArrowLeft => Key::Left,
        KeyCode::ArrowRight => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    })
}

/// A byte that was waiting.
enum Pending {
    Keyboard(u8),
    Mouse,
}

/// The controller's ports.
struct Ports {
    data: Port<u8>,
    status: Port<u8>,
}

impl Ports {
    fn status(&mut self) -> u8 {
        // SAFETY: reading the status has no effect; without a controller nothing answers.
        unsafe { self.status.read() }
    }

    /// Takes the byte that waits, if one does.
    fn pending(&mut self) -> Option<Pending> {
        let status = self.status();
        if status == NOTHING || status & OUTPUT_FULL == 0 {
            return None;
        }
        // SAFETY: takes the waiting byte out of the controller and has no other effect.
        let byte = unsafe { self.data.read() };
        Some(if status & FROM_MOUSE == 0 { Pending::Keyboard(byte) } else { Pending::Mouse })
    }

    fn drain(&mut self) {
        for _ in 0..MAX_PENDING {
            if self.pending().is_none() {
                return;
            }
        }
    }

    fn wait_for_byte(&mut self) -> Option<u8> {
        for _ in 0..PATIENCE {
            if let Some(Pending::Keyboard(byte)) = self.pending() {
                return Some(byte);
            }
        }
        None
    }

    /// Waits until the controller takes a byte; `None` if it never does.
    fn wait_for_room(&mut self) -> Option<()> {
        (0..PATIENCE).find(|_| self.status() & INPUT_FULL == 0).map(|_| ())
    }

    /// Gives the controller a command.
    fn command(&mut self, command: u8) -> Option<()> {
        self.wait_for_room()?;
        // SAFETY: the commands used here configure the keyboard's port and touch nothing else.
        unsafe { self.status.write(command) };
        Some(())
    }

    /// Sends a byte to the keyboard, or to the controller after a command that takes one.
    fn send(&mut self, byte: u8) -> Option<()> {
        self.wait_for_room()?;
        // SAFETY: goes to the controller or the keyboard, which has no access to memory.
        unsafe { self.data.write(byte) };
        Some(())
    }
}
