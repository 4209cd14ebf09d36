//! Messages about a unit, its commands, its tables and its interrupts, where no request was blocked.
//!
//! ```text
//! DMAR: VT-d detected Invalidation Time-out Error: SID 700
//! DMAR: QI HEAD: Device-TLB Invalidation qw0 = 0x70000000003, qw1 = 0x7ffffffffffff001
//! DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [0x000000003e2e0000-0x000000003e2fffff]
//! DMAR-IR: [Firmware Bug]: ioapic 2 has no mapping iommu, interrupt remapping will be disabled
//! vfio-pci 0000:04:00.1: DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.
//! AMD-Vi: Completion-Wait loop timed out
//! ```

use dma_types::SourceId;

use super::cursor::{Cursor, is_word_byte};
use super::device::DeviceName;
use super::fault::{Fault, Reading};
use pasted::hex;

/// How far before a phrase the device may be named, and how far behind it a number.
const WITHIN: (usize, usize) = (160, 160);

/// What software said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Notice {
    /// What it is about.
    pub(super) kind: NoticeKind,
    /// The device it is about, if it names one.
    pub(super) device: Option<DeviceName>,
    /// A unit's registers, or where a region begins.
    pub(super) place: Option<u64>,
    /// Where a region ends.
    pub(super) end: Option<u64>,
    /// The number of an I/O APIC, a reason or a source id.
    pub(super) number: Option<u64>,
}

/// What notices are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NoticeKind {
    /// The unit cannot use a command (IQE).
    CommandRefused,
    /// A device did not answer a command in time (ITE).
    CommandTimeout,
    /// A device answered a command wrongly (ICE).
    CommandAnswer,
    /// The command at the head of the queue, which waits for a device.
    CommandAtHead,
    /// AMD-Vi: commands are not completed.
    CompletionWait,
    /// Firmware names a unit that is not there.
    DeadUnit,
    /// Firmware's table names an unusable reserved region.
    BadRegion,
    /// Firmware's table is wrong otherwise.
    BrokenFirmware,
    /// No unit covers an I/O APIC.
    UncoveredIoApic,
    /// A device with a reserved region cannot be given away.
    Ineligible,
    /// Interrupts are not remapped.
    InterruptsPlain,
    /// Firmware asks to do without x2APIC.
    X2apicOptOut,
    /// Interrupts are remapped: nothing is wrong.
    InterruptsRemapped,
}

impl NoticeKind {
    /// The name in results.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CommandRefused | Self::CommandTimeout | Self::CommandAnswer | Self::CommandAtHead => {
                "linux-dmar-queue"
            }
            Self::CompletionWait => "amd-vi-queue",
            Self::DeadUnit | Self::BadRegion | Self::BrokenFirmware => "firmware-table",
            Self::UncoveredIoApic | Self::InterruptsPlain | Self::X2apicOptOut | Self::InterruptsRemapped => {
                "interrupt-remapping"
            }
            Self::Ineligible => "linux-rmrr",
        }
    }
}

impl Notice {
    /// A notice of which only the kind is known.
    pub(super) const fn of(kind: NoticeKind) -> Self {
        Self { kind, device: None, place: None, end: None, number: None }
    }
}

/// What notices are found by, and what they are about.
pub(super) const PHRASES: [(&str, NoticeKind); 19] = [
    ("invalidation queue error", NoticeKind::CommandRefused),
    ("invalidation time-out error", NoticeKind::CommandTimeout),
    ("invalidation completion error", NoticeKind::CommandAnswer),
    ("qi head:", NoticeKind::CommandAtHead),
    ("completion-wait loop timed out", NoticeKind::CompletionWait),
    ("bios is broken; dmar reported at address", NoticeKind::DeadUnit),
    ("bios is broken; bad rmrr", NoticeKind::BadRegion),
    ("bios is broken and requested that x2apic", NoticeKind::X2apicOptOut),
    ("bios is broken;", NoticeKind::BrokenFirmware),
    ("reserved region can cover this rmrr", NoticeKind::BadRegion),
    ("has no mapping iommu", NoticeKind::UncoveredIoApic),
    ("not in ivrs table", NoticeKind::UncoveredIoApic),
    ("no southbridge ioapic found", NoticeKind::UncoveredIoApic),
    ("is ineligible for iommu domain attach", NoticeKind::Ineligible),
    ("vulnerable to irq-injection", NoticeKind::InterruptsPlain),
    ("disabling interrupt remapping", NoticeKind::InterruptsPlain),
    ("x2apic opt out bit", NoticeKind::X2apicOptOut),
    ("enabled irq remapping", NoticeKind::InterruptsRemapped),
    ("interrupt remapping enabled", NoticeKind::InterruptsRemapped),
];

/// Reads the notice whose phrase stands from `at` to `end`, and where it ends.
pub(super) fn read(text: &[u8], at: usize, end: usize, kind: NoticeKind) -> Option<(Fault, usize)> {
    let line_start = text[..at]
        .iter()
        .rev()
        .take(WITHIN.0)
        .position(|byte| *byte == b'\n')
        .map_or(at.saturating_sub(WITHIN.0), |back| at - back);
    let before = &text[line_start..at];
    let behind = &text[end..text.len().min(end + WITHIN.1)];
    let behind = behind.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut notice = Notice::of(kind);
    match kind {
        NoticeKind::CommandRefused | NoticeKind::CommandTimeout | NoticeKind::CommandAnswer => {
            // The line that says that the error was cleared has its short name instead of a number.
            let mut cursor = Cursor::new(behind, 0);
            cursor.mark(b':')?;
            let label = if kind == NoticeKind::CommandRefused { "reason" } else { "sid" };
            notice.number = cursor.word(label).and_then(|()| cursor.hex().value());
            if kind != NoticeKind::CommandRefused {
                notice.device = notice.number.and_then(source);
            }
        }
        NoticeKind::CommandAtHead => notice.device = Some(requester(text, end)?),
        NoticeKind::DeadUnit => notice.place = Cursor::new(behind, 0).hex().value(),
        NoticeKind::BadRegion => (notice.place, notice.end) = region(behind),
        NoticeKind::UncoveredIoApic => notice.number = last_number(before),
        NoticeKind::Ineligible => notice.device = last_device(before),
        NoticeKind::CompletionWait
        | NoticeKind::BrokenFirmware
        | NoticeKind::InterruptsPlain
        | NoticeKind::X2apicOptOut
        | NoticeKind::InterruptsRemapped => {}
    }
    Some((Fault::Notice(notice), end))
}

/// A source id as a unit's register has it; all zeros say nothing, all ones that it could not be read.
fn source(number: u64) -> Option<DeviceName> {
    let source = u16::try_from(number).ok().filter(|source| !matches!(*source, 0 | u16::MAX))?;
    Some(SourceId::from_bits(source).into())
}

/// The device that the command at the head is for (VT-d "Device-TLB Invalidate Descriptor", "PASID-based-Device-TLB
/// Invalidate Descriptor").
fn requester(text: &[u8], end: usize) -> Option<DeviceName> {
    let rest = &text[end..text.len().min(end + WITHIN.1)];
    let label = rest.windows(3).position(|window| window.eq_ignore_ascii_case(b"qw0"))?;
    let mut cursor = Cursor::new(rest, label + 3);
    cursor.mark(b'=')?;
    let Reading::Value(word) = cursor.hex() else { return None };
    // Bits 11:9 are the type's upper ones.
    match (word >> 5 & 0x70) | (word & 0xf) {
        3 => source(word >> 32 & 0xffff),
        8 => source(word >> 16 & 0xffff),
        _ => None,
    }
}

/// `[0x…-0x…]`.
fn region(text: &[u8]) -> (Option<u64>, Option<u64>) {
    let mut cursor = Cursor::new(text, 0);
    if cursor.mark(b'[').is_none() {
        return (None, None);
    }
    let token = cursor.token();
    let mut numbers = token.split(|byte| *byte == b'-').map(hex::parse);
    (numbers.next().flatten(), numbers.next().flatten())
}

/// The last decimal number of a line.
fn last_number(line: &[u8]) -> Option<u64> {
    let end = line.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = line[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    let name = line[..start].to_ascii_lowercase();
    let name = name.trim_ascii_end();
    let is_apic = name.strip_suffix(b"[").unwrap_or(name).ends_with(b"ioapic");
    is_apic.then(|| str::from_utf8(&line[start..end]).ok()?.parse().ok()).flatten()
}

/// The last device of a line.
fn last_device(line: &[u8]) -> Option<DeviceName> {
    let is_part = |byte: &u8| is_word_byte(*byte) || matches!(byte, b':' | b'.');
    line.split(|byte| !is_part(byte))
        .rev()
        .find_map(|word| DeviceName::read(word.strip_suffix(b":").unwrap_or(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(line: &str) -> Option<Notice> {
        let lower = line.to_ascii_lowercase();
        let (phrase, kind) = PHRASES.into_iter().find(|(phrase, _)| lower.contains(phrase)).unwrap();
        let at = lower.find(phrase).unwrap();
        match read(line.as_bytes(), at, at + phrase.len(), kind)? {
            (Fault::Notice(notice), _) => Some(notice),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_the_queue_waits_for_is_read() {
        let device =
            |line: &str| notice(line).and_then(|notice| notice.device).map(|device| device.to_string());
        let head = "DMAR: QI HEAD: Device-TLB Invalidation qw0 = 0x70000000003, qw1 = 0x7ffffffffffff001";
        assert_eq!(device(head).as_deref(), Some("07:00.0"));
        let pasid = "DMAR: QI HEAD: PASID-based Device-TLB Invalidation qw0 = 0x12300070008, qw1 = 0x1";
        assert_eq!(device(pasid).as_deref(), Some("00:00.7"));
        assert_eq!(
            device("DMAR: VT-d detected Invalidation Time-out Error: SID 700").as_deref(),
            Some("07:00.0")
        );
        assert_eq!(notice("DMAR: VT-d detected Invalidation Completion Error: SID 0").unwrap().device, None);
        assert_eq!(
            notice("DMAR: VT-d detected Invalidation Queue Error: Reason f").unwrap().number,
            Some(0xf)
        );
        assert_eq!(notice("DMAR: Invalidation Time-out Error (ITE) cleared"), None);
        assert_eq!(notice("DMAR: QI HEAD: UNKNOWN qw0 = 0x0, qw1 = 0x0"), None);
    }

    #[test]
    fn what_firmware_got_wrong_is_read() {
        let unit =
            notice("Your BIOS is broken; DMAR reported at address fed64000 returns all ones!").unwrap();
        assert_eq!((unit.kind, unit.place), (NoticeKind::DeadUnit, Some(0xfed6_4000)));
        let region = notice("Your BIOS is broken; bad RMRR [0x000000003e2e0000-0x000000003e2fffff]").unwrap();
        assert_eq!((region.place, region.end), (Some(0x3e2e_0000), Some(0x3e2f_ffff)));
        for line in
            ["ioapic 2 has no mapping iommu, interrupt remapping", "AMD-Vi: IOAPIC[2] not in IVRS table"]
        {
            assert_eq!(notice(line).unwrap().number, Some(2), "{line}");
        }
        let ineligible = "vfio-pci 0000:04:00.1: DMAR: Device is ineligible for IOMMU domain attach due to";
        assert_eq!(notice(ineligible).unwrap().device, DeviceName::read(b"0000:04:00.1"));
    }
}
