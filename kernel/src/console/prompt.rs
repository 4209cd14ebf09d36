//! The prompt: waits for lines and has them carried out.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use dma_types::Bdf;
use options::{Command, Completion, Edit, Key, LineEditor, Names};
use screen::{Cursor, Progress};

use super::carry::{self, Slides};
use super::input::{self, Origin};
use super::{PROMPT, commands, output, page};
use crate::platform::{cancel, clock};
use crate::{devices, print, println, selftest};

/// How often serial line and keyboard are looked at while nothing happens.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits for commands and carries them out, for ever.
pub fn run() -> ! {
    input::detect();
    let mut editor = LineEditor::new();
    println!("\n'help' lists the commands.");
    ask(&editor);
    // Whoever sits before the screen cannot ask for anything there, so it is shown.
    let mut slides = (!input::has_keyboard() && carry::has_screen()).then(Slides::new);
    loop {
        let Some((key, origin)) = input::poll() else {
            devices::look_around();
            if let Some(slides) = &mut slides {
                slides.turn();
            }
            if output::take_unasked_lines() > 0 {
                // They stand where the user was typing.
                ask(&editor);
                page::refresh();
            }
            if output::draw_some() == Progress::Done {
                clock::sleep(POLL_INTERVAL);
            }
            continue;
        };
        slides = None;
        let was_covered = output::is_covered();
        output::uncover();
        if turn_pages(key, was_covered) {
            continue;
        }
        match editor.take(key, &mut Echo) {
            Edit::Open | Edit::NotMine(_) => continue,
            Edit::Complete => match editor.complete(&Known, &mut Echo) {
                Completion::Done => continue,
                Completion::Ambiguous => list_candidates(&editor),
            },
            Edit::Cancelled => {}
            Edit::Line(line) => answer(line, origin),
        }
        ask(&editor);
    }
}

/// Goes through earlier lines on the screen; tells whether the key was for that.
fn turn_pages(key: Key, was_covered: bool) -> bool {
    let turned = output::with_text(|text| match key {
        Key::PageUp if was_covered => true,
        Key::PageUp => {
            text.page_up();
            true
        }
        Key::PageDown => {
            text.page_down();
            true
        }
        Key::Character(' ') | Key::Enter if text.is_back() => {
            text.page_down();
            true
        }
        // Whatever else is typed belongs to the line at the end.
        _ => {
            text.show_latest();
            false
        }
    });
    turned.unwrap_or(false)
}

/// Carries out what was typed. On the screen a long answer is shown from its beginning, if the user sits before it.
fn answer(line: &str, origin: Origin) {
    output::set_cursor(Cursor::Hidden);
    let before = output::with_text(|text| text.lines_written());
    // Whoever typed it has read what was wrong.
    drop(execute(line));
    if let (Some(before), Origin::Keyboard) = (before, origin) {
        output::with_text(|text| text.go_to(before));
    }
}

/// Shows that a command is waited for, and what was typed of it.
fn ask(editor: &LineEditor) {
    let _ = output::take_unasked_lines();
    print!("{PROMPT}");
    editor.show_again(&mut Echo);
    output::set_cursor(Cursor::Shown);
}

/// Shows how the line may go on.
fn list_candidates(editor: &LineEditor) {
    print!("\n");
    options::candidates(editor.before_cursor(), &Known, &mut |word| print!("{word}  "));
    print!("\n");
}

/// Carries out one line. A mistake in it is answered with one line that says what was expected, and
/// returned.
pub(super) fn execute(line: &str) -> Result<(), String> {
    cancel::begin();
    let outcome = match Command::parse(line) {
        Ok(None) => Ok(()),
        Ok(Some(command)) => commands::run(command).map_err(|mistake| mistake.to_string()),
        Err(mistake) => Err(mistake.to_string()),
    };
    if let Err(mistake) = &outcome {
        println!("{mistake}");
    }
    outcome
}

/// What of this machine and this kernel commands can name.
struct Known;

impl Names for Known {
    fn devices(&self, visit: &mut dyn FnMut(Bdf)) {
        devices::all().iter().chain(devices::presence::newcomers()).for_each(|record| visit(record.bdf));
    }

    fn self_tests(&self, visit: &mut dyn FnMut(&str)) {
        selftest::NAMES.iter().for_each(|name| visit(name));
    }
}

/// Shows what is typed.
struct Echo;

impl fmt::Write for Echo {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        output::echo(text);
        Ok(())
    }
}
