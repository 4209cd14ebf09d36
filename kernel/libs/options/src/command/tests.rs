//! Tests of the grammar.

use super::*;
use dma_types::Iova;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// The one line that answers a mistaken command.
fn mistake(line: &str) -> String {
    Command::parse(line).unwrap_err().to_string()
}

#[test]
fn every_form_is_read() {
    let edu = bdf("00:03.0");
    let attack = |transfer, target| Command::Attack { device: edu, transfer, target };
    let policy = |device, new| Command::Policy { device, new };
    for (line, expected) in [
        ("help", Command::Help(None)),
        (" units\t", Command::Units),
        ("devices", Command::Devices),
        ("domains", Command::Domains),
        ("mappings 0001:00:03.0", Command::Mappings(bdf("0001:00:03.0"))),
        ("faults", Command::Faults { device: None, form: None }),
        ("faults 00:03.0", Command::Faults { device: Some(edu), form: None }),
        ("faults 00:03.0 cper", Command::Faults { device: Some(edu), form: Some(RecordForm::Cper) }),
        ("interrupts", Command::Interrupts),
        ("memory", Command::Memory),
        ("report", Command::Report(None)),
        ("report qr", Command::Report(Some(ReportWay::Qr))),
        ("report udp", Command::Report(Some(ReportWay::Udp))),
        ("drill", Command::Drill),
        ("attack 00:03.0 read", attack(Transfer::Read, Target::Canary)),
        ("attack 0:3.0 write past-end", attack(Transfer::Write, Target::PastEnd)),
        ("attack 00:03.0 read 0xdead0000", attack(Transfer::Read, Target::Address(Iova::new(0xdead_0000)))),
        ("policy", policy(None, None)),
        ("policy log", policy(None, Some(Policy::Log))),
        ("policy 00:03.0", policy(Some(edu), None)),
        ("policy 00:03.0 contain", policy(Some(edu), Some(Policy::Contain))),
        ("release 00:03.0", Command::Release(edu)),
        ("verifier", Command::Verifier(None)),
        ("verifier reset", Command::Verifier(Some(VerifierOrder::Reset))),
        ("net", Command::Net),
        ("ping 10.0.2.2", Command::Ping(Ipv4Addr::new(10, 0, 2, 2))),
        (
            "tcp 00:08.0 10.0.2.2 7000 16777216 0",
            Command::Tcp {
                device: bdf("00:08.0"),
                peer: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 7000),
                receive: 16 << 20,
                send: 0,
            },
        ),
        ("disks", Command::Disks),
        (
            "disk read 00:03.0 1 0x10 8",
            Command::Disk {
                device: edu,
                transfer: Transfer::Read,
                range: DiskRange { namespace: 1, block: 16, count: 8 },
            },
        ),
        ("selftest", Command::SelfTest(None)),
        ("selftest takeover", Command::SelfTest(Some("takeover"))),
        ("bench", Command::Bench),
        ("demo", Command::Demo),
        ("reboot", Command::Reboot),
        ("poweroff", Command::PowerOff),
    ] {
        assert_eq!(Command::parse(line), Ok(Some(expected)), "{line}");
    }
    assert_eq!(Command::parse(""), Ok(None));
    assert_eq!(Command::parse(" \t"), Ok(None));
}

#[test]
fn a_mistake_is_answered_with_what_was_expected() {
    assert_eq!(mistake("help atack"), "unknown command 'atack'; did you mean 'attack'?");
    assert_eq!(mistake("hepl"), "unknown command 'hepl'; did you mean 'help'?");
    assert_eq!(mistake("x"), "unknown command 'x'; expected one of those that 'help' lists");
    assert_eq!(
        mistake("mappings"),
        "mappings: expected a device as [SSSS:]BB:DD.F in hex; usage: mappings BDF"
    );
    assert_eq!(
        mistake("attack 00:03.0 peek"),
        "attack: expected read|write, not 'peek'; usage: attack BDF read|write [TARGET]"
    );
    assert_eq!(mistake("units all"), "units: expected nothing more at 'all'; usage: units");
    assert_eq!(
        mistake("policy 00:03.0 stop"),
        "policy: expected bugcheck|contain|log, not 'stop'; usage: policy [BDF] [NEW]"
    );
    assert_eq!(
        mistake("ping 10.0.2"),
        "ping: expected an IPv4 address such as 10.0.2.2, not '10.0.2'; usage: ping IP"
    );
    for (line, expected) in [
        ("tcp 00:08.0 10.0.2.2 0 1 1", "a port from 1 to 65535, not '0'"),
        ("tcp 00:08.0 10.0.2.2 65536 1 1", "a port from 1 to 65535, not '65536'"),
        ("tcp 00:08.0 10.0.2.2 1 1M 1", "the number of bytes to receive, not '1M'"),
        ("tcp 00:08.0 10.0.2.2 1 1", "the number of bytes to send"),
    ] {
        let usage = "tcp BDF IP PORT RECEIVE SEND";
        assert_eq!(mistake(line), format!("tcp: expected {expected}; usage: {usage}"));
    }
    assert_eq!(
        mistake("disk read 00:03.0 1 2 4294967296"),
        "disk: expected a number of blocks, not '4294967296'; usage: disk read|write BDF NSID LBA COUNT"
    );
    assert!(mistake("disk write 00:03.0 1").contains("expected the number of a block"));
    assert!(mistake("policy 00:03").contains("a device as [SSSS:]BB:DD.F in hex or bugcheck|contain|log"));
    assert!(mistake("policy log 00:03.0").contains("expected nothing more"));
    assert_eq!(mistake("faults 00:03.0 hex"), "faults: expected cper, not 'hex'; usage: faults [BDF [cper]]");
    assert!(mistake("faults cper").contains("expected a device as [SSSS:]BB:DD.F in hex, not 'cper'"));
    assert!(mistake("attack 00:03.0 read 4096").contains("interrupt or an address such as 0x1000"));
}

#[test]
fn the_table_names_each_command_once() {
    for (index, command) in COMMANDS.iter().enumerate() {
        assert!(COMMANDS[index + 1..].iter().all(|other| other.name != command.name));
        assert!(command.arguments.len() <= ARGUMENTS_WIDTH, "{}", command.name);
        assert!(command.to_string().len() < 100);
    }
}

#[test]
fn scripts_are_cut_at_semicolons_and_lines() {
    let lines: Vec<_> = script_lines(" units;; attack 00:03.0 read ;\n\ndrill\r\n").collect();
    assert_eq!(lines, ["units", "attack 00:03.0 read", "drill"]);
    assert_eq!(script_lines(" ;\n").count(), 0);
}

proptest! {
    #[test]
    fn no_text_panics(line: String) {
        if let Err(error) = Command::parse(&line) {
            let one_line = !format!("{error}").contains('\n');
            prop_assert!(one_line);
        }
    }

    #[test]
    fn no_command_like_text_panics(
        line in "(attack|policy|faults|mappings|selftest) ?([0-9a-f]{0,3}[:. x]?){0,6}( read| log| canary)?"
    ) {
        let _ = Command::parse(&line).map_err(|error| format!("{error}"));
    }
}

#[test]
fn help_says_of_each_command_how_it_is_written() {
    for command in COMMANDS {
        let line = std::format!("help {}", command.name);
        assert_eq!(Command::parse(&line), Ok(Some(Command::Help(Some(command)))));
        // What takes a device or a target says what that is, and no line passes the narrowest screen.
        let details = command.details().unwrap_or_default();
        assert!(!command.arguments.contains("TARGET") || details.contains("canary"), "{}", command.name);
        assert!(details.lines().all(|line| line.len() <= 118), "{details}");
    }
}
