//! Colours, HTML, Markdown, JSON's escapes, and characters that look like blanks or like nothing.

use html_escape::decode_html_entities;

/// The longest reference to a character, `&CounterClockwiseContourIntegral;` aside.
const LONGEST_REFERENCE: usize = 12;
/// The longest tag that is taken for one.
const LONGEST_TAG: usize = 512;

/// HTML's elements that begin or end a line.
const BLOCKS: [&str; 17] = [
    "br",
    "p",
    "pre",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "tbody",
    "blockquote",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "details",
];
/// HTML's elements within a line.
const INLINE: [&str; 21] = [
    "a", "b", "i", "u", "s", "em", "strong", "code", "span", "font", "tt", "kbd", "samp", "mark", "wbr",
    "sub", "sup", "small", "td", "th", "summary",
];

/// Undoes all of it in a line.
pub(super) fn undo(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        let before = out.last().copied();
        let taken = match byte {
            0x1b => colour(rest),
            b'&' => reference(rest, out),
            b'<' => tag(rest, out),
            b'\\' => escape(rest, out),
            b'`' => is_mark(before, behind.first()).then_some(1),
            b'*' => bold(before, rest),
            0x80.. => character(rest, out),
            _ => None,
        };
        match taken {
            Some(length) => rest = rest.get(length..).unwrap_or_default(),
            None => {
                out.push(byte);
                rest = behind;
            }
        }
    }
}

/// A terminal's control sequence (ECMA-48 "CSI", "OSC").
fn colour(text: &[u8]) -> Option<usize> {
    let length = match text {
        [_, b'[', rest @ ..] => 3 + rest.iter().position(|byte| matches!(byte, 0x40..=0x7e))?,
        [_, b']', rest @ ..] => 3 + rest.iter().position(|byte| *byte == 0x07)?,
        [_, b'(' | b')', ..] => 3,
        _ => 1,
    };
    Some(length)
}

/// A reference to a character; one whose ampersand is a reference itself, too.
fn reference(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let near = &text[..text.len().min(LONGEST_REFERENCE + b"amp;".len())];
    let mut end = near.iter().position(|byte| *byte == b';')? + 1;
    let mut name = str::from_utf8(&near[..end]).ok()?.to_owned();
    while name == "&amp;" {
        let Some(next) = near[end..].iter().position(|byte| *byte == b';') else { break };
        let longer = format!("&{}", str::from_utf8(&near[end..=end + next]).ok()?);
        if !is_reference(&longer) {
            break;
        }
        end += next + 1;
        name = longer;
    }
    if !is_reference(&name) {
        return None;
    }
    let decoded = decode_html_entities(&name);
    if decoded == name {
        return None;
    }
    undo_characters(decoded.as_bytes(), out);
    Some(end)
}

fn is_reference(name: &str) -> bool {
    name.len() <= LONGEST_REFERENCE
        && name[1..name.len() - 1].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
}

/// A tag of HTML; those of other languages, such as Windows's events, stay.
fn tag(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let near = &text[..text.len().min(LONGEST_TAG)];
    let end = near.iter().position(|byte| *byte == b'>')?;
    let name = &near[1..end];
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let length = name.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(name.len());
    if !matches!(name.get(length), None | Some(b' ' | b'/')) {
        return None;
    }
    let named =
        |names: &[&str]| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(&name[..length]));
    if named(&BLOCKS) {
        out.push(b'\n');
    } else if named(&["td", "th"]) {
        out.push(b' ');
    } else if !named(&INLINE) {
        return None;
    }
    Some(end + 1)
}

/// A backslash before a mark of Markdown, a character of JSON by its number, or a colour that was spelled out.
fn escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    for spelled in [&b"\\x1b["[..], b"\\x1B[", b"\\033[", b"\\e["] {
        if let Some(rest) = text.strip_prefix(spelled) {
            let end = rest.iter().take(16).position(u8::is_ascii_alphabetic)?;
            return Some(spelled.len() + end + 1);
        }
    }
    match text {
        [_, b'u', digits @ ..] => {
            let digits = digits.get(..4).and_then(|digits| str::from_utf8(digits).ok())?;
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            if character == '\x1b' {
                let end = text.get(6..)?.iter().take(16).position(u8::is_ascii_alphabetic);
                return Some(6 + end.map_or(0, |end| end + 1));
            }
            // Without their escapes these would mean something else to whoever reads the JSON.
            if matches!(character, '"' | '\\') || character.is_control() {
                return None;
            }
            undo_characters(character.encode_utf8(&mut [0; 4]).as_bytes(), out);
            Some(6)
        }
        [
            _,
            mark @ (b'[' | b']' | b'_' | b'*' | b'.' | b'-' | b'(' | b')' | b'#' | b'+' | b'!' | b'`' | b'{'
            | b'}' | b'<' | b'>' | b'&' | b'=' | b':' | b'~' | b'|' | b'/'),
            ..,
        ] => {
            out.push(*mark);
            Some(2)
        }
        _ => None,
    }
}

/// Tells whether a backtick marks code. Those between digits are a debugger's, which groups numbers so.
fn is_mark(before: Option<u8>, behind: Option<&u8>) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    !(before.is_some_and(is_digit) && behind.copied().is_some_and(is_digit))
}

/// Two asterisks for bold; Windows begins lines with three.
fn bold(before: Option<u8>, text: &[u8]) -> Option<usize> {
    let count = text.iter().take_while(|byte| **byte == b'*').count();
    (count == 2 && before != Some(b'*')).then_some(2)
}

/// A character beyond ASCII that stands for one within, for a blank, or for nothing.
fn character(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let near = &text[..text.len().min(4)];
    let length =
        near.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()).map_or(0, char::len_utf8);
    if length == 0 {
        // A blank that does not break, in the encodings of old Windows and of Latin 1.
        return (text[0] == 0xa0).then(|| {
            out.push(b' ');
            1
        });
    }
    undo_characters(&text[..length], out);
    Some(length)
}

/// Writes characters in ASCII where they stand for some.
fn undo_characters(text: &[u8], out: &mut Vec<u8>) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{feff}' => {}
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(b'\n'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push(b'-'),
            '\u{2018}' | '\u{2019}' => out.push(b'\''),
            '\u{201c}' | '\u{201d}' => out.push(b'"'),
            // Forms as wide as ideographs.
            '\u{ff01}'..='\u{ff5e}' => out.extend(u8::try_from(character as u32 - 0xff00 + 0x20)),
            _ if character.is_whitespace() && !character.is_ascii() => out.push(b' '),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_undone(pasted: &str, meant: &str) {
        let mut out = Vec::new();
        undo(pasted.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), meant, "{pasted}");
    }

    #[test]
    fn html_becomes_text() {
        assert_undone(
            "&#91;DMA Read&#x5d; &lt;x&gt; &quot;a&quot; b&nbsp;c &amp;#91; &amp;lt;",
            "[DMA Read] <x> \"a\" b c [ <",
        );
        assert_undone("<pre>a<br/>b 0x7c<wbr><b>346</b>000</pre>", "\na\nb 0x7c346000\n");
        assert_undone("<tr><td>a</td><td class=\"x\">b</td>", "\n a  b ");
        for other in [
            "<Data Name=\"BugcheckCode\">230</Data>",
            "a < b > c",
            "<dmesg>",
            "R&D; x && y",
            "&unknown;",
            "<",
        ] {
            assert_undone(other, other);
        }
    }

    #[test]
    fn markdown_and_json_become_text() {
        assert_undone(r"\[DMA Read NO\_PASID\] **bold** `0x1`", "[DMA Read NO_PASID] bold 0x1");
        assert_undone(r"\u003cb\u003e \u0026 \u001b[33mx", "<b> & x");
        assert_undone("00000000`00000026", "00000000`00000026");
        for other in [r"C:\WINDOWS\MEMORY.DMP", r"a\nb", r"\u0022", "*** STOP", r"\u12", "\\"] {
            assert_undone(other, other);
        }
    }

    #[test]
    fn colours_go() {
        assert_undone("\x1b[32m[    0.9] \x1b[0m\x1b[33mDMAR\x1b[0m: x", "[    0.9] DMAR: x");
        assert_undone(r"\x1b[31mDMAR\033[0m: x", "DMAR: x");
        assert_undone("\x1b]0;title\x07x\x1b", "x");
    }

    #[test]
    fn blanks_and_characters_become_ascii() {
        assert_undone("a\u{a0}b\u{200b}c\u{202f}d\u{feff}\u{3000}e", "abc d e".replace("ab", "a b").as_str());
        assert_undone("\u{ff08}0x26\u{ff0c}0x1\u{ff09} \u{201c}x\u{201d} \u{2013}", "(0x26,0x1) \"x\" -");
        assert_undone("\u{fc}ber \u{84dd}\u{5c4f}", "\u{fc}ber \u{84dd}\u{5c4f}");
        let mut out = Vec::new();
        undo(b"a\xa0b\xffc\xe2\x80", &mut out);
        assert_eq!(out, b"a b\xffc\xe2\x80");
    }
}
