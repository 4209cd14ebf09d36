//! The console on the screen: characters first, pixels when there is time.
//!
//! Drawing a character costs about a thousand instructions, moving a screenful of pixels some millions.
//! So writing only fills a grid of characters, whose lines turn in a ring instead of being moved, and
//! drawing compares the grid with what the screen shows and touches the differences alone. Until the
//! machine is protected nothing is drawn but one line ([`draw_banner`]); afterwards whoever waits draws.
//!
//! The ring holds more lines than the screen shows, so that one can go back to earlier ones ([`TextScreen::page_up`]).

mod grid;

use core::fmt;

use crate::colour::Colour;
use crate::font::{Typeface, place};
use crate::pen::{Ink, Pen, draw_character};
use crate::pixels::{PixelBuffer, Rect};
use grid::{Grid, Wrap};

pub use grid::TextLine;

/// The most characters of a line; what a wider screen has left stays empty.
const MAX_COLUMNS: usize = 192;
/// The most lines.
const MAX_ROWS: usize = 80;
/// The fewest characters of a line that a larger typeface must leave room for.
const COMFORTABLE_COLUMNS: usize = 130;

const FOREGROUND: Colour = Colour::new(0xd6, 0xde, 0xe8);
const BACKGROUND: Colour = Colour::new(0x0b, 0x14, 0x22);

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emphasis {
    /// As most do.
    #[default]
    Plain,
    /// The names of columns.
    Heading,
    /// Something to be careful about.
    Warning,
    /// Something that failed.
    Error,
}

impl Emphasis {
    const fn colour(self) -> Colour {
        match self {
            Self::Plain => FOREGROUND,
            Self::Heading => Colour::new(0x7f, 0xc4, 0xff),
            Self::Warning => Colour::new(0xff, 0xc1, 0x4d),
            Self::Error => Colour::new(0xff, 0x7b, 0x72),
        }
    }
}

/// A text console that takes the place of a terminal.
///
/// Understands line end, carriage return, backspace and tabulator; shows anything else that is neither printable ASCII
/// nor one of the signs ✔ and ✘ as a question mark.
#[derive(Debug)]
pub struct TextScreen<'m> {
    grid: Grid<'m>,
    /// What the screen shows, from its uppermost line.
    shown: [TextLine; MAX_ROWS],
    /// Where it shows a cursor, and over which character.
    shown_cursor: Option<(usize, usize, u8)>,
    typeface: Typeface,
    /// Lines between the last one and the last that is shown; 0: the screen shows what is written.
    back: usize,
    cursor: Cursor,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The screen shows something else.
    Covered,
    /// The screen shows `shown`.
    Shown,
}

/// Whether the place of the next character is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// It is: something is being typed.
    Shown,
    /// It is not.
    Hidden,
}

/// How far drawing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The screen shows what was written.
    Done,
    /// The allowance was used up before.
    More,
}

impl<'m> TextScreen<'m> {
    /// A console without a screen: what is written to it is forgotten. It keeps so many lines as there is memory for.
    pub const fn new(memory: &'m mut [TextLine]) -> Self {
        Self {
            grid: Grid::new(memory),
            shown: [TextLine::EMPTY; MAX_ROWS],
            shown_cursor: None,
            typeface: Typeface::SMALLEST,
            back: 0,
            cursor: Cursor::Hidden,
            state: State::Covered,
        }
    }

    /// Fits the console to a screen of so many pixels and empties it.
    pub fn resize(&mut self, width: usize, height: usize) {
        let comfortable = |typeface: &Typeface| width / typeface.width() >= COMFORTABLE_COLUMNS;
        let typeface = Typeface::ALL.into_iter().find(comfortable).unwrap_or(Typeface::SMALLEST);
        self.typeface = typeface;
        let columns = (width / typeface.width()).min(MAX_COLUMNS);
        self.grid.resize(columns, (height / typeface.height()).min(MAX_ROWS));
        self.back = 0;
        self.state = State::Covered;
    }

    /// Notes that the screen shows something else; the next [`draw`](Self::draw) begins anew.
    pub const fn cover(&mut self) {
        self.state = State::Covered;
    }

    /// Has the lines written from here on look so, beginning with the present one.
    pub fn emphasize(&mut self, emphasis: Emphasis) {
        self.grid.emphasize(emphasis);
    }

    /// Shows or hides the place of the next character.
    pub const fn set_cursor(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Writes what is being typed: broken at the margin, not between words, so that backspaces lead back.
    pub fn echo(&mut self, text: &str) {
        text.chars().for_each(|character| self.take(character, Wrap::Anywhere));
    }

    /// Lines written since the console was made; counts on from there.
    pub const fn lines_written(&self) -> u64 {
        self.grid.lines_written()
    }

    /// Lines that the screen has room for.
    pub const fn rows(&self) -> usize {
        self.grid.rows()
    }

    /// Shows earlier lines.
    pub fn page_up(&mut self) {
        let page = self.page();
        self.go_back(self.back.saturating_add(page));
    }

    /// Shows later lines.
    pub fn page_down(&mut self) {
        self.back = self.back.saturating_sub(self.page());
    }

    /// Shows the lines from the one on that was the present one when so many were written.
    pub fn go_to(&mut self, line: u64) {
        let since = usize::try_from(self.lines_written().saturating_sub(line)).unwrap_or(usize::MAX);
        self.go_back(since.saturating_add(1).saturating_sub(self.rows()));
    }

    /// Shows what is written now; tells whether something else was shown.
    pub fn show_latest(&mut self) -> bool {
        core::mem::take(&mut self.back) > 0
    }

    /// Whether earlier lines are shown.
    pub const fn is_back(&self) -> bool {
        self.back > 0
    }

    fn page(&self) -> usize {
        self.rows().saturating_sub(2).max(1)
    }

    fn go_back(&mut self, lines: usize) {
        self.back = lines.min(self.grid.earlier());
    }

    /// Draws what has changed, at most so many characters.
    ///
    /// The first call also clears the screen.
    pub fn draw(&mut self, pixels: &mut PixelBuffer<'_>, characters: usize) -> Progress {
        if self.state == State::Covered {
            pixels.fill(pixels.area(), BACKGROUND);
            self.shown.fill(TextLine::EMPTY);
            self.shown_cursor = None;
            self.state = State::Shown;
        }
        let cursor = (self.cursor == Cursor::Shown && self.back == 0).then(|| self.grid.place());
        let mut allowance = characters;
        if let Some((row, column, _)) = self.shown_cursor
            && cursor != Some((row, column))
        {
            self.shown_cursor = None;
            if let Some(shown) = self.shown.get_mut(row) {
                // It differs from whatever is written there, and so is drawn.
                shown.forget(column);
            }
        }
        for row in 0..self.rows() {
            let status = self.status(row);
            let Some(written) = status.as_ref().or_else(|| self.grid.line(row, self.back)) else { continue };
            let Some(shown) = self.shown.get_mut(row) else { continue };
            if !draw_line(pixels, self.typeface, row, (shown, written), &mut allowance) {
                return Progress::More;
            }
        }
        if let Some((row, column)) = cursor {
            self.draw_cursor(pixels, row, column);
        }
        Progress::Done
    }

    fn draw_cursor(&mut self, pixels: &mut PixelBuffer<'_>, row: usize, column: usize) {
        let character = self.shown.get(row).map_or(b' ', |shown| shown.character(column));
        let cursor = Some((row, column, character));
        if self.shown_cursor != cursor {
            let ink = Ink::new(pixels, BACKGROUND, FOREGROUND);
            let at = (column * self.typeface.width(), row * self.typeface.height());
            draw_character(pixels, at, character, self.typeface, &ink);
            self.shown_cursor = cursor;
        }
    }

    /// What the lowest line says while earlier lines are shown.
    fn status(&self, row: usize) -> Option<TextLine> {
        if self.back == 0 || row + 1 != self.rows() {
            return None;
        }
        let mut line = TextLine::EMPTY;
        line.set_emphasis(Emphasis::Heading);
        let text = format_args!("-- {} more lines: PgDn, PgUp; any other key ends this --", self.back + 1);
        // What has no room is left out.
        let _ = fmt::write(&mut line.writer(self.grid.columns()), text);
        Some(line)
    }

    fn take(&mut self, character: char, wrap: Wrap) {
        if self.grid.columns() == 0 || self.rows() == 0 {
            return;
        }
        let before = self.lines_written();
        match character {
            '\n' => self.grid.end_line(),
            '\r' => self.grid.go_to_column(0),
            '\u{8}' => self.grid.step_back(),
            '\t' => self.grid.put_tab(),
            _ => self.grid.put(place(character), wrap),
        }
        // What is shown stays where it is while more is written.
        if self.back > 0 {
            let more = usize::try_from(self.lines_written().saturating_sub(before)).unwrap_or(0);
            self.go_back(self.back.saturating_add(more));
        }
    }
}

/// Draws where a line differs from what is shown, for as long as the allowance lasts; tells whether it did.
fn draw_line(
    pixels: &mut PixelBuffer<'_>,
    typeface: Typeface,
    row: usize,
    (shown, written): (&mut TextLine, &TextLine),
    allowance: &mut usize,
) -> bool {
    if shown == written {
        return true;
    }
    if shown.emphasis() != written.emphasis() {
        shown.forget_all();
        shown.set_emphasis(written.emphasis());
    }
    let ink = Ink::new(pixels, written.emphasis().colour(), BACKGROUND);
    for (column, (shown, &character)) in shown.characters_mut().zip(written.characters()).enumerate() {
        if *shown == character {
            continue;
        }
        let Some(left) = allowance.checked_sub(1) else { return false };
        *allowance = left;
        draw_character(
            pixels,
            (column * typeface.width(), row * typeface.height()),
            character,
            typeface,
            &ink,
        );
        *shown = character;
    }
    true
}

/// Breaks lines between words.
impl fmt::Write for TextScreen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|character| self.take(character, Wrap::Words));
        Ok(())
    }
}

/// Draws one line at the top of a screen that otherwise stays as firmware and loader left it.
pub fn draw_banner(pixels: &mut PixelBuffer<'_>, text: &dyn fmt::Display) {
    let typeface = Typeface::SMALLEST;
    let strip = Rect { height: 2 * typeface.height(), ..pixels.area() };
    pixels.fill(strip, BACKGROUND);
    let area = Rect {
        x: typeface.width(),
        y: typeface.height() / 2,
        width: strip.width.saturating_sub(2 * typeface.width()),
        height: typeface.height(),
    };
    Pen::new(Some(pixels), area, typeface, FOREGROUND, BACKGROUND).write(text);
}

#[cfg(test)]
mod tests;
