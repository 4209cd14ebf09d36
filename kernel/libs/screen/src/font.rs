//! The typeface: Noto Sans Mono in three heights, printable ASCII.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// The first character that has a glyph; the blank.
const FIRST: u8 = b' ';
/// The last one; the tilde.
const LAST: u8 = b'~';
const GLYPHS: usize = (LAST - FIRST + 1) as usize;

/// The strongest of the levels in which the edges of glyphs are drawn.
pub(crate) const MAX_LEVEL: u8 = 15;

/// A set of glyphs of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Font {
    width: usize,
    height: usize,
    /// All glyphs, each row by row, a byte a pixel from 0 to [`MAX_LEVEL`].
    levels: &'static [u8],
}

/// Copies the glyphs of one size into one table at compile time.
///
/// As the font's crate holds them, each row is a slice of its own, which would need a relocation.
const fn rasterize<const BYTES: usize>(size: RasterHeight) -> [u8; BYTES] {
    let (width, height) = (get_raster_width(FontWeight::Regular, size), size.val());
    assert!(BYTES == GLYPHS * width * height);
    let mut levels = [0; BYTES];
    let mut index = 0;
    while index < BYTES {
        let character = (FIRST as usize + index / (width * height)) as u8 as char;
        let Some(glyph) = get_raster(character, FontWeight::Regular, size) else {
            panic!("the font has every printable ASCII character");
        };
        let rows = glyph.raster();
        let mut inner = 0;
        while inner < width * height {
            let intensity = rows[inner / width][inner % width] as usize;
            levels[index] = ((intensity * MAX_LEVEL as usize + 127) / 255) as u8;
            index += 1;
            inner += 1;
        }
    }
    levels
}

static SMALL: [u8; GLYPHS * 7 * 16] = rasterize(RasterHeight::Size16);
static MEDIUM: [u8; GLYPHS * 11 * 24] = rasterize(RasterHeight::Size24);
static LARGE: [u8; GLYPHS * 14 * 32] = rasterize(RasterHeight::Size32);

impl Font {
    /// 7 by 16 pixels.
    pub const SMALL: Self = Self { width: 7, height: 16, levels: &SMALL };
    /// 11 by 24 pixels.
    pub const MEDIUM: Self = Self { width: 11, height: 24, levels: &MEDIUM };
    /// 14 by 32 pixels.
    pub const LARGE: Self = Self { width: 14, height: 32, levels: &LARGE };

    /// The rows of a character's glyph; a question mark's for what has none.
    pub(crate) fn rows(self, character: u8) -> impl Iterator<Item = &'static [u8]> {
        let known = if (FIRST..=LAST).contains(&character) { character } else { b'?' };
        let bytes = self.width * self.height;
        let start = usize::from(known - FIRST) * bytes;
        self.levels.get(start..start + bytes).unwrap_or_default().chunks_exact(self.width)
    }
}

/// A font at a whole multiple of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typeface {
    font: Font,
    scale: usize,
}

impl Typeface {
    /// Every size, the largest first.
    pub const ALL: [Self; 4] = [
        Self { font: Font::LARGE, scale: 2 },
        Self { font: Font::LARGE, scale: 1 },
        Self { font: Font::MEDIUM, scale: 1 },
        Self::SMALLEST,
    ];

    /// The smallest size.
    pub const SMALLEST: Self = Self { font: Font::SMALL, scale: 1 };

    /// The font.
    pub const fn font(self) -> Font {
        self.font
    }

    /// How often each pixel of the font is repeated, both ways.
    pub const fn scale(self) -> usize {
        self.scale
    }

    /// Pixels that a character is wide.
    pub const fn width(self) -> usize {
        self.font.width * self.scale
    }

    /// Pixels that a line is high.
    pub const fn height(self) -> usize {
        self.font.height * self.scale
    }

    /// The size below this one; the smallest is its own.
    pub fn smaller(self) -> Self {
        Self::ALL.into_iter().find(|other| other.height() < self.height()).unwrap_or(Self::SMALLEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_font_has_every_character() {
        for typeface in Typeface::ALL {
            let font = typeface.font();
            for character in FIRST..=LAST {
                let rows: Vec<_> = font.rows(character).collect();
                assert_eq!(rows.len(), font.height);
                assert!(rows.iter().all(|row| row.len() == font.width));
                let blank = rows.iter().all(|row| row.iter().all(|&level| level == 0));
                assert_eq!(blank, character == b' ');
                assert!(rows.concat().iter().all(|&level| level <= MAX_LEVEL));
            }
        }
    }

    #[test]
    fn other_characters_are_question_marks() {
        for character in [0, b'\n', 0x7f, 0x80, 0xff] {
            assert!(Font::SMALL.rows(character).eq(Font::SMALL.rows(b'?')));
        }
    }

    #[test]
    fn sizes_go_down_to_the_smallest() {
        let [huge, large, medium, small] = Typeface::ALL;
        assert_eq!((huge.smaller(), large.smaller(), medium.smaller()), (large, medium, small));
        assert_eq!(small.smaller(), small);
    }
}
