//! What the ACPI tables of a machine mean for its DMA protection: the command `audit`.
//!
//! [`run`] takes files, folders and standard input, finds the DMAR and IVRS tables in them, binary or as a
//! text dump, and says of each what [`acpi_tables`] finds. Nothing here runs on the machine in question.
//!
//! ```
//! use audit::{Format, Outcome};
//!
//! let mut verdict = Vec::new();
//! let outcome = audit::run(&["-".into()], &mut &b"no table"[..], Format::Json, &mut verdict)?;
//! assert_eq!(outcome, Outcome::Unreadable);
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod assessment;
mod dmar_tree;
mod dump;
mod extract;
mod ivrs_tree;
mod json;
mod source;
mod text;
mod tree;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use acpi_tables::lint::Verdict;

use assessment::Assessment;
use printed::Colours;
use source::{Place, Source};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text(Colours),
    /// A JSON object a line.
    Json,
}

/// The worst that was met; the order is that of the exit status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Tables with notes at most.
    #[default]
    NoWarning,
    /// A table with a warning.
    Warning,
    /// A table with an error.
    Error,
    /// Something that cannot be read as a table.
    Unreadable,
}

/// How many tables came to which verdict.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    protected: usize,
    gaps: usize,
    broken: usize,
    passed_over: usize,
    unreadable: usize,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Protected => self.protected += 1,
            Verdict::Gaps => self.gaps += 1,
            Verdict::Broken => self.broken += 1,
        }
    }

    const fn tables(&self) -> usize {
        self.protected + self.gaps + self.broken
    }
}

/// Judges all tables in `paths`, of which `-` is `input`, and writes what there is to say to `output`.
///
/// A folder stands for the files in it; those that are something else than a table are passed over.
///
/// # Errors
/// If `output` fails. What cannot be read is part of the outcome.
pub fn run(
    paths: &[PathBuf],
    input: &mut dyn Read,
    format: Format,
    output: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::NoWarning;
    let mut tally = Tally::default();
    for source in source::sources(paths) {
        for assessment in assess(source, input, &mut tally) {
            match assessment.content {
                Ok(_) => tally.add(assessment.verdict()),
                Err(_) => tally.unreadable += 1,
            }
            outcome = outcome.max(assessment.outcome());
            match format {
                Format::Text(colours) => text::write(output, &assessment, colours)?,
                Format::Json => json::write(output, &assessment)?,
            }
        }
    }
    if let Format::Text(colours) = format {
        text::write_summary(output, &tally, colours)?;
    }
    Ok(outcome)
}

/// The assessments of what a source holds: one for each table, or one that says why there is none.
fn assess(source: Source, input: &mut dyn Read, tally: &mut Tally) -> Vec<Assessment> {
    let name = source.name();
    let found = source.read(input).and_then(|bytes| extract::tables(&bytes));
    match found {
        Ok(tables) => tables.into_iter().map(|table| Assessment::of_table(name.clone(), table)).collect(),
        Err(problem) if source.place == Place::Folder && problem.is_something_else() => {
            tally.passed_over += 1;
            Vec::new()
        }
        Err(problem) => Vec::from([Assessment::unreadable(name, problem)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::testing::DmarBuilder;
    use std::fs;

    fn audit(paths: &[PathBuf], mut input: &[u8], format: Format) -> (Outcome, String) {
        let mut output = Vec::new();
        let outcome = run(paths, &mut input, format, &mut output).unwrap();
        (outcome, String::from_utf8(output).unwrap())
    }

    #[test]
    fn the_worst_of_several_files_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let sound = file("sound", &DmarBuilder::new().build());
        let mut damaged = DmarBuilder::new().build();
        damaged[9] ^= 1;
        let damaged = file("damaged", &damaged);
        let outcome = |paths: &[&PathBuf]| {
            let paths: Vec<_> = paths.iter().map(|path| (*path).clone()).collect();
            audit(&paths, b"", Format::Json).0
        };
        assert_eq!(outcome(&[&sound]), Outcome::Warning);
        assert_eq!(outcome(&[&damaged, &sound]), Outcome::Error);
        assert_eq!(outcome(&[&PathBuf::from("/nowhere"), &damaged]), Outcome::Unreadable);
    }

    #[test]
    fn a_folder_stands_for_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.bin", "a.bin"] {
            fs::write(folder.path().join(name), DmarBuilder::new().build()).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "no table").unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        let paths = [folder.path().to_path_buf()];
        let (outcome, lines) = audit(&paths, b"", Format::Json);
        assert_eq!((outcome, lines.lines().count()), (Outcome::Warning, 2));
        assert!(lines.find("a.bin") < lines.find("b.bin"));
        let (_, text) = audit(&paths, b"", Format::Text(Colours::Off));
        assert!(
            text.ends_with("2 tables: 0 protected, 2 gaps, 0 broken; 1 other file passed over\n"),
            "{text}"
        );
        fs::write(folder.path().join("cut.bin"), b"DMAR").unwrap();
        assert_eq!(audit(&paths, b"", Format::Json).0, Outcome::Unreadable);
    }

    #[test]
    fn a_folder_without_tables_and_no_input_are_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let (outcome, line) = audit(&[folder.path().to_path_buf()], b"", Format::Json);
        assert_eq!((outcome, line.lines().count()), (Outcome::Unreadable, 1));
        assert_eq!(audit(&["-".into()], b"", Format::Json).0, Outcome::Unreadable);
        let table = DmarBuilder::new().build();
        assert_eq!(audit(&["-".into()], &table, Format::Json).0, Outcome::Warning);
    }
}
