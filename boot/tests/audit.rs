//! The command `audit`: exit statuses, and real tables beside the independent decoder.

mod command;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use acpi_tables::testing::DmarBuilder;
use acpi_tables::{Dmar, DrhdFlags};
use command::{ivt, objects};
use dma_types::{PhysAddr, Segment};
use serde_json::{Value, json};

fn audit(arguments: &[&Path], input: &[u8]) -> Output {
    command::run(ivt().args(["audit", "--json"]).args(arguments), input)
}

/// A table with one unit at `base`.
fn table(base: u64) -> Vec<u8> {
    let unit = PhysAddr::new(base);
    DmarBuilder::new().drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[]).build()
}

#[test]
fn the_exit_status_tells_the_worst() {
    let input = Path::new("-");
    let status = |bytes: &[u8]| audit(&[input], bytes).status.code();
    assert_eq!(status(&table(0xfed9_0000)), Some(0));
    assert_eq!(status(&table(0)), Some(1));
    for unreadable in [&b""[..], b"DMAR", b"no table at all, but more than thirty-six bytes of text"] {
        let output = audit(&[input], unreadable);
        assert_eq!(output.status.code(), Some(2));
        let [object] = &objects(&output)[..] else { panic!("not one line") };
        assert_eq!((&object["signature"], &object["verdict"]), (&Value::Null, &json!("broken")));
        assert_eq!((&object["file"], &object["structures"]), (&json!("-"), &json!([])));
    }
    assert_eq!(audit(&[Path::new("/nowhere"), input], &table(0)).status.code(), Some(2));
    let no_files = ivt().arg("audit").output().unwrap();
    assert_eq!(no_files.status.code(), Some(2));
}

#[test]
fn gaps_fail_where_they_shall() {
    // A table without a unit for all devices has a gap.
    let open = DmarBuilder::new().build();
    let status = |least: &str, bytes: &[u8]| {
        command::run(ivt().args(["audit", "--fail-on", least, "-"]), bytes).status.code()
    };
    assert_eq!(status("warning", &open), Some(1));
    assert_eq!(status("error", &open), Some(0));
    assert_eq!(status("error", &table(0)), Some(1));
    assert_eq!(status("warning", &table(0xfed9_0000)), Some(0));
}

#[test]
fn people_see_the_verdict_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("DMAR");
    fs::write(&path, table(0)).unwrap();
    let output = ivt().arg("audit").arg(&path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let first = said.lines().next().unwrap();
    assert!(first.starts_with(&format!("{}: broken: ", path.display())), "{said}");
    assert!(said.contains("└─ unit at 0x0") && said.contains("error drhd-base-zero at 0x38"), "{said}");
    assert!(!said.contains('\x1b'));
}

/// The folder of real tables, or `None` after a line that says why not.
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/dmar");
    if folder.join("index.tsv").is_file() {
        return Some(folder);
    }
    writeln!(io::stderr(), "SKIP audit corpus: no corpus at {}", folder.display()).expect("standard error");
    None
}

fn files_with(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

#[test]
fn all_real_tables_are_judged_in_one_call() {
    let Some(folder) = corpus() else { return };
    let files = files_with(&folder, "bin");
    assert!(files.len() >= 294, "{} tables", files.len());
    let arguments: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let start = Instant::now();
    let output = audit(&arguments, b"");
    let took = start.elapsed();
    // The limit for release builds is 2 s.
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 2 }), "{took:?}");
    // Some of the tables are broken, none is unreadable.
    assert_eq!(output.status.code(), Some(1));
    let found = objects(&output);
    assert_eq!(found.len(), files.len());
    for (object, file) in found.iter().zip(&files) {
        assert_eq!(object["file"].as_str(), file.to_str());
        assert_eq!(object["signature"], "DMAR");
        let bytes = fs::read(file).unwrap();
        let expected = acpi_tables::json::dmar_structures(&Dmar::parse(&bytes).unwrap());
        assert_eq!(object["structures"], Value::from(expected), "{}", file.display());
    }
    assert_eq!(objects(&audit(&[&folder], b"")).len(), files.len());
}

#[test]
fn disassemblies_give_the_same_as_their_tables() {
    let Some(folder) = corpus() else { return };
    let by_name = |files: &[PathBuf]| -> HashMap<String, Value> {
        let arguments: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        let found = objects(&audit(&arguments, b""));
        assert_eq!(found.len(), files.len());
        let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
        files.iter().map(name).zip(found).collect()
    };
    let tables = by_name(&files_with(&folder, "bin"));
    let disassemblies = files_with(&folder.join("dsl"), "dsl");
    assert!(!disassemblies.is_empty());
    for (name, mut object) in by_name(&disassemblies) {
        let mut expected = tables[&name].clone();
        for object in [&mut object, &mut expected] {
            object["file"] = Value::Null;
        }
        assert_eq!(object, expected, "{name}");
    }
}

#[test]
fn real_tables_match_the_independent_decoder() {
    let Some(folder) = corpus() else { return };
    let oracle = folder.join("../oracle.py");
    let decode = |file: &Path| Command::new("python3").arg("-B").arg(&oracle).arg(file).output();
    // The library's own tests compare all of them; these show that the command changes nothing.
    for file in files_with(&folder, "bin").iter().step_by(25) {
        let Ok(output) = decode(file) else {
            writeln!(io::stderr(), "SKIP audit corpus: python3 does not start").expect("standard error");
            return;
        };
        let expected: Value = serde_json::from_slice(&output.stdout).unwrap();
        let [object] = &objects(&audit(&[file], b""))[..] else { panic!("{}", file.display()) };
        assert_eq!(object["structures"], expected["structures"], "{}", file.display());
    }
}
