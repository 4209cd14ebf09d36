//! Blocked requests as Linux and Xen report them.
//!
//! ```text
//! DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0x5a3f1000 [fault reason 0x06] ...
//! DMAR: [INTR-REMAP] Request device [c9:05.0] fault index 0xa00 [fault reason 0x25] ...
//! dmar: DMAR:[DMA Read] Request device [00:02.0] fault addr 1a45aa9000
//! DMAR:[fault reason 12] ...                                                    (older Linux)
//! (XEN) [VT-D]DMAR:[DMA Write] Request device [0000:01:00.0] fault addr 8c000
//! (XEN) [VT-D]DMAR: reason 05 - ...
//! (XEN) [VT-D]iommu.c:676: iommu_fault:DMA Read: 0:1d.1 addr 7d2ce000 REASON 6 ...      (Xen 3)
//! ```
//!
//! Numbers are hex, with one exception: Linux writes the reason in decimal unless `0x` stands before it.

use dma_types::Access;
use vtd::spec::fault_reason::FaultReason;

use super::cursor::{Cursor, is_word_byte};
use super::device::DeviceName;
use super::fault::{Fault, Origin, Pasid, Reading, Request};
use pasted::hex;

/// How far before the word "Request" the operation may begin.
const LOOK_BACK: usize = 128;
/// Longer lines are not compared.
const LONGEST_LINE: usize = 512;
/// How far behind the address the reason may stand, in bytes and in lines.
const REASON_WITHIN: (usize, usize) = (1024, 5);

/// Reads the message whose word "Request" stands at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    cursor.word("request")?;
    cursor.word("device")?;
    cursor.mark(b'[')?;
    // Some kernels write the bracket twice.
    let _ = cursor.mark(b'[');
    let device = DeviceName::read(cursor.token());
    let _ = cursor.mark(b']');
    let operation = Operation::before(text, at);
    let mut pasid = operation.pasid;
    if cursor.word("pasid").is_some() {
        pasid = pasid_of(cursor.hex());
    }
    let (place, names) = place(&mut cursor);
    let access = operation.access.or(match names {
        Some(Named::Index) => Some(Access::Interrupt),
        Some(Named::Address) | None => None,
    });
    if access.is_none() && names.is_none() {
        return None;
    }
    let end = cursor.at();
    let (stated, reason) = reason_after(text, end, operation.origin);
    let origin = if says_register(cursor) { Origin::Xen } else { stated };
    let place = match place {
        Reading::Value(address)
            if names == Some(Named::Address)
                && origin == Origin::Linux
                && is_part(address)
                && !goes_on(cursor) =>
        {
            Reading::Unreadable
        }
        place => place,
    };
    Some((Fault::Request(Request { origin, access, device, place, reason, pasid }), end))
}

/// What the message of the oldest Xens begins with.
pub(super) const OLD_XEN: &str = "iommu_fault:dma";

/// Reads the message of one of the oldest Xens, which begins at `at`, and where it ends.
pub(super) fn read_old_xen(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    cursor.word("iommu_fault")?;
    cursor.mark(b':')?;
    cursor.word("dma")?;
    let access = cursor.word("read").map(|()| Access::Read);
    let access = access.or_else(|| cursor.word("write").map(|()| Access::Write))?;
    cursor.mark(b':')?;
    let device = DeviceName::read(cursor.token());
    cursor.word("addr")?;
    let place = cursor.hex();
    let reason = cursor.word("reason").map_or(Reading::Absent, |()| cursor.hex());
    let reason = reason.and_then(|reason| u8::try_from(reason).ok()).and_then(|code| Some(FaultReason(code)));
    let (origin, access, pasid) = (Origin::Xen, Some(access), Pasid::Absent);
    Some((Fault::Request(Request { origin, access, device, place, reason, pasid }), cursor.at()))
}

/// What a number after "fault" is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Address,
    Index,
}

/// Reads "fault addr N" or "fault index N".
fn place(cursor: &mut Cursor<'_>) -> (Reading<u64>, Option<Named>) {
    let mut next = *cursor;
    if next.word("fault").is_none() {
        return (Reading::Absent, None);
    }
    let named = if next.word("addr").or_else(|| next.word("address")).is_some() {
        Named::Address
    } else if next.word("index").is_some() {
        Named::Index
    } else {
        return (Reading::Absent, None);
    };
    *cursor = next;
    (cursor.hex(), Some(named))
}

/// Tells whether a number cannot be all of an address: Linux shows those of pages.
const fn is_part(address: u64) -> bool {
    !address.is_multiple_of(dma_types::PAGE_SIZE)
}

/// Tells whether the message goes on with its reason on the same line, so that nothing of the number is missing.
fn goes_on(mut cursor: Cursor<'_>) -> bool {
    let start = cursor.at();
    cursor.mark(b'[').and_then(|()| cursor.word("fault")).is_some() && !cursor.crosses_line_since(start)
}

/// Xen alone adds the unit's registers.
fn says_register(mut cursor: Cursor<'_>) -> bool {
    cursor.mark(b',').and_then(|()| cursor.word("iommu")).is_some()
}

fn pasid_of(number: Reading<u64>) -> Pasid {
    match number.value().and_then(|number| u32::try_from(number).ok()) {
        None => Pasid::Absent,
        Some(u32::MAX) => Pasid::None,
        Some(number) => Pasid::Number(number),
    }
}

/// What stands before the word "Request".
struct Operation {
    origin: Origin,
    access: Option<Access>,
    pasid: Pasid,
}

impl Operation {
    /// Reads `[DMA Read NO_PASID]`, `[INTR-REMAP]` or `INTR-REMAP:` backwards from `at`.
    fn before(text: &[u8], at: usize) -> Self {
        let before = &text[at.saturating_sub(LOOK_BACK)..at];
        let end = before.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'>'));
        let (start, words): (usize, &[u8]) = match end.map(|end| (end, before[end])) {
            Some((end, b']')) => match before[..end].iter().rposition(|byte| *byte == b'[') {
                Some(open) => (open, &before[open + 1..end]),
                None => (end, &[]),
            },
            Some((end, b':')) => {
                let start = before[..end].iter().rposition(|byte| !is_word_byte(*byte) && *byte != b'-');
                let start = start.map_or(0, |last| last + 1);
                (start, &before[start..end])
            }
            _ => (before.len(), &[]),
        };
        let line = before[..start].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let (access, pasid) = Self::words(words);
        let is_xen = contains(line, b"vt-d]") || contains(line, b"(xen)");
        Self { origin: if is_xen { Origin::Xen } else { Origin::Linux }, access, pasid }
    }

    fn words(text: &[u8]) -> (Option<Access>, Pasid) {
        let mut cursor = Cursor::new(text, 0);
        if cursor.word("INTR-REMAP").is_some() {
            return (Some(Access::Interrupt), Pasid::Absent);
        }
        if cursor.word("DMA").is_none() {
            return (None, Pasid::Absent);
        }
        let access = if cursor.word("Read").is_some() {
            Access::Read
        } else if cursor.word("Write").is_some() {
            Access::Write
        } else {
            Access::Unknown
        };
        let pasid = if cursor.word("NO_PASID").is_some() {
            Pasid::None
        } else if cursor.word("PASID").is_some() {
            pasid_of(cursor.hex())
        } else {
            Pasid::Absent
        };
        (Some(access), pasid)
    }
}

/// Looks for the reason behind the address, up to the next message of the same machine. Tells whose spelling
/// it is, too.
fn reason_after(text: &[u8], at: usize, origin: Origin) -> (Origin, Reading<FaultReason>) {
    let (bytes, lines) = REASON_WITHIN;
    let within = &text[at..text.len().min(at + bytes)];
    let message = line_before(text, at);
    let elsewhere = |word: Cursor<'_>| {
        let line = line_before(text, word.at());
        line.len() < word.at() - at && names_other_machine(message, line)
    };
    let mut ends = 0;
    for offset in 0..within.len() {
        match within[offset] {
            b'\n' if ends == lines => break,
            b'\n' => ends += 1,
            b'r' | b'R' => {}
            _ => continue,
        }
        let mut cursor = Cursor::new(text, at + offset);
        if cursor.word("request").is_some() {
            if elsewhere(cursor) {
                continue;
            }
            break;
        }
        let follows_word = within[..offset].last().is_some_and(|byte| is_word_byte(*byte));
        if follows_word || cursor.word("reason").is_none() || elsewhere(cursor) {
            continue;
        }
        let follows_fault = within[..offset].trim_ascii_end().to_ascii_lowercase().ends_with(b"fault")
            || within[..offset].to_ascii_lowercase().ends_with(b"fault\\n");
        let token = cursor.token();
        if follows_fault {
            return (origin, linux_reason(token));
        }
        let is_xen = origin == Origin::Xen || cursor.mark(b'-').is_some();
        if let (true, Some(number)) = (is_xen, hex::parse(token)) {
            return (
                Origin::Xen,
                u8::try_from(number)
                    .map_or(Reading::Unreadable, |number| Reading::Value(FaultReason(number))),
            );
        }
    }
    (origin, Reading::Absent)
}

/// The part of the line at `at` that stands before it, as far as a line's beginning is looked for.
fn line_before(text: &[u8], at: usize) -> &[u8] {
    text[at.saturating_sub(LONGEST_LINE)..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Tells whether two lines of a log come from different machines: the words at their beginnings, as many as
/// both have before the first name of a program, differ in one that can be a host's name.
fn names_other_machine(one: &[u8], other: &[u8]) -> bool {
    let words = |line: &'_ [u8]| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.take_while(|word| !is_program(word)).take(5).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (one, other) = (words(one), words(other));
    let can_be_host = |word: &[u8]| word.iter().any(u8::is_ascii_alphabetic) && !word.contains(&b':');
    one.len() == other.len()
        && one.iter().zip(&other).any(|(a, b)| a != b && can_be_host(a) && can_be_host(b))
}

/// Tells whether a word names a program, `kernel:` or `kernel[0]:`, or begins the message.
fn is_program(word: &[u8]) -> bool {
    word.ends_with(b":") || word.contains(&b'[') || word.contains(&b'(')
}

/// Decimal unless `0x` stands before it, or a digit that no decimal number has stands in it, or Xen's `h`
/// behind it.
fn linux_reason(token: &[u8]) -> Reading<FaultReason> {
    if token.is_empty() {
        return Reading::Absent;
    }
    if let Some(Ok(reason)) = token.strip_suffix(b"h").and_then(hex::parse).map(u8::try_from) {
        return Reading::Value(FaultReason(reason));
    }
    let decimal = str::from_utf8(token).ok().and_then(|text| text.parse::<u64>().ok());
    match decimal.or_else(|| hex::parse(token)).map(u8::try_from) {
        Some(Ok(number)) => Reading::Value(FaultReason(number)),
        _ => Reading::Unreadable,
    }
}

/// Tells whether `text` has `part`, which is in lower case, in it.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        let at = text.find("Request").unwrap();
        match read(text.as_bytes(), at) {
            Some((Fault::Request(request), _)) => request,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn reason(text: &str) -> Reading<FaultReason> {
        request(text).reason
    }

    const VALUE: fn(u8) -> Reading<FaultReason> = |number| Reading::Value(FaultReason(number));

    #[test]
    fn the_base_of_the_reason_follows_its_writer() {
        let line =
            |reason: &str| format!("DMAR: [DMA Read] Request device [00:02.0] fault addr 1000 {reason}");
        assert_eq!(reason(&line("[fault reason 37] Blocked")), VALUE(37));
        assert_eq!(reason(&line("[fault reason 0x25] Blocked")), VALUE(0x25));
        assert_eq!(reason(&line("[fault reason 05] PTE")), VALUE(5));
        assert_eq!(reason(&line("[fault reason 300] Unknown")), Reading::Unreadable);
        assert_eq!(reason(&line("[fault\nreason 06] PTE")), VALUE(6));
        let xen = "(XEN) [VT-D]INTR-REMAP: Request device [0000:00:1d.0] fault index 0\n\
                   (XEN) [VT-D]INTR-REMAP: reason 25 - Blocked";
        assert_eq!((request(xen).origin, reason(xen)), (Origin::Xen, VALUE(0x25)));
        let older = "(XEN) [VT-D]iommu.c:837: DMAR:[DMA Write] Request device [02:00.0] fault addr ffc00000, \
                     iommu reg = fff57000\n(XEN) DMAR:[fault reason 25h] Blocked";
        assert_eq!((request(older).origin, reason(older)), (Origin::Xen, VALUE(0x25)));
    }

    #[test]
    fn the_oldest_xens_are_read() {
        let text = "iommu_fault:DMA Read: 0:1d.1 addr 7d2ce000 REASON 6 iommu->reg = ffff828bfff54000";
        let Some((Fault::Request(request), _)) = read_old_xen(text.as_bytes(), 0) else { panic!("no fault") };
        assert_eq!((request.origin, request.access), (Origin::Xen, Some(Access::Read)));
        assert_eq!(request.device.unwrap().as_str(), "0:1d.1");
        assert_eq!((request.place, request.reason), (Reading::Value(0x7d2c_e000), VALUE(6)));
    }

    #[test]
    fn a_reason_belongs_to_the_message_before_it() {
        let text = "[VT-D]DMAR:[DMA Write] Request device [0000:04:00.4] fault addr 1000\n\
                    [VT-D]DMAR:[DMA Write] Request device [0000:05:00.4] fault addr 2000\n\
                    [VT-D]DMAR: reason 05 - PTE Write access is not set";
        assert_eq!(reason(text), Reading::Absent);
        let apart = "dmar: DMAR:[DMA Read] Request device [00:02.0] fault addr 1000\nusb 1-1: reset\n\
                     DMAR:[fault reason 12] non-zero reserved fields in PTE";
        assert_eq!(reason(apart), VALUE(12));
    }

    #[test]
    fn a_reason_belongs_to_the_machine_of_its_message() {
        let log = "Oct 22 08:54:51 host1 kernel: DMAR:[DMA Read] Request device [00:02.0] fault addr 1000\n\
                   Oct 22 08:54:51 host2 kernel: DMAR:[DMA Write] Request device [00:03.0] fault addr 2000\n\
                   Oct 22 08:54:52 host1 kernel: DMAR:[fault reason 06] PTE Read access is not set\n\
                   Oct 22 08:54:52 host2 kernel: DMAR:[fault reason 05] PTE Write access is not set\n";
        assert_eq!(reason(log), VALUE(6));
        let (_, behind_first) = log.split_once('\n').unwrap();
        assert_eq!(reason(behind_first), VALUE(5));
    }

    #[test]
    fn an_operation_that_was_cut_off_stays_unknown() {
        let cut = request("Request device [00:02.0] fault addr 0x1000 [fault reason 0x06]");
        assert_eq!((cut.access, cut.place), (None, Reading::Value(0x1000)));
        assert_eq!(read(b"Request device [00:02.0] please", 0), None);
        assert_eq!(read(b"Request for device [00:02.0] fault addr 0", 0), None);
        let index = request("Request device [00:11.0] fault index 3b [fault reason 38]");
        assert_eq!((index.access, index.place), (Some(Access::Interrupt), Reading::Value(0x3b)));
    }

    #[test]
    fn part_of_an_address_is_not_taken_for_whole() {
        let place = |text: &str| {
            request(&format!("DMAR: [DMA Read] Request device [00:02.0] fault addr {text}")).place
        };
        let cut = "0x7c\n[    1.0] usb 1-1: new\n346000 [fault reason 0x06] PTE";
        assert_eq!(place(cut), Reading::Unreadable);
        assert_eq!(place("0x7c [fault reason 0x06] PTE"), Reading::Value(0x7c));
        assert_eq!(place("0x7c346000"), Reading::Value(0x7c34_6000));
    }

    #[test]
    fn pasids_are_numbers_none_or_not_mentioned() {
        let line =
            |op: &str, after: &str| format!("DMAR: [{op}] Request device [00:02.0] {after}fault addr 0");
        assert_eq!(request(&line("DMA Write PASID 0x2", "")).pasid, Pasid::Number(2));
        assert_eq!(request(&line("DMA Read NO_PASID", "")).pasid, Pasid::None);
        assert_eq!(request(&line("DMA Read", "PASID ffffffff ")).pasid, Pasid::None);
        assert_eq!(request(&line("DMA Read", "PASID 12 ")).pasid, Pasid::Number(0x12));
        assert_eq!(request(&line("DMA Read", "")).pasid, Pasid::Absent);
    }
}
