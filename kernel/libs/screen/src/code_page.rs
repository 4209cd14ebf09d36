//! A page of a longer text as a QR code, as large as the screen lets it, with a line above and one below.

use core::fmt;

use crate::colour::Colour;
use crate::font::Typeface;
use crate::pen::Pen;
use crate::pixels::{PixelBuffer, Rect};
use crate::qr::{Symbol, Workspace};

const BACKGROUND: Colour = Colour::new(0x0b, 0x14, 0x22);
const TEXT: Colour = Colour::new(0xee, 0xf3, 0xf9);
const QUIET: Colour = Colour::new(0x9a, 0xad, 0xc4);

/// The fewest pixels of a module's side that a camera tells apart.
const SMALLEST_MODULE: usize = 2;

/// The screen is too small for the code, or the text too long for one. Nothing was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoomForCode;

impl fmt::Display for NoRoomForCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the screen is too small for the code")
    }
}

impl core::error::Error for NoRoomForCode {}

/// Draws a page over whatever the buffer shows.
///
/// # Errors
/// [`NoRoomForCode`].
pub fn draw_code_page(
    pixels: &mut PixelBuffer<'_>,
    code: &str,
    title: &dyn fmt::Display,
    closing: &dyn fmt::Display,
) -> Result<(), NoRoomForCode> {
    let area = pixels.area();
    let typeface = Typeface::SMALLEST;
    let band = 2 * typeface.height();
    let mut workspace = Workspace::new();
    let symbol = Symbol::of(code, &mut workspace).ok_or(NoRoomForCode)?;
    let room = area.width.min(area.height.saturating_sub(2 * band));
    let scale = room / symbol.modules();
    if scale < SMALLEST_MODULE {
        return Err(NoRoomForCode);
    }
    let side = symbol.modules() * scale;
    pixels.fill(area, BACKGROUND);
    symbol.draw(pixels, ((area.width - side) / 2, (area.height - side) / 2), scale);
    let line = |y| Rect {
        x: 2 * typeface.width(),
        y,
        width: area.width.saturating_sub(4 * typeface.width()),
        height: typeface.height(),
    };
    let top = typeface.height() / 2;
    Pen::new(Some(pixels), line(top), typeface, TEXT, BACKGROUND).write(title);
    let bottom = area.height.saturating_sub(top + typeface.height());
    Pen::new(Some(pixels), line(bottom), typeface, QUIET, BACKGROUND).write(closing);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Geometry, PixelFormat};
    use std::string::String;
    use std::vec;

    /// Draws a page and reads it with a decoder that shares no code with the encoder.
    fn shown(code: &str, width: usize, height: usize) -> Result<String, NoRoomForCode> {
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 1, format: PixelFormat::Grey };
        let mut bytes = vec![0; width * height];
        let mut pixels = PixelBuffer::new(&mut bytes, geometry).unwrap();
        draw_code_page(&mut pixels, code, &"page 1 of 3", &"a key ends this")?;
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| bytes[y * width + x]);
        let grids = image.detect_grids();
        Ok(grids[0].decode().unwrap().1)
    }

    /// As much as a page may hold: 1240 characters of the alphanumeric mode.
    #[test]
    fn a_full_page_is_read_back_off_screens_of_every_usual_size() {
        let code: String =
            "IVT2:1/3:1A2B3C4D:".chars().chain("0123 %*+-./:ABC".chars().cycle()).take(1240).collect();
        for (width, height) in [(640, 480), (800, 600), (1280, 720), (1920, 1080)] {
            assert_eq!(shown(&code, width, height).as_ref(), Ok(&code), "{width}x{height}");
        }
        assert_eq!(shown(&code, 320, 200), Err(NoRoomForCode));
        assert_eq!(shown("IVT2:", 320, 200).as_deref(), Ok("IVT2:"));
        assert_eq!(shown(&"x".repeat(2000), 1920, 1080), Err(NoRoomForCode));
    }
}
