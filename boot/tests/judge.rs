//! The commands `judge` and `diff` on reports and tables as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use acpi_tables::DrhdFlags;
use acpi_tables::testing::DmarBuilder;
use dma_types::{PhysAddr, Segment};

/// A report with this verdict, and with an end unless it breaks off.
fn report(word: &str, is_whole: bool) -> String {
    let mut lines = format!(
        "{{\"event\":\"protected\",\"t\":2,\"units\":1,\"complete\":true}}\n\
         {{\"event\":\"verdict\",\"t\":3,\"word\":\"{word}\",\"checks\":[{{\"id\":\"drill\",\"result\":\"fail\",\
         \"evidence\":\"seen\",\"words\":\"A device got through.\"}}],\"advice\":[]}}\n"
    );
    if is_whole {
        lines += "{\"event\":\"end\",\"t\":9,\"status\":\"ok\",\"checks\":0,\"failed\":0,\"skipped\":0,\"faults\":0,\
            \"fault_interrupts\":0,\"spurious\":0}\n";
    }
    lines
}

fn ivt(command: &str, files: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivt")).arg(command).args(files).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_status_tells_what_a_report_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    let judge = |report: &str| {
        let file = folder.path().join("report.jsonl");
        fs::write(&file, report).unwrap();
        ivt("judge", &[&file])
    };
    assert_eq!(judge(&report("PROTECTED", true)).status.code(), Some(0));
    let open = judge(&report("NOT PROTECTED", true));
    assert_eq!(open.status.code(), Some(1));
    assert!(said(&open).starts_with("ivt: NOT PROTECTED\n  ✘ A device got through.\n"), "{}", said(&open));
    assert_eq!(judge(&report("GAPS", true)).status.code(), Some(1));
    assert_eq!(judge(&report("PROTECTED", false)).status.code(), Some(3));
    let other = judge("no report");
    assert_eq!((other.status.code(), said(&other).as_str()), (Some(2), ""));
}

#[test]
fn differences_are_told_and_change_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let table = |base| {
        let base = PhysAddr::new(base);
        DmarBuilder::new().drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), base, &[]).build()
    };
    let first = file("first", &table(0xfed9_0000));
    let second = file("second", &table(0xfed9_1000));
    let sound = file("report", report("PROTECTED", true).as_bytes());
    let open = file("open", report("GAPS", true).as_bytes());
    let diff = |before: &Path, after: &Path| ivt("diff", &[before, after]);
    for same in [&first, &sound] {
        let output = diff(same, same);
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
    }
    let tables = diff(&first, &second);
    assert_eq!(tables.status.code(), Some(1));
    assert!(said(&tables).lines().any(|line| line.starts_with("- DMAR has ") && line.contains("4275634176")));
    let reports = diff(&sound, &open);
    assert_eq!(
        (reports.status.code(), said(&reports).as_str()),
        (Some(1), "- verdict: PROTECTED\n+ verdict: GAPS\n")
    );
    assert_eq!(diff(&first, &sound).status.code(), Some(2));
    assert_eq!(diff(&first, Path::new("/nowhere")).status.code(), Some(2));
}
