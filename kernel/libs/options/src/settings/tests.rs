//! Tests of the options.

use super::*;
use crate::complaint::Severity;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

/// Reads two sources and collects the complaints.
fn parse<'a>(ramdisk: &'a str, fw_cfg: &'a str) -> (Options<'a>, Vec<Complaint<'a>>) {
    let mut complaints = Vec::new();
    let options =
        Options::parse(Some(ramdisk.as_bytes()), Some(fw_cfg.as_bytes()), &mut |c| complaints.push(c));
    (options, complaints)
}

fn mistakes<'a>(text: &'a str) -> Vec<Mistake<'a>> {
    parse("", text).1.into_iter().map(|complaint| complaint.mistake).collect()
}

#[test]
fn nothing_given_is_the_default() {
    let mut complaints = 0;
    assert_eq!(Options::parse(None, None, &mut |_| complaints += 1), Options::default());
    assert_eq!(parse("", " \n# nothing\n"), (Options::default(), vec![]));
    assert_eq!(complaints, 0);
}

#[test]
fn every_option_is_read() {
    let text = "policy=contain storm=off verifier=on script=\"units; attack 00:03.0 read\"\n\
        loglevel=debug drill=off report=debugcon trust=00:03.0,0001:00:04.0 external=allow\r\n\
        external-port=00:1c.0 disk-write=00:05.0 dmar=fw_cfg interrupts=required # all of them\n";
    let bdf = |text: &str| text.parse::<Bdf>().unwrap();
    let expected = Options {
        policy: Policy::Contain,
        storm: Storm::Off,
        verifier: Switch::On,
        script: Some("units; attack 00:03.0 read"),
        loglevel: LogLevel::Debug,
        drill: Switch::Off,
        report: ReportTarget::DebugCon,
        trust: "00:03.0,0001:00:04.0".parse().unwrap(),
        external: ExternalDevices::Allow,
        external_port: "00:1c.0".parse().unwrap(),
        disk_write: Some(bdf("00:05.0")),
        dmar: DmarSource::FwCfg,
        interrupts: Interrupts::Required,
    };
    assert_eq!(parse(text, ""), (expected, vec![]));
    assert_eq!(parse("", text), (expected, vec![]));
    for key in OptionKey::ALL {
        assert!(text.contains(key.name()));
    }
}

#[test]
fn the_emulator_wins_key_by_key() {
    let (options, complaints) = parse("policy=log storm=5", "policy=contain drill=off");
    assert_eq!(complaints, []);
    assert_eq!(
        (options.policy, options.storm, options.drill),
        (Policy::Contain, Storm::After(5), Switch::Off)
    );
    // A bad value wins too, and falls to the default.
    let (options, complaints) = parse("policy=log", "policy=loud");
    assert_eq!(options.policy, Policy::Bugcheck);
    let mistake = Mistake::BadValue { key: OptionKey::Policy, value: "loud" };
    assert_eq!(complaints, [Complaint { source: Source::FwCfg, mistake }]);
}

#[test]
fn mistakes_cost_no_more_than_their_option() {
    let text =
        "polcy=log quiet storm=many drill report=\"com2\"x loglevel=debug loglevel=warn script=\"units";
    let (options, complaints) = parse(text, "");
    assert_eq!(options, Options { loglevel: LogLevel::Warn, ..Options::default() });
    let expected = [
        (Mistake::UnknownOption { key: "polcy", nearest: Some(OptionKey::Policy) }, Severity::Skip),
        (Mistake::UnknownOption { key: "quiet", nearest: None }, Severity::Skip),
        (Mistake::Repeated { key: OptionKey::LogLevel }, Severity::Warning),
        (Mistake::BadValue { key: OptionKey::Storm, value: "many" }, Severity::Fail),
        (Mistake::Unterminated { key: OptionKey::Script }, Severity::Fail),
        (Mistake::NoValue { key: OptionKey::Drill }, Severity::Fail),
        (Mistake::BadValue { key: OptionKey::Report, value: "x" }, Severity::Fail),
    ];
    let found: Vec<_> = complaints.iter().map(|c| (c.mistake, c.severity())).collect();
    assert_eq!(found, expected);
    assert_eq!(complaints[0].key(), Some("polcy"));
    assert_eq!(complaints[3].key(), Some("storm"));
}

#[test]
fn a_bad_value_leaves_the_default_for_every_option() {
    for key in OptionKey::ALL.into_iter().filter(|&key| key != OptionKey::Script) {
        for value in ["", "?", "00:03.0,", "ON"] {
            let text = std::format!("{key}={value}");
            assert_eq!(mistakes(&text), [Mistake::BadValue { key, value }]);
            assert_eq!(parse("", &text).0, Options::default());
        }
    }
}

#[test]
fn a_source_that_is_no_text_or_too_long_is_ignored() {
    let mut found = Vec::new();
    let mut long = vec![b' '; MAX_SOURCE_BYTES - 8];
    long.extend(*b"drill=off");
    let options = Options::parse(Some(b"drill=off \xff"), Some(&long), &mut |c| found.push(c.mistake));
    assert_eq!(options, Options::default());
    assert_eq!(found, [Mistake::NotUtf8 { offset: 10 }, Mistake::TooLong { bytes: MAX_SOURCE_BYTES + 1 }]);
    let options = Options::parse(Some(&long[1..]), None, &mut |_| ());
    assert_eq!(options.drill, Switch::Off);
}

#[test]
fn what_editors_add_is_no_mistake() {
    let (options, complaints) = parse("\u{feff}policy=log\r\ndrill=off\0\0\0", "");
    assert_eq!((options.policy, options.drill, complaints), (Policy::Log, Switch::Off, vec![]));
}

proptest! {
    #[test]
    fn no_bytes_panic(ramdisk: Vec<u8>, fw_cfg: String) {
        Options::parse(Some(&ramdisk), Some(fw_cfg.as_bytes()), &mut |c| {
            let _ = std::format!("{c}");
        });
    }

    #[test]
    fn no_option_like_text_panics(text in "((policy|script|trust|x)?=?[\"#= a-z0-9:.,\n]{0,6} ?){0,8}") {
        let (_, complaints) = parse(&text, "");
        for complaint in complaints {
            let one_line = !std::format!("{complaint}").contains('\n');
            prop_assert!(one_line);
        }
    }
}
