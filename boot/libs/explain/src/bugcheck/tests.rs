//! Spellings found in the wild.

use crate::fault::Fault;

const FULL: [Option<u64>; 4] = [Some(0x26), Some(0xffff_9a0b_1c2d_3e40), Some(0x40), Some(6)];
const FIRST: [Option<u64>; 4] = [Some(0x26), None, None, None];

/// The bug checks in a text with their counts.
fn bugchecks(text: &str) -> Vec<([Option<u64>; 4], u64)> {
    let ledger = crate::read(&mut text.as_bytes()).unwrap().ledger;
    ledger
        .entries()
        .map(|entry| match &entry.fault {
            Fault::BugCheck(bugcheck) => (bugcheck.parameters, entry.count),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn all_four_parameters_are_read_in_every_spelling() {
    for text in [
        "The bugcheck was: 0x000000e6 (0x0000000000000026, 0xffff9a0b1c2d3e40, 0x0000000000000040, 0x0000000000000006).",
        "*** STOP: 0x000000E6 (0x0000000000000026, 0xFFFF9A0B1C2D3E40, 0x0000000000000040, 0x0000000000000006)",
        "STOP: 0x000000E6 (0x26,0xFFFF9A0B1C2D3E40,0x40,0x6)",
        "BugCheck E6, {26, ffff9a0b1c2d3e40, 40, 6}",
        "0xE6 0x26 0xffff9a0b1c2d3e40 0x40 0x6",
        "KeBugCheckEx(0xE6, 0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "Stop code: DRIVER_VERIFIER_DMA_VIOLATION (0xE6)\nParameters: (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "0xE6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "0xE6 (0x26,\n      0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "DRIVER_VERIFIER_DMA_VIOLATION (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "BCCode: e6 BCP1: 0000000000000026 BCP2: FFFF9A0B1C2D3E40 BCP3: 0000000000000040 BCP4: 0000000000000006",
        "Bug Check String : DRIVER_VERIFIER_DMA_VIOLATION\nBug Check Code : 0x000000e6\nParameter 1 : 00000000`00000026\n\
         Parameter 2 : ffff9a0b`1c2d3e40\nParameter 3 : 00000000`00000040\nParameter 4 : 00000000`00000006",
        "Code:\te6\nParameter 1:\t26\nParameter 2:\tffff9a0b1c2d3e40\nParameter 3:\t40\nParameter 4:\t6",
        "Bugcheck code 000000E6\nArguments 00000000`00000026 ffff9a0b`1c2d3e40 00000000`00000040 00000000`00000006",
        "<Data Name=\"BugcheckCode\">230</Data>\n<Data Name=\"BugcheckParameter1\">0x26</Data>\n\
         <Data Name=\"BugcheckParameter2\">0xffff9a0b1c2d3e40</Data>\n<Data Name=\"BugcheckParameter3\">0x40</Data>\n\
         <Data Name=\"BugcheckParameter4\">0x6</Data>",
        "BugcheckCode 230\nBugcheckParameter1 0x26\nBugcheckParameter2 0xffff9a0b1c2d3e40\nBugcheckParameter3 0x40\n\
         BugcheckParameter4 0x6",
        "Problem signature:\nP1: e6\nP2: 26\nP3: ffff9a0b1c2d3e40\nP4: 40\nP5: 6\nP6: 10_0_19045",
        "021619.dmp\t16.02.2019\tDRIVER_VERIFIER_DMA_VIOLATION\t0x000000e6\t00000000`00000026\tffff9a0b`1c2d3e40\t\
         00000000`00000040\t00000000`00000006\tntoskrnl.exe",
        "DRIVER_VERIFIER_DMA_VIOLATION\n0x0000000000000026\n0xFFFF9A0B1C2D3E40\n0x0000000000000040\n0x0000000000000006",
        "Stop: DRIVER VERIFIER DMA VIOLATION (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)",
        "it says `0xE6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6)`",
        "`0xE6` `0x26`, `0xffff9a0b1c2d3e40`, `0x40`, `0x6`",
        "Bugcheck code: 0xE6 (0x26, 0xFFFF9A0B1C2D3E40, 0x40, 0x6)\nError: DRIVER_VERIFIER_DMA_VIOLATION",
        "{\"event\":\"bugcheck\",\"code\":\"0xe6\",\"name\":\"DRIVER_VERIFIER_DMA_VIOLATION\",\"p1\":\"0x26\",\
         \"p2\":\"0xffff9a0b1c2d3e40\",\"p3\":\"0x40\",\"p4\":\"0x6\"}",
    ] {
        assert_eq!(bugchecks(text), [(FULL, 1)], "{text}");
    }
}

#[test]
fn a_debuggers_analysis_is_one_crash() {
    let text = "DRIVER_VERIFIER_DMA_VIOLATION (e6)\nAn illegal DMA operation was attempted by a driver being verified.\n\
        Arguments:\nArg1: 0000000000000026, IOMMU detected it.\n\
        Arg2: ffff9a0b1c2d3e40, Device Object of faulting device.\n\
        Arg3: 0000000000000040, Faulting information (usually faulting physical address).\n\
        Arg4: 0000000000000006, Fault type (hardware specific).\n\nDebugging Details:\n\
        BUGCHECK_CODE:  e6\n\nBUGCHECK_P1: 26\n\nBUGCHECK_P2: ffff9a0b1c2d3e40\n\nBUGCHECK_P3: 40\n\nBUGCHECK_P4: 6\n\
        BUGCHECK_STR:  0xE6\nFAILURE_BUCKET_ID:  0xE6_nt!IvtHandleInterrupt\n";
    assert_eq!(bugchecks(text), [(FULL, 1)]);
}

#[test]
fn what_is_not_given_stays_unknown() {
    for text in [
        "BugCheck E6 = DRIVER_VERIFIER_DMA_VIOLATION, Arg1=0x26; caused by nt!IvtHandleInterrupt+2b8",
        "0xE6/0x26",
        "DRIVER_VERIFIER_DMA_VIOLATION (e6) Arg1: 0000000000000026, IOMMU detected it.",
        "0xE6 (0x26)",
        "FAILURE_BUCKET_ID:  0xE6_26_IMAGE_pci.sys",
        "BUGCHECK_STR:  0xE6_26",
    ] {
        assert_eq!(bugchecks(text), [(FIRST, 1)], "{text}");
    }
    for text in [
        "0xE6",
        "e6",
        "Stop code: DRIVER_VERIFIER_DMA_VIOLATION",
        "STOP 0xE6",
        "Bug check 0xE6",
        "`0xe6`",
        "Driver verifier DMA violation",
        "FAILURE_BUCKET_ID: 0xE6_nt!IvtHandleInterrupt",
    ] {
        assert_eq!(bugchecks(text), [([None; 4], 1)], "{text}");
    }
}

#[test]
fn each_report_counts() {
    let line = "The bugcheck was: 0x000000e6 (0x26, 0xffff9a0b1c2d3e40, 0x40, 0x6).\n";
    assert_eq!(bugchecks(&line.repeat(3)), [(FULL, 3)]);
    let all = format!(
        "{line}BugCheck E6 = DRIVER_VERIFIER_DMA_VIOLATION, Arg1=0x26;\n0xE6/0x26\n\
                       DRIVER_VERIFIER_DMA_VIOLATION (e6) Arg1: 26, IOMMU\n"
    );
    assert_eq!(bugchecks(&all), [(FULL, 1), (FIRST, 3)]);
}

#[test]
fn other_numbers_are_no_bug_check() {
    for text in [
        "RAX: 00000000000000e6",
        "0xe6 is a number, e6 too",
        "0x7ce6b000",
        "STOP: 0x0000007E (0xe6, 1, 2, 3)",
        "The bugcheck was: 0x0000007e (0x26, 0xe6, 0x1, 0x2).",
        "BugCheck C4, {0xe6, 0x26, 0x1, 0x2}",
        "IVT1:stop=e6,26,ffff88",
        "0xE6_C0_5C",
        "BugcheckCode 0",
        "exit code 0x1e6 (0x26, 1)",
    ] {
        assert_eq!(bugchecks(text), [], "{text}");
    }
}
