//! From QEMU's picture format to PNG.

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind};
use std::path::Path;

/// Turns a picture as QEMU's `screendump` writes it (binary PPM, 8 bits a colour) into PNG.
pub(super) fn convert(ppm: &[u8], out: &Path) -> std::io::Result<()> {
    let (width, height, pixels) =
        parse(ppm).ok_or_else(|| Error::new(ErrorKind::InvalidData, "QEMU's picture cannot be read"))?;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(out)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    Ok(writer.finish()?)
}

/// Splits a PPM into width, height and pixels. QEMU writes no comments.
fn parse(ppm: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut parts = ppm.splitn(5, u8::is_ascii_whitespace);
    let mut number = |expected: Option<&str>| {
        let text = str::from_utf8(parts.next()?).ok()?;
        expected.is_none_or(|word| word == text).then_some(text)
    };
    number(Some("P6"))?;
    let width: u32 = number(None)?.parse().ok()?;
    let height: u32 = number(None)?.parse().ok()?;
    number(Some("255"))?;
    let pixels = parts.next()?;
    let size = usize::try_from(u64::from(width) * u64::from(height) * 3).ok()?;
    Some((width, height, pixels.get(..size)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_pixels() {
        let ppm = b"P6\n2 1\n255\n\x01\x02\x03\x20\x0a\xff";
        let out = tempfile::NamedTempFile::new().unwrap();
        convert(ppm, out.path()).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(File::open(out.path()).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = [0; 6];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!((reader.info().width, reader.info().height), (2, 1));
        assert_eq!(pixels, [1, 2, 3, 0x20, 0x0a, 0xff]);
    }

    #[test]
    fn a_short_picture_is_refused() {
        assert!(parse(b"P6\n2 1\n255\n\x01\x02\x03").is_none());
        assert!(parse(b"P5\n1 1\n255\n\x01\x02\x03").is_none());
    }
}
