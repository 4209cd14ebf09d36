//! Keeps what a failing test saw.

use std::fs;

use boot::report::Report;

/// Writes report and console of a run to files if the current test is failing, and says where.
pub(crate) fn if_failing(report: &Report, serial: &str) {
    if !std::thread::panicking() {
        return;
    }
    let folder = boot::target_folder().join("failed-runs");
    let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
    let lines: String = report.lines().iter().map(|line| format!("{}\n", line.json)).collect();
    let damaged: String = report.damaged().iter().map(|line| format!("{line}\n")).collect();
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(format!("{test}.report")), lines + &damaged))
        .and_then(|()| fs::write(folder.join(format!("{test}.serial")), serial));
    match written {
        Ok(()) => eprintln!("report and console are kept in {}/{test}.*", folder.display()),
        Err(error) => eprintln!("report and console could not be kept in {}: {error}", folder.display()),
    }
}
