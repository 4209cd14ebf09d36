//! Tests of the text console.

use super::*;
use crate::pixels::{Geometry, PixelFormat};
use core::fmt::Write;
use proptest::prelude::*;
use std::boxed::Box;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// A console of so many characters, in the smallest typeface.
fn screen(columns: usize, rows: usize) -> Box<TextScreen> {
    let mut screen = Box::new(TextScreen::new());
    screen.resize(columns * 7, rows * 16);
    screen
}

/// The lines that the console holds, from the top.
fn lines(screen: &TextScreen) -> Vec<String> {
    let line = |row| &screen.written[screen.index(row)][..screen.columns];
    (0..screen.rows).map(|row| String::from_utf8_lossy(line(row)).trim_end().into()).collect()
}

fn geometry(width: usize, height: usize) -> Geometry {
    Geometry { width, height, stride: width, bytes_per_pixel: 4, format: PixelFormat::Rgb }
}

/// Draws a console from the start onto an empty buffer.
fn pixels_of(screen: &mut TextScreen, width: usize, height: usize) -> Vec<u8> {
    let mut bytes = vec![0; width * height * 4];
    screen.state = State::Covered;
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
    assert_eq!(screen.draw(&mut pixels, usize::MAX), Progress::Done);
    bytes
}

#[test]
fn lines_wrap_and_scroll() {
    let mut screen = screen(4, 3);
    write!(screen, "ab\ncdefgh\nij").unwrap();
    assert_eq!(lines(&screen), ["cdef", "gh", "ij"]);
    write!(screen, "kl\n\n").unwrap();
    assert_eq!(lines(&screen), ["ijkl", "", ""]);
}

#[test]
fn control_characters_move() {
    let mut screen = screen(10, 3);
    write!(screen, "abc\u{8} \u{8}X\rY\n\tz\u{1b}\u{e9}").unwrap();
    assert_eq!(lines(&screen), ["YbX", "        z?", "?"]);
    write!(screen, "\u{8}\u{8}\u{8} ").unwrap();
    assert_eq!(lines(&screen), ["YbX", "         ?", "?"]);
}

#[test]
fn the_typeface_grows_with_the_screen() {
    for (width, height, columns, rows) in [
        (640, 480, 91, 30),
        (1280, 720, 182, 45),
        (1920, 1080, 137, 33),
        (3840, 2160, 137, 33),
        (6, 480, 0, 30),
        (640, 15, 91, 0),
        (0, 0, 0, 0),
    ] {
        let mut screen = Box::new(TextScreen::new());
        screen.resize(width, height);
        assert_eq!((screen.columns, screen.rows), (columns, rows), "{width}x{height}");
    }
}

#[test]
fn only_differences_are_drawn() {
    let (width, height) = (70, 48);
    let mut screen = screen(10, 3);
    let mut bytes = vec![0; width * height * 4];
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
    writeln!(screen, "hello").unwrap();
    assert_eq!(screen.draw(&mut pixels, 4), Progress::More);
    assert_eq!(screen.draw(&mut pixels, 1), Progress::Done);
    assert_eq!(screen.draw(&mut pixels, 0), Progress::Done);
    write!(screen, "help\nworld\nlast").unwrap();
    assert_eq!(lines(&screen), ["help", "world", "last"]);
    // Two letters of the first line, nine of the new ones.
    assert_eq!(screen.draw(&mut pixels, 11), Progress::Done);
    assert_eq!(bytes, pixels_of(&mut screen, width, height));
}

#[test]
fn a_banner_stays_in_its_strip() {
    let mut bytes = vec![0xaa; 100 * 60 * 4];
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(100, 60)).unwrap();
    draw_banner(&mut pixels, &"a banner that is far too long for this screen");
    assert!(bytes[100 * 32 * 4..].iter().all(|&byte| byte == 0xaa));
    assert!(bytes[..100 * 32 * 4].iter().any(|&byte| byte > 0xc0));
}

proptest! {
    #[test]
    fn drawing_in_steps_shows_what_drawing_at_once_shows(
        texts in prop::collection::vec("[a-z \n\t\r\u{8}é]{0,40}", 1..6), step in 1_usize..20,
    ) {
        let (width, height) = (75, 50);
        let mut screen = screen(10, 3);
        let mut bytes = vec![0; width * height * 4];
        for text in texts {
            write!(screen, "{text}").unwrap();
            let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
            while screen.draw(&mut pixels, step) == Progress::More {}
        }
        prop_assert_eq!(bytes, pixels_of(&mut screen, width, height));
    }

    #[test]
    fn no_text_panics_on_any_size(text: String, width in 0_usize..40, height in 0_usize..40) {
        let mut screen = Box::new(TextScreen::new());
        write!(screen, "{text}").unwrap();
        screen.resize(width, height);
        write!(screen, "{text}").unwrap();
        let mut bytes = vec![0; 20 * 20 * 4];
        let mut pixels = PixelBuffer::new(&mut bytes, geometry(20, 20)).unwrap();
        prop_assert_eq!(screen.draw(&mut pixels, usize::MAX), Progress::Done);
    }
}
