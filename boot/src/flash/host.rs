//! The system's disks and what they are used for, as its files tell.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Device, DeviceNumber, Disk, Use};

/// Bytes in the unit of `/sys/block/*/size`, whatever the disk's own sectors are.
const SYSFS_SECTOR: u64 = 512;

/// A running Linux, looked at through `/sys/block`, `/proc/self/mountinfo` and `/proc/swaps`.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    mounts: Vec<Mount>,
    swaps: Vec<String>,
}

/// A mounted file system that has a device.
#[derive(Clone, Debug)]
struct Mount {
    number: Option<DeviceNumber>,
    /// The device's name, where the file system was mounted by one. Some file systems show a number that is
    /// not their device's.
    device: Option<String>,
    at: PathBuf,
}

impl Host {
    /// Takes a look at the system whose files lie below a folder: `/`, or a made-up tree.
    ///
    /// # Errors
    /// If the list of mounts cannot be read: then nothing can be said to be unused.
    pub fn at(root: &Path) -> io::Result<Self> {
        let mounts = read(&root.join("proc/self/mountinfo"))?;
        let swaps = fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
        Ok(Self {
            root: root.to_path_buf(),
            mounts: mounts.lines().filter_map(|line| Mount::parse(root, line)).collect(),
            swaps: swaps.lines().skip(1).filter_map(|line| device_name(root, line)).collect(),
        })
    }

    /// Finds the disk that a block device is, or is a partition of.
    ///
    /// # Errors
    /// If the system does not know such a device, or not all about it.
    pub fn disk_of(&self, number: DeviceNumber) -> io::Result<Disk> {
        for entry in fs::read_dir(self.root.join("sys/block")).map_err(|error| about("/sys/block", &error))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let (device, partitions) = self.devices(&name)?;
            if device.number == number || partitions.iter().any(|partition| partition.number == number) {
                return self.disk(device, partitions);
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "/sys/block does not list it"))
    }

    fn disk(&self, device: Device, partitions: Vec<Device>) -> io::Result<Disk> {
        let folder = self.folder(&device.name);
        let mut uses = Vec::new();
        let mut seen = Vec::new();
        self.add_uses(&device.name, &mut uses, &mut seen)?;
        Ok(Disk {
            removable: number::<u64>(&folder.join("removable"))? != 0,
            read_only: number::<u64>(&folder.join("ro"))? != 0,
            bytes: number::<u64>(&folder.join("size"))?.saturating_mul(SYSFS_SECTOR),
            device,
            partitions,
            uses,
        })
    }

    /// Adds the uses of a whole block device, of its partitions and of all that is built on them.
    fn add_uses(&self, name: &str, uses: &mut Vec<Use>, seen: &mut Vec<String>) -> io::Result<()> {
        if seen.iter().any(|other| other == name) {
            return Ok(());
        }
        seen.push(name.to_owned());
        let (whole, partitions) = self.devices(name)?;
        let folder = self.folder(name);
        for device in std::iter::once(&whole).chain(&partitions) {
            uses.extend(
                self.mounts
                    .iter()
                    .filter(|mount| mount.is_of(device))
                    .map(|mount| Use::Mounted { device: device.name.clone(), at: mount.at.clone() }),
            );
            if self.swaps.contains(&device.name) {
                uses.push(Use::Swap { device: device.name.clone() });
            }
            let own = if device.name == whole.name { folder.clone() } else { folder.join(&device.name) };
            for holder in fs::read_dir(own.join("holders")).into_iter().flatten() {
                let by = holder?.file_name().to_string_lossy().into_owned();
                uses.push(Use::Held { device: device.name.clone(), by: by.clone() });
                self.add_uses(&by, uses, seen)?;
            }
        }
        Ok(())
    }

    /// A whole block device, and its partitions.
    fn devices(&self, name: &str) -> io::Result<(Device, Vec<Device>)> {
        let folder = self.folder(name);
        let device = |folder: &Path, name: &str| {
            Ok::<_, io::Error>(Device { name: name.to_owned(), number: number(&folder.join("dev"))? })
        };
        let mut partitions = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| about(&folder, &error))? {
            let entry = entry?.path();
            if entry.join("partition").is_file() {
                let name = entry.file_name().unwrap_or_default().to_string_lossy();
                partitions.push(device(&entry, &name)?);
            }
        }
        partitions.sort_by_key(|partition| partition.number.minor);
        Ok((device(&folder, name)?, partitions))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join("sys/block").join(name)
    }
}

impl Mount {
    /// Reads a line of `mountinfo`: id, parent, number, root, mount point, options, optional fields, `-`,
    /// type, source, more options.
    fn parse(root: &Path, line: &str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(2);
        let number = front.next()?.parse().ok();
        let at = PathBuf::from(unescape(front.nth(1)?));
        let device = back.split(' ').nth(1).and_then(|source| device_name(root, source));
        Some(Self { number, device, at })
    }

    fn is_of(&self, device: &Device) -> bool {
        self.number == Some(device.number) || self.device.as_ref() == Some(&device.name)
    }
}

/// The name by which `/sys/block` knows the device file that a line starts with, links followed.
fn device_name(root: &Path, line: &str) -> Option<String> {
    let path = unescape(line.split_whitespace().next()?);
    let inside = Path::new(&path).strip_prefix("/dev").ok()?;
    let folder = root.join("dev");
    let resolved = fs::canonicalize(folder.join(inside)).ok();
    let folder = fs::canonicalize(&folder).unwrap_or(folder);
    let inside = resolved.as_deref().and_then(|path| path.strip_prefix(&folder).ok()).unwrap_or(inside);
    // Where a name holds a slash, `/sys` has an exclamation mark.
    Some(inside.to_string_lossy().replace('/', "!"))
}

/// Turns the octal escapes of blanks and the like back into what they stand for.
fn unescape(text: &str) -> OsString {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let code = tail.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path).map_err(|error| about(path, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file that holds one value.
fn number<T: FromStr>(path: &Path) -> io::Result<T> {
    let text = read(path)?;
    text.trim().parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} holds {:?}", path.display(), text.trim()))
    })
}

/// An error that names the file it is about.
fn about(path: impl AsRef<Path>, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.as_ref().display()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A made-up system: `sda` is its own disk with an encrypted root, `sdb` and `sdc` are sticks, `sdd` is an
    /// empty card reader, `nvme0n1` is a disk with swap and a btrfs.
    pub(in crate::flash) fn tree() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let put = |path: String, text: &str| {
            fs::create_dir_all(at(&path).parent().unwrap()).unwrap();
            fs::write(at(&path), text).unwrap();
        };
        for (name, number, removable, sectors, partitions) in [
            ("sda", "8:0", "0", "1000000", &[("sda1", "8:1"), ("sda2", "8:2")][..]),
            ("sdb", "8:16", "1", "60000", &[("sdb1", "8:17"), ("sdb2", "8:18")]),
            ("sdc", "8:32", "1", "60000", &[("sdc1", "8:33")]),
            ("sdd", "8:48", "1", "0", &[]),
            ("nvme0n1", "259:0", "0", "900000", &[("nvme0n1p1", "259:1"), ("nvme0n1p2", "259:2")]),
            ("dm-0", "253:0", "0", "900000", &[]),
        ] {
            put(format!("sys/block/{name}/dev"), &format!("{number}\n"));
            put(format!("sys/block/{name}/removable"), &format!("{removable}\n"));
            put(format!("sys/block/{name}/ro"), if name == "sdc" { "1\n" } else { "0\n" });
            put(format!("sys/block/{name}/size"), &format!("{sectors}\n"));
            put(format!("dev/{name}"), "");
            fs::create_dir(at(&format!("sys/block/{name}/holders"))).unwrap();
            for (index, (partition, number)) in partitions.iter().enumerate() {
                put(format!("sys/block/{name}/{partition}/dev"), &format!("{number}\n"));
                put(format!("sys/block/{name}/{partition}/partition"), &format!("{}\n", index + 1));
                put(format!("dev/{partition}"), "");
            }
        }
        put("sys/block/sda/sda2/holders/dm-0".to_owned(), "");
        put("sys/block/dm-0/slaves/sda2".to_owned(), "");
        fs::create_dir_all(at("dev/mapper")).unwrap();
        symlink("../dm-0", at("dev/mapper/vg-root")).unwrap();
        put(
            "proc/self/mountinfo".to_owned(),
            "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
             27 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n\
             28 27 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n\
             40 27 8:17 / /media/my\\040stick rw shared:9 master:2 - vfat /dev/sdb1 rw\n\
             41 27 0:40 /sub /data rw - btrfs /dev/nvme0n1p2 rw\n",
        );
        put(
            "proc/swaps".to_owned(),
            "Filename\t\t\t\tType\t\tSize\n/dev/nvme0n1p1                  partition\t8388604\n/swap\\040file file\t1\n",
        );
        root
    }

    fn disk(number: &str) -> Disk {
        let root = tree();
        Host::at(root.path()).unwrap().disk_of(number.parse().unwrap()).unwrap()
    }

    fn uses(number: &str) -> Vec<String> {
        disk(number).uses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_disk_is_found_by_its_number_and_by_its_partitions() {
        let stick = disk("8:18");
        assert_eq!(stick, disk("8:16"));
        assert_eq!((stick.device.name.as_str(), stick.bytes), ("sdb", 60000 * 512));
        assert_eq!(
            stick.partitions.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["sdb1", "sdb2"]
        );
        assert!(stick.removable && !stick.read_only);
        assert!(disk("8:32").read_only);
        let root = tree();
        let missing = Host::at(root.path()).unwrap().disk_of("7:7".parse().unwrap());
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn uses_are_found_on_partitions_and_through_what_is_built_on_them() {
        assert_eq!(uses("8:16"), ["sdb1 is mounted at /media/my stick"]);
        assert_eq!(
            uses("8:0"),
            ["sda1 is mounted at /boot/efi", "sda2 is in use by dm-0", "dm-0 is mounted at /"]
        );
        assert_eq!(uses("8:48"), [""; 0]);
    }

    #[test]
    fn swap_counts_and_so_do_file_systems_with_numbers_of_their_own() {
        assert_eq!(uses("259:0"), ["nvme0n1p1 is in use as swap", "nvme0n1p2 is mounted at /data"]);
    }

    #[test]
    fn the_systems_own_mounts_are_known() {
        assert_eq!(disk("8:0").uses.iter().filter(|one| one.is_system()).count(), 2);
        assert!(!disk("8:16").uses[0].is_system());
    }

    #[test]
    fn without_a_list_of_mounts_nothing_is_said() {
        let root = tree();
        fs::remove_file(root.path().join("proc/self/mountinfo")).unwrap();
        assert!(Host::at(root.path()).is_err());
    }

    #[test]
    fn damaged_lines_and_escapes_do_no_harm() {
        let root = tree();
        for line in ["", "1 2", "1 2 8:1", "x - y", "1 2 8:1 / - ", " - "] {
            assert!(Mount::parse(root.path(), line).is_none_or(|mount| mount.device.is_none()), "{line}");
        }
        assert_eq!(unescape(r"a\040b\134c\9\04"), r"a b\c\9\04");
        assert_eq!(unescape(r"\777"), r"\777");
    }

    #[test]
    fn this_system_can_be_looked_at() {
        let host = Host::at(Path::new("/")).unwrap();
        assert!(host.mounts.iter().any(|mount| mount.at == Path::new("/")));
    }
}
