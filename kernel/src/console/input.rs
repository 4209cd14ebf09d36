//! Keys, from the serial line and from the keyboard.

use core::iter;

use arrayvec::ArrayVec;
use options::{Key, KeyDecoder};

use crate::platform::cancel;
use crate::platform::keyboard::Keyboard;
use crate::platform::serial;
use crate::sync::{IrqLock, rank};

/// Bytes of the serial line that one look takes at most: more than a key has.
const MOST_BYTES: usize = 16;

/// Keys that wait until somebody takes them. What comes then stays in the ports.
const MOST_KEYS: usize = 64;

/// Where a key was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At a terminal on the serial line, which keeps earlier lines itself.
    Terminal,
    /// At the keyboard beside the screen.
    Keyboard,
}

/// Where keys come from, and those that nobody has taken yet.
struct Input {
    serial: KeyDecoder,
    keyboard: Option<Keyboard>,
    waiting: ArrayVec<(Key, Origin), MOST_KEYS>,
}

static INPUT: IrqLock<Input, rank::Keys> =
    IrqLock::new(Input { serial: KeyDecoder::NEW, keyboard: None, waiting: ArrayVec::new_const() });

/// Looks for a keyboard; the serial line is listened to in any case.
pub fn detect() {
    let keyboard = Keyboard::detect();
    if keyboard.is_none() {
        log::info!("no PS/2 keyboard; the console listens to the serial line alone");
    }
    INPUT.lock().keyboard = keyboard;
}

/// Whether somebody can type beside the screen.
pub fn has_keyboard() -> bool {
    INPUT.lock().keyboard.is_some()
}

/// Takes the next key, if one was pressed. Never waits.
pub fn poll() -> Option<(Key, Origin)> {
    let mut input = INPUT.lock();
    input.look();
    input.waiting.pop_at(0)
}

/// Looks while a command runs: Ctrl-C ends it, and what was typed before that is void; other keys wait for its end.
pub fn look_for_cancel() {
    let mut input = INPUT.lock();
    input.look();
    if let Some(place) = input.waiting.iter().position(|(key, _)| *key == Key::Cancel) {
        input.waiting.drain(..=place);
        drop(input);
        cancel::request();
    }
}

impl Input {
    fn look(&mut self) {
        // A line that never stops sending leaves the keyboard its turn.
        for _ in 0..MOST_BYTES {
            // One byte completes one key at most.
            let Some(byte) = (!self.waiting.is_full()).then(serial::read_byte).flatten() else { break };
            if let Some(key) = self.serial.take(byte) {
                self.waiting.push((key, Origin::Terminal));
            }
        }
        if self.serial.speaks_ansi() {
            serial::let_colours_be_sent();
        }
        let keyboard = &mut self.keyboard;
        let room = self.waiting.remaining_capacity();
        let keys = iter::from_fn(|| keyboard.as_mut()?.poll()).take(room.min(MOST_BYTES));
        self.waiting.extend(keys.map(|key| (key, Origin::Keyboard)));
    }
}
