//! The prompt: waits for lines and has them carried out.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use options::{Command, Edit, LineEditor};
use screen::Progress;

use super::input::Input;
use super::{PROMPT, commands, output, page};
use crate::devices;
use crate::platform::clock;
use crate::{print, println};

/// How often serial line and keyboard are looked at while nothing happens.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Waits for commands and carries them out, for ever.
pub fn run() -> ! {
    let mut input = Input::detect();
    let mut editor = LineEditor::new();
    println!("\n'help' lists the commands.");
    ask(&editor);
    loop {
        let Some(key) = input.poll() else {
            devices::look_around();
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
        output::uncover();
        match editor.take(key, &mut Echo) {
            Edit::Open => continue,
            Edit::Cancelled => {}
            // Whoever typed it has read what was wrong.
            Edit::Line(line) => drop(execute(line)),
        }
        ask(&editor);
    }
}

/// Shows that a command is waited for, and what was typed of it.
fn ask(editor: &LineEditor) {
    let _ = output::take_unasked_lines();
    print!("{PROMPT}{}", editor.typed());
}

/// Carries out one line. A mistake in it is answered with one line that says what was expected, and
/// returned.
pub(super) fn execute(line: &str) -> Result<(), String> {
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

/// Shows what is typed.
struct Echo;

impl fmt::Write for Echo {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print!("{text}");
        Ok(())
    }
}
