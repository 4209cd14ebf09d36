//! How a line that was begun may go on.

use core::fmt::Write;

use dma_types::Bdf;

use crate::command::COMMANDS;
use crate::line::Line;
use crate::target::Target;
use crate::words::Policy;

/// What of the machine and the kernel has a name that commands take.
pub trait Names {
    /// Shows each function.
    fn devices(&self, visit: &mut dyn FnMut(Bdf));

    /// Shows the name of each self-test.
    fn self_tests(&self, visit: &mut dyn FnMut(&str));
}

/// Shows each word that the last word of a line may become, as the grammar in [`COMMANDS`] has it; the line ends where the
/// cursor stands. Numbers and addresses have no such words.
pub fn candidates(line: &str, names: &dyn Names, visit: &mut dyn FnMut(&str)) {
    let begun = last_word(line);
    let mut words = line.get(..line.len() - begun.len()).unwrap_or_default().split_whitespace();
    let mut visit = |word: &str| {
        if word.starts_with(begun) {
            visit(word);
        }
    };
    let Some(name) = words.next() else {
        return COMMANDS.iter().for_each(|command| visit(command.name));
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else { return };
    for place in command.arguments.split(' ').skip(words.count()) {
        show_place(place.trim_matches(['[', ']']), begun, names, &mut visit);
        // Where a word may be left out, the next may stand in its place.
        if !(place.starts_with('[') && place.ends_with(']') && !place.ends_with("]]")) {
            return;
        }
    }
}

/// The word at a line's end; empty behind a blank.
pub(crate) fn last_word(line: &str) -> &str {
    line.rsplit(char::is_whitespace).next().unwrap_or_default()
}

/// Shows what may stand at a place of the grammar.
fn show_place(place: &str, begun: &str, names: &dyn Names, visit: &mut dyn FnMut(&str)) {
    match place {
        "COMMAND" => COMMANDS.iter().for_each(|command| visit(command.name)),
        "BDF" => names.devices(&mut |device| show_device(device, begun, visit)),
        "NAME" => names.self_tests(visit),
        "NEW" => Policy::EXPECTED.split('|').for_each(visit),
        "TARGET" => Target::NAMED.into_iter().filter_map(Target::name).for_each(visit),
        // Other words in capitals stand for numbers and addresses.
        words => {
            words.split('|').filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).for_each(visit)
        }
    }
}

/// Shows a function without its segment, unless the user began with that or it is not the first.
fn show_device(device: Bdf, begun: &str, visit: &mut dyn FnMut(&str)) {
    let mut whole = Line::EMPTY;
    if write!(whole, "{device}").is_err() {
        return;
    }
    let whole = whole.as_str();
    match whole.strip_prefix("0000:") {
        Some(short) if short.starts_with(begun) => visit(short),
        _ => visit(whole),
    }
}
