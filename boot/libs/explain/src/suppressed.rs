//! The line in which Linux says how many messages it left out.
//!
//! ```text
//! dmar_fault: 890 callbacks suppressed
//! ```

use super::cursor::is_word_byte;

/// What a line's name begins with where the messages were about faults.
const NAMES: [&[u8]; 2] = [b"dmar", b"amd_iommu"];

/// The number in the line whose word "callbacks" stands at `at`; `None` if it is about something else.
pub(super) fn read(text: &[u8], at: usize) -> Option<u64> {
    let rest = text[at..].get(b"callbacks".len()..)?.trim_ascii_start();
    let before = text[..at].trim_ascii_end();
    let digits = before.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    let number = str::from_utf8(&before[digits..]).ok()?.parse().ok()?;
    let name = before[..digits].trim_ascii_end().strip_suffix(b":")?;
    let start = name.iter().rposition(|byte| !is_word_byte(*byte)).map_or(0, |last| last + 1);
    let is_about_faults = NAMES.iter().any(|prefix| name[start..].starts_with(prefix));
    (is_about_faults && rest.starts_with(b"suppressed")).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fault_messages_count() {
        let number = |text: &str| read(text.as_bytes(), text.find("callbacks").unwrap());
        assert_eq!(number("[   1.5] dmar_fault: 890 callbacks suppressed\n"), Some(890));
        assert_eq!(number("kernel: amd_iommu_report_page_fault: 7 callbacks suppressed"), Some(7));
        assert_eq!(number("net_ratelimit: 12 callbacks suppressed"), None);
        assert_eq!(number("dmar_fault: callbacks suppressed"), None);
        assert_eq!(number("callbacks"), None);
    }
}
