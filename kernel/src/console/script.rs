//! Scripts: console commands from an option, carried out one after the other.

use report::Outcome;

use super::prompt::execute;
use super::{PROMPT, output};
use crate::platform::cancel;
use crate::{journal, println};

/// The name of the check that tells how a script fared.
const CHECK: &str = "script";

/// Carries out a script to its end. Each mistake is a failed check, and the script goes on; Ctrl-C ends it with the
/// command that runs.
///
/// Returns when the last command has, with everything drawn; the caller ends the run.
pub fn run(script: &str) {
    let mut mistakes = 0_usize;
    for line in options::script_lines(script) {
        println!("{PROMPT}{line}");
        if let Err(mistake) = execute(line) {
            mistakes += 1;
            journal::check(CHECK, Outcome::Fail, Some(&mistake));
        }
        output::draw_all();
        if cancel::is_requested() {
            break;
        }
    }
    if mistakes == 0 {
        journal::check(CHECK, Outcome::Pass, None);
    }
}
