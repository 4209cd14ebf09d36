//! The line in which Linux shows a unit's fault status.
//!
//! ```text
//! DMAR: DRHD: handling fault status reg 402
//! ```

use super::cursor::Cursor;
use super::fault::{Fault, FsTs, Reading};

/// Reads the line whose word "DRHD" stands at `at`, and where it ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let mut cursor = Cursor::new(text, at);
    cursor.word("drhd")?;
    let _ = cursor.mark(b':');
    for word in ["handling", "fault", "status", "reg"] {
        cursor.word(word)?;
    }
    let status = cursor.hex();
    if status == Reading::Absent {
        return None;
    }
    let status = status.and_then(|status| u32::try_from(status).ok()).and_then(|status| Some(FsTs(status)));
    Some((Fault::Status(status), cursor.at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_hex() {
        let text = b"DRHD: handling fault status reg 402\n";
        assert_eq!(read(text, 0), Some((Fault::Status(Reading::Value(FsTs(0x402))), 35)));
        assert_eq!(
            read(b"DRHD: handling fault\n    status reg 3", 0).unwrap().0,
            Fault::Status(Reading::Value(FsTs(3)))
        );
        assert_eq!(read(b"DRHD base: 0x000000fed90000 flags: 0x0", 0), None);
    }
}
