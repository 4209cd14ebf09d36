//! The command `ivt flash`, on files and on loop devices.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use boot::image::{self, Layout};
use boot::kernel::{self, Messages, Profile};

fn flash(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivt")).arg("flash").args(arguments).output().unwrap()
}

/// Demands an exit status, and on standard error no more than one line that says why.
#[track_caller]
fn assert_ends(output: &Output, status: i32, expected: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    let own: Vec<_> = said.lines().filter(|line| line.starts_with("ivt: ")).collect();
    assert_eq!(own.len(), usize::from(status != 0), "{said}");
    assert!(said.contains(expected), "{said}");
}

#[track_caller]
fn assert_refused(arguments: &[&str], expected: &str) {
    assert_ends(&flash(arguments), 2, expected);
}

/// The image that `flash` writes.
fn image(layout: Layout) -> Vec<u8> {
    let kernel = kernel::build(Profile::Release, Messages::Kept).unwrap();
    fs::read(image::cached(&kernel, layout).unwrap()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_no_stick_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_refused(&[text(file.path())], "it is a regular file; --force");
    assert_refused(&["/dev/null"], "it is a device that is no disk; --force");
    assert_refused(&["/"], "not a disk");
    assert_refused(&["/", "--force"], "not a disk");
    assert_refused(&["/nowhere/sdb", "--force"], "No such file");
    assert_eq!(file.as_file().metadata().unwrap().len(), 0);
}

#[test]
fn the_disk_that_this_system_runs_from_is_refused() {
    let device = fs::metadata("/").unwrap().dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(link) = fs::read_link(format!("/sys/dev/block/{number}")) else {
        skip("flash of the system disk", "the root file system is on no disk");
        return;
    };
    let path = Path::new("/dev").join(link.file_name().unwrap());
    if !path.exists() {
        skip("flash of the system disk", "its device file is not here");
        return;
    }
    assert_refused(&[text(&path)], "the system disk");
}

#[test]
fn a_file_is_written_if_forced() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let image = image(Layout::Both);
    // As on a stick, what lies behind the image stays.
    file.as_file().write_all_at(b"rest", image.len() as u64).unwrap();
    let output = flash(&[text(file.path()), "--force"]);
    assert_ends(&output, 0, "");
    assert!(String::from_utf8_lossy(&output.stdout).contains("written and read back"));
    let written = fs::read(file.path()).unwrap();
    assert!(written[..image.len()] == image && written[image.len()..] == *b"rest");
    assert!(!String::from_utf8_lossy(&output.stderr).contains('\x1b'), "a bar without a terminal");
}

#[test]
fn the_firmware_can_be_chosen() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_ends(&flash(&[text(file.path()), "--force", "--firmware", "uefi"]), 0, "");
    assert!(fs::read(file.path()).unwrap() == image(Layout::Uefi));
}

#[test]
fn a_short_write_is_told_with_its_offset() {
    assert_ends(&flash(&["/dev/full", "--force"]), 1, "short write at offset 0");
}

#[test]
fn loop_devices_are_disks() {
    const NAME: &str = "flash on a loop device";
    let image = image(Layout::Both);
    let room = image.len() as u64 + (1 << 20);
    let disk = match LoopDevice::new(room) {
        Ok(disk) => disk,
        Err(why) => return skip(NAME, &why),
    };
    assert_refused(&[text(&disk.path)], "the disk is not removable");
    assert_ends(&flash(&[text(&disk.path), "--force"]), 0, "");
    let mut written = vec![0; image.len()];
    disk.backing.as_file().read_exact_at(&mut written, 0).unwrap();
    assert!(written == image);

    let small = LoopDevice::new(1 << 20).unwrap();
    let output = flash(&[text(&small.path), "--force"]);
    assert_ends(&output, 1, "short write at offset 1048576");
    let mut changed = [0];
    File::open(&disk.path).unwrap().read_exact_at(&mut changed, 0).unwrap();
    assert_eq!(changed[0], image[0]);

    let protected = LoopDevice::with(room, &["--read-only"]).unwrap();
    assert_refused(&[text(&protected.path), "--force"], "write-protected");
}

/// Says that a test could not run here, past the harness, which would keep it to itself, and on a line of its
/// own.
fn skip(name: &str, why: &str) {
    std::io::stderr().write_all(format!("\nSKIP {name}: {why}\n").as_bytes()).unwrap();
}

/// A disk made of a file. It goes when the value is dropped.
struct LoopDevice {
    path: PathBuf,
    backing: tempfile::NamedTempFile,
}

impl LoopDevice {
    /// Makes one, or says why there is none here.
    fn new(bytes: u64) -> Result<Self, String> {
        Self::with(bytes, &[])
    }

    fn with(bytes: u64, options: &[&str]) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let backing = tempfile::NamedTempFile::new().unwrap();
        backing.as_file().set_len(bytes).unwrap();
        let output = Command::new("losetup")
            .args(options)
            .args(["--find", "--show"])
            .arg(backing.path())
            .output()
            .map_err(|error| format!("losetup: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "));
        }
        Ok(Self { path: String::from_utf8(output.stdout).unwrap().trim().into(), backing })
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}
