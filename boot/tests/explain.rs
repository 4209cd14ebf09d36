//! The command `explain`: exit statuses, real reports, whole logs.

mod command;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use command::{ivt, objects};
use serde_json::Value;

/// Columns of the corpus that results spell alike.
const COLUMNS: [&str; 6] = ["kind", "op", "device", "address_or_index", "reason", "pasid"];

fn explain(arguments: &[&str], input: &[u8]) -> Output {
    command::run(ivt().arg("explain").args(arguments), input)
}

/// A report of the corpus: what it says, and how it is to be read.
struct Report {
    id: String,
    text: String,
    expected: [Option<String>; 6],
}

impl Report {
    #[track_caller]
    fn assert_same(&self, object: &Value) {
        for (column, expected) in COLUMNS.iter().zip(&self.expected) {
            assert_eq!(
                object[column].as_str(),
                expected.as_deref(),
                "report {}: {column}: {}",
                self.id,
                self.text
            );
        }
    }
}

/// The corpus, or `None` after a line that says why not.
fn corpus() -> Option<Vec<Report>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/faults.tsv");
    let table = match fs::read_to_string(&path) {
        Ok(table) => table,
        Err(error) => {
            writeln!(io::stderr(), "SKIP explain corpus: no corpus at {}: {error}", path.display())
                .expect("standard error");
            return None;
        }
    };
    let mut rows = table.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let heading = rows.next().unwrap();
    let column = |name: &str| heading.iter().position(|column| *column == name).unwrap();
    let report = |row: Vec<&str>| Report {
        id: row[column("id")].into(),
        text: row[column("line")].replace("\\n", "\n"),
        expected: COLUMNS.map(|name| Some(row[column(name)]).filter(|cell| *cell != "-").map(str::to_owned)),
    };
    Some(rows.map(report).collect())
}

#[test]
fn each_real_report_is_decoded() {
    let Some(corpus) = corpus() else { return };
    assert!(corpus.len() >= 115, "{}", corpus.len());
    for report in corpus {
        let by_input = explain(&["--json"], report.text.as_bytes());
        assert_eq!(by_input.status.code(), Some(0), "report {}: {}", report.id, report.text);
        let objects = objects(&by_input);
        assert_eq!(objects.len(), 1, "report {}: {objects:?}", report.id);
        report.assert_same(&objects[0]);
        assert_eq!(explain(&["--json", &report.text], b"").stdout, by_input.stdout, "report {}", report.id);
    }
}

#[test]
fn real_reports_in_a_log_are_all_found() {
    let Some(corpus) = corpus() else { return };
    let prefixes =
        ["", "> ", "Oct 22 08:54:51 host kernel: ", "2024-01-02T03:04:05+00:00 host kernel: [    1.5] "];
    for prefix in prefixes {
        let mut log = String::new();
        for report in &corpus {
            log.extend(report.text.lines().map(|line| format!("{prefix}{line}\n")));
            log += "usb 1-1: new high-speed USB device number 2 using xhci_hcd\n";
        }
        let found = objects(&explain(&["--json", "-"], log.as_bytes()));
        let count: u64 = found.iter().map(|object| object["count"].as_u64().unwrap()).sum();
        assert_eq!(count, corpus.len() as u64, "with {prefix:?}");
        for report in &corpus {
            let is_same = |object: &&Value| {
                COLUMNS
                    .iter()
                    .zip(&report.expected)
                    .all(|(key, cell)| object[key].as_str() == cell.as_deref())
            };
            assert!(
                found.iter().any(|object| is_same(&object)),
                "report {} with {prefix:?}: {}",
                report.id,
                report.text
            );
        }
    }
}

#[test]
fn parameters_of_the_real_bug_check_are_read() {
    let Some(corpus) = corpus() else { return };
    let complete = corpus.iter().find(|report| report.text.contains("0x000000e6 (")).unwrap();
    let (_, list) = complete.text.split_once('(').unwrap();
    let written = list.trim_end_matches(['.', ')']).split(", ").map(|number| number.trim_start_matches("0x"));
    let expected: Vec<_> =
        written.map(|number| format!("{:#x}", u64::from_str_radix(number, 16).unwrap())).collect();
    assert_eq!(expected.len(), 4);
    let [object] = &objects(&explain(&["--json"], complete.text.as_bytes()))[..] else { panic!("not one") };
    assert_eq!(object["parameters"], Value::from(expected));
}

#[test]
fn text_may_be_words_or_input() {
    let words = ["DMAR:", "[DMA", "Read]", "Request", "device", "[00:02.0]", "fault", "addr", "5a3f1000"];
    let output = explain(&words, b"");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("00:02.0") && said.contains("0x5a3f1000") && !said.contains('\x1b'), "{said}");
    for arguments in [&[][..], &["-"]] {
        assert_eq!(explain(arguments, words.join(" ").as_bytes()).stdout, said.as_bytes());
    }
}

#[test]
fn text_without_a_fault_says_so() {
    let output = explain(&["all", "is", "well"], b"");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("no DMA fault found in this text; ") && said.lines().count() == 1, "{said}");
    let output = explain(&["--json"], b"nothing\n");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no DMA fault"));
}

#[test]
fn names_of_files_stand_for_what_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = [
        "0xE6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "AMD-Vi: Event logged [IO_PAGE_FAULT \
        device=03:00.0 domain=0x000b address=0xf4f74080 flags=0x0020]",
    ];
    let names = [first, second].map(|text| {
        let name = folder.path().join(text.len().to_string());
        fs::write(&name, text).unwrap();
        name
    });
    let output = ivt().args(["explain", "--json"]).args(&names).output().unwrap();
    let kinds: Vec<_> = objects(&output).iter().map(|object| object["kind"].to_string()).collect();
    assert_eq!((output.status.code(), kinds.len()), (Some(0), 2), "{kinds:?}");
    let words = explain(&["--json", first], b"");
    assert_eq!(objects(&words)[..], objects(&output)[..1]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        ivt().args(["explain", "0xE6/0x26"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

/// A log of `bytes` bytes, half of it faults: a storm of one device over many addresses, and ordinary lines.
fn log(bytes: usize) -> (Vec<u8>, u64) {
    let mut log = Vec::with_capacity(bytes + 512);
    let mut faults = 0_u64;
    while log.len() < bytes {
        let (seconds, page) = (faults / 1000, faults.wrapping_mul(0x9e37_79b9) & 0xf_ffff);
        writeln!(
            log,
            "[{seconds:6}.480641] DMAR: [DMA Write NO_PASID] Request device [0000:5e:00.0] fault addr 0x{page:x}000 \
             [fault reason 0x05] PTE Write access is not set\n\
             [{seconds:6}.480655] e1000e 0000:00:1f.6 eno1: request 0x7ce6b000 took 12 ms, hi=0x7 lo=0x{page:x}, DRHD \
             is a word too"
        )
        .unwrap();
        faults += 1;
    }
    (log, faults)
}

#[test]
fn a_large_log_is_counted_in_time_and_in_little_memory() {
    let is_full = std::env::var_os("IVT_FULL").is_some_and(|value| value == "1");
    let (log, faults) = log(if is_full { 100_000_000 } else { 5_000_000 });
    let start = Instant::now();
    let output = explain(&["--json"], &log);
    let took = start.elapsed();
    let found: u64 = objects(&output).iter().map(|object| object["count"].as_u64().unwrap()).sum();
    assert_eq!(found, faults);
    // Debug builds are several times slower than release builds, for which the limit is 5 s.
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 5 }), "{took:?}");
    let limited = limited_memory(&log);
    assert_eq!(limited.status.code(), Some(0), "{}", String::from_utf8_lossy(&limited.stderr));
}

/// Runs the command where it has no more than 128 MiB of memory to its name.
fn limited_memory(log: &[u8]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 131072; exec \"$0\" explain", env!("CARGO_BIN_EXE_ivt")]);
    command::run(&mut shell, log)
}
