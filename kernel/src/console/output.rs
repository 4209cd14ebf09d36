//! Text for people: to the serial line at once, to the screen when there is time.
//!
//! Drawing is slow, so [`write()`] only notes what the screen shall show. Whoever waits for something draws
//! it, piece by piece, with interrupts on between the pieces.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use log::Level;
use screen::{Cursor, Emphasis, PixelBuffer, Progress, TextLine, TextScreen, VerdictText};

use crate::platform::{framebuffer, serial};
use crate::sync::{IrqLock, rank};

/// Characters drawn in one go: about a hundred thousand instructions with interrupts off.
const PIECE: usize = 100;

/// Lines that are kept to go back to: the answer to every command on a machine with some hundred functions.
const LINES: usize = 500;

/// The screen as text; absent where there is none.
static TEXT: IrqLock<Option<Box<TextScreen<'static>>>, rank::Text> = IrqLock::new(None);

/// Fits the console to the screen, if there is one, and draws one line at its top.
///
/// The rest of the screen stays as it was until [`draw_all`], since clearing it takes long.
pub fn init(banner: &dyn fmt::Display) {
    let area = framebuffer::with_pixels(|pixels| {
        screen::draw_banner(pixels, banner);
        pixels.area()
    });
    if let Some(area) = area {
        let mut text = Box::new(TextScreen::new(vec![TextLine::EMPTY; LINES].leak()));
        text.resize(area.width, area.height);
        *TEXT.lock() = Some(text);
    }
}

/// Writes to the serial line, and notes for the screen.
pub fn write(text: fmt::Arguments<'_>) {
    serial::write(text);
    note(Emphasis::Plain, text);
}

/// Writes the names of columns.
pub fn write_heading(text: fmt::Arguments<'_>) {
    serial::write(format_args!("{text}\n"));
    note(Emphasis::Heading, format_args!("{text}\n"));
}

/// Shows what is being typed.
pub fn echo(text: &str) {
    serial::write(format_args!("{text}"));
    with_text(|screen| screen.echo(text));
}

/// Lines of the log since this was last asked.
static LOG_LINES: AtomicU32 = AtomicU32::new(0);

/// Notes a line of the log for the screen, since the serial line has it already.
pub fn note_log(level: Level, line: fmt::Arguments<'_>) {
    LOG_LINES.fetch_add(1, Ordering::Relaxed);
    let emphasis = match level {
        Level::Error => Emphasis::Error,
        Level::Warn => Emphasis::Warning,
        _ => Emphasis::Plain,
    };
    note(emphasis, line);
}

/// How many lines that nobody asked for were written since this was last asked: of the log, and of what is missing.
pub fn take_unasked_lines() -> u32 {
    LOG_LINES.swap(0, Ordering::Relaxed).saturating_add(serial::take_gaps())
}

/// Notes text for the screen alone. What looks otherwise than plain ends with its line.
fn note(emphasis: Emphasis, text: fmt::Arguments<'_>) {
    with_text(|screen| {
        if emphasis != Emphasis::Plain {
            screen.emphasize(emphasis);
        }
        // The screen takes everything; a value that fails to show itself has shown what it could.
        let _ = screen.write_fmt(text);
        if emphasis != Emphasis::Plain {
            screen.emphasize(Emphasis::Plain);
        }
    });
}

/// Does something with the screen's text, if there is a screen.
pub fn with_text<T>(work: impl FnOnce(&mut TextScreen<'static>) -> T) -> Option<T> {
    // Held only where an exception came in between: then the serial line alone has the text.
    TEXT.try_lock()?.as_mut().map(|screen| work(screen))
}

/// Shows or hides where the next character will stand.
pub fn set_cursor(cursor: Cursor) {
    with_text(|screen| screen.set_cursor(cursor));
}

/// Something else is shown than the console's text.
static COVERED: AtomicBool = AtomicBool::new(false);

/// Shows the answer instead of the text, which is noted on.
pub fn cover(answer: &VerdictText<'_>) {
    cover_with(|pixels| screen::draw_verdict_screen(pixels, answer));
}

/// Shows something else instead of the text, which is noted on; `None` if there is no screen.
pub fn cover_with<T>(draw: impl FnOnce(&mut PixelBuffer<'_>) -> T) -> Option<T> {
    COVERED.store(true, Ordering::Relaxed);
    framebuffer::with_pixels(|pixels| draw(pixels))
}

/// Tells whether something else is shown than the text.
pub fn is_covered() -> bool {
    COVERED.load(Ordering::Relaxed)
}

/// Lets the text be drawn again.
pub fn uncover() {
    if COVERED.swap(false, Ordering::Relaxed)
        && let Some(text) = &mut *TEXT.lock()
    {
        text.cover();
    }
}

/// Draws a piece of what was noted.
pub fn draw_some() -> Progress {
    if is_covered() {
        return Progress::Done;
    }
    let mut text = TEXT.lock();
    let Some(text) = &mut *text else { return Progress::Done };
    framebuffer::with_pixels(|pixels| text.draw(pixels, PIECE)).unwrap_or(Progress::Done)
}

/// Draws all that was noted: before a long wait, and before the machine goes off.
pub fn draw_all() {
    while draw_some() == Progress::More {}
}
