//! Any bytes as kernel options, as a console line, and as what is typed.

use std::fmt::Write;

use options::{COMMANDS, Command, Edit, KeyDecoder, LineEditor, MAX_LINE, Options, script_lines};

use crate::Bytes;

/// Options that cannot be used fall back to their default and are complained about, in one line each; a command that
/// cannot be read is answered in one line.
pub fn check(bytes: &[u8]) {
    let mut pieces = Bytes::new(bytes);
    let upper = pieces.piece();
    check_options(Some(pieces.rest()), Some(upper));
    check_options(Some(bytes), None);
    if let Ok(text) = str::from_utf8(bytes) {
        check_line(text);
        script_lines(text).for_each(check_line);
    }
    check_typing(bytes);
}

fn check_options(lower: Option<&[u8]>, upper: Option<&[u8]>) {
    let mut complaints = Vec::new();
    let options = Options::parse(lower, upper, &mut |complaint| complaints.push(complaint));
    for complaint in &complaints {
        assert_is_line(&complaint.to_string());
    }
    if let Some(script) = options.script {
        script_lines(script).for_each(check_line);
    }
    // What is read once is read the same again, and a source that is not there changes nothing.
    let again = Options::parse(lower, upper, &mut |_| {});
    assert_eq!(options, again);
    if lower.is_none_or(|lower| lower.is_empty()) && upper.is_none_or(|upper| upper.is_empty()) {
        assert!(options == Options::default() && complaints.is_empty());
    }
}

fn check_line(line: &str) {
    match Command::parse(line) {
        Ok(_) => {
            let name = line.split_whitespace().next();
            assert!(name.is_none_or(|name| COMMANDS.iter().any(|command| command.name == name)), "{line:?}");
        }
        Err(error) => assert_is_line(&error.to_string()),
    }
}

/// What is shown to people is one line, of which no terminal takes anything for an order, and not endless.
fn assert_is_line(text: &str) {
    assert!(!text.is_empty() && text.chars().count() < 400, "{text:?}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn check_typing(bytes: &[u8]) {
    let (mut decoder, mut editor, mut echo) = (KeyDecoder::default(), LineEditor::new(), String::new());
    for key in bytes.iter().filter_map(|byte| decoder.take(*byte)) {
        if let Edit::Line(line) = editor.take(key, &mut echo) {
            assert!(line.len() <= MAX_LINE && line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
        assert!(editor.typed().len() <= MAX_LINE);
    }
    assert!(
        echo.write_str("").is_ok() && echo.chars().all(|shown| matches!(shown, ' '..='~' | '\n' | '\u{8}'))
    );
}
