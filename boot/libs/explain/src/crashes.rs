//! Which mentions of a Windows crash are about the same one.
//!
//! One crash leaves many traces: the stop screen, event 41 and event 1001 of the log, an error report, and a
//! debugger that says it again and again. Each kind of trace tells of a crash once, so there were as many crashes
//! as the most frequent kind tells of. Traces are of one crash where they agree in all parameters, which have the
//! address of a device's object among them: it is another one after each start.

use super::bugcheck::{Bugcheck, Mention, Standing};

/// How many different crashes are kept apart.
const MOST: usize = 256;

/// The crashes of a text.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    seen: Vec<Crash>,
}

/// A crash, or several whose parameters are the same.
#[derive(Debug)]
struct Crash {
    bugcheck: Bugcheck,
    count: u64,
    /// How many traces of each kind there are, by what the kind is called.
    traces: Vec<(Standing, u64)>,
}

/// What a mention adds to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    Nothing,
    /// A crash.
    Crash(Bugcheck),
    /// The parameters of a crash of which only the code was known, or fewer of them.
    Details {
        /// As it was known.
        before: Bugcheck,
        /// As it is known now.
        now: Bugcheck,
    },
}

impl Crashes {
    /// Takes a mention.
    pub(super) fn take(&mut self, mention: &Mention) -> News {
        let bugcheck = mention.bugcheck;
        let Some(crash) = self.seen.iter_mut().rev().find(|crash| crash.may_be(mention)) else {
            if self.seen.len() < MOST {
                let traces = Vec::from([(mention.standing, 1)]);
                self.seen.push(Crash { bugcheck, count: 1, traces });
            }
            return News::Crash(bugcheck);
        };
        let before = crash.bugcheck;
        let now = before.with(&bugcheck);
        if now != before {
            crash.bugcheck = now;
            crash.trace(mention.standing);
            return News::Details { before, now };
        }
        let known = crash.count;
        if bugcheck.says_nothing() || mention.standing == Standing::Summary {
            return News::Nothing;
        }
        let traces = crash.trace(mention.standing);
        // What was told in part may be another crash.
        crash.count = if bugcheck.is_whole() { known.max(traces) } else { known + 1 };
        if crash.count > known { News::Crash(before) } else { News::Nothing }
    }
}

impl Crash {
    /// Tells whether a mention may be about this one: it says nothing that is at odds, and a report of its own
    /// says all that is known.
    fn may_be(&self, mention: &Mention) -> bool {
        let Mention { bugcheck, standing, .. } = mention;
        if bugcheck.code != self.bugcheck.code || !bugcheck.agrees(&self.bugcheck) {
            return false;
        }
        let is_same = bugcheck.parameters == self.bugcheck.parameters;
        is_same
            || bugcheck.says_nothing()
            || self.bugcheck.says_nothing()
            || self.is_summary()
            || *standing == Standing::Summary
    }

    fn is_summary(&self) -> bool {
        self.traces.iter().all(|(standing, _)| *standing == Standing::Summary)
    }

    /// Counts a trace and tells how many of its kind there are.
    fn trace(&mut self, kind: Standing) -> u64 {
        if let Some((_, count)) = self.traces.iter_mut().find(|(known, _)| *known == kind) {
            *count += 1;
            return *count;
        }
        self.traces.push((kind, 1));
        1
    }
}

#[cfg(test)]
mod tests {
    use super::super::bugcheck::StopCode;
    use super::*;

    fn mention(parameters: [u64; 4], standing: Standing) -> Mention {
        let bugcheck = Bugcheck { parameters: parameters.map(Some), ..Bugcheck::of(StopCode::DmaViolation) };
        Mention { bugcheck, standing, end: 0 }
    }

    const ONE: [u64; 4] = [0x26, 0xffff_9a0b_1c2d_3e40, 0x40, 6];

    #[test]
    fn each_kind_of_trace_tells_of_a_crash_once() {
        let mut crashes = Crashes::default();
        let mut is_news = |standing| crashes.take(&mention(ONE, standing)) != News::Nothing;
        assert!(is_news(Standing::Logged));
        assert!(!is_news(Standing::Coded(Some("bugcheck was"))));
        assert!(!is_news(Standing::Named));
        assert!(!is_news(Standing::Summary));
        // The same event once more is another crash, and so is what other traces then tell.
        assert!(is_news(Standing::Logged));
        assert!(!is_news(Standing::Named));
        assert!(crashes.take(&mention([0x26, 1, 2, 3], Standing::Logged)) != News::Nothing);
    }

    #[test]
    fn a_name_is_completed_by_what_follows() {
        let mut crashes = Crashes::default();
        let name = Bugcheck::of(StopCode::DmaViolation);
        let named = Mention { bugcheck: name, standing: Standing::Named, end: 0 };
        assert_eq!(crashes.take(&named), News::Crash(name));
        assert_eq!(crashes.take(&named), News::Nothing);
        let whole = mention(ONE, Standing::Logged);
        assert_eq!(crashes.take(&whole), News::Details { before: name, now: whole.bugcheck });
        assert_eq!(crashes.take(&named), News::Nothing);
    }
}
