//! The typeface: Noto Sans Mono in three heights, printable ASCII, and two signs that it lacks.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// The first character that has a glyph; the blank.
const FIRST: u8 = b' ';
/// The last one; the tilde.
const LAST: u8 = b'~';
const GLYPHS: usize = (LAST - FIRST + 1) as usize + SIGNS.len();

/// The place of the tick among the glyphs: something holds.
pub(crate) const TICK: u8 = LAST + 1;
/// The place of the cross: it does not.
pub(crate) const CROSS: u8 = LAST + 2;

/// The signs behind the letters, each as strokes between two points, in sixteenths of a glyph's width and height.
const SIGNS: [[[usize; 4]; 2]; 2] = [[[1, 9, 6, 12], [6, 12, 15, 4]], [[2, 4, 14, 12], [2, 12, 14, 4]]];

/// The place of a character among the glyphs; a question mark's for what has none.
pub(crate) fn place(character: char) -> u8 {
    match character {
        '✔' => TICK,
        '✘' => CROSS,
        // This one stands in times.
        'µ' => b'u',
        ' '..='~' => character as u8,
        _ => b'?',
    }
}

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
        let place = index / (width * height);
        if place >= GLYPHS - SIGNS.len() {
            let strokes = SIGNS[place + SIGNS.len() - GLYPHS];
            let inner = index % (width * height);
            levels[index] = ink(strokes, inner % width, inner / width, width, height);
            index += 1;
            continue;
        }
        let character = (FIRST as usize + place) as u8 as char;
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

/// Points of a pixel's side at which a stroke is looked for.
const POINTS: usize = 4;

/// How much of a pixel strokes cover, from 0 to [`MAX_LEVEL`].
const fn ink(strokes: [[usize; 4]; 2], x: usize, y: usize, width: usize, height: usize) -> u8 {
    let mut covered = 0;
    let mut point = 0;
    while point < POINTS * POINTS {
        // In eighths of a pixel, in the middle of each of the small squares.
        let at = [8 * x + 2 * (point % POINTS) + 1, 8 * y + 2 * (point / POINTS) + 1];
        let mut stroke = 0;
        while stroke < strokes.len() {
            let [ax, ay, bx, by] = strokes[stroke];
            let ends = [ax * width / 2, ay * height / 2, bx * width / 2, by * height / 2];
            if is_near(at, ends, width) {
                covered += 1;
                break;
            }
            stroke += 1;
        }
        point += 1;
    }
    (covered * MAX_LEVEL as usize / (POINTS * POINTS)) as u8
}

/// Tells whether a point is within half a stroke, an eighth of a glyph's width, of the line between two points.
const fn is_near(at: [usize; 2], ends: [usize; 4], width: usize) -> bool {
    let reach = width as i64;
    let (dx, dy) = (ends[2] as i64 - ends[0] as i64, ends[3] as i64 - ends[1] as i64);
    let (px, py) = (at[0] as i64 - ends[0] as i64, at[1] as i64 - ends[1] as i64);
    let (along, length) = (px * dx + py * dy, dx * dx + dy * dy);
    let aside = px * dy - py * dx;
    along >= 0 && along <= length && aside * aside <= reach * reach * length
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

    /// The rows of the glyph at a [`place`]; a question mark's for what has none.
    pub(crate) fn rows(self, character: u8) -> impl Iterator<Item = &'static [u8]> {
        let known = if (FIRST..=CROSS).contains(&character) { character } else { b'?' };
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
    /// The largest font, each pixel so often.
    pub(crate) const fn poster(scale: usize) -> Self {
        Self { font: Font::LARGE, scale }
    }

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
            for character in FIRST..=CROSS {
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
        for character in [0, b'\n', 0x81, 0xff] {
            assert!(Font::SMALL.rows(character).eq(Font::SMALL.rows(b'?')));
        }
    }

    #[test]
    fn sizes_go_down_to_the_smallest() {
        let [huge, large, medium, small] = Typeface::ALL;
        assert_eq!((huge.smaller(), large.smaller(), medium.smaller()), (large, medium, small));
        assert_eq!(small.smaller(), small);
    }

    #[test]
    fn signs_have_glyphs_and_look_like_nothing_else() {
        assert_eq!(['✔', '✘', 'a', 'µ', 'é', '\u{7f}'].map(place), [TICK, CROSS, b'a', b'u', b'?', b'?']);
        for font in [Font::SMALL, Font::MEDIUM, Font::LARGE] {
            let of = |place| font.rows(place).collect::<Vec<_>>().concat();
            assert!((FIRST..=LAST).all(|letter| of(letter) != of(TICK) && of(letter) != of(CROSS)));
            // A cross is the same from either side, a tick is not.
            let turned = |place| -> Vec<u8> {
                font.rows(place).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect()
            };
            assert!(of(CROSS) == turned(CROSS) && of(TICK) != turned(TICK));
        }
    }
}
