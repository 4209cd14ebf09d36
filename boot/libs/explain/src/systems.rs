//! Blocked requests as other systems report them: QEMU's unit, VMware ESXi, FreeBSD.
//!
//! ```text
//! qemu-system-x86_64: vtd_iova_to_slpte: detected slpte permission error (iova=0x7ffde000, level=0x3, slpte=0x0, write=0)
//! qemu-system-x86_64: vtd_iommu_translate: detected translation failure (dev=01:00:00, iova=0x7ffde000)
//! PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at address 0xe0041000.
//! IOMMU Fault detected for 0000:da:00.0 (vmgfx0/xxxx) IOaddr: 0xa1fc6a000 Mask: 0x6 Domain: 0x430af4e0c460.
//! DMAR0: em0: pci0:25:0 sid c8 fault acc 1 adt 0x0 reason 0x6 addr 7d2ce000
//! ```

use dma_types::{Access, SourceId};
use vtd::spec::fault_reason::FaultReason;

use super::cursor::Cursor;
use super::device::DeviceName;
use super::fault::{Fault, Origin, Pasid, Reading, Request};
use pasted::hex;

/// What QEMU's message is found by.
pub(super) const QEMU: &str = "vtd_iommu_translate";
/// What ESXi's messages are found by: that of a virtual machine, and that of the host.
pub(super) const ESXI: [&str; 2] = ["passthru device", "iommu fault detected for"];
/// What FreeBSD's message is found by.
pub(super) const FREEBSD: &str = "fault acc";

/// How far before QEMU's message the one with the access may stand.
const LOOK_BACK: usize = 400;

fn blocked(
    origin: Origin,
    access: Option<Access>,
    device: Option<DeviceName>,
    place: Reading<u64>,
) -> Request {
    Request { origin, access, device, place, reason: Reading::Absent, pasid: Pasid::Absent }
}

/// Reads QEMU's message whose name stands at `at`, and where it ends.
pub(super) fn read_qemu(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    cursor.word(QEMU)?;
    cursor.mark(b':')?;
    for word in ["detected", "translation", "failure"] {
        cursor.word(word)?;
    }
    cursor.mark(b'(')?;
    let device = function(cursor.token().strip_prefix(b"dev=")?);
    let _ = cursor.mark(b',');
    let place = number(cursor.token().strip_prefix(b"iova=")?);
    let before = &text[at.saturating_sub(LOOK_BACK)..at];
    let access = place.value().and_then(|place| access_before(before, place));
    Some((Fault::Request(blocked(Origin::Qemu, access, device, place)), cursor.at()))
}

/// `BUS:DEVICE:FUNCTION`.
fn function(text: &[u8]) -> Option<DeviceName> {
    let mut name = text.to_vec();
    let last = name.iter().rposition(|byte| *byte == b':')?;
    name[last] = b'.';
    // The function has two digits, too.
    if name.get(last + 1) == Some(&b'0') && name.len() > last + 2 {
        name.remove(last + 1);
    }
    DeviceName::read(&name)
}

/// Which way the request for `place` went, as the message before says.
fn access_before(before: &[u8], place: u64) -> Option<Access> {
    let label = b"iova=";
    let at = before.windows(label.len()).rposition(|window| window == label)?;
    let mut cursor = Cursor::new(before, at + label.len());
    let is_same = cursor.hex() == Reading::Value(place);
    let rest = &before[cursor.at()..];
    let write = rest.windows(6).position(|window| window == b"write=")?;
    match rest.get(write + 6) {
        Some(b'0') if is_same => Some(Access::Read),
        Some(b'1') if is_same => Some(Access::Write),
        _ => None,
    }
}

/// Reads ESXi's message whose words stand at `at`, and where it ends.
pub(super) fn read_esxi(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    let [guest, host] = ESXI;
    let is_guest = guest.split(' ').all(|word| cursor.word(word).is_some());
    if !is_guest {
        cursor = Cursor::new(text, at);
        host.split(' ').try_for_each(|word| cursor.word(word))?;
    }
    let device = DeviceName::read(cursor.token())?;
    let words: &[&str] = if is_guest { &["caused", "an", "iommu", "fault", "type"] } else { &["IOaddr"] };
    if !is_guest {
        skip_brackets(&mut cursor);
    }
    words.iter().try_for_each(|word| cursor.word(word))?;
    if is_guest {
        let _ = cursor.token();
        cursor.word("at").and_then(|()| cursor.word("address"))?;
    }
    let _ = cursor.mark(b':');
    let place = cursor.hex();
    Some((Fault::Request(blocked(Origin::Esxi, None, Some(device), place)), cursor.at()))
}

/// Skips a name in brackets.
fn skip_brackets(cursor: &mut Cursor<'_>) {
    if cursor.mark(b'(').is_some() {
        let _ = cursor.token();
        let _ = cursor.mark(b')');
    }
}

/// Reads FreeBSD's message whose words stand at `at`, and where it ends.
pub(super) fn read_freebsd(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut before =
        text[at.saturating_sub(24)..at].rsplit(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let source = before.next().and_then(hex::parse).and_then(|source| u16::try_from(source).ok());
    if before.next() != Some(b"sid") {
        return None;
    }
    let mut cursor = Cursor::new(text, at);
    cursor.word("fault")?;
    cursor.word("acc")?;
    // Bit T of the record: 1 for reads (VT-d "Fault Recording Registers").
    let access = match cursor.hex().value()? {
        0 => Some(Access::Write),
        1 => Some(Access::Read),
        _ => None,
    };
    cursor.word("adt")?;
    let _ = cursor.hex();
    cursor.word("reason")?;
    let reason =
        cursor.hex().and_then(|reason| u8::try_from(reason).ok()).and_then(|code| Some(FaultReason(code)));
    cursor.word("addr")?;
    let place = cursor.hex();
    let device = source.map(|source| SourceId::from_bits(source).into());
    let access = match reason {
        Reading::Value(reason) if reason.is_interrupt() => Some(Access::Interrupt),
        _ => access,
    };
    let request = Request { reason, ..blocked(Origin::FreeBsd, access, device, place) };
    Some((Fault::Request(request), cursor.at()))
}

fn number(text: &[u8]) -> Reading<u64> {
    Cursor::new(text, 0).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(read: impl Fn(&[u8], usize) -> Option<(Fault, usize)>, text: &str, word: &str) -> Request {
        match read(text.as_bytes(), text.find(word).unwrap()) {
            Some((Fault::Request(request), _)) => request,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_unit_of_qemu_is_read() {
        let first = "qemu: vtd_iova_to_slpte: detected slpte permission error (iova=0x7ffde000, level=0x3, slpte=0x0, write=1)";
        let second =
            "qemu: vtd_iommu_translate: detected translation \nfailure (dev=01:1f:07, iova=0x7ffde000)";
        let Request { access, device, place, .. } = request(read_qemu, &format!("{first}\n{second}"), QEMU);
        assert_eq!((access, place), (Some(Access::Write), Reading::Value(0x7ffd_e000)));
        assert_eq!(device, DeviceName::read(b"01:1f.7"));
        assert_eq!(request(read_qemu, second, QEMU).access, None);
        assert_eq!(read_qemu(b"vtd_iommu_translate: trace", 0), None);
    }

    #[test]
    fn both_messages_of_esxi_are_read() {
        let guest = "PCI passthru device 0000:0d:00.0 caused an IOMMU fault type 5 at\naddress 0xe0041000.  Powering off";
        let Request { device, place, .. } = request(read_esxi, guest, "passthru");
        assert_eq!((device, place), (DeviceName::read(b"0000:0d:00.0"), Reading::Value(0xe004_1000)));
        let host =
            "@BlueScreen: IOMMU Fault detected for 0000:da:00.0 (vmgfx0/xxxx) IOaddr: 0xa1fc6a000 Mask: 0x6";
        let Request { device, place, .. } = request(read_esxi, host, "IOMMU Fault");
        assert_eq!((device, place), (DeviceName::read(b"0000:da:00.0"), Reading::Value(0xa_1fc6_a000)));
        assert_eq!(read_esxi(b"passthru device list", 0), None);
    }

    #[test]
    fn freebsd_is_read() {
        let line = "DMAR0: em0: pci0:25:0 sid c8 fault acc 1 adt 0x0 reason 0x6 addr 7d2ce000";
        let Request { access, device, place, reason, .. } = request(read_freebsd, line, FREEBSD);
        assert_eq!((access, device), (Some(Access::Read), DeviceName::read(b"00:19.0")));
        assert_eq!((place, reason), (Reading::Value(0x7d2c_e000), Reading::Value(FaultReason(6))));
        assert_eq!(read_freebsd(b"a page fault accounts for it", 7), None);
    }
}
