//! Where tables are read from.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No dump of a machine's tables is larger.
const MAX_BYTES: u64 = 64 << 20;

/// One file or stream that may hold tables.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    /// How it came to be looked at.
    pub(super) place: Place,
}

/// How a file came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was named.
    Named,
    /// It lies in a folder that was named.
    Folder,
    /// It is a folder that was named and holds no file that could be a table.
    EmptyFolder,
    /// It is a folder of a machine's tables, none of which describes an IOMMU.
    MachineWithout,
    /// It is a folder that was named and whose files may not be read.
    ClosedFolder,
}

/// Why something is no table.
#[derive(Debug)]
pub(super) enum Problem {
    /// It cannot be opened or read.
    File(io::Error),
    /// It is far larger than any dump of tables.
    TooLarge,
    /// A table that ends within its header.
    TooShort {
        /// Bytes of it.
        present: usize,
    },
    /// There is neither a DMAR nor an IVRS table in it.
    NoTable,
    /// It is a log.
    Log,
    /// A table of another kind.
    OtherTable {
        /// Its signature.
        signature: [u8; 4],
        /// What it is, if it is one that may be mistaken for those that are read.
        what: Option<&'static str>,
    },
    /// A folder without tables.
    NoFile,
    /// A folder of a machine's tables, none of which describes an IOMMU.
    NoIommu,
}

impl Problem {
    /// Tells whether it is a file of another kind, in good order as far as anybody knows.
    pub(super) const fn is_something_else(&self) -> bool {
        matches!(self, Self::NoTable | Self::Log | Self::OtherTable { .. } | Self::TooLarge)
    }

    /// What it comes to, for people.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "cannot be read",
            Self::TooShort { .. } => "broken",
            Self::TooLarge | Self::NoTable | Self::Log | Self::OtherTable { .. } | Self::NoFile => "no table",
            Self::NoIommu => "no IOMMU table here",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                f.write_str("permission denied: use sudo")
            }
            Self::File(error) => error.fmt(f),
            Self::TooLarge => write!(f, "larger than {} MiB, which no table is", MAX_BYTES >> 20),
            Self::TooShort { present } => write!(f, "table of {present} bytes, expected at least 36"),
            Self::NoTable => f.write_str("holds neither a DMAR nor an IVRS table"),
            Self::Log => f.write_str("this is a log and no table; ivt explain reads logs"),
            Self::OtherTable { signature, what } => {
                write!(f, "this is a table {}", signature.escape_ascii())?;
                what.iter().try_for_each(|what| write!(f, ", {what}"))?;
                f.write_str("; DMAR (Intel) and IVRS (AMD) are read")
            }
            Self::NoFile => f.write_str("folder holds neither a DMAR nor an IVRS table"),
            Self::NoIommu => f.write_str(
                "DMA is not protected; VT-d or AMD-Vi is switched off in firmware's settings, or the machine has none",
            ),
        }
    }
}

impl std::error::Error for Problem {}

/// All that `paths` stand for, one after the other; the files of a folder by name.
pub(super) fn sources(paths: &[PathBuf]) -> impl Iterator<Item = Source> {
    paths.iter().flat_map(|path| {
        let Some(files) = files_in(path) else {
            return Vec::from([Source { path: path.clone(), place: Place::Named }]);
        };
        let place = place_of(&files);
        if place == Place::Folder {
            return files.into_iter().map(|path| Source { path, place }).collect();
        }
        Vec::from([Source { path: path.clone(), place }])
    })
}

/// The files that lie directly in a folder; `None` if `path` is none or cannot be listed.
fn files_in(path: &Path) -> Option<Vec<PathBuf>> {
    if is_input(path) || !path.is_dir() {
        return None;
    }
    let entries = fs::read_dir(path).ok()?;
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !path.is_dir()).collect();
    files.sort();
    Some(files)
}

/// What a folder with these files is.
fn place_of(files: &[PathBuf]) -> Place {
    let problems: Vec<_> = files
        .iter()
        .map_while(|file| read_file(file).and_then(|bytes| super::extract::tables(&bytes)).err())
        .collect();
    let has_table = problems.len() < files.len();
    let is_denied = |problem: &Problem| matches!(problem, Problem::File(error) if error.kind() == io::ErrorKind::PermissionDenied);
    if has_table {
        Place::Folder
    } else if problems.iter().any(is_denied) {
        Place::ClosedFolder
    } else if problems.iter().any(|problem| !problem.is_something_else()) {
        Place::Folder
    } else if problems.iter().any(|problem| matches!(problem, Problem::OtherTable { .. })) {
        Place::MachineWithout
    } else {
        Place::EmptyFolder
    }
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

impl Source {
    /// The name by which it was called; `-` for standard input.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads it to its end.
    pub(super) fn read(&self, input: &mut dyn Read) -> Result<Vec<u8>, Problem> {
        match self.place {
            Place::EmptyFolder if is_machine(&self.path) => Err(Problem::NoIommu),
            Place::EmptyFolder => Err(Problem::NoFile),
            Place::MachineWithout => Err(Problem::NoIommu),
            Place::ClosedFolder => Err(Problem::File(io::ErrorKind::PermissionDenied.into())),
            Place::Named if is_input(&self.path) => read_all(input),
            Place::Named | Place::Folder => read_file(&self.path),
        }
    }
}

/// Tells whether a folder is the one in which Linux shows the machine's own tables.
fn is_machine(path: &Path) -> bool {
    path.starts_with("/sys/firmware/acpi/tables")
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    read_all(File::open(path).map_err(Problem::File)?)
}

fn read_all(stream: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    stream.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Problem::File)?;
    if bytes.len() as u64 > MAX_BYTES { Err(Problem::TooLarge) } else { Ok(bytes) }
}
