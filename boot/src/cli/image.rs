//! The command `image`.

use super::arguments::ImageArguments;
use super::run::check_writable;
use crate::kernel::{self, Messages, Profile};
use crate::{Error, image};

/// Builds the kernel and writes an image of it.
pub(super) fn write(arguments: &ImageArguments) -> Result<u8, Error> {
    kernel::check_compiler()?;
    check_writable(&arguments.out)?;
    let kernel = kernel::build(Profile::Release, Messages::Shown)?;
    image::write(&kernel, arguments.firmware, &arguments.out)?;
    Ok(0)
}
