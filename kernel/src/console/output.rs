//! Text for people: to the serial line at once, to the screen when there is time.
//!
//! Drawing is slow, so [`write()`] only notes what the screen shall show. Whoever waits for something draws
//! it, piece by piece, with interrupts on between the pieces.

use alloc::boxed::Box;
use core::fmt::{self, Write};

use screen::{Progress, TextScreen};

use crate::arch::interrupts::IrqLock;
use crate::platform::{framebuffer, serial};

/// Characters drawn in one go: about a hundred thousand instructions with interrupts off.
const PIECE: usize = 100;

/// The screen as text; absent where there is none.
static TEXT: IrqLock<Option<Box<TextScreen>>> = IrqLock::new(None);

/// Fits the console to the screen, if there is one, and draws one line at its top.
///
/// The rest of the screen stays as it was until [`draw_all`], since clearing it takes long.
pub fn init(banner: &dyn fmt::Display) {
    let area = framebuffer::with_pixels(|pixels| {
        screen::draw_banner(pixels, banner);
        pixels.area()
    });
    if let Some(area) = area {
        let mut text = Box::new(TextScreen::new());
        text.resize(area.width, area.height);
        *TEXT.lock() = Some(text);
    }
}

/// Writes to the serial line, and notes for the screen.
pub fn write(text: fmt::Arguments<'_>) {
    serial::write(text);
    note(text);
}

/// Notes text for the screen alone: for the log, which has the serial line to itself.
pub fn note(text: fmt::Arguments<'_>) {
    // Held only where an exception came in between: then the serial line alone has the text.
    if let Some(mut screen) = TEXT.try_lock()
        && let Some(screen) = &mut *screen
    {
        // The screen takes everything; a value that fails to show itself has shown what it could.
        let _ = screen.write_fmt(text);
    }
}

/// Draws a piece of what was noted.
pub fn draw_some() -> Progress {
    let mut text = TEXT.lock();
    let Some(text) = &mut *text else { return Progress::Done };
    framebuffer::with_pixels(|pixels| text.draw(pixels, PIECE)).unwrap_or(Progress::Done)
}

/// Draws all that was noted: before a long wait, and before the machine goes off.
pub fn draw_all() {
    while draw_some() == Progress::More {}
}
