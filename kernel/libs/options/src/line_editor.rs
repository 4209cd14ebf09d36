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
mod tests;
