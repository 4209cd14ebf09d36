//! The command `flash`.

use std::error::Error as StdError;
use std::fs::{self, File};

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::FlashArguments;
use crate::flash::{self, Insistence, Shortfall, Target};
use crate::kernel::{self, Messages, Profile};
use crate::{Error, image};
use printed::show;

/// Exit status where the target does not hold the image.
const NOT_WRITTEN: u8 = 1;

/// Builds the kernel, writes an image of it to a stick, and reads it back.
pub(super) fn write(arguments: &FlashArguments) -> Result<u8, Box<dyn StdError>> {
    let insistence = if arguments.force { Insistence::Forced } else { Insistence::None };
    let target = Target::examine(&arguments.device)?;
    // Held open while the kernel is built, so that nobody mounts it meanwhile.
    let file = target.open(insistence)?;
    kernel::check_compiler()?;
    let kernel = kernel::build(Profile::Release, Messages::Shown)?;
    let path = image::cached(&kernel, arguments.firmware)?;
    let image = fs::read(&path).map_err(Error::file(path))?;
    target.check_room(image.len() as u64, insistence)?;
    Ok(match transfer(&image, &file) {
        Ok(()) => {
            show(&format!("{}: {} bytes written and read back\n", arguments.device.display(), image.len()));
            0
        }
        Err(shortfall) => {
            eprintln!("ivt: {}: {shortfall}", arguments.device.display());
            NOT_WRITTEN
        }
    })
}

/// Writes and compares, with a bar for each where somebody watches.
fn transfer(image: &[u8], target: &File) -> Result<(), Shortfall> {
    let bar = bar("writing", image);
    flash::write(image, target, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    let bar = self::bar("reading back", image);
    flash::verify(image, target, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    Ok(())
}

/// A bar on standard error; it stays invisible where that is no terminal.
fn bar(what: &'static str, image: &[u8]) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec}");
    ProgressBar::new(image.len() as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}
