//! Bytes from a serial terminal, as keys.

/// One key, as far as a line editor cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A printable character.
    Character(char),
    /// End of line.
    Enter,
    /// Erase the character before.
    Backspace,
    /// Erase the line.
    EraseLine,
    /// Give the line up.
    Cancel,
    /// The line before.
    Up,
    /// The line after.
    Down,
}

impl Key {
    /// The key that a control character stands for; `None` for those without a meaning here.
    pub const fn from_char(character: char) -> Option<Self> {
        match character {
            '\r' | '\n' => Some(Self::Enter),
            '\u{8}' | '\u{7f}' => Some(Self::Backspace),
            '\u{15}' => Some(Self::EraseLine),
            '\u{3}' => Some(Self::Cancel),
            ' '..='~' => Some(Self::Character(character)),
            _ => None,
        }
    }
}

/// Joins the bytes of a terminal into keys.
///
/// Knows the cursor keys (`ESC [ A` and `ESC [ B`), swallows other sequences, and takes carriage return and
/// line feed together as one end of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyDecoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Behind a carriage return.
    CarriageReturn,
    /// Behind an escape.
    Escape,
    /// Within a control sequence.
    Sequence,
}

impl KeyDecoder {
    /// Takes one byte; returns the key that it completes.
    pub const fn take(&mut self, byte: u8) -> Option<Key> {
        let before = self.state;
        self.state = match (before, byte) {
            (_, 0x1b) => State::Escape,
            (State::Escape, b'[' | b'O') => State::Sequence,
            // Parameters of a sequence; anything from `@` on ends it.
            (State::Sequence, b' '..=b'?') => State::Sequence,
            (_, b'\r') => State::CarriageReturn,
            _ => State::Ground,
        };
        match (before, byte) {
            (State::Sequence, b'A') => Some(Key::Up),
            (State::Sequence, b'B') => Some(Key::Down),
            (State::Sequence, b' '..=b'~') | (State::Escape, b' '..=b'~') => None,
            (State::CarriageReturn, b'\n') => None,
            _ => Key::from_char(byte as char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = KeyDecoder::default();
        bytes.iter().filter_map(|&byte| decoder.take(byte)).collect()
    }

    #[test]
    fn line_ends_of_all_kinds_count_once() {
        assert_eq!(keys(b"\r"), [Key::Enter]);
        assert_eq!(keys(b"\n"), [Key::Enter]);
        assert_eq!(keys(b"\r\n"), [Key::Enter]);
        assert_eq!(keys(b"\r\r\n\n"), [Key::Enter; 3]);
    }

    #[test]
    fn cursor_keys_are_known_and_other_sequences_are_swallowed() {
        let (a, b) = (Key::Character('a'), Key::Character('b'));
        assert_eq!(keys(b"a\x1b[Ab\x1b[B"), [a, Key::Up, b, Key::Down]);
        assert_eq!(keys(b"a\x1b[1;5Cb\x1b[3~a"), [a, b, a]);
        assert_eq!(keys(b"\x1bxa\x1b\x1b[A"), [a, Key::Up]);
        assert_eq!(keys(b"\x1bOA"), [Key::Up]);
        assert_eq!(keys(b"\x1b\r"), [Key::Enter]);
    }

    #[test]
    fn control_characters_have_their_usual_meaning() {
        assert_eq!(keys(b"\x03\x15\x08\x7f"), [Key::Cancel, Key::EraseLine, Key::Backspace, Key::Backspace]);
        assert_eq!(keys(&[0, 1, 9, 0x80, 0xff]), []);
    }
}
