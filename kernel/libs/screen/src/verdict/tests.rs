//! Tests of the screen with the answer.

use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::pixels::{Geometry, PixelFormat};

const SIZES: [(usize, usize); 5] = [(640, 480), (800, 600), (1280, 720), (1920, 1080), (3840, 2160)];

/// A sentence of the greatest length.
fn long() -> String {
    "external ".repeat(18)
}

fn draw(width: usize, height: usize, text: &VerdictText<'_>) -> Vec<u8> {
    let geometry = Geometry { width, height, stride: width, bytes_per_pixel: 4, format: PixelFormat::Rgb };
    let mut bytes = vec![0; width * height * 4];
    draw_verdict_screen(&mut PixelBuffer::new(&mut bytes, geometry).unwrap(), text);
    bytes
}

fn text<'a>(
    word: &'a str,
    sign: Sign,
    checks: &'a [Line<'a>],
    advice: &'a [&'a dyn fmt::Display],
) -> VerdictText<'a> {
    let closing = &"Press a key for the console.";
    VerdictText { machine: &"ACME PC 1, firmware 1.0 of 01/02/2026", word, sign, checks, advice, closing }
}

fn holds(bytes: &[u8], colour: Colour) -> bool {
    bytes.chunks_exact(4).any(|pixel| pixel[..3] == [colour.red, colour.green, colour.blue])
}

#[test]
fn the_word_stands_in_its_colour_and_each_sign_in_its_own() {
    for sign in [Sign::Holds, Sign::Doubtful, Sign::Fails] {
        let checks = [Line { sign, words: &"It is so." }];
        let bytes = draw(640, 480, &text("GAPS", sign, &checks, &[]));
        for other in [Sign::Holds, Sign::Doubtful, Sign::Fails] {
            assert_eq!(holds(&bytes, other.ground()), sign == other, "{sign:?} {other:?}");
            assert_eq!(holds(&bytes, other.ink()), sign == other, "{sign:?} {other:?}");
        }
    }
}

/// The five longest sentences and as many pieces of advice have their place on every screen, the last line among them.
#[test]
fn everything_has_its_place_on_every_screen() {
    let words = long();
    let checks = [Line { sign: Sign::Fails, words: &words }; 5];
    let advice: [&dyn fmt::Display; 5] =
        [&"In set-up, switch on one thing (it may be called by ten other names)."; 5];
    for (width, height) in SIZES {
        let full = text("NOT PROTECTED", Sign::Fails, &checks, &advice);
        let area = Rect { x: 0, y: 0, width, height };
        assert!(Page::new(None, area, Typeface::SMALLEST).compose(&full) <= height, "{width}x{height}");
        let without = VerdictText { closing: &"", ..full };
        assert!(draw(width, height, &full) != draw(width, height, &without), "{width}x{height}");
    }
}

#[test]
fn the_typeface_grows_with_the_screen() {
    let checks = [Line { sign: Sign::Holds, words: &"It is so." }; 5];
    let text = text("PROTECTED", Sign::Holds, &checks, &[]);
    let largest = |(width, height)| {
        let area = Rect { x: 0, y: 0, width, height };
        let fits = |typeface: &Typeface| Page::new(None, area, *typeface).compose(&text) <= height;
        Typeface::ALL.into_iter().find(fits).unwrap().height()
    };
    assert!(SIZES.map(largest).is_sorted() && largest(SIZES[0]) > 16);
}

#[test]
fn a_screen_that_is_far_too_small_is_no_trouble() {
    let checks = [Line { sign: Sign::Fails, words: &"It is not so." }; 5];
    for (width, height) in [(1, 1), (20, 20), (100, 30)] {
        draw(width, height, &text("NOT PROTECTED", Sign::Fails, &checks, &[&"x"]));
    }
}
