//! Tests of the stop screen.

use super::*;
use crate::pixels::{Geometry, PixelFormat};
use crate::stop_text::StopCode;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

const SIZES: [(usize, usize); 4] = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)];

/// What a violation's line looks like, at its usual length.
const DIGEST: &str = "IVT1:stop=e6,26,ffff880000143cd0,1177000,5;ver=0.1.0;req=0000:00:03.0;dev=0000:00:03.0;\
    id=1234:11e8;drv=edu;op=write;at=1177000;why=5;is=never-mapped;near=attack+source;\
    site=attack/attempt.rs:215;n=1;";

const REGISTERS: [Register<'static>; 22] = [Register { name: "rflags", value: u64::MAX }; 22];

/// A text of a violation with much to explain.
const FIELDS: [Field<'static>; 8] = [
    Field { label: "device", value: &"0000:00:03.0  QEMU edu, educational device (1234:11e8), driver edu" },
    Field { label: "access", value: &"write to the page at 0xffffffff7000" },
    Field { label: "reason", value: &"0x5: write without write permission" },
    Field { label: "verdict", value: &"never-mapped" },
    Field {
        label: "when",
        value: &"3.214 s after start; map 300 ms, unmap 1.2 ms, flush 1.2 ms before the fault",
    },
    Field { label: "how often", value: &"at least 1000000 times" },
    Field {
        label: "explanation",
        value: &"QEMU edu, educational device at 0000:00:03.0 (driver edu) tried to write the page at \
            0xffffffff7000 and was blocked (reason 0x5). Nothing was ever mapped there for it. It is nowhere \
            near a live mapping; the nearest is \"attack source\" (4096 bytes from 0xc0000004000, to-device, \
            mapped at kernel/src/attack/attempt.rs:215, 300 ms before the fault).",
    },
    Field {
        label: "what next",
        value: &"Look in the driver edu for an address that mapping never returned, an uninitialised \
            descriptor for example; if it is right, the device is faulty: unplug it if it is external.",
    },
];

fn stop_text<'a>(fields: &'a [Field<'a>], registers: &'a [Register<'a>], digest: &'a str) -> StopText<'a> {
    StopText {
        headline: &"A device reached for memory that it was not given. The IOMMU blocked it, and the machine was \
            stopped before anything else could happen.",
        code: StopCode { code: 0xe6, parameters: [0x26, u64::MAX, u64::MAX, 5] },
        name: "DRIVER_VERIFIER_DMA_VIOLATION",
        fields,
        registers,
        digest,
        closing: &"The machine is halted. No device can reach memory any more. It is safe to switch it off.",
    }
}

fn draw(geometry: Geometry, text: &StopText<'_>) -> Vec<u8> {
    let mut bytes = vec![0; geometry.stride * geometry.height * geometry.bytes_per_pixel];
    draw_stop_screen(&mut PixelBuffer::new(&mut bytes, geometry).unwrap(), text);
    bytes
}

fn area((width, height): (usize, usize)) -> Rect {
    Rect { x: 0, y: 0, width, height }
}

/// The layout of a text on a screen, and where the text ends in it.
fn set(size: (usize, usize), text: &StopText<'_>) -> (Layout, usize, Rect) {
    let mut workspace = Workspace::new();
    let symbol = Symbol::of(text.digest, &mut workspace);
    let layout = Layout::fitting(area(size), text, symbol.as_ref());
    let mut page = Page::new(None, area(size), layout, symbol.as_ref());
    let end = page.compose(text);
    (layout, end, page.content)
}

#[test]
fn everything_has_its_place_on_usual_screens() {
    let text = stop_text(&FIELDS, &REGISTERS, DIGEST);
    let expected = [(16, Extent::Compact), (24, Extent::Full), (32, Extent::Full), (64, Extent::Full)];
    for (size, (height, extent)) in SIZES.into_iter().zip(expected) {
        let (layout, end, content) = set(size, &text);
        assert!(end <= content.y + content.height, "{size:?}: {end} {content:?}");
        assert_eq!(layout.extent, extent, "{size:?}");
        assert!(layout.typeface.height() <= height, "{size:?}: {layout:?}");
        assert!(layout.scale >= 2, "{size:?}: {layout:?}");
        assert!(layout.scale >= 3 || size.0 == 640, "{size:?}: {layout:?}");
    }
}

#[test]
fn short_texts_are_set_large() {
    let text = stop_text(&[], &[], "");
    for (size, expected) in SIZES.into_iter().zip([16, 24, 32, 64]) {
        assert_eq!(set(size, &text).0.typeface.height(), expected, "{size:?}");
    }
}

/// The text of a QR code on a screen, read by a decoder that shares no code with the encoder.
fn scanned(bytes: &[u8], geometry: Geometry) -> String {
    let Geometry { width, height, stride, bytes_per_pixel, .. } = geometry;
    let brightness = |x: usize, y: usize| {
        let pixel = &bytes[(y * stride + x) * bytes_per_pixel..][..bytes_per_pixel.min(3)];
        pixel.iter().map(|&byte| u32::from(byte)).sum::<u32>() / pixel.len() as u32
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| brightness(x, y) as u8);
    let [grid] = &image.detect_grids()[..] else { panic!("not one code at {width}x{height}") };
    grid.decode().unwrap().1
}

#[test]
fn the_code_is_read_off_every_screen_in_every_format() {
    let text = stop_text(&FIELDS, &REGISTERS, DIGEST);
    for (width, height) in SIZES {
        for (format, bytes_per_pixel) in
            [(PixelFormat::Rgb, 3), (PixelFormat::Bgr, 3), (PixelFormat::Rgb, 4), (PixelFormat::Bgr, 4)]
        {
            let geometry = Geometry { width, height, stride: width + 8, bytes_per_pixel, format };
            assert_eq!(scanned(&draw(geometry, &text), geometry), DIGEST, "{geometry:?}");
        }
    }
}

/// Text beside and below the code leaves its quiet zone alone, and every line is within the margins.
#[test]
fn nothing_is_drawn_over_the_code_or_into_the_margins() {
    let text = stop_text(&FIELDS, &REGISTERS, DIGEST);
    for size in SIZES {
        let (width, height) = size;
        let (layout, _, content) = set(size, &text);
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 3, format: PixelFormat::Rgb };
        let bytes = draw(geometry, &text);
        let pixel = |x: usize, y: usize| &bytes[(y * width + x) * 3..][..3];
        let background = [BACKGROUND.red, BACKGROUND.green, BACKGROUND.blue];
        let is_inside = |x: usize, y: usize| {
            (content.x..content.x + content.width).contains(&x)
                && (content.y..content.y + content.height).contains(&y)
        };
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            assert!(is_inside(x, y) || pixel(x, y) == background, "{size:?} {x} {y}");
        }
        // The code's upper edge: white from its corner on, as wide as the code.
        let mut workspace = Workspace::new();
        let side = Symbol::of(DIGEST, &mut workspace).unwrap().modules() * layout.scale;
        let x = content.x + content.width - side;
        let y = (0..height).find(|&y| (x..x + side).all(|x| pixel(x, y) == [0xff; 3])).unwrap();
        let dark_or_light = |pixel: &[u8]| pixel == [0; 3] || pixel == [0xff; 3];
        assert!((x..x + side).all(|x| (y..y + side).all(|y| dark_or_light(pixel(x, y)))), "{size:?}");
    }
}

#[test]
fn formats_differ_in_the_order_of_bytes_alone() {
    let fields = [Field { label: "device", value: &"0000:00:03.0" }];
    let text = stop_text(&fields, &REGISTERS[..1], DIGEST);
    let shape =
        Geometry { width: 800, height: 600, stride: 810, bytes_per_pixel: 3, format: PixelFormat::Rgb };
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
    for colour in [BACKGROUND, HEADLINE, ACCENT, LABEL, VALUE, QUIET] {
        assert!(expected.contains(&[colour.red, colour.green, colour.blue]), "{colour:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_screen_is_too_small(
        width in 1_usize..300, height in 1_usize..200, value: String, digest in "[!-~]{0,600}",
    ) {
        let fields = [Field { label: "device", value: &value }, Field { label: &value, value: &1 }];
        let registers = [Register { name: &value, value: 7 }; 3];
        let geometry =
            Geometry { width, height, stride: width, bytes_per_pixel: 4, format: PixelFormat::Bgr };
        draw(geometry, &stop_text(&fields, &registers, &digest));
    }
}
