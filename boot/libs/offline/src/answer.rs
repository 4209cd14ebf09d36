//! The kernel's verdict at the end of a run.

use std::fmt::Write;

use report::{Verdict, VerdictResult};

use ::verdict::Word;
use printed::{Colours, Printable, Tone};

/// The word, what does not hold or is not known, and what to change: what holds was said when the machine started.
pub fn render(verdict: &Verdict<'_>, colours: Colours) -> String {
    let tone = match Word::named(&verdict.word) {
        Some(Word::Protected) => Tone::Good,
        Some(Word::Gaps) => Tone::Doubtful,
        Some(Word::NotProtected) | None => Tone::Bad,
    };
    let mut text = format!("ivt: {}\n", colours.paint(tone, Printable(&verdict.word)));
    for check in verdict.checks.iter() {
        let sign = match check.result {
            VerdictResult::Pass => continue,
            VerdictResult::Fail => colours.paint(Tone::Bad, '✘'),
            VerdictResult::Unknown => colours.paint(Tone::Doubtful, '?'),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {sign} {}", Printable(&check.words));
    }
    for advice in verdict.advice.iter() {
        let _ = writeln!(text, "  -> {}", Printable(advice));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use report::{List, VerdictCheck};

    #[test]
    fn what_holds_is_left_out_and_foreign_text_steers_nothing() {
        let check = |id: &'static str, result, words: &'static str| VerdictCheck {
            id: id.into(),
            result,
            evidence: "measured".into(),
            words: words.into(),
        };
        let checks = [
            check("dma-covered", VerdictResult::Pass, "All is covered."),
            check("drill", VerdictResult::Unknown, "Nothing tried."),
            check("interrupts", VerdictResult::Fail, "Open\u{1b}[2J."),
        ];
        let advice = ["Switch it on.".into()];
        let verdict = Verdict {
            t: 1,
            word: "GAPS".into(),
            checks: List::Borrowed(&checks),
            advice: List::Borrowed(&advice),
        };
        assert_eq!(
            render(&verdict, Colours::Off),
            "ivt: GAPS\n  ? Nothing tried.\n  ✘ Open\\u{1b}[2J.\n  -> Switch it on.\n"
        );
        assert!(render(&verdict, Colours::On).starts_with("ivt: \u{1b}[33mGAPS\u{1b}[0m\n"));
    }
}
