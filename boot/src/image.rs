//! Bootable disk images: the boot loader, the kernel, and a file with the kernel's options.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bootloader::DiskImageBuilder;
use bootloader_boot_config::{BootConfig, LevelFilter};

use crate::{Error, kernel};

/// Which firmware can start an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Layout {
    /// A BIOS: the loader stands in the master boot record.
    Bios,
    /// UEFI: the loader is a file in an EFI system partition.
    Uefi,
    /// Either: the BIOS layout, with UEFI's loader as a file in its partition.
    Both,
}

/// Where removable media keep the loader that UEFI starts.
const UEFI_LOADER_PATH: &str = "efi/boot/bootx64.efi";
/// The loader's name for the data file that it hands to the kernel.
const OPTIONS_FILE: &str = "ramdisk";
/// What that file holds until a user edits it.
const OPTIONS_TEXT: &str = include_str!("options.txt");
/// How long an image that is not used any more may lie in the cache.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// Writes an image of a kernel. The file appears under its name only when it is complete.
///
/// # Errors
/// If the loader's builder fails or the file cannot be written.
pub fn write(kernel: &Path, layout: Layout, out: &Path) -> Result<(), Error> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new()
        .prefix(".ivt-image")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(Error::file(folder))?;
    build(kernel, layout, unfinished.path())
        .map_err(|why| Error::Image { path: out.to_path_buf(), why: format!("{why:#}") })?;
    unfinished.persist(out).map_err(|error| Error::File { path: out.to_path_buf(), source: error.error })?;
    Ok(())
}

/// Returns an image of a kernel from the cache beside it, made now if that kernel has none yet.
///
/// # Errors
/// As [`write()`], and if the kernel cannot be read.
pub fn cached(kernel: &Path, layout: Layout) -> Result<PathBuf, Error> {
    let folder = kernel::folder().join("images");
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let image = folder.join(format!("{:016x}.img", fingerprint(kernel, layout)?));
    if !image.exists() {
        remove_stale(&folder);
        write(kernel, layout, &image)?;
    }
    Ok(image)
}

/// Names an image by what goes into it; the loader is as old as this program's version of it.
fn fingerprint(kernel: &Path, layout: Layout) -> Result<u64, Error> {
    let mut hasher = DefaultHasher::new();
    fs::read(kernel).map_err(Error::file(kernel))?.hash(&mut hasher);
    layout.hash(&mut hasher);
    (env!("CARGO_PKG_VERSION"), OPTIONS_TEXT).hash(&mut hasher);
    Ok(hasher.finish())
}

/// Removes images that no run can be about to start.
fn remove_stale(folder: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|data| data.modified()).map(|time| now.duration_since(time));
        if matches!(age, Ok(Ok(age)) if age > STALE_AFTER) {
            // A cache: what cannot be removed now goes next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

type LoaderResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn build(kernel: &Path, layout: Layout, out: &Path) -> LoaderResult<()> {
    let mut builder = DiskImageBuilder::new(kernel.to_path_buf());
    builder.set_boot_config(&loader_settings());
    builder.set_file_contents(OPTIONS_FILE.to_owned(), OPTIONS_TEXT.as_bytes().to_vec());
    match layout {
        Layout::Bios => builder.create_bios_image(out)?,
        Layout::Uefi => builder.create_uefi_image(out)?,
        Layout::Both => {
            builder.set_file_contents(UEFI_LOADER_PATH.to_owned(), uefi_loader()?);
            builder.create_bios_image(out)?;
        }
    }
    Ok(())
}

/// The serial port belongs to the kernel, and the screen shows the loader's errors only. It keeps the mode that
/// the firmware chose: asked for a least size, UEFI's loader takes the largest there is.
fn loader_settings() -> BootConfig {
    let mut settings = BootConfig::default();
    settings.serial_logging = false;
    settings.log_level = LevelFilter::Error;
    settings
}

/// UEFI's loader, which the builder hands out only as part of a folder for network boot.
fn uefi_loader() -> LoaderResult<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    DiskImageBuilder::empty().create_uefi_tftp_folder(folder.path())?;
    Ok(fs::read(folder.path().join("bootloader"))?)
}
