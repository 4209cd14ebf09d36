//! A buffer of pixels in any of the formats that firmware sets up.

use crate::colour::Colour;

/// How the bytes of a pixel hold its colour. A fourth byte, where there is one, is written as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
    /// The brightness, in every byte.
    Grey,
    /// Eight bits each, at these offsets in the little-endian word.
    Shifted {
        /// Bit offset of red.
        red: u8,
        /// Bit offset of green.
        green: u8,
        /// Bit offset of blue.
        blue: u8,
    },
}

/// The shape of a pixel buffer, as firmware describes it; nothing in it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Visible pixels of a line.
    pub width: usize,
    /// Visible lines.
    pub height: usize,
    /// Pixels from the start of a line to the start of the next.
    pub stride: usize,
    /// Bytes of a pixel.
    pub bytes_per_pixel: usize,
    /// What these bytes mean.
    pub format: PixelFormat,
}

/// A part of the screen, in pixels from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub x: usize,
    /// First line.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// A buffer that can be drawn into.
///
/// Holding one proves that every visible pixel lies within the bytes.
#[derive(Debug)]
pub struct PixelBuffer<'a> {
    bytes: &'a mut [u8],
    geometry: Geometry,
}

/// A pixel as it stands in memory; only the first bytes count where there are fewer.
pub(crate) type EncodedPixel = [u8; 4];

/// Bytes that hold a whole number of pixels of 1, 3 and 4 bytes, and of machine words.
const PATTERN_BYTES: usize = 24;

impl<'a> PixelBuffer<'a> {
    /// Checks that bytes and shape go together; lines that the bytes do not hold are cut off.
    ///
    /// `None` if not one line can be drawn, or for pixels of other than 1 (grey only), 3 or 4 bytes.
    pub fn new(bytes: &'a mut [u8], geometry: Geometry) -> Option<Self> {
        let Geometry { width, stride, bytes_per_pixel, format, .. } = geometry;
        let known = matches!((bytes_per_pixel, format), (1, PixelFormat::Grey) | (3 | 4, _));
        if !known || width == 0 || stride < width {
            return None;
        }
        let line_bytes = stride.checked_mul(bytes_per_pixel)?;
        let visible_bytes = width.checked_mul(bytes_per_pixel)?;
        // The last line need not be followed by its padding.
        let lines = bytes.len().checked_sub(visible_bytes)? / line_bytes + 1;
        let height = geometry.height.min(lines);
        (height > 0).then_some(Self { bytes, geometry: Geometry { height, ..geometry } })
    }

    /// Visible pixels of a line.
    pub const fn width(&self) -> usize {
        self.geometry.width
    }

    /// Visible lines.
    pub const fn height(&self) -> usize {
        self.geometry.height
    }

    /// The whole screen.
    pub const fn area(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.geometry.width, height: self.geometry.height }
    }

    /// Fills a part of the screen; what lies outside is left out.
    pub fn fill(&mut self, rect: Rect, colour: Colour) {
        let pixel = self.encode(colour);
        let pixel = pixel.get(..self.geometry.bytes_per_pixel).unwrap_or_default();
        // Firmware maps screens uncached: few wide stores beat many narrow ones.
        let mut pattern = [0; PATTERN_BYTES];
        for slot in pattern.chunks_exact_mut(pixel.len().max(1)) {
            slot.copy_from_slice(pixel);
        }
        for y in rect.y..rect.y.saturating_add(rect.height).min(self.height()) {
            let mut chunks = self.span(rect.x, y, rect.width).chunks_exact_mut(PATTERN_BYTES);
            for chunk in &mut chunks {
                chunk.copy_from_slice(&pattern);
            }
            for (byte, value) in chunks.into_remainder().iter_mut().zip(pattern) {
                *byte = value;
            }
        }
    }

    /// Puts a row of pixels onto line `y` from column `x`, each `scale` columns wide.
    pub(crate) fn draw_row(
        &mut self,
        x: usize,
        y: usize,
        scale: usize,
        row: impl ExactSizeIterator<Item = EncodedPixel>,
    ) {
        let bytes_per_pixel = self.geometry.bytes_per_pixel;
        let span = self.span(x, y, row.len().saturating_mul(scale));
        // Lengths known at compile time become one store a pixel.
        match bytes_per_pixel {
            4 => paint(span, scale, row),
            3 => paint(span, scale, row.map(|[a, b, c, _]| [a, b, c])),
            _ => paint(span, scale, row.map(|[a, ..]| [a])),
        }
    }

    /// A colour as it stands in this buffer.
    pub(crate) fn encode(&self, colour: Colour) -> EncodedPixel {
        let Colour { red, green, blue } = colour;
        match self.geometry.format {
            PixelFormat::Rgb => [red, green, blue, 0],
            PixelFormat::Bgr => [blue, green, red, 0],
            PixelFormat::Grey => [colour.luma(); 4],
            PixelFormat::Shifted { red: r, green: g, blue: b } => {
                let part = |value: u8, shift: u8| u32::from(value).checked_shl(shift.into()).unwrap_or(0);
                (part(red, r) | part(green, g) | part(blue, b)).to_le_bytes()
            }
        }
    }

    /// The bytes of at most `width` visible pixels of line `y` from column `x`.
    fn span(&mut self, x: usize, y: usize, width: usize) -> &mut [u8] {
        let Geometry { width: columns, height, stride, bytes_per_pixel, .. } = self.geometry;
        if y >= height || x >= columns {
            return &mut [];
        }
        // No product can overflow: all are at most the length of the bytes.
        let start = (y * stride + x) * bytes_per_pixel;
        let length = width.min(columns - x) * bytes_per_pixel;
        self.bytes.get_mut(start..start + length).unwrap_or_default()
    }
}

/// Puts pixels side by side, each `scale` times.
fn paint<const BYTES: usize>(span: &mut [u8], scale: usize, row: impl Iterator<Item = [u8; BYTES]>) {
    let (slots, _) = span.as_chunks_mut();
    if scale == 1 {
        for (slot, pixel) in slots.iter_mut().zip(row) {
            *slot = pixel;
        }
        return;
    }
    for (block, pixel) in slots.chunks_mut(scale.max(1)).zip(row) {
        block.fill(pixel);
    }
}

#[cfg(test)]
mod tests;
