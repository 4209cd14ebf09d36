//! What an image is to be written to, and what speaks against it.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{DeviceNumber, Disk, Host, Use};

/// Something that exists and could hold an image, not opened yet.
#[derive(Clone, Debug)]
pub struct Target {
    path: PathBuf,
    identity: Identity,
    kind: Kind,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole disk.
    Disk(Disk),
    /// A partition of a disk.
    Partition(Disk),
    /// A regular file.
    RegularFile,
    /// A device that is no disk.
    CharacterDevice,
}

/// Tells a device or file from any other that gets its path later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    file: u64,
    special: u64,
}

/// A reason not to write to a target unless the user insists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The running system needs the disk.
    System(Use),
    /// The disk is in use.
    Used(Use),
    /// The disk is built in, or says so.
    NotRemovable,
    /// It is a part of the disk of this name; firmware starts whole disks.
    Partition(String),
    /// It is something else than a disk.
    NotADisk(&'static str),
    /// The image does not fit.
    TooSmall {
        /// The disk's bytes.
        room: u64,
        /// The image's bytes.
        image: u64,
    },
}

/// Why a target cannot be written, or is not.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There are objections.
    #[error("{}: {}; --force writes all the same", path.display(), list(objections))]
    Refused {
        /// The target.
        path: PathBuf,
        /// What speaks against it.
        objections: Vec<Objection>,
    },
    /// It is a folder, a pipe or a socket.
    #[error("{}: not a disk", .0.display())]
    Unsuited(PathBuf),
    /// The disk's switch says so.
    #[error("{}: write-protected", .0.display())]
    WriteProtected(PathBuf),
    /// A reader without a card.
    #[error("{}: no medium in the drive", .0.display())]
    NoMedium(PathBuf),
    /// The system does not let it be opened.
    #[error("{}: cannot be written: {source}{}", path.display(), remedy(source))]
    NotWritable {
        /// The target.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else lies at the path now.
    #[error("{}: is not what it was a moment ago", .0.display())]
    Changed(PathBuf),
    /// It is not there, or the system does not tell what it is used for.
    #[error("{}: {source}", path.display())]
    Unknown {
        /// The target.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether objections are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// They are.
    None,
    /// The user has said `--force`.
    Forced,
}

impl Target {
    /// Looks at what lies at a path, links followed, in the running system.
    ///
    /// # Errors
    /// If it is not there, cannot hold an image at all, or its use cannot be told.
    pub fn examine(path: &Path) -> Result<Self, TargetError> {
        let unknown = |source| TargetError::Unknown { path: path.to_path_buf(), source };
        let data = fs::metadata(path).map_err(unknown)?;
        let kind = if data.file_type().is_block_device() {
            let number =
                DeviceNumber { major: rustix::fs::major(data.rdev()), minor: rustix::fs::minor(data.rdev()) };
            Kind::of_block_device(&Host::at(Path::new("/")).map_err(unknown)?, number).map_err(unknown)?
        } else if data.is_file() {
            Kind::RegularFile
        } else if data.file_type().is_char_device() {
            Kind::CharacterDevice
        } else {
            return Err(TargetError::Unsuited(path.to_path_buf()));
        };
        Ok(Self { path: path.to_path_buf(), identity: Identity::of(&data), kind })
    }

    /// Opens it for reading and writing, unless there are objections and nobody insists. Until the file is
    /// closed nobody can mount a disk that was opened without insistence.
    ///
    /// # Errors
    /// If there are objections, or nothing can be written whoever insists.
    pub fn open(&self, insistence: Insistence) -> Result<File, TargetError> {
        let objections = self.kind.objections();
        self.hear(objections, insistence)?;
        if let Kind::Disk(disk) | Kind::Partition(disk) = &self.kind {
            if disk.read_only {
                return Err(TargetError::WriteProtected(self.path.clone()));
            }
            if disk.bytes == 0 {
                return Err(TargetError::NoMedium(self.path.clone()));
            }
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if insistence == Insistence::None {
            // On a block device: fail if anybody uses it, and keep others from it.
            options.custom_flags(OFlags::EXCL.bits().cast_signed());
        }
        let not_writable = |source| TargetError::NotWritable { path: self.path.clone(), source };
        let file = options.open(&self.path).map_err(not_writable)?;
        if Identity::of(&file.metadata().map_err(not_writable)?) != self.identity {
            return Err(TargetError::Changed(self.path.clone()));
        }
        Ok(file)
    }

    /// Objects to an image that does not fit, unless somebody insists.
    ///
    /// # Errors
    /// If it is larger than the disk.
    pub fn check_room(&self, image: u64, insistence: Insistence) -> Result<(), TargetError> {
        let too_small = match &self.kind {
            Kind::Disk(disk) if disk.bytes < image => Some(Objection::TooSmall { room: disk.bytes, image }),
            _ => None,
        };
        self.hear(too_small.into_iter().collect(), insistence)
    }

    fn hear(&self, objections: Vec<Objection>, insistence: Insistence) -> Result<(), TargetError> {
        if objections.is_empty() || insistence == Insistence::Forced {
            return Ok(());
        }
        Err(TargetError::Refused { path: self.path.clone(), objections })
    }
}

impl Kind {
    /// A disk or a partition, as the system knows it.
    fn of_block_device(host: &Host, number: DeviceNumber) -> io::Result<Self> {
        let disk = host.disk_of(number)?;
        Ok(if disk.device.number == number { Self::Disk(disk) } else { Self::Partition(disk) })
    }

    /// What speaks against writing to such a thing; nothing if it is a stick that nobody uses.
    pub fn objections(&self) -> Vec<Objection> {
        let (disk, part) = match self {
            Self::RegularFile => return vec![Objection::NotADisk("a regular file")],
            Self::CharacterDevice => return vec![Objection::NotADisk("a device that is no disk")],
            Self::Disk(disk) => (disk, None),
            Self::Partition(disk) => (disk, Some(Objection::Partition(disk.device.name.clone()))),
        };
        let (system, other): (Vec<_>, Vec<_>) = disk.uses.iter().cloned().partition(Use::is_system);
        part.into_iter()
            .chain(system.into_iter().map(Objection::System))
            .chain(other.into_iter().map(Objection::Used))
            .chain((!disk.removable).then_some(Objection::NotRemovable))
            .collect()
    }
}

impl Identity {
    fn of(data: &Metadata) -> Self {
        Self { device: data.dev(), file: data.ino(), special: data.rdev() }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(usage) => write!(f, "it is the system disk ({usage})"),
            Self::Used(usage) => usage.fmt(f),
            Self::NotRemovable => f.write_str("the disk is not removable"),
            Self::Partition(disk) => {
                write!(f, "it is a partition, the disk is /dev/{}", disk.replace('!', "/"))
            }
            Self::NotADisk(what) => write!(f, "it is {what}"),
            Self::TooSmall { room, image } => {
                write!(f, "too small: the image has {image} bytes, the disk {room}")
            }
        }
    }
}

fn list(objections: &[Objection]) -> String {
    objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What helps against an error, where that is known.
fn remedy(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => ": run it as root, or as the owner of the device",
        Some(Errno::BUSY) => ": something uses it; unmount it first",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::tree;
    use super::*;

    fn said(number: &str) -> String {
        let root = tree();
        let host = Host::at(root.path()).unwrap();
        list(&Kind::of_block_device(&host, number.parse().unwrap()).unwrap().objections())
    }

    #[test]
    fn a_stick_that_nobody_uses_is_welcome() {
        assert_eq!(said("8:32"), "");
        assert_eq!(said("8:48"), "");
    }

    #[test]
    fn every_wrong_disk_is_refused_with_its_reason() {
        assert_eq!(said("8:16"), "sdb1 is mounted at /media/my stick");
        assert_eq!(
            said("8:0"),
            "it is the system disk (sda1 is mounted at /boot/efi); it is the system disk (dm-0 is mounted at /); \
             sda2 is in use by dm-0; the disk is not removable"
        );
        assert_eq!(
            said("259:0"),
            "nvme0n1p1 is in use as swap; nvme0n1p2 is mounted at /data; the disk is not removable"
        );
    }

    #[test]
    fn a_partition_is_refused_and_its_disk_named() {
        assert_eq!(said("8:33"), "it is a partition, the disk is /dev/sdc");
        assert!(said("8:18").ends_with("the disk is /dev/sdb; sdb1 is mounted at /media/my stick"));
    }

    fn target(number: &str, path: &Path) -> Target {
        let root = tree();
        let host = Host::at(root.path()).unwrap();
        let kind = Kind::of_block_device(&host, number.parse().unwrap()).unwrap();
        Target { path: path.to_path_buf(), identity: Identity::of(&fs::metadata(path).unwrap()), kind }
    }

    #[test]
    fn nobody_can_force_what_cannot_be_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = |number| target(number, file.path()).open(Insistence::Forced).unwrap_err();
        assert!(matches!(error("8:32"), TargetError::WriteProtected(_)));
        assert!(matches!(error("8:48"), TargetError::NoMedium(_)));
        assert!(matches!(Target::examine(Path::new("/nowhere/sdb")), Err(TargetError::Unknown { .. })));
        assert!(matches!(Target::examine(Path::new("/")), Err(TargetError::Unsuited(_))));
    }

    #[test]
    fn a_disk_must_have_room_unless_the_user_insists() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stick = target("8:16", file.path());
        stick.check_room(60000 * 512, Insistence::None).unwrap();
        let error = stick.check_room(60000 * 512 + 1, Insistence::None).unwrap_err().to_string();
        assert!(error.contains("too small: the image has 30720001 bytes, the disk 30720000"), "{error}");
        stick.check_room(u64::MAX, Insistence::Forced).unwrap();
    }

    #[test]
    fn files_need_insistence_and_must_stay_what_they_were() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let target = Target::examine(file.path()).unwrap();
        let error = target.open(Insistence::None).unwrap_err().to_string();
        assert!(error.ends_with("it is a regular file; --force writes all the same"), "{error}");
        target.open(Insistence::Forced).unwrap();
        let other = tempfile::NamedTempFile::new().unwrap();
        fs::rename(other.path(), file.path()).unwrap();
        assert!(matches!(target.open(Insistence::Forced), Err(TargetError::Changed(_))));
    }
}
