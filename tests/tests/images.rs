//! The images that `ivt image` and `ivt flash` write: which firmware starts them, and the options on a stick.
//!
//! Machine: the default one, from disk or from a USB stick as each test says.

use std::fs;
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use boot::image::{self, Layout};
use boot::machine::{Firmware, Media};
use tempfile::TempDir;
use tests::{Outcome, Run};

/// The partition type of the FAT file system in an image that a BIOS starts.
const FAT_PARTITION: u8 = 0x0c;
const SECTOR: usize = 512;

fn image_of(layout: Layout) -> PathBuf {
    image::cached(tests::kernel().unwrap(), layout).unwrap()
}

#[track_caller]
fn assert_boots(outcome: &Outcome, firmware: &str) {
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    assert_eq!(outcome.end()["status"], "ok");
    let said = outcome.event("boot")["firmware"].as_str().unwrap().to_lowercase();
    assert!(said.contains(firmware), "{said}");
}

#[test]
fn one_image_starts_from_a_stick_by_bios() {
    let stick = Run::new().image(image_of(Layout::Both)).media(Media::Usb);
    assert_boots(&stick.firmware(Firmware::Bios).script("poweroff").go(), "bios");
}

#[test]
fn one_image_starts_from_a_stick_by_uefi() {
    let stick = Run::new().image(image_of(Layout::Both)).media(Media::Usb);
    assert_boots(&stick.firmware(Firmware::Uefi).script("poweroff").go(), "uefi");
}

#[test]
fn an_image_for_one_firmware_starts_by_it() {
    for (layout, firmware, name) in
        [(Layout::Bios, Firmware::Bios, "bios"), (Layout::Uefi, Firmware::Uefi, "uefi")]
    {
        let disk = Run::new().image(image_of(layout)).firmware(firmware);
        assert_boots(&disk.script("poweroff").go(), name);
    }
}

/// A stick whose options file a user has rewritten.
struct EditedStick {
    folder: TempDir,
}

impl EditedStick {
    fn new(options: &str) -> Self {
        let stick = Self { folder: tempfile::tempdir().unwrap() };
        fs::copy(image_of(Layout::Both), stick.image()).unwrap();
        rewrite_options(&stick.image(), options);
        stick
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("stick.img")
    }

    fn run(&self) -> Run {
        Run::new().image(self.image()).media(Media::Usb)
    }
}

/// Does what an editor does: opens the file in the partition that a desktop shows, and saves another text.
fn rewrite_options(image: &Path, text: &str) {
    let mut disk = fs::read(image).unwrap();
    let entry = disk[446..510].chunks(16).find(|entry| entry[4] == FAT_PARTITION).unwrap();
    let sectors = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap()) as usize;
    let (start, length) = (sectors(&entry[8..12]) * SECTOR, sectors(&entry[12..16]) * SECTOR);
    let partition = Cursor::new(&mut disk[start..start + length]);
    let file_system = fatfs::FileSystem::new(partition, fatfs::FsOptions::new()).unwrap();
    let mut file = file_system.root_dir().open_file("ramdisk").unwrap();
    let mut before = String::new();
    file.read_to_string(&mut before).unwrap();
    assert!(before.starts_with("# Options of the kernel") && before.is_ascii(), "{before}");
    file.rewind().unwrap();
    file.truncate().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    drop(file);
    file_system.unmount().unwrap();
    fs::write(image, disk).unwrap();
}

/// The only fault that was not a drill's, and what was done about it.
#[track_caller]
fn assert_attack(outcome: &Outcome, action: &str) {
    outcome.assert_status(0);
    let attack = outcome.event("drill");
    assert_eq!((&attack["command"], &attack["result"]), (&"attack".into(), &"blocked".into()));
    assert_eq!(outcome.event("fault")["action"], action);
    assert_eq!(outcome.end()["status"], "ok");
}

#[test]
fn the_options_on_a_stick_can_be_edited() {
    // Longer than the file was, and than a cluster of the file system.
    let text = format!(
        "{}\r\npolicy=log\r\ndrill=off\r\nscript=\"attack 00:03.0 write\"\r\n",
        "# why\n".repeat(500)
    );
    let outcome = EditedStick::new(&text).run().go();
    assert_attack(&outcome, "logged");
    assert_eq!(outcome.event("boot")["cmdline"], text);
}

#[test]
fn uefi_hands_over_the_edited_options_too() {
    let stick = EditedStick::new("policy=log drill=off script=\"attack 00:03.0 write\"");
    assert_attack(&stick.run().firmware(Firmware::Uefi).go(), "logged");
}

#[test]
fn options_by_fw_cfg_win_key_by_key() {
    let stick = EditedStick::new("policy=log\ndrill=off\nscript=\"drill\"\n");
    // The policy and the script from here; that there is no drill at boot, from the stick.
    let outcome = stick.run().options("policy=contain").script("attack 00:03.0 write").go();
    assert_attack(&outcome, "contained");
}
