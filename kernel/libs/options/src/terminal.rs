//! Bytes from a serial terminal, as keys.

/// One key, as far as a console cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A printable character.
    Character(char),
    /// End of line.
    Enter,
    /// Complete what was begun.
    Tab,
    /// Erase the character before the cursor.
    Backspace,
    /// Erase the character under the cursor.
    Delete,
    /// Erase the word before the cursor.
    EraseWord,
    /// Erase from the cursor to the end.
    EraseRest,
    /// Erase the line.
    EraseLine,
    /// Give the line up, or the command that runs.
    Cancel,
    /// The line before.
    Up,
    /// The line after.
    Down,
    /// A character back.
    Left,
    /// A character on.
    Right,
    /// To the line's beginning.
    Home,
    /// To its end.
    End,
    /// Earlier text.
    PageUp,
    /// Later text.
    PageDown,
}

impl Key {
    /// The key that a control character stands for, as shells have it; `None` for those without a meaning here.
    pub const fn from_char(character: char) -> Option<Self> {
        match character {
            '\r' | '\n' => Some(Self::Enter),
            '\t' => Some(Self::Tab),
            '\u{8}' | '\u{7f}' => Some(Self::Backspace),
            '\u{1}' => Some(Self::Home),
            '\u{2}' => Some(Self::Left),
            '\u{3}' => Some(Self::Cancel),
            '\u{4}' => Some(Self::Delete),
            '\u{5}' => Some(Self::End),
            '\u{6}' => Some(Self::Right),
            '\u{b}' => Some(Self::EraseRest),
            '\u{e}' => Some(Self::Down),
            '\u{10}' => Some(Self::Up),
            '\u{15}' => Some(Self::EraseLine),
            '\u{17}' => Some(Self::EraseWord),
            ' '..='~' => Some(Self::Character(character)),
            _ => None,
        }
    }

    /// The key of a control sequence, by its last byte and the number before it; ECMA-48 "Control sequences", and what
    /// terminals have made of it. Modifiers, as in `ESC [ 1 ; 5 C`, change nothing.
    const fn from_sequence(last: u8, number: u8) -> Option<Self> {
        match (last, number) {
            (b'A', _) => Some(Self::Up),
            (b'B', _) => Some(Self::Down),
            (b'C', _) => Some(Self::Right),
            (b'D', _) => Some(Self::Left),
            (b'H', _) | (b'~', 1 | 7) => Some(Self::Home),
            (b'F', _) | (b'~', 4 | 8) => Some(Self::End),
            (b'~', 3) => Some(Self::Delete),
            (b'~', 5) => Some(Self::PageUp),
            (b'~', 6) => Some(Self::PageDown),
            _ => None,
        }
    }
}

/// Joins the bytes of a terminal into keys.
///
/// Knows the sequences of cursor and editing keys, swallows others, and takes carriage return and line feed together as
/// one end of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyDecoder {
    state: State,
    speaks_ansi: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Behind a carriage return.
    CarriageReturn,
    /// Behind an escape.
    Escape,
    /// Within a control sequence: the digits of its first number so far, and whether that is over.
    Sequence { number: u8, over: bool },
}

impl KeyDecoder {
    /// One that has heard nothing yet.
    pub const NEW: Self = Self { state: State::Ground, speaks_ansi: false };

    /// Takes one byte; returns the key that it completes.
    pub const fn take(&mut self, byte: u8) -> Option<Key> {
        let before = self.state;
        self.state = match (before, byte) {
            (_, 0x1b) => State::Escape,
            (State::Escape, b'[' | b'O') => State::Sequence { number: 0, over: false },
            (State::Sequence { number, over: false }, b'0'..=b'9') => {
                State::Sequence { number: number.saturating_mul(10).saturating_add(byte - b'0'), over: false }
            }
            // Further parameters of a sequence; anything from `@` on ends it.
            (State::Sequence { number, .. }, b' '..=b'?') => State::Sequence { number, over: true },
            (_, b'\r') => State::CarriageReturn,
            _ => State::Ground,
        };
        match (before, byte) {
            (State::Sequence { number, .. }, b'@'..=b'~') => {
                self.speaks_ansi = true;
                Key::from_sequence(byte, number)
            }
            (State::Sequence { .. } | State::Escape, b' '..=b'~') => None,
            (State::CarriageReturn, b'\n') => None,
            _ => Key::from_char(byte as char),
        }
    }

    /// Whether the terminal has sent a control sequence, so that it may be sent some: colours, say.
    pub const fn speaks_ansi(&self) -> bool {
        self.speaks_ansi
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
        assert_eq!(keys(b"a\x1b[1;5Cb\x1b[3;2~a"), [a, Key::Right, b, Key::Delete, a]);
        assert_eq!(keys(b"\x1b[H\x1b[F\x1bOH\x1bOF"), [Key::Home, Key::End, Key::Home, Key::End]);
        assert_eq!(keys(b"\x1b[1~\x1b[4~\x1b[7~\x1b[8~"), [Key::Home, Key::End, Key::Home, Key::End]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[D"), [Key::PageUp, Key::PageDown, Key::Left]);
        // A key that nobody knows, and a number that no byte holds.
        assert_eq!(keys(b"a\x1b[15~b\x1b[99999999~a\x1b[?25hb"), [a, b, a, b]);
        assert_eq!(keys(b"\x1bxa\x1b\x1b[A"), [a, Key::Up]);
        assert_eq!(keys(b"\x1bOA"), [Key::Up]);
        assert_eq!(keys(b"\x1b\r"), [Key::Enter]);
    }

    #[test]
    fn control_characters_have_their_usual_meaning() {
        assert_eq!(keys(b"\x03\x15\x08\x7f"), [Key::Cancel, Key::EraseLine, Key::Backspace, Key::Backspace]);
        assert_eq!(
            keys(b"\x01\x05\x0b\x17\t"),
            [Key::Home, Key::End, Key::EraseRest, Key::EraseWord, Key::Tab]
        );
        assert_eq!(keys(&[0, 7, 0x1c, 0x80, 0xff]), []);
    }

    #[test]
    fn a_terminal_speaks_ansi_once_it_has_sent_a_sequence() {
        let mut decoder = KeyDecoder::default();
        for byte in b"ls\r\x1bx\x1b[1" {
            decoder.take(*byte);
            assert!(!decoder.speaks_ansi());
        }
        decoder.take(b'~');
        assert!(decoder.speaks_ansi());
    }
}
