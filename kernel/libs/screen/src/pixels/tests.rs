//! Tests of the pixel buffer.

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const ORANGE: Colour = Colour::new(0xff, 0x80, 0x10);

fn geometry(width: usize, height: usize, bytes_per_pixel: usize, format: PixelFormat) -> Geometry {
    Geometry { width, height, stride: width + 3, bytes_per_pixel, format }
}

/// One filled pixel in the middle of three by three.
fn one_pixel(bytes_per_pixel: usize, format: PixelFormat) -> Vec<u8> {
    let geometry = geometry(3, 3, bytes_per_pixel, format);
    let mut bytes = vec![0xaa; geometry.stride * 3 * bytes_per_pixel];
    let mut pixels = PixelBuffer::new(&mut bytes, geometry).unwrap();
    pixels.fill(Rect { x: 1, y: 1, width: 1, height: 1 }, ORANGE);
    let start = (geometry.stride + 1) * bytes_per_pixel;
    let pixel = bytes.splice(start..start + bytes_per_pixel, vec![0xaa; bytes_per_pixel]).collect();
    assert!(bytes.iter().all(|&byte| byte == 0xaa), "nothing else is touched");
    pixel
}

#[test]
fn colours_are_written_in_the_order_of_the_format() {
    assert_eq!(one_pixel(3, PixelFormat::Rgb), [0xff, 0x80, 0x10]);
    assert_eq!(one_pixel(3, PixelFormat::Bgr), [0x10, 0x80, 0xff]);
    assert_eq!(one_pixel(4, PixelFormat::Bgr), [0x10, 0x80, 0xff, 0]);
    assert_eq!(one_pixel(1, PixelFormat::Grey), [ORANGE.luma()]);
    let shifted = PixelFormat::Shifted { red: 0, green: 8, blue: 24 };
    assert_eq!(one_pixel(4, shifted), [0xff, 0x80, 0, 0x10]);
    let absurd = PixelFormat::Shifted { red: 200, green: 8, blue: 32 };
    assert_eq!(one_pixel(4, absurd), [0, 0x80, 0, 0]);
}

#[test]
fn wide_fills_are_pixels_side_by_side() {
    for bytes_per_pixel in [3, 4] {
        let geometry = geometry(50, 2, bytes_per_pixel, PixelFormat::Rgb);
        let mut bytes = vec![0; geometry.stride * 2 * bytes_per_pixel];
        let mut pixels = PixelBuffer::new(&mut bytes, geometry).unwrap();
        pixels.fill(Rect { x: 7, y: 1, width: 100, height: 100 }, ORANGE);
        for (index, pixel) in bytes.chunks_exact(bytes_per_pixel).enumerate() {
            let (x, y) = (index % geometry.stride, index / geometry.stride);
            let inside = y == 1 && (7..50).contains(&x);
            assert_eq!(pixel.starts_with(&[0xff, 0x80, 0x10]), inside, "{x} {y}");
        }
    }
}

#[test]
fn shapes_that_cannot_be_drawn_are_refused() {
    let bytes = &mut [0; 1000][..];
    let good = geometry(10, 10, 4, PixelFormat::Rgb);
    for bad in [
        Geometry { width: 0, ..good },
        Geometry { height: 0, ..good },
        Geometry { stride: 9, ..good },
        Geometry { bytes_per_pixel: 0, ..good },
        Geometry { bytes_per_pixel: 1, ..good },
        Geometry { bytes_per_pixel: 2, ..good },
        Geometry { bytes_per_pixel: 5, ..good },
        Geometry { width: 251, stride: 251, ..good },
        Geometry { width: usize::MAX, stride: usize::MAX, ..good },
    ] {
        assert!(PixelBuffer::new(bytes, bad).is_none(), "{bad:?}");
    }
    assert!(PixelBuffer::new(&mut [], good).is_none());
}

#[test]
fn lines_that_the_bytes_do_not_hold_are_cut_off() {
    let shape = geometry(10, 10, 4, PixelFormat::Rgb);
    let (line, visible) = (13 * 4, 10 * 4);
    for (length, height) in [(visible, 1), (line, 1), (line + visible - 1, 1), (line + visible, 2)] {
        let mut bytes = vec![0; length];
        assert_eq!(PixelBuffer::new(&mut bytes, shape).unwrap().height(), height);
    }
}

proptest! {
    #[test]
    fn nothing_is_drawn_outside(
        length in 0_usize..2000, width in 0_usize..40, height: usize, padding in 0_usize..5,
        bytes_per_pixel in 0_usize..6, x: usize, y in 0_usize..50, scale in 0_usize..9,
    ) {
        let mut bytes = vec![0; length];
        let shape = Geometry {
            width, height, stride: width + padding, bytes_per_pixel, format: PixelFormat::Grey,
        };
        if let Some(mut pixels) = PixelBuffer::new(&mut bytes, shape) {
            let x = x % 50;
            pixels.fill(Rect { x, y, width: usize::MAX, height: usize::MAX }, ORANGE);
            pixels.draw_row(x, y, scale, [[1; 4]; 9].into_iter());
        }
        for (index, pixel) in bytes.chunks(bytes_per_pixel.max(1)).enumerate() {
            if pixel.iter().any(|&byte| byte != 0) {
                prop_assert!(index % (width + padding) < width);
            }
        }
    }
}
