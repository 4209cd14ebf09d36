//! The form of the line, and reading it back.

use std::borrow::Cow;
use std::format;
use std::string::{String, ToString};

use proptest::prelude::*;

use super::*;
use crate::{Action, Direction, Interrupt, List, Nearest, Registers};

fn function(text: &str) -> Function {
    Function(text.parse().unwrap())
}

fn fault() -> Fault<'static> {
    Fault {
        t: 7,
        unit: 0,
        bdf: Some(function("00:03.0")),
        requester: function("00:03.0"),
        port: None,
        name: Some("QEMU edu".into()),
        id: Some("1234:11e8".into()),
        driver: Some("edu".into()),
        access: Access::Write,
        address: Some(Hex(0x117_7000)),
        reason: Hex(5),
        reason_name: "no write permission".into(),
        expected: false,
        verdict: Some("never-mapped".into()),
        candidates: List::default(),
        explanation: None,
        advice: None,
        nearest: Some(Nearest {
            start: Hex(0x00c0_0000_4000),
            length: 4096,
            label: Some("attack source".into()),
            site: Some("kernel/src/attack/attempt.rs:215".into()),
            unmap_site: None,
            direction: Some(Direction::ToDevice),
            live: true,
        }),
        nearest_live: None,
        interrupt: None,
        history: List::default(),
        walk: None,
        count: 1,
        at_least: false,
        action: Action::Bugcheck,
    }
}

fn stop(fault: Option<Fault<'static>>, detail: Option<&'static str>) -> Bugcheck<'static> {
    Bugcheck {
        t: 9,
        code: Hex(0xe6),
        name: "DRIVER_VERIFIER_DMA_VIOLATION".into(),
        p1: Hex(0x26),
        p2: Hex(0xffff_8800_0014_3cd0),
        p3: Hex(0x117_7000),
        p4: Hex(5),
        cpu: Registers::default(),
        fault,
        violation: None,
        detail: detail.map(Cow::Borrowed),
    }
}

const LINE: &str = "IVT1:stop=e6,26,ffff880000143cd0,1177000,5;ver=0.1.0;req=0000:00:03.0;dev=0000:00:03.0;\
    id=1234:11e8;drv=edu;op=write;at=1177000;why=5;is=never-mapped;near=attack+source;\
    site=attack/attempt.rs:215;n=1;";

#[test]
fn a_violation_is_one_short_line() {
    let stop = stop(Some(fault()), None);
    let digest = Digest::of("0.1.0", &stop);
    assert_eq!(digest.to_string(), LINE);
    assert_eq!(Digest::read(LINE.as_bytes()), Some((digest, LINE.len())));
}

#[test]
fn a_refused_interrupt_says_which_it_was() {
    let mut fault = fault();
    (fault.access, fault.address, fault.reason, fault.nearest) = (Access::Interrupt, None, Hex(0x26), None);
    fault.verdict = Some("interrupt".into());
    let owner = Some(function("00:05.0"));
    fault.interrupt = Some(Interrupt { index: Some(0x1f), kind: "forged".into(), owner });
    let stop = Bugcheck { p3: Hex(0), p4: Hex(0x26), ..stop(Some(fault), None) };
    let digest = Digest::of("0.1.0", &stop);
    let line = digest.to_string();
    assert!(
        line.ends_with(";op=interrupt;why=26;is=interrupt;idx=1f;kind=forged;own=0000:00:05.0;n=1;"),
        "{line}"
    );
    assert_eq!(Digest::read(line.as_bytes()), Some((digest, line.len())));
    let old = line.replace("idx=1f;", "").replace("own=0000:00:05.0;", "");
    let interrupt = Digest::read(old.as_bytes()).unwrap().0.fault.unwrap().interrupt.unwrap();
    assert_eq!((interrupt.index, interrupt.owner, &*interrupt.kind), (None, None, "forged"));
}

#[test]
fn a_stop_without_a_fault_has_its_first_words() {
    let stop = stop(None, Some("50% of a; b+c\nkernel/src/x.rs"));
    let line = Digest::of("0.1.0", &stop).to_string();
    assert!(line.ends_with(";say=50%25+of+a%3b+b%2bc;"), "{line}");
    let (read, _) = Digest::read(line.as_bytes()).unwrap();
    assert_eq!((read.detail.as_deref(), read.fault), (Some("50% of a; b+c"), None));
}

#[test]
fn long_texts_are_shortened_and_the_line_stays_short() {
    let long: &'static str = "0123456789".repeat(40).leak();
    let mut fault = fault();
    fault.driver = Some(long.into());
    fault.nearest.as_mut().unwrap().label = Some(long.into());
    fault.nearest.as_mut().unwrap().site = Some(format!("{long}.rs:7").into());
    fault.verdict = Some("translated-request".into());
    (fault.count, fault.at_least) = (u64::MAX, true);
    fault.address = Some(Hex(u64::MAX));
    let refused = |fault: &Fault<'static>| {
        let owner = Some(function("ffff:ff:1f.7"));
        let interrupt = Some(Interrupt { index: Some(u16::MAX), kind: long.into(), owner });
        Fault { access: Access::Interrupt, interrupt, ..fault.clone() }
    };
    for fault in [refused(&fault), fault] {
        let is_interrupt = fault.interrupt.is_some();
        let stop = Bugcheck { p3: Hex(u64::MAX), ..stop(Some(fault), None) };
        let line = Digest::of("0.1.0", &stop).to_string();
        assert!(line.len() <= DIGEST_BYTES, "{}", line.len());
        let last = if is_interrupt { "own=ffff:ff:1f.7;" } else { "456789.rs:7;" };
        let last = format!("{last}n=18446744073709551615+;");
        assert!(line.contains(";drv=0123456789012345;") && line.ends_with(&last), "{line}");
    }
}

#[test]
fn a_line_that_was_wrapped_or_cut_off_is_read() {
    let wrapped: String = LINE
        .chars()
        .enumerate()
        .map(
            |(at, character)| {
                if at % 40 == 39 { format!("{character}\r\n  ") } else { character.to_string() }
            },
        )
        .collect();
    let whole = Digest::read(LINE.as_bytes()).unwrap().0;
    assert_eq!(Digest::read(wrapped.as_bytes()).unwrap().0, whole);
    let (followed, end) = Digest::read(format!("{LINE} The machine is halted.").as_bytes()).unwrap();
    assert_eq!((followed, end), (whole.clone(), LINE.len()));
    let cut = Digest::read(&LINE.as_bytes()[..60]).unwrap().0;
    assert_eq!((cut.parameters, cut.fault), (whole.parameters, None));
    for length in 0..LINE.find(';').unwrap() {
        assert_eq!(Digest::read(&LINE.as_bytes()[..length]), None);
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    let line = LINE.replace("ver=", "moon=full;ver=");
    assert_eq!(Digest::read(line.as_bytes()).unwrap().0, Digest::read(LINE.as_bytes()).unwrap().0);
}

proptest! {
    #[test]
    fn any_digest_survives_a_round_trip(
        numbers: [u64; 7], requester: u16, known: bool, texts: [Option<String>; 6], at_least: bool, access in 0..5_usize,
    ) {
        let [driver, verdict, label, site, detail, kind] = texts.map(|text| text.map(Text::from));
        let requester = Function(dma_types::Bdf::new(dma_types::Segment(1), dma_types::SourceId::from_bits(requester)));
        let [code, p1, p2, p3, p4, reason, count] = numbers;
        let (index, owner) = (known.then_some(p4 as u16), known.then_some(requester));
        let interrupt = kind.map(|kind| Interrupt { index, kind, owner });
        let fault = FaultDigest {
            requester,
            bdf: known.then_some(requester),
            id: None,
            driver,
            access: Access::ALL[access],
            address: known.then_some(Hex(p3)),
            reason: Hex(reason),
            verdict,
            interrupt,
            label,
            site,
            count,
            at_least,
        };
        let digest = Digest {
            code: Hex(code),
            parameters: [p1, p2, p3, p4].map(Hex),
            version: None,
            fault: Some(fault),
            detail,
        };
        let line = digest.to_string();
        prop_assert!(line.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assume!(line.len() < 500);
        prop_assert_eq!(Digest::read(line.as_bytes()), Some((digest, line.len())));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
        let _ = Digest::read(&bytes);
        let _ = Digest::read(format!("IVT1:{text}").as_bytes());
        let _ = Digest::read(format!("{LINE}{text}").as_bytes());
    }
}
