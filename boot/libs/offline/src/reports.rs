//! Reports of ivt as files.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use ::judge::report::Report;

use crate::Failure;

/// Reads a file to its end; `-` is standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = if path.as_os_str() == "-" {
        io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    done.map_err(Failure::of(path.display().to_string()))?;
    Ok(bytes)
}

/// The report in these bytes; `None` if they have no line of one.
pub(crate) fn parse(bytes: &[u8]) -> Option<Report> {
    let mut report = Report::default();
    report.push(bytes);
    // A report that breaks off may do so in the middle of a line, which then is damaged.
    if !bytes.ends_with(b"\n") {
        report.push(b"\n");
    }
    (!report.lines().is_empty()).then_some(report)
}

/// Reads a report.
///
/// # Errors
/// If the file cannot be read, or has no line of a report.
pub(crate) fn read(path: &Path) -> Result<Report, Failure> {
    parse(&bytes(path)?).ok_or_else(|| Failure::NoReport(path.to_owned()))
}
