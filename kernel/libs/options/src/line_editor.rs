//! A line that is being typed.

use core::fmt;

use crate::terminal::Key;

/// The longest line; further characters are not taken.
pub const MAX_LINE: usize = 256;

/// How many earlier lines can be called back.
const HISTORY: usize = 8;

/// What a terminal is sent to take back one character.
const ERASE: &str = "\u{8} \u{8}";

/// Collects keys into lines, echoes them, and remembers the last few lines.
///
/// The cursor always stands behind the last character.
#[derive(Clone, Debug, Default)]
pub struct LineEditor {
    line: Line,
    /// Earlier lines, the latest first; empty where there is none.
    history: [Line; HISTORY],
    /// Which earlier line is shown, from 1; 0: none.
    recalled: usize,
}

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// The line goes on.
    Open,
    /// The line is complete.
    Line(&'e str),
    /// The line was given up.
    Cancelled,
}

impl LineEditor {
    /// Starts with an empty line and no history.
    pub const fn new() -> Self {
        Self { line: Line::EMPTY, history: [Line::EMPTY; HISTORY], recalled: 0 }
    }

    /// Takes a key and writes to `echo` what the terminal must show for it.
    ///
    /// A line that is complete or given up is gone at the next key.
    pub fn take(&mut self, key: Key, echo: &mut dyn fmt::Write) -> Edit<'_> {
        // An echo that fails costs nothing but the echo.
        match key {
            Key::Character(character) => {
                if self.line.push(character) {
                    let _ = echo.write_char(character);
                }
            }
            Key::Backspace => {
                if self.line.pop() {
                    let _ = echo.write_str(ERASE);
                }
            }
            Key::EraseLine => self.show(Line::EMPTY, 0, echo),
            Key::Up => self.recall(self.recalled + 1, echo),
            Key::Down => self.recall(self.recalled.saturating_sub(1), echo),
            Key::Cancel => {
                let _ = echo.write_str("^C\n");
                (self.line, self.recalled) = (Line::EMPTY, 0);
                return Edit::Cancelled;
            }
            Key::Enter => {
                let _ = echo.write_str("\n");
                return self.complete();
            }
        }
        Edit::Open
    }

    /// What the line holds so far.
    pub fn typed(&self) -> &str {
        self.line.as_str()
    }

    /// Ends the line and puts it into the history.
    fn complete(&mut self) -> Edit<'_> {
        let line = core::mem::replace(&mut self.line, Line::EMPTY);
        self.recalled = 0;
        let [latest, ..] = &mut self.history;
        if line.is_empty() {
            return Edit::Line("");
        }
        if *latest != line {
            self.history.rotate_right(1);
            let [latest, ..] = &mut self.history;
            *latest = line;
        }
        let [latest, ..] = &self.history;
        Edit::Line(latest.as_str())
    }

    /// Shows the line `age` lines back; stays where it is if there is none.
    fn recall(&mut self, age: usize, echo: &mut dyn fmt::Write) {
        let line = match age.checked_sub(1) {
            None => Some(Line::EMPTY),
            Some(index) => self.history.get(index).copied().filter(|line| !line.is_empty()),
        };
        if let Some(line) = line {
            self.show(line, age, echo);
        }
    }

    fn show(&mut self, line: Line, age: usize, echo: &mut dyn fmt::Write) {
        for _ in 0..self.line.length {
            let _ = echo.write_str(ERASE);
        }
        let _ = echo.write_str(line.as_str());
        (self.line, self.recalled) = (line, age);
    }
}

/// Printable ASCII, so that a byte is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    bytes: [u8; MAX_LINE],
    length: usize,
}

impl Line {
    const EMPTY: Self = Self { bytes: [0; MAX_LINE], length: 0 };

    const fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn push(&mut self, character: char) -> bool {
        let (Some(slot), true) =
            (self.bytes.get_mut(self.length), character.is_ascii_graphic() || character == ' ')
        else {
            return false;
        };
        *slot = character as u8;
        self.length += 1;
        true
    }

    fn pop(&mut self) -> bool {
        let Some(length) = self.length.checked_sub(1) else { return false };
        self.length = length;
        // Lines that read the same are equal.
        if let Some(slot) = self.bytes.get_mut(length) {
            *slot = 0;
        }
        true
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::KeyDecoder;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// Types bytes and returns the complete lines and the echo.
    fn type_in(editor: &mut LineEditor, bytes: &[u8]) -> (Vec<String>, String) {
        let (mut lines, mut echo) = (Vec::new(), String::new());
        let mut decoder = KeyDecoder::default();
        for key in bytes.iter().filter_map(|&byte| decoder.take(byte)) {
            if let Edit::Line(line) = editor.take(key, &mut echo) {
                lines.push(line.to_string());
            }
        }
        (lines, echo)
    }

    #[test]
    fn what_was_typed_can_be_shown_again() {
        let mut editor = LineEditor::new();
        type_in(&mut editor, b"unix\x08ts");
        assert_eq!(editor.typed(), "units");
        type_in(&mut editor, b"\r");
        assert_eq!(editor.typed(), "");
    }

    fn lines(bytes: &[u8]) -> Vec<String> {
        type_in(&mut LineEditor::new(), bytes).0
    }

    #[test]
    fn mistakes_can_be_taken_back() {
        let (lines, echo) = type_in(&mut LineEditor::new(), b"unts\x08\x08its\r");
        assert_eq!(lines, ["units"]);
        assert_eq!(echo, "unts\u{8} \u{8}\u{8} \u{8}its\n");
        assert_eq!(type_in(&mut LineEditor::new(), b"\x08\x7f"), (Vec::new(), String::new()));
    }

    #[test]
    fn a_line_can_be_erased_or_given_up() {
        assert_eq!(lines(b"abc\x15def\r"), ["def"]);
        let mut editor = LineEditor::new();
        let mut echo = String::new();
        editor.take(Key::Character('a'), &mut echo);
        assert_eq!(editor.take(Key::Cancel, &mut echo), Edit::Cancelled);
        assert_eq!(editor.take(Key::Enter, &mut echo), Edit::Line(""));
        assert_eq!(echo, "a^C\n\n");
    }

    #[test]
    fn earlier_lines_come_back() {
        assert_eq!(lines(b"one\rtwo\r\x1b[A\x1b[A\r"), ["one", "two", "one"]);
        assert_eq!(lines(b"one\rtwo\r\x1b[A\x1b[A\x1b[B!\r"), ["one", "two", "two!"]);
        assert_eq!(lines(b"one\r\x1b[A\x1b[Bx\r"), ["one", "x"]);
        // Beyond the oldest it stays; the same line twice is remembered once; empty ones are not.
        assert_eq!(lines(b"one\rone\r\r\x1b[A\x1b[A\x1b[A\r"), ["one", "one", "", "one"]);
    }

    #[test]
    fn history_keeps_the_last_few() {
        let mut editor = LineEditor::new();
        for number in 0..10 {
            type_in(&mut editor, std::format!("line {number}\r").as_bytes());
        }
        let up = b"\x1b[A".repeat(20);
        type_in(&mut editor, &up);
        assert_eq!(type_in(&mut editor, b"\r").0, ["line 2"]);
    }

    #[test]
    fn a_line_has_an_end() {
        let (lines, echo) = type_in(&mut LineEditor::new(), &[&[b'x'; 300][..], b"\r"].concat());
        assert_eq!(lines, ["x".repeat(MAX_LINE)]);
        assert_eq!(echo.len(), MAX_LINE + 1);
    }

    proptest! {
        #[test]
        fn the_echo_shows_what_the_line_holds(bytes in prop::collection::vec(
            prop_oneof![8 => 0x20_u8..0x7f, 2 => Just(8), 1 => any::<u8>()], 0..200,
        )) {
            let mut editor = LineEditor::new();
            let (_, echo) = type_in(&mut editor, &bytes);
            // Plays the echo on a terminal of one endless line.
            let (mut shown, mut cursor) = (Vec::new(), 0_usize);
            for character in echo.chars() {
                match character {
                    '\n' => (shown, cursor) = (Vec::new(), 0),
                    '\u{8}' => cursor -= 1,
                    _ => {
                        shown.truncate(cursor);
                        shown.push(character);
                        cursor += 1;
                    }
                }
            }
            shown.truncate(cursor);
            prop_assert_eq!(shown.into_iter().collect::<String>(), editor.line.as_str());
        }
    }
}
