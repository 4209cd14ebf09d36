//! Entries of the AMD-Vi event log as Linux and Xen report them.
//!
//! ```text
//! AMD-Vi: Event logged [IO_PAGE_FAULT device=05:00.0 domain=0x0012 address=0xfe7212c0 flags=0x0070]
//! nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000b address=0xb7785000 flags=0x0000]
//! (XEN) AMD-Vi: IO_PAGE_FAULT: 0000:00:14.0 d0 addr 000000fdf8010140 flags 0x8 I
//! (XEN) AMD-Vi: IO_PAGE_FAULT: domain = 0, device id = 0xa0, fault address = 0xfe7212c0, flags = 0x8
//! (XEN) AMD-Vi: INVALID_DEV_REQUEST: 00000800 8a000000 f8000840 000000fd
//! ```

use dma_types::SourceId;

use super::cursor::Cursor;
use super::device::DeviceName;
use super::event::{Event, EventFlags, EventKind};
use super::fault::{Fault, Pasid, Reading};
use pasted::hex;

/// How far before the event's name the driver's may stand.
const LOOK_BACK: usize = 256;
/// No event has more fields.
const MAX_FIELDS: usize = 12;

/// Reads the event whose name stands at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize, kind: EventKind) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    kind.spellings().find_map(|name| cursor.word(name))?;
    let (device, unit) = before(text, at);
    let blank = Event { device, unit, ..Event::blank(kind) };
    let is_open = text[..at].trim_ascii_end().ends_with(b"[");
    let whole = |cursor: &mut Cursor<'_>, event| if is_open { unless_cut(cursor, event) } else { event };
    let event = fields(&mut cursor, blank).map(|event| whole(&mut cursor, event)).or_else(|| {
        cursor.mark(b':')?;
        words(&mut cursor, blank).or_else(|| labels(&mut cursor, blank))
    })?;
    Some((Fault::Event(event), cursor.at()))
}

/// Takes fields of the form `name=value`; `None` if there is none that is known.
fn fields(cursor: &mut Cursor<'_>, mut event: Event) -> Option<Event> {
    let mut known = 0;
    for _ in 0..MAX_FIELDS {
        let Some((name, value)) = field(cursor) else { break };
        known += 1;
        match name.to_ascii_lowercase().as_slice() {
            b"device" => event.device = DeviceName::read(value),
            b"address" | b"spa" | b"gpa" => event.address = number(value),
            b"flags" => event.flags = flags(number(value)),
            b"pasid" => event.pasid = pasid(number(value)),
            _ => known -= 1,
        }
        let _ = cursor.mark(b',');
    }
    (known > 0).then_some(event)
}

/// Distrusts the last field of an event whose bracket is not closed: digits of it may be missing.
fn unless_cut(cursor: &mut Cursor<'_>, mut event: Event) -> Event {
    /// Digits of Linux's flags.
    const FLAGS: usize = 4;
    let mut next = *cursor;
    if next.mark(b']').is_some() {
        return event;
    }
    let last = cursor.last_token();
    match event.flags {
        Reading::Absent => event.address = event.address.and_then(|_| None),
        _ if last.len() < b"flags=0x".len() + FLAGS => event.flags = Reading::Unreadable,
        _ => {}
    }
    event
}

/// Takes an entry's four words as they stand in memory.
fn words(cursor: &mut Cursor<'_>, event: Event) -> Option<Event> {
    let mut next = *cursor;
    let mut words = [0; 4];
    for word in &mut words {
        let token = next.token();
        *word = hex::parse(token).filter(|_| token.len() == 8).and_then(|word| u32::try_from(word).ok())?;
    }
    *cursor = next;
    let [source, flags, low, high] = words;
    let source = event.kind.names_device().then(|| SourceId::from_bits((source & 0xffff) as u16));
    Some(Event {
        device: source.map(DeviceName::from).or(event.device),
        address: Reading::Value(u64::from(high) << 32 | u64::from(low)),
        flags: Reading::Value(EventFlags::of_word(flags)),
        ..event
    })
}

/// Takes a device, then values behind their labels; `None` if there is no address.
fn labels(cursor: &mut Cursor<'_>, mut event: Event) -> Option<Event> {
    let mut next = *cursor;
    if let Some(device) = DeviceName::read(next.token()) {
        event.device = Some(device);
        *cursor = next;
    }
    for _ in 0..MAX_FIELDS {
        let mut next = *cursor;
        match next.token().to_ascii_lowercase().as_slice() {
            b"addr" | b"address" => event.address = value(&mut next),
            b"flags" => event.flags = flags(value(&mut next)),
            b"id" => {
                let source = value(&mut next).value().and_then(|source| u16::try_from(source).ok());
                event.device = source.map(|source| DeviceName::from(SourceId::from_bits(source)));
            }
            b"" if next.mark(b',').is_none() && next.mark(b':').is_none() => break,
            _ => {}
        }
        *cursor = next;
        if event.flags != Reading::Absent {
            break;
        }
    }
    (event.address != Reading::Absent).then_some(event)
}

/// Takes a number, with or without an equals sign in front.
fn value(cursor: &mut Cursor<'_>) -> Reading<u64> {
    let _ = cursor.mark(b'=');
    cursor.hex()
}

fn flags(number: Reading<u64>) -> Reading<EventFlags> {
    number.and_then(|flags| u16::try_from(flags).ok()).and_then(|flags| Some(EventFlags(flags)))
}

fn pasid(number: Reading<u64>) -> Pasid {
    let number = number.value().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number != 0).map_or(Pasid::Absent, Pasid::Number)
}

/// Takes `name=value`.
fn field<'t>(cursor: &mut Cursor<'t>) -> Option<(&'t [u8], &'t [u8])> {
    let mut next = *cursor;
    let token = next.token();
    let equals = token.iter().position(|byte| *byte == b'=')?;
    *cursor = next;
    Some((&token[..equals], &token[equals + 1..]))
}

fn number(value: &[u8]) -> Reading<u64> {
    Cursor::new(value, 0).hex()
}

/// The device whose driver, or the unit, that the message begins with: what stands before "AMD-Vi".
fn before(text: &[u8], at: usize) -> (Option<DeviceName>, Option<u16>) {
    let before = &text[at.saturating_sub(LOOK_BACK)..at];
    let name = before.windows(7).rposition(|window| window.eq_ignore_ascii_case(b"amd-vi:"));
    let name = name.and_then(|name| before[..name].trim_ascii_end().strip_suffix(b":"));
    let Some(before) = name else { return (None, None) };
    let start = before.iter().rposition(|byte| !byte.is_ascii_hexdigit() && !matches!(byte, b':' | b'.'));
    let (label, number) = before.split_at(start.map_or(0, |last| last + 1));
    let number = str::from_utf8(number).unwrap_or_default();
    // `ivhd0`: the letter before the number is a digit in hex.
    let unit =
        number.strip_prefix('d').filter(|_| label.ends_with(b"ivh")).and_then(|number| number.parse().ok());
    (DeviceName::read(number.as_bytes()), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        let at = text.find("IO_PAGE_FAULT").unwrap();
        match read(text.as_bytes(), at, EventKind::IoPageFault) {
            Some((Fault::Event(event), _)) => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_device_stands_in_the_event_or_before_it() {
        let inside = event(
            "AMD-Vi: Event logged [IO_PAGE_FAULT device=05:00.0 domain=0x0012 address=0x0000fe7212c0 flags=0x0070]",
        );
        assert_eq!(inside.device, DeviceName::read(b"05:00.0"));
        assert_eq!(
            (inside.address, inside.flags),
            (Reading::Value(0xfe72_12c0), Reading::Value(EventFlags(0x70)))
        );
        let shouted = event("AMD-VI: [IO_PAGE_FAULT DEVICE=05:00.0 ADDRESS=0XFE7212C0 FLAGS=0X0070]");
        assert_eq!(shouted, inside);
        let before = event(
            "[1.0] nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0xb address=0x1 flags=0x0]",
        );
        assert_eq!(before.device, DeviceName::read(b"0000:01:00.0"));
        let nowhere =
            event("xhci_hcd: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0xb address=0x1 flags=0x0]");
        assert_eq!(nowhere.device, None);
    }

    #[test]
    fn the_unit_is_told_apart() {
        let of_unit = |unit: &str| {
            event(&format!(
                "{unit}AMD-Vi: Event logged [IO_PAGE_FAULT device=05:00.0 address=0x1 flags=0x0000]"
            ))
            .unit
        };
        assert_eq!((of_unit("iommu ivhd1: "), of_unit("kernel: "), of_unit("")), (Some(1), None, None));
    }

    #[test]
    fn a_pasid_is_kept() {
        let pasid = |value| {
            event(&format!("AMD-Vi: Event logged [IO_PAGE_FAULT pasid={value} address=0x1 flags=0x0000]"))
                .pasid
        };
        assert_eq!(pasid("0x00012"), Pasid::Number(0x12));
        assert_eq!(pasid("0x00000"), Pasid::Absent);
    }

    #[test]
    fn what_was_cut_off_is_not_taken_for_whole() {
        let of_address = event("[IO_PAGE_FAULT domain=0x000b address=0xf4f7\n[  904.7] usb 1-1: new").address;
        assert_eq!(of_address, Reading::Unreadable);
        let cut = event("[IO_PAGE_FAULT domain=0x000b address=0xf4f74080 flags=0x0\n[  904.7] usb 1-1: new");
        assert_eq!((cut.address, cut.flags), (Reading::Value(0xf4f7_4080), Reading::Unreadable));
        let whole = event("[IO_PAGE_FAULT domain=0x000b address=0xf4f74080 flags=0x0020");
        assert_eq!(whole.flags, Reading::Value(EventFlags(0x20)));
    }

    #[test]
    fn xen_tells_the_same() {
        let new = event("(XEN) AMD-Vi: IO_PAGE_FAULT: 0000:00:14.0 d0 addr 000000fdf8010140 flags 0x8 I");
        assert_eq!(new.device, DeviceName::read(b"0000:00:14.0"));
        assert_eq!((new.address, new.flags), (Reading::Value(0xfd_f801_0140), Reading::Value(EventFlags(8))));
        let old = event(
            "(XEN) AMD-Vi: IO_PAGE_FAULT: domain = 0, device id = 0x2600, fault address = 0xfdf8000000, flags = 0x8",
        );
        assert_eq!(old.device, DeviceName::read(b"26:00.0"));
        assert_eq!((old.address, old.flags), (Reading::Value(0xfd_f800_0000), Reading::Value(EventFlags(8))));
        let words = b"INVALID_DEV_REQUEST: 00000800 8a000000 f8000840 000000fd";
        let Some((Fault::Event(raw), end)) = read(words, 0, EventKind::InvalidDeviceRequest) else {
            panic!("no event")
        };
        assert_eq!((raw.device, end), (DeviceName::read(b"08:00.0"), words.len()));
        assert_eq!(
            (raw.address, raw.flags),
            (Reading::Value(0xfd_f800_0840), Reading::Value(EventFlags(0xa00)))
        );
    }

    #[test]
    fn a_page_that_belongs_to_somebody_else() {
        let text = b"RMP_PAGE_FAULT device=01:00.0, vmg_tag=0x0, gpa=0x1000, flags_rmp=0x1, flags=0x2";
        let Some((Fault::Event(event), _)) = read(text, 0, EventKind::RmpPageFault) else {
            panic!("no event")
        };
        assert_eq!((event.address, event.flags), (Reading::Value(0x1000), Reading::Value(EventFlags(2))));
    }

    #[test]
    fn what_was_retyped_badly_is_unreadable() {
        let bad = event(
            "AMD-VI: Event logged [IO_PAGE_FAULT device=01.02.3 domain=0x0001 address=0x1... flags=0x0000]",
        );
        assert_eq!((bad.device, bad.address), (None, Reading::Unreadable));
        assert_eq!(bad.flags, Reading::Value(EventFlags(0)));
        assert_eq!(read(b"IO_PAGE_FAULT errors since yesterday", 0, EventKind::IoPageFault), None);
    }
}
