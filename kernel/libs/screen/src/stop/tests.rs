//! Tests of the stop screen.

use super::*;
use crate::pixels::{Geometry, PixelFormat};
use crate::stop_text::StopCode;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

const SIZES: [(usize, usize); 4] = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)];

/// A text of the usual length.
fn stop_text<'a>(fields: &'a [Field<'a>], registers: &'a [Register<'a>]) -> StopText<'a> {
    StopText {
        headline: &"A device tried to write to memory that it was not given.",
        code: StopCode { code: 0xe6, parameters: [0x26, u64::MAX, u64::MAX, 5] },
        name: "DRIVER_VERIFIER_DMA_VIOLATION",
        fields,
        registers,
        closing: &"The machine is halted.",
    }
}

fn draw(geometry: Geometry, text: &StopText<'_>) -> Vec<u8> {
    let mut bytes = vec![0; geometry.stride * geometry.height * geometry.bytes_per_pixel];
    draw_stop_screen(&mut PixelBuffer::new(&mut bytes, geometry).unwrap(), text);
    bytes
}

#[test]
fn everything_has_its_place_on_usual_screens() {
    let long = "x ".repeat(50);
    let fields = [Field { label: "device", value: &long }; 4];
    let registers = [Register { name: "rflags", value: u64::MAX }; 24];
    let text = stop_text(&fields, &registers);
    for ((width, height), expected) in SIZES.into_iter().zip([16, 24, 32, 64]) {
        let area = Rect { x: 0, y: 0, width, height };
        let typeface = fitting(area, &text);
        assert!(typeface.height() <= expected, "{width}x{height}");
        assert!(Page::new(None, area, typeface).compose(&text) <= height, "{width}x{height}");
    }
}

#[test]
fn short_texts_are_set_large() {
    let text = stop_text(&[], &[]);
    for ((width, height), expected) in SIZES.into_iter().zip([16, 24, 32, 64]) {
        assert_eq!(fitting(Rect { x: 0, y: 0, width, height }, &text).height(), expected, "{width}x{height}");
    }
}

#[test]
fn formats_differ_in_the_order_of_bytes_alone() {
    let fields = [Field { label: "device", value: &"0000:00:03.0" }];
    let text = stop_text(&fields, &[]);
    let shape =
        Geometry { width: 640, height: 480, stride: 650, bytes_per_pixel: 3, format: PixelFormat::Rgb };
    let rgb = draw(shape, &text);
    let colours = |bytes: &[u8], size: usize, order: [usize; 3]| -> Vec<[u8; 3]> {
        bytes.chunks_exact(size).map(|pixel| order.map(|index| pixel[index])).collect()
    };
    let expected = colours(&rgb, 3, [0, 1, 2]);
    let bgr = draw(Geometry { format: PixelFormat::Bgr, ..shape }, &text);
    assert_eq!(colours(&bgr, 3, [2, 1, 0]), expected);
    let bgr32 = draw(Geometry { format: PixelFormat::Bgr, bytes_per_pixel: 4, ..shape }, &text);
    assert_eq!(colours(&bgr32, 4, [2, 1, 0]), expected);
    let shifted = PixelFormat::Shifted { red: 16, green: 8, blue: 0 };
    let shifted = draw(Geometry { format: shifted, bytes_per_pixel: 4, ..shape }, &text);
    assert_eq!(shifted, bgr32);
    for colour in [BACKGROUND, HEADLINE, ACCENT, LABEL, VALUE] {
        assert!(expected.contains(&[colour.red, colour.green, colour.blue]), "{colour:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_screen_is_too_small(width in 1_usize..300, height in 1_usize..200, value: String) {
        let fields = [Field { label: "device", value: &value }, Field { label: &value, value: &1 }];
        let registers = [Register { name: &value, value: 7 }; 3];
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 4, format: PixelFormat::Bgr };
        draw(geometry, &stop_text(&fields, &registers));
    }
}
