//! A picture of the guest's screen, and what a QR code on it says.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A picture in shades of grey.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    shades: Vec<u8>,
}

impl Picture {
    /// Reads a PNG file of three bytes a pixel.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info().expect("a PNG file");
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        let mut pixels = vec![0; width * height * 3];
        reader.next_frame(&mut pixels).expect("three bytes a pixel");
        let shade = |pixel: &[u8]| (pixel.iter().map(|&part| u32::from(part)).sum::<u32>() / 3) as u8;
        Self { width, height, shades: pixels.chunks_exact(3).map(shade).collect() }
    }

    /// The text of the only QR code on it, read by a decoder that shares no code with the kernel's encoder.
    ///
    /// # Panics
    /// If there is none or more than one, or it cannot be read.
    #[track_caller]
    pub fn scan(&self) -> String {
        let codes = self.codes();
        let [code] = &codes[..] else { panic!("{} QR codes on the screen, not one", codes.len()) };
        code.clone().unwrap_or_else(|error| panic!("the QR code cannot be read: {error}"))
    }

    /// The texts of all QR codes on it, read as by [`scan`](Self::scan), or why one cannot be read.
    pub fn codes(&self) -> Vec<Result<String, String>> {
        let shade = |x: usize, y: usize| self.shades[y * self.width + x];
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(self.width, self.height, shade);
        let codes = image.detect_grids();
        codes
            .iter()
            .map(|code| code.decode().map(|(_, text)| text).map_err(|error| error.to_string()))
            .collect()
    }
}
