//! The completion ring: which entry comes next, and how it is told from an old one.

use crate::spec::completion::{CompletionEntry, Phase};

/// Position in a completion queue (Base "Completion Queue").
#[derive(Clone, Copy, Debug)]
pub struct CompletionRing {
    entries: u16,
    head: u16,
    phase: Phase,
}

impl CompletionRing {
    /// A new queue of at least two entries, all zero in memory.
    pub const fn new(entries: u16) -> Self {
        let entries = if entries < 2 { 2 } else { entries };
        Self { entries, head: 0, phase: Phase::Set }
    }

    /// The place of the next entry; always within the queue. It is also what to write to the doorbell.
    pub const fn head(&self) -> u16 {
        self.head
    }

    /// Tells whether the entry at [`head`](Self::head) is one that the controller has written since.
    pub fn is_new(&self, entry: CompletionEntry) -> bool {
        entry.phase() == self.phase
    }

    /// Goes on to the next entry.
    pub const fn advance(&mut self) {
        self.head += 1;
        if self.head == self.entries {
            self.head = 0;
            self.phase = self.phase.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandId;
    use crate::spec::registers::QueueId;
    use crate::spec::status::Status;

    #[test]
    fn the_phase_changes_with_each_pass() {
        let entry =
            |phase| CompletionEntry::new(QueueId(1), 0, CommandId::from_bits(0), phase, Status::SUCCESS, 0);
        let mut ring = CompletionRing::new(2);
        let mut seen = std::vec::Vec::new();
        for _ in 0..5 {
            seen.push((ring.head(), ring.is_new(entry(Phase::Set)), ring.is_new(entry(Phase::Clear))));
            ring.advance();
        }
        let (first, second) = ((true, false), (false, true));
        let expected = [(0, first), (1, first), (0, second), (1, second), (0, first)];
        assert_eq!(seen, expected.map(|(head, (set, clear))| (head, set, clear)));
    }
}
