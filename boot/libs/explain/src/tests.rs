//! From text to result.

use std::fmt::Write;

use serde_json::{Value, json};

use super::*;

fn explain(text: &str, format: Format) -> (Outcome, String) {
    let mut output = Vec::new();
    let outcome = run(&mut text.as_bytes(), format, &mut output).unwrap();
    (outcome, String::from_utf8(output).unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    explain(text, Format::Json).1.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fields(line: &Value) -> [&Value; 6] {
    ["kind", "op", "device", "address_or_index", "reason", "pasid"].map(|key| &line[key])
}

#[test]
fn a_line_becomes_an_object_with_all_keys() {
    let text = "[  144.480641] DMAR: [DMA Read] Request device [00:02.0] PASID ffffffff fault addr 5a3f1000 \
                [fault reason 06] PTE Read access is not set";
    let [line] = &lines(text)[..] else { panic!("not one line") };
    let expected = ["linux-dmar", "read", "00:02.0", "0x5a3f1000", "0x06", "none"].map(Value::from);
    assert_eq!(fields(line), expected.each_ref());
    assert_eq!((&line["parameters"], &line["count"]), (&Value::Null, &json!(1)));
    assert!(line["meaning"].is_string() && line["next"].is_string());
    assert!(line["causes"].as_array().is_some_and(|causes| causes.len() > 1));
}

#[test]
fn windows_parameters_stand_apart() {
    let [line] = &lines("0xE6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)")[..] else { panic!("not one line") };
    assert_eq!(fields(line)[1..], [&Value::Null; 5]);
    assert_eq!(line["parameters"], json!(["0x26", "0xffff9a0b1c2d3e40", "0x40", "0x6"]));
}

const STOP_LINE: &str =
    "*** STOP: 0x000000E6 (0x0000000000000026, 0xFFFF880000177720, 0x000000000113D000, 0x0000000000000005)";
const DIGEST: &str = "IVT1:stop=e6,26,ffff880000177720,113d000,5;ver=0.1.0;req=0000:00:03.0;dev=0000:00:03.0;\
    id=1234:11e8;drv=edu;op=write;at=113d000;why=5;is=never-mapped;near=probe+source;site=a.rs:240;n=2;";

#[test]
fn a_stop_of_ours_is_told_by_its_line() {
    let [line] = &lines(DIGEST)[..] else { panic!("not one line") };
    let expected = ["ivt-stop", "write", "0000:00:03.0", "0x113d000", "0x05"].map(Value::from);
    assert_eq!(fields(line)[..5], expected.each_ref());
    assert_eq!(line["pasid"], Value::Null);
    assert_eq!(line["parameters"], json!(["0x26", "0xffff880000177720", "0x113d000", "0x5"]));
}

#[test]
fn a_whole_stop_screen_is_one_stop() {
    let screen = format!(
        "{STOP_LINE}\nDRIVER_VERIFIER_DMA_VIOLATION\n\ndevice 0000:00:03.0\n{}\n{DIGEST}\n",
        "rip ffffffff800bec2f  ".repeat(100)
    );
    let [line] = &lines(&screen)[..] else { panic!("{:?}", lines(&screen)) };
    assert_eq!((&line["kind"], &line["count"]), (&json!("ivt-stop"), &json!(1)));
    // Without its own line, or with that of another stop, the familiar one counts.
    assert_eq!(lines(STOP_LINE)[0]["kind"], "windows-0xe6");
    let other = screen.replace("113d000,5;", "113e000,5;");
    let kinds: Vec<_> = lines(&other).iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["windows-0xe6", "ivt-stop"]);
}

#[test]
fn an_error_record_is_found_in_a_console_log() {
    use ::cper::{
        AccessType, Architecture, DmaFault, DmarGeneric, Flags, GenericReason, Guid, Header, Severity,
    };
    let fault = DmaFault {
        header: Header {
            severity: Severity::RECOVERABLE,
            creator: Guid::VTD_DMAR,
            notification: Guid::DMAR_NOTIFICATION,
            id: 0,
            flags: Flags::SIMULATED,
        },
        generic: DmarGeneric {
            requester: "0000:00:03.0".parse().unwrap(),
            reason: GenericReason::of(dma_types::FaultKind::NoWritePermission),
            access: AccessType::WRITE,
            address_type: 0,
            architecture: Architecture::VTD,
            address: 0x113_d000,
        },
        vtd: ::cper::VtdDmar {
            fault_record: [0x113_d000, 0x80ff_ff05_0000_0018],
            root_entry: [0x113_c001, 0],
            context_entry: [0x118_d001, 0x302],
            ..::cper::VtdDmar::NOTHING
        },
    };
    let mut buffer = [0; DmaFault::BYTES];
    let mut text = String::from("ivt> faults 00:03.0 cper\n     0.551 s 0000:00:03.0 write\n");
    for (line, bytes) in fault.write(&mut buffer).unwrap().chunks(16).enumerate() {
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{:04x}: {}", line * 16, bytes.join(" ")).unwrap();
    }
    let found = lines(&text.repeat(2));
    let [line] = &found[..] else { panic!("{found:?}") };
    let expected = ["uefi-cper", "write", "0000:00:03.0", "0x113d000", "0x05"].map(Value::from);
    assert_eq!(fields(line)[..5], expected.each_ref());
    assert_eq!((&line["pasid"], &line["count"]), (&Value::Null, &json!(2)));
    let meaning = line["meaning"].as_str().unwrap();
    assert!(meaning.contains("ended at level 4 with the entry 0x0, which permits nothing"), "{meaning}");
    assert!(meaning.contains("on purpose"), "{meaning}");
}

#[test]
fn repeats_are_counted_in_order_of_appearance() {
    let line = |device: &str| {
        format!("DMAR: [DMA Write] Request device [{device}] fault addr 0 [fault reason 05] PTE\n")
    };
    let text = [line("00:02.0"), line("00:14.0"), line("00:02.0")].concat();
    let found = lines(&text);
    let counts: Vec<_> = found.iter().map(|line| (&line["device"], &line["count"])).collect();
    assert_eq!(counts, [(&json!("00:02.0"), &json!(2)), (&json!("00:14.0"), &json!(1))]);
}

/// Messages about the unit name a device too, and none of them is a request of its.
#[test]
fn a_thousand_messages_about_the_unit_are_no_storm_of_a_device() {
    let text = "DMAR: VT-d detected Invalidation Time-out Error: SID 700\n".repeat(1000);
    let (outcome, said) = explain(&text, Format::Text(Colours::Off));
    assert_eq!(outcome, Outcome::Explained);
    assert!(said.starts_with("no blocked request; 1000 messages about the IOMMU"), "{said}");
    assert!(!said.contains("storm"), "{said}");
    let few = "DMAR: [DMA Read] Request device [03:00.0] fault addr 1000 [fault reason 06] x\n";
    let (_, said) = explain(&format!("{text}{few}"), Format::Text(Colours::Off));
    assert!(said.starts_with("1 fault of 1 device, and 1000 messages about the IOMMU"), "{said}");
    assert!(!said.contains("storm"), "{said}");
}

#[test]
fn people_see_devices_with_most_faults_first() {
    let mut text =
        String::from("DMAR: [DMA Read] Request device [03:00.0] fault addr 1000 [fault reason 06] x\n");
    for page in 0..2000 {
        writeln!(
            text,
            "DMAR: [DMA Write] Request device [00:02.0] fault addr {page:x}000 [fault reason 05] x"
        )
        .unwrap();
    }
    let (outcome, said) = explain(&text, Format::Text(Colours::Off));
    assert_eq!(outcome, Outcome::Explained);
    assert!(said.starts_with("2001 faults of 2 devices\nstorm: 99 % of them are of 00:02.0"), "{said}");
    assert!(said.find("00:02.0 (on Intel").unwrap() < said.find("\n03:00.0: 1 fault").unwrap());
    assert!(said.contains("and 1994 more, all from 0x0 to 0x7cf000"), "{said}");
    assert!(!said.contains('\x1b'));
    assert!(said.lines().count() < 60, "{said}");
}

#[test]
fn what_the_log_left_out_is_told() {
    let text = "DMAR: [DMA Read] Request device [03:00.0] fault addr 1000 [fault reason 06] x\n\
                dmar_fault: 890 callbacks suppressed\ndmar_fault: 10 callbacks suppressed\n";
    let (_, said) = explain(text, Format::Text(Colours::Off));
    assert!(said.contains("it left out 900 further messages"), "{said}");
    assert!(said.lines().all(|line| line.len() <= 100), "{said}");
}

#[test]
fn text_without_a_fault_has_none() {
    for text in [
        "",
        "hello",
        "DMAR: DRHD base: 0x000000fed90000 flags: 0x0",
        "[DMA Read] of nothing",
        "HTTP request device",
    ] {
        assert_eq!(explain(text, Format::Json), (Outcome::NoFault, String::new()), "{text}");
    }
}

#[test]
fn logs_of_windows_may_be_utf16() {
    let text = "The bugcheck was: 0x000000e6 (0x26, 0x1, 0x2, 0x3).";
    let bytes: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let ledger = read(&mut bytes.as_slice()).unwrap().ledger;
    let fault::Fault::BugCheck(bugcheck) = &ledger.entries().next().unwrap().fault else {
        panic!("{ledger:?}")
    };
    assert_eq!(bugcheck.parameters, [Some(0x26), Some(1), Some(2), Some(3)]);
}

#[test]
fn no_bytes_are_too_strange() {
    let strange = b"Request device [\xff\xfe] e6 (\x80{[0xE6(DRHD: handling fault status reg \x1b[hi=FRCD IO_PAGE_FAULT = \
        IVT1:stop=e6,26,\xff;IVT1:stop=1,2,3,4,5;\x80 0000: 43 50 45 52 \n0004: ff\xfe 435045520101ffffffff0100";
    for length in 0..strange.len() {
        for start in 0..length {
            read(&mut &strange[start..length]).unwrap();
        }
    }
}
