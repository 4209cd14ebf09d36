//! The lines in which a log's daemon says how often it left the same message out.
//!
//! ```text
//! kernel: message repeated 12 times: [ DMAR: [DMA Read] Request device [03:00.0] fault addr 9cdff000 ...]
//! last message repeated 12 times
//! ```

use super::cursor::Cursor;

/// What such a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// The message in its brackets came so often.
    Quoted(u64),
    /// The message of the line before came so often again.
    Before(u64),
}

/// Reads the line whose word "repeated" stands at `at`.
pub(super) fn read(text: &[u8], at: usize) -> Option<Repeated> {
    const SUBJECT: &[u8] = b"message";
    let before = text[..at].trim_ascii_end();
    before[before.len().checked_sub(SUBJECT.len())?..].eq_ignore_ascii_case(SUBJECT).then_some(())?;
    let mut cursor = Cursor::new(text, at);
    cursor.word("repeated")?;
    let count = str::from_utf8(cursor.token()).ok()?.parse().ok()?;
    cursor.word("times").or_else(|| cursor.word("time"))?;
    Some(match cursor.mark(b':').and_then(|()| cursor.mark(b'[')) {
        Some(()) => Repeated::Quoted(count),
        None => Repeated::Before(count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_daemons_are_read() {
        let read = |text: &str| read(text.as_bytes(), text.find("repeated").unwrap());
        assert_eq!(read("kernel: message repeated 12 times: [ DMAR: x]"), Some(Repeated::Quoted(12)));
        assert_eq!(read("host last message repeated 3 times\n"), Some(Repeated::Before(3)));
        assert_eq!(read("host last message repeated 1 time\n"), Some(Repeated::Before(1)));
        for other in ["repeated 3 times", "message repeated often", "the test was repeated 3 times"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
