//! Entries of the AMD-Vi event log as Linux reports them.
//!
//! ```text
//! AMD-Vi: Event logged [IO_PAGE_FAULT device=05:00.0 domain=0x0012 address=0xfe7212c0 flags=0x0070]
//! nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000b address=0xb7785000 flags=0x0000]
//! ```

use super::cursor::Cursor;
use super::device::DeviceName;
use super::event::{Event, EventFlags, EventKind};
use super::fault::{Fault, Reading};

/// How far before the event's name the driver's may stand.
const LOOK_BACK: usize = 256;
/// No event has more fields.
const MAX_FIELDS: usize = 12;

/// Reads the event whose name stands at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize, kind: EventKind) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    cursor.word(kind.name())?;
    let mut event =
        Event { kind, device: device_before(text, at), address: Reading::Absent, flags: Reading::Absent };
    let mut known = 0;
    for _ in 0..MAX_FIELDS {
        let Some((name, value)) = field(&mut cursor) else { break };
        known += 1;
        match name.to_ascii_lowercase().as_slice() {
            b"device" => event.device = DeviceName::read(value),
            b"address" | b"spa" | b"gpa" => event.address = number(value),
            b"flags" => {
                event.flags = number(value)
                    .and_then(|flags| u16::try_from(flags).ok())
                    .and_then(|flags| Some(EventFlags(flags)))
            }
            _ => known -= 1,
        }
    }
    (known > 0).then_some((Fault::Event(event), cursor.at()))
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

/// The device whose driver the message begins with: what stands before "AMD-Vi".
fn device_before(text: &[u8], at: usize) -> Option<DeviceName> {
    let before = &text[at.saturating_sub(LOOK_BACK)..at];
    let name = before.windows(7).rposition(|window| window.eq_ignore_ascii_case(b"amd-vi:"))?;
    let before = before[..name].trim_ascii_end().strip_suffix(b":")?;
    let start = before.iter().rposition(|byte| !byte.is_ascii_hexdigit() && !matches!(byte, b':' | b'.'));
    DeviceName::read(&before[start.map_or(0, |last| last + 1)..])
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
    fn what_was_retyped_badly_is_unreadable() {
        let bad = event(
            "AMD-VI: Event logged [IO_PAGE_FAULT device=01.02.3 domain=0x0001 address=0x1... flags=0x0000]",
        );
        assert_eq!((bad.device, bad.address), (None, Reading::Unreadable));
        assert_eq!(bad.flags, Reading::Value(EventFlags(0)));
        assert_eq!(read(b"IO_PAGE_FAULT errors since yesterday", 0, EventKind::IoPageFault), None);
    }
}
