use super::*;
use crate::line::MAX_LINE;
use crate::terminal::KeyDecoder;
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

/// Types bytes and returns the complete lines and the echo.
fn type_in(editor: &mut LineEditor, bytes: &[u8]) -> (Vec<String>, String) {
    let (mut lines, mut echo) = (Vec::new(), String::new());
    let mut decoder = KeyDecoder::default();
    for key in bytes.iter().filter_map(|&byte| decoder.take(byte)) {
        if let Edit::Line(line) = editor.take(key, &mut echo) {
            lines.push(line.to_string());
        }
    }
    (lines, echo)
}

#[test]
fn what_was_typed_can_be_shown_again() {
    let mut editor = LineEditor::new();
    type_in(&mut editor, b"unix\x08ts");
    assert_eq!(editor.typed(), "units");
    type_in(&mut editor, b"\r");
    assert_eq!(editor.typed(), "");
}

fn lines(bytes: &[u8]) -> Vec<String> {
    type_in(&mut LineEditor::new(), bytes).0
}

#[test]
fn mistakes_can_be_taken_back() {
    let (lines, echo) = type_in(&mut LineEditor::new(), b"unts\x08\x08its\r");
    assert_eq!(lines, ["units"]);
    assert_eq!(echo, "unts\u{8} \u{8}\u{8} \u{8}its\n");
    assert_eq!(type_in(&mut LineEditor::new(), b"\x08\x7f"), (Vec::new(), String::new()));
}

#[test]
fn a_line_can_be_erased_or_given_up() {
    assert_eq!(lines(b"abc\x15def\r"), ["def"]);
    let mut editor = LineEditor::new();
    let mut echo = String::new();
    editor.take(Key::Character('a'), &mut echo);
    assert_eq!(editor.take(Key::Cancel, &mut echo), Edit::Cancelled);
    assert_eq!(editor.take(Key::Enter, &mut echo), Edit::Line(""));
    assert_eq!(echo, "a^C\n\n");
}

#[test]
fn earlier_lines_come_back() {
    assert_eq!(lines(b"one\rtwo\r\x1b[A\x1b[A\r"), ["one", "two", "one"]);
    assert_eq!(lines(b"one\rtwo\r\x1b[A\x1b[A\x1b[B!\r"), ["one", "two", "two!"]);
    assert_eq!(lines(b"one\r\x1b[A\x1b[Bx\r"), ["one", "x"]);
    // What was being typed comes back too, and an earlier line goes as a whole.
    assert_eq!(lines(b"one\rtw\x1b[A\x1b[Bo\r"), ["one", "two"]);
    assert_eq!(lines(b"one two\r\x1b[A\x1b[D\x15x\r"), ["one two", "x"]);
    // Beyond the oldest it stays; the same line twice is remembered once; empty ones are not.
    assert_eq!(lines(b"one\rone\r\r\x1b[A\x1b[A\x1b[A\r"), ["one", "one", "", "one"]);
}

#[test]
fn history_keeps_the_last_few() {
    let mut editor = LineEditor::new();
    for number in 0..18 {
        type_in(&mut editor, std::format!("line {number}\r").as_bytes());
    }
    let up = b"\x1b[A".repeat(20);
    type_in(&mut editor, &up);
    assert_eq!(type_in(&mut editor, b"\r").0, ["line 2"]);
}

#[test]
fn the_cursor_moves_and_writes_in_between() {
    assert_eq!(lines(b"uits\x1b[D\x1b[D\x1b[Dn\r"), ["units"]);
    assert_eq!(lines(b"nits\x1b[Hu\x1b[F!\r"), ["units!"]);
    assert_eq!(lines(b"xunits\x01\x1b[3~\r"), ["units"]);
    assert_eq!(lines(b"units x y\x02\x02\x0b\r"), ["units x"[..7].trim_end()]);
    assert_eq!(lines(b"attack 00:03.0  \x17write\r"), ["attack write"]);
    // Neither end can be passed.
    assert_eq!(lines(b"a\x1b[D\x1b[Db\x1b[C\x1b[C\x1b[Cc\x1b[3~\r"), ["bac"]);
}

struct Machine;

impl Names for Machine {
    fn devices(&self, visit: &mut dyn FnMut(dma_types::Bdf)) {
        for device in ["00:03.0", "00:04.0", "0001:20:00.0"] {
            visit(device.parse().unwrap());
        }
    }

    fn self_tests(&self, visit: &mut dyn FnMut(&str)) {
        ["storm", "storm-long", "rest"].into_iter().for_each(visit);
    }
}

/// What a line becomes by one press of the tabulator, and whether there is more than one way on.
fn completed(line: &[u8]) -> (String, Completion) {
    let mut editor = LineEditor::new();
    let (_, mut echo) = type_in(&mut editor, line);
    let completion = editor.complete(&Machine, &mut echo);
    (editor.typed().to_string(), completion)
}

#[test]
fn words_are_completed_as_far_as_they_are_certain() {
    for (line, expected) in [
        (&b"un"[..], "units "),
        (b"xyz", "xyz"),
        (b"mappings 0", "mappings 00"),
        (b"mappings 00:", "mappings 00:0"),
        (b"mappings 00:03", "mappings 00:03.0 "),
        (b"mappings 0000:00:04", "mappings 0000:00:04.0 "),
        (b"mappings 0001", "mappings 0001:20:00.0 "),
        (b"attack 00:03.0 w", "attack 00:03.0 write "),
        (b"attack 00:03.0 write wr", "attack 00:03.0 write wrong-direction "),
        (b"selftest s", "selftest storm"),
        (b"ping 1", "ping 1"),
        (b"units u", "units u"),
        (b"de 00:03\x01\x1b[C\x1b[C", "de 00:03"),
        (b"rel 00:03\x01\x1b[C\x1b[C\x1b[C", "release  00:03"),
    ] {
        assert_eq!(completed(line).0, expected);
    }
    for line in [&b"mappings 00:0"[..], b"selftest storm", b"", b"policy "] {
        assert_eq!(completed(line).1, Completion::Ambiguous, "{line:?}");
    }
}

#[test]
fn a_line_has_an_end() {
    let (lines, echo) = type_in(&mut LineEditor::new(), &[&[b'x'; 300][..], b"\r"].concat());
    assert_eq!(lines, ["x".repeat(MAX_LINE)]);
    assert_eq!(echo.len(), MAX_LINE + 1);
}

/// Bytes as people type them, and as a broken line sends them.
fn typing() -> impl Strategy<Value = Vec<u8>> {
    const KEYS: [&[u8]; 14] = [
        b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[H", b"\x1b[F", b"\x1b[3~", b"\x0b", b"\x17",
        b"\x15", b"\x08", b"\r", b"units ", b"\t",
    ];
    let pieces = prop_oneof![
        6 => (0x20_u8..0x7f).prop_map(|byte| std::vec![byte]),
        4 => prop::sample::select(&KEYS[..]).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| std::vec![byte]),
    ];
    prop::collection::vec(pieces, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_echo_shows_what_the_line_holds(bytes in typing()) {
        let mut editor = LineEditor::new();
        let (mut decoder, mut echo) = (KeyDecoder::default(), String::new());
        for key in bytes.iter().filter_map(|&byte| decoder.take(byte)) {
            if editor.take(key, &mut echo) == Edit::Complete {
                editor.complete(&Machine, &mut echo);
            }
        }
        // Plays the echo on a terminal of one endless line.
        let (mut shown, mut cursor) = (Vec::new(), 0_usize);
        for character in echo.chars() {
            match character {
                '\n' => (shown, cursor) = (Vec::new(), 0),
                '\u{8}' => cursor -= 1,
                _ => {
                    shown.resize(shown.len().max(cursor + 1), ' ');
                    shown[cursor] = character;
                    cursor += 1;
                }
            }
        }
        // Blanks over what was erased stay, and no terminal shows them.
        let shown: String = shown.into_iter().collect();
        prop_assert_eq!(shown.trim_end_matches(' '), editor.typed().trim_end_matches(' '));
        prop_assert_eq!(cursor, editor.before_cursor().len());
        prop_assert!(editor.typed().len() <= MAX_LINE);
    }
}
