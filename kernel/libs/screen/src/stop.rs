//! The stop screen.
//!
//! From the top: what happened as a sentence, the stop code and its name, the facts in two columns with the QR
//! code at their right, the registers in as many columns as fit, what holds now. It is set in the largest
//! typeface that keeps the stop code on one line and everything on the screen; the headline is one size larger
//! than the rest, the registers one smaller. A screen that is too small for that loses the registers first,
//! then the size of the QR code.

mod layout;

use core::fmt;

use crate::colour::Colour;
use crate::font::Typeface;
use crate::pen::Pen;
use crate::pixels::{PixelBuffer, Rect};
use crate::qr::{Symbol, Workspace};
use crate::stop_text::{Field, LABEL_WIDTH, Register, StopText};
use layout::{Extent, Layout};

const BACKGROUND: Colour = Colour::new(0x10, 0x2a, 0x4c);
const HEADLINE: Colour = Colour::new(0xff, 0xff, 0xff);
const ACCENT: Colour = Colour::new(0xff, 0xc1, 0x5e);
const LABEL: Colour = Colour::new(0x8d, 0xb4, 0xe2);
const VALUE: Colour = Colour::new(0xee, 0xf3, 0xf9);
const QUIET: Colour = Colour::new(0xa9, 0xbd, 0xd6);

/// Characters of a register and the gap behind it.
const REGISTER_WIDTH: usize = Register::NAME_WIDTH + 1 + 16 + 3;

/// What the QR code is for.
const CAPTION: &str = "Scan for the report as text, and paste that into: ivt explain";

/// Draws a stop screen over whatever the buffer shows.
pub fn draw_stop_screen(pixels: &mut PixelBuffer<'_>, text: &StopText<'_>) {
    let area = pixels.area();
    let mut workspace = Workspace::new();
    let symbol = Symbol::of(text.digest, &mut workspace);
    let layout = Layout::fitting(area, text, symbol.as_ref());
    pixels.fill(area, BACKGROUND);
    Page::new(Some(pixels), area, layout, symbol.as_ref()).compose(text);
}

/// A screen that is filled from the top down; without pixels it only measures.
struct Page<'p, 'a> {
    pixels: Option<&'p mut PixelBuffer<'a>>,
    symbol: Option<&'p Symbol<'p>>,
    /// The screen without its margins.
    content: Rect,
    layout: Layout,
    /// Where the next paragraph starts.
    y: usize,
    /// What the QR code and its caption take, in the content's right corner.
    notch: Rect,
}

impl<'p, 'a> Page<'p, 'a> {
    fn new(
        pixels: Option<&'p mut PixelBuffer<'a>>,
        area: Rect,
        layout: Layout,
        symbol: Option<&'p Symbol<'p>>,
    ) -> Self {
        let (side, top) = layout.margins(area);
        let content = Rect {
            x: area.x + side,
            y: area.y + top,
            width: area.width.saturating_sub(2 * side),
            height: area.height.saturating_sub(2 * top),
        };
        let notch = Rect { x: content.x + content.width, y: content.y, width: 0, height: 0 };
        Self { pixels, symbol, content, layout, y: content.y, notch }
    }

    /// Writes everything and returns where it ended.
    fn compose(&mut self, text: &StopText<'_>) -> usize {
        let typeface = self.layout.typeface;
        self.headline(text.headline);
        self.gap();
        self.paragraph(&text.code, typeface, ACCENT);
        self.paragraph(&text.name, typeface, ACCENT);
        self.gap();
        self.code();
        for field in text.fields {
            self.field(field);
        }
        if self.layout.extent == Extent::Full {
            self.gap();
            self.registers(text.registers);
        }
        self.gap();
        self.paragraph(text.closing, typeface, HEADLINE);
        self.y.max(self.notch.y + self.notch.height)
    }

    /// Leaves half a line empty.
    fn gap(&mut self) {
        self.y += self.layout.typeface.height() / 2;
    }

    /// The sentence at the top, with a bar beside it.
    fn headline(&mut self, text: &dyn fmt::Display) {
        let typeface = self.layout.typeface;
        let larger = Typeface::ALL.into_iter().rfind(|other| other.height() > typeface.height());
        let (bar, indent) = (typeface.width() / 2, typeface.width() * 3 / 2);
        let set_in = match self.layout.extent {
            Extent::Full => larger.unwrap_or(typeface),
            Extent::Compact => typeface,
        };
        let height = self.write(text, indent, set_in, HEADLINE);
        let bar = Rect { y: self.y, width: bar, height, ..self.content };
        if let Some(pixels) = &mut self.pixels {
            pixels.fill(bar, ACCENT);
        }
        self.y += height;
    }

    /// The QR code with its caption, at the right of what follows.
    fn code(&mut self) {
        let Some(symbol) = self.symbol.filter(|_| self.layout.scale > 0) else { return };
        let side = symbol.modules() * self.layout.scale;
        let x = (self.content.x + self.content.width).saturating_sub(side);
        let typeface = self.layout.typeface.smaller();
        if let Some(pixels) = &mut self.pixels {
            symbol.draw(pixels, (x, self.y), self.layout.scale);
        }
        let below = Rect {
            x,
            y: self.y + side,
            width: side,
            height: (self.content.y + self.content.height).saturating_sub(self.y + side),
        };
        let caption =
            Pen::new(self.pixels.as_deref_mut(), below, typeface, QUIET, BACKGROUND).write(&CAPTION);
        let gap = 2 * self.layout.typeface.width();
        let left = x.saturating_sub(gap);
        self.notch = Rect { x: left, y: self.y, width: side + gap, height: side + caption };
    }

    fn paragraph(&mut self, text: &dyn fmt::Display, typeface: Typeface, colour: Colour) {
        self.y += self.write(text, 0, typeface, colour);
    }

    fn field(&mut self, field: &Field<'_>) {
        let typeface = self.layout.typeface;
        let indent = (LABEL_WIDTH + 2) * typeface.width();
        let label = self.write(&field.label, 0, typeface, LABEL);
        let value = self.write(field.value, indent, typeface, VALUE);
        self.y += label.max(value);
    }

    fn registers(&mut self, registers: &[Register<'_>]) {
        let typeface = self.layout.typeface.smaller();
        let cell = REGISTER_WIDTH * typeface.width();
        let beside = self.y < self.notch.y + self.notch.height;
        let end = if beside { self.notch.x } else { self.content.x + self.content.width };
        let columns = (end.saturating_sub(self.content.x) / cell).max(1);
        for line in registers.chunks(columns) {
            for (column, register) in line.iter().enumerate() {
                self.write(register, column * cell, typeface, QUIET);
            }
            self.y += typeface.height();
        }
    }

    /// Writes at the current height, around the QR code, and returns the height it took.
    fn write(&mut self, text: &dyn fmt::Display, indent: usize, typeface: Typeface, colour: Colour) -> usize {
        let x = self.content.x + indent;
        let area = Rect {
            x,
            y: self.y,
            width: self.content.width.saturating_sub(indent),
            height: (self.content.y + self.content.height).saturating_sub(self.y),
        };
        let beside = (self.notch.y + self.notch.height).saturating_sub(self.y);
        Pen::new(self.pixels.as_deref_mut(), area, typeface, colour, BACKGROUND)
            .around(beside, self.notch.x.saturating_sub(x))
            .write(text)
    }
}

#[cfg(test)]
mod tests;
