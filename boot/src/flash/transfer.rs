//! Writing an image and reading it back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::{Advice, OFlags};

/// Bytes written, and made to last, in one go: so progress is the stick's, not the page cache's.
const CHUNK: usize = 1 << 20;
/// What reading past the page cache asks of buffers and offsets, on every disk there is.
const ALIGNMENT: usize = 4096;

/// Why a target does not hold the image now.
#[derive(Debug, thiserror::Error)]
pub enum Shortfall {
    /// Not all of it could be written.
    #[error("short write at offset {offset}: {source}")]
    Write {
        /// The first byte that was not written.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// What was written could not be made to last.
    #[error("not stored, at offset {offset}: {source}")]
    Sync {
        /// Where the bytes begin that may be lost.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It could not be read back.
    #[error("cannot be read back at offset {offset}: {source}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Less came back than was written.
    #[error("ends at offset {offset}, before the image does")]
    Short {
        /// The first byte that is missing.
        offset: u64,
    },
    /// Something else came back than was written.
    #[error("differs from the image at offset {offset}")]
    Difference {
        /// The first byte that differs.
        offset: u64,
    },
}

/// Writes an image to the beginning of a target, and returns when it is stored there. `progress` is told the bytes
/// done.
///
/// # Errors
/// If the target takes less, with the offset up to which it did.
pub fn write(image: &[u8], target: &File, progress: &mut dyn FnMut(u64)) -> Result<(), Shortfall> {
    let mut offset = 0;
    for chunk in image.chunks(CHUNK) {
        let start = offset;
        let mut rest = chunk;
        while !rest.is_empty() {
            match target.write_at(rest, offset) {
                Ok(0) => return Err(Shortfall::Write { offset, source: io::ErrorKind::WriteZero.into() }),
                Ok(count) => {
                    rest = &rest[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(source) => return Err(Shortfall::Write { offset, source }),
            }
        }
        target.sync_data().map_err(|source| Shortfall::Sync { offset: start, source })?;
        progress(offset);
    }
    target.sync_all().map_err(|source| Shortfall::Sync { offset: 0, source })
}

/// Compares the beginning of a target with an image. Where the system lets it, the bytes come from the medium
/// and not from memory. `progress` is told the bytes done.
///
/// # Errors
/// If anything else comes back, with the offset of the first such byte.
pub fn verify(image: &[u8], target: &File, progress: &mut dyn FnMut(u64)) -> Result<(), Shortfall> {
    // Only a wish, and enough where the page cache cannot be passed by.
    let _ = rustix::fs::fadvise(target, 0, None, Advice::DontNeed);
    let mut buffer = AlignedBuffer::new();
    let uncached = open_uncached(target, &mut buffer);
    let source = uncached.as_ref().unwrap_or(target);
    let mut offset = 0;
    for expected in image.chunks(CHUNK) {
        let found = buffer.read(source, offset, expected.len())?;
        if let Some(index) = expected.iter().zip(found).position(|(one, other)| one != other) {
            return Err(Shortfall::Difference { offset: offset + index as u64 });
        }
        if found.len() < expected.len() {
            return Err(Shortfall::Short { offset: offset + found.len() as u64 });
        }
        offset += expected.len() as u64;
        progress(offset);
    }
    Ok(())
}

/// Opens the same target once more, past the page cache; `None` where it cannot be read so.
fn open_uncached(target: &File, buffer: &mut AlignedBuffer) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(format!("/proc/self/fd/{}", target.as_raw_fd()))
        .ok()?;
    buffer.read(&file, 0, ALIGNMENT).ok().map(|_| ())?;
    Some(file)
}

/// A chunk of memory whose address suits reads past the page cache.
struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    fn new() -> Self {
        let memory = vec![0; CHUNK + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, start }
    }

    /// Reads from an offset, whole chunks at a time as the medium wants it, and returns the first `length` bytes,
    /// fewer where the source ends.
    fn read(&mut self, source: &File, offset: u64, length: usize) -> Result<&[u8], Shortfall> {
        let chunk = &mut self.memory[self.start..self.start + CHUNK];
        let mut filled = 0;
        while filled < length {
            let at = offset + filled as u64;
            match source.read_at(&mut chunk[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(source) => return Err(Shortfall::Read { offset: at, source }),
            }
        }
        Ok(&chunk[..filled.min(length)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image that ends in the middle of a sector.
    fn image() -> Vec<u8> {
        (0..CHUNK * 2 + 700).map(|index| (index % 251) as u8).collect()
    }

    fn file(content: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        file
    }

    fn difference(image: &[u8], target: &File) -> Option<u64> {
        match verify(image, target, &mut |_| ()) {
            Ok(()) => None,
            Err(Shortfall::Difference { offset }) => Some(offset),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_the_rest_is_left_alone() {
        let image = image();
        let target = file(&vec![0xaa; image.len() + 5000]);
        let mut told = Vec::new();
        write(&image, &target, &mut |done| told.push(done)).unwrap();
        verify(&image, &target, &mut |done| told.push(done)).unwrap();
        let steps = [CHUNK, CHUNK * 2, image.len()].map(|bytes| bytes as u64);
        assert_eq!(told, [steps, steps].concat());
        let mut rest = vec![0; 5000];
        target.read_exact_at(&mut rest, image.len() as u64).unwrap();
        assert_eq!(rest, [0xaa; 5000]);
    }

    #[test]
    fn a_difference_is_found_where_it_is() {
        let image = image();
        for offset in [0, 4095, CHUNK, CHUNK * 2 + 699] {
            let target = file(&image);
            target.write_all_at(&[!image[offset]], offset as u64).unwrap();
            assert_eq!(difference(&image, &target), Some(offset as u64));
        }
    }

    #[test]
    fn a_target_that_ends_early_is_told_with_its_end() {
        let image = image();
        for length in [0, 1000, CHUNK, CHUNK + 1, image.len() - 1] {
            let found = verify(&image, &file(&image[..length]), &mut |_| ());
            let Err(Shortfall::Short { offset }) = found else { panic!("{length}: {found:?}") };
            assert_eq!(offset, length as u64);
        }
    }

    #[test]
    fn a_full_target_is_a_short_write() {
        let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let written = write(&image(), &full, &mut |_| ());
        assert!(matches!(written, Err(Shortfall::Write { offset: 0, .. })), "{written:?}");
    }
}
