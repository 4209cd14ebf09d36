//! A line that is being typed.

use core::fmt;
use core::iter;

use crate::complete::{self, Names};
use crate::line::Line;
use crate::terminal::Key;

/// How many earlier lines can be called back.
const HISTORY: usize = 16;

/// Collects keys into lines, echoes them, and remembers the last few lines.
///
/// The echo is characters, backspaces and line ends alone, which every terminal understands: where the cursor goes on, the
/// characters that it passes are sent again.
#[derive(Clone, Debug, Default)]
pub struct LineEditor {
    line: Line,
    /// The character that the cursor stands on; the line's length: behind the last.
    cursor: usize,
    /// Earlier lines, the latest first; empty where there is none.
    history: [Line; HISTORY],
    /// Which earlier line is shown, from 1; 0: none.
    recalled: usize,
    /// What was being typed when an earlier line was called back.
    draft: Line,
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
    /// What was begun shall be completed: see [`LineEditor::complete`].
    Complete,
    /// A key that is not about the line, such as for another page.
    NotMine(Key),
}

/// What came of completing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Something was added, or nothing fits.
    Done,
    /// Several words fit, and nothing could be added: the user will want to see them.
    Ambiguous,
}

impl LineEditor {
    /// Starts with an empty line and no history.
    pub const fn new() -> Self {
        Self {
            line: Line::EMPTY,
            cursor: 0,
            history: [Line::EMPTY; HISTORY],
            recalled: 0,
            draft: Line::EMPTY,
        }
    }

    /// Takes a key and writes to `echo` what the terminal must show for it.
    ///
    /// A line that is complete or given up is gone at the next key.
    pub fn take(&mut self, key: Key, echo: &mut dyn fmt::Write) -> Edit<'_> {
        match key {
            Key::Character(character) => self.insert(character, echo),
            Key::Backspace => self.erase_before(1, echo),
            Key::Delete => self.erase(self.cursor, 1, echo),
            Key::EraseWord => self.erase_before(self.word_before(), echo),
            Key::EraseRest => self.erase(self.cursor, self.line.len(), echo),
            Key::EraseLine => self.show(Line::EMPTY, echo),
            Key::Left => self.go_to(self.cursor.saturating_sub(1), echo),
            Key::Right => self.go_to(self.cursor + 1, echo),
            Key::Home => self.go_to(0, echo),
            Key::End => self.go_to(self.line.len(), echo),
            Key::Up => self.recall(self.recalled + 1, echo),
            Key::Down => self.recall(self.recalled.saturating_sub(1), echo),
            Key::Tab => return Edit::Complete,
            Key::PageUp | Key::PageDown => return Edit::NotMine(key),
            Key::Cancel => {
                self.go_to(self.line.len(), echo);
                send(echo, "^C\n");
                (self.line, self.cursor, self.recalled) = (Line::EMPTY, 0, 0);
                return Edit::Cancelled;
            }
            Key::Enter => {
                self.go_to(self.line.len(), echo);
                send(echo, "\n");
                return self.end_line();
            }
        }
        Edit::Open
    }

    /// Completes the word before the cursor as far as it is certain, with a blank behind it where there is but one.
    pub fn complete(&mut self, names: &dyn Names, echo: &mut dyn fmt::Write) -> Completion {
        let before = self.before_cursor();
        let begun = complete::last_word(before).len();
        let (mut common, mut found) = (Line::EMPTY, 0_usize);
        complete::candidates(before, names, &mut |word| {
            found += 1;
            if found == 1 {
                // A word that has no room is one that does not fit.
                let _ = fmt::Write::write_str(&mut common, word);
            } else {
                let same = iter::zip(common.as_str().bytes(), word.bytes()).take_while(|(a, b)| a == b);
                common.truncate(same.count());
            }
        });
        let added = common.len().saturating_sub(begun);
        common.between(begun, common.len()).chars().for_each(|character| self.insert(character, echo));
        match found {
            0 => Completion::Done,
            1 => {
                self.insert(' ', echo);
                Completion::Done
            }
            _ if added == 0 => Completion::Ambiguous,
            _ => Completion::Done,
        }
    }

    /// What the line holds so far.
    pub fn typed(&self) -> &str {
        self.line.as_str()
    }

    /// What of it stands before the cursor.
    pub fn before_cursor(&self) -> &str {
        self.line.between(0, self.cursor)
    }

    /// Shows the line once more, on a terminal whose cursor stands where the line shall begin.
    pub fn show_again(&self, echo: &mut dyn fmt::Write) {
        send(echo, self.typed());
        back(echo, self.line.len() - self.cursor);
    }

    fn insert(&mut self, character: char, echo: &mut dyn fmt::Write) {
        if self.line.insert(self.cursor, character) {
            send(echo, self.from(self.cursor));
            self.cursor += 1;
            back(echo, self.line.len() - self.cursor);
        }
    }

    fn erase_before(&mut self, count: usize, echo: &mut dyn fmt::Write) {
        let count = count.min(self.cursor);
        self.go_to(self.cursor - count, echo);
        self.erase(self.cursor, count, echo);
    }

    /// Takes out characters from the cursor on.
    fn erase(&mut self, cursor: usize, count: usize, echo: &mut dyn fmt::Write) {
        let before = self.line.len();
        self.line.remove(cursor, count);
        let gone = before - self.line.len();
        send(echo, self.from(cursor));
        (0..gone).for_each(|_| send(echo, " "));
        back(echo, before - cursor);
    }

    /// Characters from the cursor back to the beginning of the word before it.
    fn word_before(&self) -> usize {
        let before = self.before_cursor();
        let word = before.trim_end_matches(' ').rfind(' ').map_or(0, |blank| blank + 1);
        before.len() - word
    }

    fn go_to(&mut self, place: usize, echo: &mut dyn fmt::Write) {
        let place = place.min(self.line.len());
        send(echo, self.line.between(self.cursor, place));
        back(echo, self.cursor.saturating_sub(place));
        self.cursor = place;
    }

    fn from(&self, place: usize) -> &str {
        self.line.between(place, self.line.len())
    }

    /// Ends the line and puts it into the history.
    fn end_line(&mut self) -> Edit<'_> {
        let line = core::mem::replace(&mut self.line, Line::EMPTY);
        (self.cursor, self.recalled) = (0, 0);
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

    /// Shows the line `age` lines back, 0 what was typed before; stays where it is if there is none.
    fn recall(&mut self, age: usize, echo: &mut dyn fmt::Write) {
        let line = match age.checked_sub(1) {
            None => Some(if self.recalled == 0 { self.line } else { self.draft }),
            Some(index) => self.history.get(index).copied().filter(|line| !line.is_empty()),
        };
        let Some(line) = line else { return };
        if self.recalled == 0 {
            self.draft = self.line;
        }
        self.show(line, echo);
        self.recalled = age;
    }

    fn show(&mut self, line: Line, echo: &mut dyn fmt::Write) {
        self.go_to(0, echo);
        self.erase(0, self.line.len(), echo);
        send(echo, line.as_str());
        (self.line, self.cursor) = (line, line.len());
    }
}

/// An echo that fails costs nothing but the echo.
fn send(echo: &mut dyn fmt::Write, text: &str) {
    let _ = echo.write_str(text);
}

fn back(echo: &mut dyn fmt::Write, characters: usize) {
    (0..characters).for_each(|_| send(echo, "\u{8}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::MAX_LINE;
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
        // What was being typed comes back too, and an earlier line goes as a whole.
        assert_eq!(lines(b"one\rtw\x1b[A\x1b[Bo\r"), ["one", "two"]);
        assert_eq!(lines(b"one two\r\x1b[A\x1b[D\x15x\r"), ["one two", "x"]);
        // Beyond the oldest it stays; the same line twice is remembered once; empty ones are not.
        assert_eq!(lines(b"one\rone\r\r\x1b[A\x1b[A\x1b[A\r"), ["one", "one", "", "one"]);
    }

    #[test]
    fn history_keeps_the_last_few() {
        let mut editor = LineEditor::new();
        for number in 0..18 {
            type_in(&mut editor, std::format!("line {number}\r").as_bytes());
        }
        let up = b"\x1b[A".repeat(20);
        type_in(&mut editor, &up);
        assert_eq!(type_in(&mut editor, b"\r").0, ["line 2"]);
    }

    #[test]
    fn the_cursor_moves_and_writes_in_between() {
        assert_eq!(lines(b"uits\x1b[D\x1b[D\x1b[Dn\r"), ["units"]);
        assert_eq!(lines(b"nits\x1b[Hu\x1b[F!\r"), ["units!"]);
        assert_eq!(lines(b"xunits\x01\x1b[3~\r"), ["units"]);
        assert_eq!(lines(b"units x y\x02\x02\x0b\r"), ["units x"[..7].trim_end()]);
        assert_eq!(lines(b"attack 00:03.0  \x17write\r"), ["attack write"]);
        // Neither end can be passed.
        assert_eq!(lines(b"a\x1b[D\x1b[Db\x1b[C\x1b[C\x1b[Cc\x1b[3~\r"), ["bac"]);
    }

    struct Machine;

    impl Names for Machine {
        fn devices(&self, visit: &mut dyn FnMut(dma_types::Bdf)) {
            for device in ["00:03.0", "00:04.0", "0001:20:00.0"] {
                visit(device.parse().unwrap());
            }
        }

        fn self_tests(&self, visit: &mut dyn FnMut(&str)) {
            ["storm", "storm-long", "rest"].into_iter().for_each(visit);
        }
    }

    /// What a line becomes by one press of the tabulator, and whether there is more than one way on.
    fn completed(line: &[u8]) -> (String, Completion) {
        let mut editor = LineEditor::new();
        let (_, mut echo) = type_in(&mut editor, line);
        let completion = editor.complete(&Machine, &mut echo);
        (editor.typed().to_string(), completion)
    }

    #[test]
    fn words_are_completed_as_far_as_they_are_certain() {
        for (line, expected) in [
            (&b"un"[..], "units "),
            (b"xyz", "xyz"),
            (b"mappings 0", "mappings 00"),
            (b"mappings 00:", "mappings 00:0"),
            (b"mappings 00:03", "mappings 00:03.0 "),
            (b"mappings 0000:00:04", "mappings 0000:00:04.0 "),
            (b"mappings 0001", "mappings 0001:20:00.0 "),
            (b"attack 00:03.0 w", "attack 00:03.0 write "),
            (b"attack 00:03.0 write wr", "attack 00:03.0 write wrong-direction "),
            (b"selftest s", "selftest storm"),
            (b"ping 1", "ping 1"),
            (b"units u", "units u"),
            (b"de 00:03\x01\x1b[C\x1b[C", "de 00:03"),
            (b"rel 00:03\x01\x1b[C\x1b[C\x1b[C", "release  00:03"),
        ] {
            assert_eq!(completed(line).0, expected);
        }
        for line in [&b"mappings 00:0"[..], b"selftest storm", b"", b"policy "] {
            assert_eq!(completed(line).1, Completion::Ambiguous, "{line:?}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let (lines, echo) = type_in(&mut LineEditor::new(), &[&[b'x'; 300][..], b"\r"].concat());
        assert_eq!(lines, ["x".repeat(MAX_LINE)]);
        assert_eq!(echo.len(), MAX_LINE + 1);
    }

    /// Bytes as people type them, and as a broken line sends them.
    fn typing() -> impl Strategy<Value = Vec<u8>> {
        const KEYS: [&[u8]; 14] = [
            b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[H", b"\x1b[F", b"\x1b[3~", b"\x0b", b"\x17",
            b"\x15", b"\x08", b"\r", b"units ", b"\t",
        ];
        let pieces = prop_oneof![
            6 => (0x20_u8..0x7f).prop_map(|byte| std::vec![byte]),
            4 => prop::sample::select(&KEYS[..]).prop_map(<[u8]>::to_vec),
            1 => any::<u8>().prop_map(|byte| std::vec![byte]),
        ];
        prop::collection::vec(pieces, 0..120).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_echo_shows_what_the_line_holds(bytes in typing()) {
            let mut editor = LineEditor::new();
            let (mut decoder, mut echo) = (KeyDecoder::default(), String::new());
            for key in bytes.iter().filter_map(|&byte| decoder.take(byte)) {
                if editor.take(key, &mut echo) == Edit::Complete {
                    editor.complete(&Machine, &mut echo);
                }
            }
            // Plays the echo on a terminal of one endless line.
            let (mut shown, mut cursor) = (Vec::new(), 0_usize);
            for character in echo.chars() {
                match character {
                    '\n' => (shown, cursor) = (Vec::new(), 0),
                    '\u{8}' => cursor -= 1,
                    _ => {
                        shown.resize(shown.len().max(cursor + 1), ' ');
                        shown[cursor] = character;
                        cursor += 1;
                    }
                }
            }
            // Blanks over what was erased stay, and no terminal shows them.
            let shown: String = shown.into_iter().collect();
            prop_assert_eq!(shown.trim_end_matches(' '), editor.typed().trim_end_matches(' '));
            prop_assert_eq!(cursor, editor.before_cursor().len());
            prop_assert!(editor.typed().len() <= MAX_LINE);
        }
    }
}
