//! The stop screen.
//!
//! From the top: what happened as a sentence, the stop code and its name, the facts in two columns, the
//! registers in as many columns as fit, what holds now. It is set in the largest typeface that keeps the
//! stop code on one line and everything on the screen; the headline is one size larger than the rest, the
//! registers one smaller.

use core::fmt;

use crate::colour::Colour;
use crate::font::Typeface;
use crate::pen::Pen;
use crate::pixels::{PixelBuffer, Rect};
use crate::stop_text::{Field, LABEL_WIDTH, Register, StopText};

const BACKGROUND: Colour = Colour::new(0x10, 0x2a, 0x4c);
const HEADLINE: Colour = Colour::new(0xff, 0xff, 0xff);
const ACCENT: Colour = Colour::new(0xff, 0xc1, 0x5e);
const LABEL: Colour = Colour::new(0x8d, 0xb4, 0xe2);
const VALUE: Colour = Colour::new(0xee, 0xf3, 0xf9);
const QUIET: Colour = Colour::new(0xa9, 0xbd, 0xd6);

/// Characters of the stop code line.
const STOP_LINE_WIDTH: usize = 101;
/// Characters of a register and the gap behind it.
const REGISTER_WIDTH: usize = Register::NAME_WIDTH + 1 + 16 + 3;

/// Draws a stop screen over whatever the buffer shows.
pub fn draw_stop_screen(pixels: &mut PixelBuffer<'_>, text: &StopText<'_>) {
    let area = pixels.area();
    let typeface = fitting(area, text);
    pixels.fill(area, BACKGROUND);
    Page::new(Some(pixels), area, typeface).compose(text);
}

/// The largest typeface in which everything has its place; the smallest if there is none.
fn fitting(area: Rect, text: &StopText<'_>) -> Typeface {
    let fits = |&typeface: &Typeface| {
        let page = Page::new(None, area, typeface);
        page.content.width >= STOP_LINE_WIDTH * typeface.width() && page.compose(text) <= area.y + area.height
    };
    Typeface::ALL.into_iter().find(fits).unwrap_or(Typeface::SMALLEST)
}

/// A screen that is filled from the top down; without pixels it only measures.
struct Page<'p, 'a> {
    pixels: Option<&'p mut PixelBuffer<'a>>,
    /// The screen without its margins.
    content: Rect,
    typeface: Typeface,
    /// Where the next paragraph starts.
    y: usize,
}

impl<'p, 'a> Page<'p, 'a> {
    fn new(pixels: Option<&'p mut PixelBuffer<'a>>, area: Rect, typeface: Typeface) -> Self {
        let (side, top) = (area.width / 24, area.height / 24);
        let content = Rect {
            x: area.x + side,
            y: area.y + top,
            width: area.width.saturating_sub(2 * side),
            height: area.height.saturating_sub(2 * top),
        };
        Self { pixels, content, typeface, y: content.y }
    }

    /// Writes everything and returns where it ended.
    fn compose(mut self, text: &StopText<'_>) -> usize {
        self.headline(text.headline);
        self.gap();
        self.paragraph(&text.code, self.typeface, ACCENT);
        self.paragraph(&text.name, self.typeface, ACCENT);
        self.gap();
        for field in text.fields {
            self.field(field);
        }
        self.gap();
        self.registers(text.registers);
        self.gap();
        self.paragraph(text.closing, self.typeface, HEADLINE);
        self.y
    }

    /// Leaves half a line empty.
    fn gap(&mut self) {
        self.y += self.typeface.height() / 2;
    }

    /// The sentence at the top, with a bar beside it.
    fn headline(&mut self, text: &dyn fmt::Display) {
        let larger = Typeface::ALL.into_iter().rfind(|other| other.height() > self.typeface.height());
        let (bar, indent) = (self.typeface.width() / 2, self.typeface.width() * 3 / 2);
        let height = self.write(text, indent, larger.unwrap_or(self.typeface), HEADLINE);
        let bar = Rect { y: self.y, width: bar, height, ..self.content };
        if let Some(pixels) = &mut self.pixels {
            pixels.fill(bar, ACCENT);
        }
        self.y += height;
    }

    fn paragraph(&mut self, text: &dyn fmt::Display, typeface: Typeface, colour: Colour) {
        self.y += self.write(text, 0, typeface, colour);
    }

    fn field(&mut self, field: &Field<'_>) {
        let indent = (LABEL_WIDTH + 2) * self.typeface.width();
        let label = self.write(&field.label, 0, self.typeface, LABEL);
        let value = self.write(field.value, indent, self.typeface, VALUE);
        self.y += label.max(value);
    }

    fn registers(&mut self, registers: &[Register<'_>]) {
        let typeface = self.typeface.smaller();
        let cell = REGISTER_WIDTH * typeface.width();
        let columns = (self.content.width / cell).max(1);
        for line in registers.chunks(columns) {
            for (column, register) in line.iter().enumerate() {
                self.write(register, column * cell, typeface, QUIET);
            }
            self.y += typeface.height();
        }
    }

    /// Writes at the current height and returns the height it took.
    fn write(&mut self, text: &dyn fmt::Display, indent: usize, typeface: Typeface, colour: Colour) -> usize {
        let area = Rect {
            x: self.content.x + indent,
            y: self.y,
            width: self.content.width.saturating_sub(indent),
            height: (self.content.y + self.content.height).saturating_sub(self.y),
        };
        Pen::new(self.pixels.as_deref_mut(), area, typeface, colour, BACKGROUND).write(text)
    }
}

#[cfg(test)]
mod tests;
