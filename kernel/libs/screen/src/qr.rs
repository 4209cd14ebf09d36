//! A text as a QR code, drawn into the pixels.
//!
//! Black on white with the quiet zone of four modules on every side that ISO/IEC 18004 asks for, so that it can
//! be scanned off any background.

use qrcodegen_no_heap::{QrCode, QrCodeEcc, Version};

use crate::colour::Colour;
use crate::pixels::{PixelBuffer, Rect};

/// The largest code: 858 bytes, or 1249 characters of the alphanumeric mode, at the lowest level of error correction.
const LARGEST: Version = Version::new(20);
/// Modules of the quiet zone, on each side.
const QUIET_ZONE: usize = 4;

const DARK: Colour = Colour::new(0, 0, 0);
const LIGHT: Colour = Colour::new(0xff, 0xff, 0xff);

/// Memory for a code and for making it.
pub(crate) struct Workspace {
    code: [u8; LARGEST.buffer_len()],
    scratch: [u8; LARGEST.buffer_len()],
}

impl Workspace {
    pub(crate) const fn new() -> Self {
        Self { code: [0; LARGEST.buffer_len()], scratch: [0; LARGEST.buffer_len()] }
    }
}

/// A code that is ready to be drawn.
pub(crate) struct Symbol<'w>(QrCode<'w>);

impl<'w> Symbol<'w> {
    /// Makes the code of a text; `None` if it is too long.
    ///
    /// A screen is neither dirty nor torn, so error correction beyond the lowest level comes only where the
    /// smallest code for the text has room for it.
    pub(crate) fn of(text: &str, workspace: &'w mut Workspace) -> Option<Self> {
        let Workspace { code, scratch } = workspace;
        QrCode::encode_text(text, scratch, code, QrCodeEcc::Low, Version::MIN, LARGEST, None, true)
            .ok()
            .map(Self)
    }

    /// Modules of a side, quiet zone included.
    pub(crate) fn modules(&self) -> usize {
        usize::try_from(self.0.size()).unwrap_or(0) + 2 * QUIET_ZONE
    }

    /// Draws the code with its upper left corner at a pixel, each module `scale` pixels wide.
    pub(crate) fn draw(&self, pixels: &mut PixelBuffer<'_>, (x, y): (usize, usize), scale: usize) {
        let side = self.modules() * scale;
        pixels.fill(Rect { x, y, width: side, height: side }, LIGHT);
        for (row, line) in (0..self.0.size()).zip(QUIET_ZONE..) {
            for (column, place) in (0..self.0.size()).zip(QUIET_ZONE..) {
                if self.0.get_module(column, row) {
                    let corner = (x + place * scale, y + line * scale);
                    pixels.fill(Rect { x: corner.0, y: corner.1, width: scale, height: scale }, DARK);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Geometry, PixelFormat};
    use std::vec;

    #[test]
    fn a_code_has_its_quiet_zone_and_nothing_beyond() {
        let mut workspace = Workspace::new();
        let symbol = Symbol::of("IVT1:", &mut workspace).unwrap();
        // Version 1 has 21 modules.
        assert_eq!(symbol.modules(), 29);
        let (width, height) = (100, 100);
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 1, format: PixelFormat::Grey };
        let mut bytes = vec![0x80; width * height];
        symbol.draw(&mut PixelBuffer::new(&mut bytes, geometry).unwrap(), (5, 6), 3);
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            let inside = (5..5 + 87).contains(&x) && (6..6 + 87).contains(&y);
            let dark_allowed = (17..17 + 63).contains(&x) && (18..18 + 63).contains(&y);
            match bytes[y * width + x] {
                0x80 => assert!(!inside, "{x} {y}"),
                0 => assert!(dark_allowed, "{x} {y}"),
                _ => assert!(inside, "{x} {y}"),
            }
        }
        // The upper left finder pattern begins with seven dark modules.
        assert!((17..17 + 21).all(|x| bytes[18 * width + x] == 0));
        assert_eq!(bytes[18 * width + 17 + 21], 0xff);
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        let long = "x".repeat(859);
        assert!(Symbol::of(&long, &mut Workspace::new()).is_none());
        assert!(Symbol::of(&long[..858], &mut Workspace::new()).is_some());
        assert!(Symbol::of(&"x".repeat(5000), &mut Workspace::new()).is_none());
    }
}
