//! From what was pasted to what was meant.

use super::*;

fn undone(pasted: &[u8]) -> String {
    let mut text = String::new();
    PastedText::new(pasted).read_to_string(&mut text).unwrap();
    text
}

const MESSAGE: &str = "DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x7c346000 [fault reason 0x06] PTE Read access is not set\n";

#[test]
fn a_message_comes_out_as_it_was() {
    for pasted in [
        MESSAGE.to_owned(),
        MESSAGE.replace('\n', "\r\n"),
        MESSAGE.replace("7c34", "7c=\n34").replace("[fault", "[fa=\nult"),
        MESSAGE.replace("7c34", "7c\n34").replace("reason", "rea\nson"),
        format!("> > {}", MESSAGE.replace("7c34", "7c\n> > 34")),
        MESSAGE.replace('[', "&#91;").replace(']', "\\]").replace(" fault", "\u{a0}fault\u{200b}"),
        format!("\x1b[33m{}", MESSAGE.replace("DMA ", "\x1b[0mDMA ")),
    ] {
        assert_eq!(undone(pasted.as_bytes()).trim_start(), MESSAGE, "{pasted}");
    }
    let utf16: Vec<u8> = MESSAGE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(undone(&utf16), MESSAGE);
}

#[test]
fn text_of_any_length_passes() {
    for text in ["", "\n", "a", "a\nb\n", "=\n", "=3D", "&", "<", "\\", "\n\n\n"] {
        assert_eq!(undone(text.as_bytes()).trim_end(), text.trim_end().replace("=3D", "="), "{text:?}");
    }
    let long = "x y ".repeat(BLOCK);
    assert_eq!(undone(long.as_bytes()).trim_end(), long.trim_end());
    let lines = MESSAGE.repeat(3 * BLOCK / MESSAGE.len());
    assert_eq!(undone(lines.as_bytes()), lines);
    let mails = MESSAGE.replace("fault addr", "fa=\nult addr").repeat(3 * BLOCK / MESSAGE.len());
    assert_eq!(undone(mails.as_bytes()), lines);
}

#[test]
fn no_bytes_are_too_strange() {
    let strange = b"=3D=\n=\r\n=C2&#x;&amp;&amp;#9999999;<b <br>\\u12\\uD800\\x1b[\x1b[\x1b]`**`*\xe2\x80\xff\n> | >\n0x\n1=\n=\n";
    for start in 0..strange.len() {
        for end in start..strange.len() {
            PastedText::new(&strange[start..end]).read_to_end(&mut Vec::new()).unwrap();
        }
    }
}
