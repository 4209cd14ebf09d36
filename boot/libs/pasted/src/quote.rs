//! Marks that mail and chat put before quoted lines.

/// A line without the marks before it, however deep it was quoted; its own indentation stays.
pub(super) fn without_marks(line: &[u8]) -> &[u8] {
    let mut rest = line;
    let mut own = line;
    while let Some((byte, behind)) = rest.split_first() {
        match byte {
            b' ' | b'\t' => {}
            b'>' | b'|' => own = behind,
            _ => break,
        }
        rest = behind;
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_indentation_stays() {
        for (line, own) in [
            ("> > a", " a"),
            (">> a", " a"),
            (" | >   a > b", "   a > b"),
            ("   a | b", "   a | b"),
            (">", ""),
            ("", ""),
        ] {
            assert_eq!(str::from_utf8(without_marks(line.as_bytes())).unwrap(), own, "{line}");
        }
    }
}
