//! The answer on the screen, over the console's text: for machines on which nobody can type.

use core::fmt::Display;

use arrayvec::ArrayVec;
use screen::{Line, Sign, VerdictText};

use super::output;
use crate::platform::machine;
use crate::verdict;
use ::verdict::{Outcome, SHOWN, Word};

/// Shows what holds now; it stays until [`output::uncover`].
pub fn show() {
    let verdict = verdict::now();
    let checks: ArrayVec<Line<'_>, SHOWN> = verdict
        .shown()
        .map(|check| Line {
            sign: match check.outcome {
                Outcome::Pass => Sign::Holds,
                Outcome::Unknown => Sign::Doubtful,
                Outcome::Fail => Sign::Fails,
            },
            words: &check.sentence,
        })
        .collect();
    let remedies: ArrayVec<_, 6> = verdict.remedies().collect();
    let advice: ArrayVec<&dyn Display, 6> = remedies.iter().map(|remedy| remedy as &dyn Display).collect();
    output::cover(&VerdictText {
        machine: &machine::name(),
        word: verdict.word.as_str(),
        sign: match verdict.word {
            Word::Protected => Sign::Holds,
            Word::Gaps => Sign::Doubtful,
            Word::NotProtected => Sign::Fails,
        },
        checks: &checks,
        advice: &advice,
        closing: &"A key shows the console. `report` says more.",
    });
}

/// Shows it anew where it is shown, since something may have changed.
pub fn refresh() {
    if output::is_covered() {
        show();
    }
}
