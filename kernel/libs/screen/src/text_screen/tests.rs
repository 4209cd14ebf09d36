//! Tests of the text console.

use super::*;
use crate::pixels::{Geometry, PixelFormat};
use core::fmt::Write;
use proptest::prelude::*;
use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// A console of so many characters, in the smallest typeface.
fn screen(columns: usize, rows: usize) -> Box<TextScreen<'static>> {
    let mut screen = Box::new(TextScreen::new(memory()));
    screen.resize(columns * 7, rows * 16);
    screen
}

fn memory() -> &'static mut [TextLine] {
    vec![TextLine::EMPTY; KEPT].leak()
}

/// Lines that a console keeps.
const KEPT: usize = 90;

/// The lines that the console shows, from the top.
fn lines(screen: &TextScreen<'_>) -> Vec<String> {
    let text = |row| {
        let line = screen.status(row).unwrap_or_else(|| *screen.grid.line(row, screen.back).unwrap());
        String::from_utf8(line.characters().copied().take(screen.grid.columns()).collect()).unwrap()
    };
    (0..screen.rows()).map(|row| text(row).trim_end().into()).collect()
}

fn geometry(width: usize, height: usize) -> Geometry {
    Geometry { width, height, stride: width, bytes_per_pixel: 4, format: PixelFormat::Rgb }
}

/// Draws a console from the start onto an empty buffer.
fn pixels_of(screen: &mut TextScreen<'_>, width: usize, height: usize) -> Vec<u8> {
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
fn lines_break_between_words_unless_they_are_typed() {
    let mut screen = screen(10, 4);
    write!(screen, "one two three four").unwrap();
    assert_eq!(lines(&screen), ["one two", "three four", "", ""]);
    write!(screen, "\n0123456 89 abc").unwrap();
    assert_eq!(lines(&screen), ["one two", "three four", "0123456 89", "abc"]);
    screen.echo("\none two three");
    assert_eq!(lines(&screen), ["0123456 89", "abc", "one two th", "ree"]);
    screen.echo(&"\u{8} \u{8}".repeat(4));
    assert_eq!(lines(&screen), ["0123456 89", "abc", "one two t", ""]);
    // A word of half a line is broken like any other place.
    write!(screen, "\na 56789abcd").unwrap();
    assert_eq!(lines(&screen)[2..], ["a 56789abc".to_string(), "d".to_string()][..]);
}

#[test]
fn earlier_lines_are_kept_and_stay_where_they_are_while_more_is_written() {
    let mut screen = screen(70, 4);
    (0..10).for_each(|line| writeln!(screen, "{line}").unwrap());
    assert_eq!(lines(&screen), ["7", "8", "9", ""]);
    screen.page_up();
    let more = |lines: usize| format!("-- {lines} more lines: PgDn, PgUp; any other key ends this --");
    assert_eq!(lines(&screen), ["5".into(), "6".into(), "7".into(), more(3)]);
    write!(screen, "10\n11\n").unwrap();
    assert_eq!(lines(&screen), ["5".into(), "6".into(), "7".into(), more(5)]);
    screen.page_down();
    screen.page_down();
    assert_eq!(lines(&screen), ["9", "10", "11", ""]);
    assert!(!screen.is_back());
    (0..9).for_each(|_| screen.page_up());
    assert_eq!(lines(&screen), ["0".into(), "1".into(), "2".into(), more(10)]);
    assert!(screen.show_latest() && !screen.show_latest());
    assert_eq!(lines(&screen), ["9", "10", "11", ""]);
    // The answer to a command, from its first line on.
    let before = screen.lines_written();
    (0..7).for_each(|line| writeln!(screen, "answer {line}").unwrap());
    screen.go_to(before);
    assert_eq!(lines(&screen)[..3], ["answer 0", "answer 1", "answer 2"]);
    // As many lines as there is memory for.
    (0..1000).for_each(|line| writeln!(screen, "{line}").unwrap());
    (0..100).for_each(|_| screen.page_up());
    assert_eq!(lines(&screen)[0], format!("{}", 1000 - (KEPT - 1)));
    assert!(screen.show_latest());
    // What fits is not gone back for.
    let before = screen.lines_written();
    write!(screen, "a\nb\n").unwrap();
    screen.go_to(before);
    assert!(!screen.is_back());
}

#[test]
fn warnings_and_the_cursor_look_different_and_go_without_a_trace() {
    let (width, height) = (70, 48);
    let plain = {
        let mut screen = screen(10, 3);
        write!(screen, "WARN x\nab").unwrap();
        pixels_of(&mut screen, width, height)
    };
    let mut screen = screen(10, 3);
    screen.emphasize(Emphasis::Warning);
    write!(screen, "WARN x").unwrap();
    screen.emphasize(Emphasis::Plain);
    let mut bytes = vec![0; width * height * 4];
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
    screen.draw(&mut pixels, usize::MAX);
    screen.emphasize(Emphasis::Warning);
    screen.draw(&mut pixels, usize::MAX);
    screen.emphasize(Emphasis::Plain);
    write!(screen, "\nab").unwrap();
    screen.set_cursor(Cursor::Shown);
    screen.draw(&mut pixels, usize::MAX);
    screen.echo("\u{8}");
    screen.draw(&mut pixels, usize::MAX);
    screen.set_cursor(Cursor::Hidden);
    screen.draw(&mut pixels, usize::MAX);
    assert!(bytes == plain);
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
    screen.set_cursor(Cursor::Shown);
    screen.draw(&mut pixels, usize::MAX);
    assert!(bytes != plain);
    let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
    screen.set_cursor(Cursor::Hidden);
    screen.emphasize(Emphasis::Error);
    screen.draw(&mut pixels, usize::MAX);
    assert!(bytes != plain);
}

#[test]
fn control_characters_move() {
    let mut screen = screen(10, 3);
    screen.echo("abc\u{8} \u{8}X\rY\n\tz\u{1b}\u{e9}");
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
        let mut screen = Box::new(TextScreen::new(memory()));
        screen.resize(width, height);
        assert_eq!((screen.grid.columns(), screen.rows()), (columns, rows), "{width}x{height}");
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
    assert!(bytes == pixels_of(&mut screen, width, height));
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
        texts in prop::collection::vec("[a-z \n\t\r\u{8}é]{0,40}", 1..6), step in 1_usize..20, pages in 0..3,
    ) {
        let (width, height) = (75, 50);
        let mut screen = screen(10, 3);
        let mut bytes = vec![0; width * height * 4];
        for text in texts {
            write!(screen, "{text}").unwrap();
            (0..pages).for_each(|_| screen.page_up());
            screen.emphasize([Emphasis::Plain, Emphasis::Error][text.len() % 2]);
            screen.set_cursor([Cursor::Shown, Cursor::Hidden][text.len() % 2]);
            let mut pixels = PixelBuffer::new(&mut bytes, geometry(width, height)).unwrap();
            while screen.draw(&mut pixels, step) == Progress::More {}
        }
        prop_assert!(bytes == pixels_of(&mut screen, width, height));
    }

    #[test]
    fn no_text_panics_on_any_size(text: String, width in 0_usize..40, height in 0_usize..40) {
        let mut screen = Box::new(TextScreen::new(memory()));
        write!(screen, "{text}").unwrap();
        screen.resize(width, height);
        write!(screen, "{text}").unwrap();
        screen.echo(&text);
        screen.page_up();
        let mut bytes = vec![0; 20 * 20 * 4];
        let mut pixels = PixelBuffer::new(&mut bytes, geometry(20, 20)).unwrap();
        prop_assert_eq!(screen.draw(&mut pixels, usize::MAX), Progress::Done);
    }
}
