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
    /// A folder without tables.
    NoFile,
}

impl Problem {
    /// Tells whether it is a file of another kind, in good order as far as anybody knows.
    pub(super) const fn is_something_else(&self) -> bool {
        matches!(self, Self::NoTable | Self::TooLarge)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::TooLarge => write!(f, "larger than {} MiB, which no table is", MAX_BYTES >> 20),
            Self::TooShort { present } => write!(f, "table of {present} bytes, expected at least 36"),
            Self::NoTable => f.write_str("holds neither a DMAR nor an IVRS table"),
            Self::NoFile => f.write_str("folder holds neither a DMAR nor an IVRS table"),
        }
    }
}

impl std::error::Error for Problem {}

/// All that `paths` stand for, one after the other; the files of a folder by name.
pub(super) fn sources(paths: &[PathBuf]) -> impl Iterator<Item = Source> {
    paths.iter().flat_map(|path| match files_in(path) {
        None => Vec::from([Source { path: path.clone(), place: Place::Named }]),
        Some(files) if files.iter().any(|file| may_hold_table(file)) => {
            files.into_iter().map(|path| Source { path, place: Place::Folder }).collect()
        }
        Some(_) => Vec::from([Source { path: path.clone(), place: Place::EmptyFolder }]),
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

/// Tells whether there is a table in a file, or whether nobody can tell.
fn may_hold_table(path: &Path) -> bool {
    match read_file(path).and_then(|bytes| super::extract::tables(&bytes)) {
        Ok(_) => true,
        Err(problem) => !problem.is_something_else(),
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
            Place::EmptyFolder => Err(Problem::NoFile),
            Place::Named if is_input(&self.path) => read_all(input),
            Place::Named | Place::Folder => read_file(&self.path),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    read_all(File::open(path).map_err(Problem::File)?)
}

fn read_all(stream: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    stream.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Problem::File)?;
    if bytes.len() as u64 > MAX_BYTES { Err(Problem::TooLarge) } else { Ok(bytes) }
}
