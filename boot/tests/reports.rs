//! The commands `explain` and `audit` on what people paste: logs, mails, web pages, dumps.

mod command;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Output;

use command::{ivt, objects};
use serde_json::Value;

/// What is compared of each row.
const COLUMNS: [&str; 7] = ["kind", "op", "device", "address_or_index", "reason", "pasid", "parameters"];

/// The folder of pasted reports, or `None` after a line that says why not.
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/reports");
    if folder.join("EXPECTED.jsonl").is_file() {
        return Some(folder);
    }
    writeln!(io::stderr(), "SKIP pasted reports: none at {}", folder.display()).expect("standard error");
    None
}

fn explain(arguments: &[&str], input: &[u8]) -> Output {
    command::run(ivt().arg("explain").args(arguments).arg("-"), input)
}

/// Rows with how often each came.
fn rows<'v>(objects: impl IntoIterator<Item = &'v Value>) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for object in objects {
        let row = Value::from(COLUMNS.map(|column| object[column].clone()).to_vec()).to_string();
        *rows.entry(row).or_default() += object["count"].as_u64().unwrap_or(1);
    }
    rows
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with the answer to one report.
fn faults_of(expected: &Value, folder: &Path) -> Vec<String> {
    let path = folder.join(expected["file"].as_str().unwrap());
    let mut wrong = Vec::new();
    let said = if expected["command"] == "explain" {
        let input = fs::read(&path).unwrap();
        let structured = explain(&["--json"], &input);
        let found = objects(&structured);
        match expected["expect"].as_array() {
            Some(rows_expected) => {
                let (expected, found) = (rows(rows_expected), rows(&found));
                if expected != found {
                    wrong.push(format!("expected {expected:?}, found {found:?}"));
                }
            }
            None if found.is_empty() => wrong.push("nothing explained".into()),
            None => {}
        }
        explain(&[], &input).stdout
    } else {
        ivt().arg("audit").arg(&path).output().unwrap().stdout
    };
    let said = folded(&String::from_utf8_lossy(&said));
    let words = |key: &str| -> Vec<String> {
        let list = expected[key].as_array().into_iter().flatten();
        list.map(|words| folded(words.as_str().unwrap())).collect()
    };
    wrong.extend(
        words("text_must_contain")
            .iter()
            .filter(|words| !said.contains(*words))
            .map(|words| format!("lacks {words:?}")),
    );
    wrong.extend(
        words("text_must_not_contain")
            .iter()
            .filter(|words| said.contains(*words))
            .map(|words| format!("has {words:?}")),
    );
    wrong
}

#[test]
fn each_pasted_report_gets_the_right_answer() {
    let Some(folder) = corpus() else { return };
    let expected = fs::read_to_string(folder.join("EXPECTED.jsonl")).unwrap();
    let mut wrong = Vec::new();
    let mut total = 0;
    for line in expected.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        total += 1;
        wrong.extend(
            faults_of(&expected, &folder).into_iter().map(|what| format!("{}: {what}", expected["file"])),
        );
    }
    assert!(total >= 77, "{total} reports");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The faults in a text, in short: kind, device, address and count.
fn found(text: &str) -> Vec<String> {
    let objects = objects(&explain(&["--json"], text.as_bytes()));
    let cell = |object: &Value, key: &str| object[key].as_str().unwrap_or("-").to_owned();
    let short = |object: &Value| {
        format!(
            "{} {} {} x{}",
            cell(object, "kind"),
            cell(object, "device"),
            cell(object, "address_or_index"),
            object["count"]
        )
    };
    objects.iter().map(short).collect()
}

const LINE: &str = "DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x7c346000 [fault reason 0x06] PTE Read access is not set";

#[test]
fn a_message_is_the_same_however_it_was_pasted() {
    let plain = found(LINE);
    assert_eq!(plain, ["linux-dmar 03:00.0 0x7c346000 x1"]);
    for pasted in [
        LINE.replace(" fault addr", "=20=\n fault addr").replace("NO_", "NO=5F"),
        LINE.replace("0x7c346", "0x7c3=\n46"),
        LINE.replace('[', "&amp;#91;").replace(']', "&#x5D;"),
        LINE.replace(' ', "\u{a0}"),
        LINE.replace("0x7c346", "**0x7c346").replace("000 [", "000** ["),
        LINE.replace("fault", "<b>fault</b>"),
        format!(">> | > {}", LINE.replace(" fault", "\n>> | > fault")),
        LINE.replace("7c346", "7c3\n46"),
        LINE.replace("Request", "Req\nuest").replace("Read access", "Read\naccess"),
        LINE.replace("[03:00", "[03:\n00"),
        format!("{{\"MESSAGE\":\"\\u001b[33m{LINE}\\u003c\"}}"),
    ] {
        assert_eq!(found(&pasted), plain, "{pasted}");
    }
}

#[test]
fn numbers_that_were_cut_are_never_told_as_facts() {
    for (pasted, told) in [
        ("fault addr 0x7c\n346000 and more", "unreadable"),
        ("fault addr 0x7c[    0.960490] usb 1-1: new device", "unreadable"),
        ("fault addr 0x7c34\n[    0.960490] usb 1-1: new device\n6000 [fault reason 0x06] PTE", "unreadable"),
        ("fault addr 0x7c346000\n[    0.960490] usb 1-1: new device", "0x7c346000"),
    ] {
        let text = format!("[    0.960486] DMAR: [DMA Read NO_PASID] Request device [03:00.0] {pasted}");
        assert_eq!(found(&text), [format!("linux-dmar 03:00.0 {told} x1")], "{pasted}");
    }
}

#[test]
fn one_device_and_one_crash_are_one() {
    let spellings = ["03:00.0", "0000:03:00.0", "3:0.0"].map(|device| LINE.replace("03:00.0", device));
    assert_eq!(found(&spellings.join("\n")), ["linux-dmar 03:00.0 0x7c346000 x3"]);
    let crash = "STOP: 0x000000E6 (0x26, 0xffffd08bb1435060, 0x40, 0x6)\n\nBugcheckCode 230\nBugcheckParameter1 0x26\n\
                 BugcheckParameter2 0xffffd08bb1435060\nBugcheckParameter3 0x40\nBugcheckParameter4 0x6\n\n\
                 The bugcheck was: 0x000000e6 (0x26, 0xffffd08bb1435060, 0x40, 0x6).\nDRIVER_VERIFIER_DMA_VIOLATION\n\
                 fffff803`61e6f9a8 fffff803`5b4c2d27 : 00000000`000000e6 00000000`00000026 ffffd08b`b1435060 \
                 00000000`00000040 : nt!KeBugCheckEx\n";
    assert_eq!(found(crash), ["windows-0xe6 - - x1"]);
    let other = crash.replace("ffffd08bb1435060", "ffffd08bb1435070").replace("b1435060", "b1435070");
    assert_eq!(found(&format!("{crash}{other}")), ["windows-0xe6 - - x1", "windows-0xe6 - - x1"]);
}

#[test]
fn numbers_are_no_crashes() {
    for text in [
        " kthread+0xe6/0x110\n ret_from_fork+0x1f/0x30",
        "0xE6, 0x37, 0x32, 0xE0, 0xF1, 0x2C, 0x1B, 0x00",
        "0xE6, 0x26, 0xffff9a0b1c2d3e40, 0x40",
        "Socket E6 (7 pins)",
        "fffff803`61e6f9a8 fffff803`5b4c2d27 : 00000000`0000000a 00000000`000000e6 00000000`00000026 00000000`00000040 : nt!KeBugCheckEx",
        "fffff803`61e6f9a8 00000000`000000e6 : 00000000`00000001 00000000`00000002 00000000`00000003 00000000`00000004 : nt!Foo",
        "[  158.159000] usb 1-1: 158 bytes",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

#[test]
fn what_was_left_out_is_counted() {
    let repeated = format!(
        "kernel: {LINE}\nkernel: message repeated 4 times: [ {LINE}]\nlast message repeated 2 times\n\
         dmar_fault: 812 callbacks suppressed\n"
    );
    assert_eq!(found(&repeated), ["linux-dmar 03:00.0 0x7c346000 x7"]);
    let [object] = &objects(&explain(&["--json"], repeated.as_bytes()))[..] else { panic!("not one") };
    assert_eq!((&object["left_out"], &object["at_least"]), (&Value::from(812), &Value::from(true)));
}

#[test]
fn the_headline_counts_faults_alone() {
    let said = |text: &str| String::from_utf8(explain(&[], text.as_bytes()).stdout).unwrap();
    let status = "DMAR: DRHD: handling fault status reg";
    let overflow = said(&format!("{status} 3\n{LINE}\n{status} 2\n"));
    assert!(
        overflow.starts_with("at least 1 fault of 1 device, and 2 messages about the IOMMU\n"),
        "{overflow}"
    );
    let queue = said("DMAR: VT-d detected Invalidation Time-out Error: SID 700\n");
    assert!(
        queue.starts_with("no blocked request; 1 message about the IOMMU\n") && queue.contains("07:00.0"),
        "{queue}"
    );
}

#[test]
fn other_systems_and_other_messages_are_explained() {
    for (text, row) in [
        (
            "DMAR0: em0: pci0:25:0 sid c8 fault acc 1 adt 0x0 reason 0x6 addr 7d2ce000",
            "freebsd-dmar 00:19.0 0x7d2ce000 x1",
        ),
        (
            "vtd_iommu_translate: detected translation failure (dev=01:00:00, iova=0x7ffde000)",
            "qemu-vtd 01:00.0 0x7ffde000 x1",
        ),
        (
            "IOMMU Fault detected for 0000:da:00.0 (vmgfx0/x) IOaddr: 0xa1fc6a000 Mask: 0x6",
            "esxi-iommu 0000:da:00.0 0xa1fc6a000 x1",
        ),
        (
            "DMAR: QI HEAD: Device-TLB Invalidation qw0 = 0x70000000003, qw1 = 0x1",
            "linux-dmar-queue 07:00.0 - x1",
        ),
        ("AMD-Vi: Completion-Wait loop timed out", "amd-vi-queue - - x1"),
        (
            "[Firmware Bug]: ioapic 2 has no mapping iommu, interrupt remapping will be disabled",
            "interrupt-remapping - - x1",
        ),
        ("DMAR-IR: Enabled IRQ remapping in x2apic mode", "interrupt-remapping - - x1"),
        ("BugCheck 159, {3000, ffffd08bb1435060, 40, 6}", "windows-0x159 - - x1"),
        ("ILLEGAL_IOMMU_PAGE_FAULT (158)", "windows-0x158 - - x1"),
    ] {
        assert_eq!(found(text), [row], "{text}");
    }
    // Good news is told only where there is nothing else.
    assert_eq!(found(&format!("DMAR-IR: Enabled IRQ remapping in x2apic mode\n{LINE}")).len(), 1);
}

#[test]
fn beyond_what_is_kept_apart_nothing_is_said_of_devices() {
    let mut log = String::new();
    for number in 0..75_000_u32 {
        let (bus, page) = (number % 256, number);
        log += &format!(
            "DMAR: [DMA Read] Request device [{bus:02x}:00.0] fault addr {page:x}000 [fault reason 06] x\n"
        );
    }
    let objects = objects(&explain(&["--json"], log.as_bytes()));
    let merged: Vec<_> = objects.iter().filter(|object| object["merged"] == true).collect();
    assert!(!merged.is_empty());
    for object in merged {
        let meaning = object["meaning"].as_str().unwrap();
        assert!(meaning.contains("not kept apart") && !meaning.contains("does not name"), "{meaning}");
    }
    assert_eq!(objects.iter().map(|object| object["count"].as_u64().unwrap()).sum::<u64>(), 75_000);
}
