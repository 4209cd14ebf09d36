//! The submission ring: where the next command goes, and how far the controller has read.

/// Positions in a submission queue (Base "Submission Queue").
///
/// One entry stays free, because a full queue would look like an empty one.
#[derive(Clone, Copy, Debug)]
pub struct SubmissionRing {
    entries: u16,
    /// The controller has read what lies before; its word, checked.
    head: u16,
    tail: u16,
}

impl SubmissionRing {
    /// A new, empty queue of at least two entries.
    pub const fn new(entries: u16) -> Self {
        let entries = if entries < 2 { 2 } else { entries };
        Self { entries, head: 0, tail: 0 }
    }

    /// Entries that hold commands which the controller has not read, as far as known.
    pub const fn unread(&self) -> u16 {
        Self::distance(self.entries, self.head, self.tail)
    }

    /// Commands that can be written now.
    pub const fn room(&self) -> u16 {
        self.entries - 1 - self.unread()
    }

    /// Takes the place of the next command; `None` if there is no room.
    pub const fn take(&mut self) -> Option<u16> {
        if self.room() == 0 {
            return None;
        }
        let place = self.tail;
        self.tail = if place + 1 == self.entries { 0 } else { place + 1 };
        Some(place)
    }

    /// What to write to the doorbell once the commands stand in memory.
    pub const fn tail(&self) -> u16 {
        self.tail
    }

    /// Notes how far the controller says it has read; false, and nothing has changed, if that is no position
    /// between the last one and the tail.
    #[must_use]
    pub const fn note_head(&mut self, head: u16) -> bool {
        let plausible = head < self.entries && Self::distance(self.entries, self.head, head) <= self.unread();
        if plausible {
            self.head = head;
        }
        plausible
    }

    /// Steps from one position to another.
    const fn distance(entries: u16, from: u16, to: u16) -> u16 {
        if to >= from { to - from } else { entries - from + to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_stays_free_and_positions_wrap() {
        let mut ring = SubmissionRing::new(4);
        assert_eq!([ring.take(), ring.take(), ring.take(), ring.take()], [Some(0), Some(1), Some(2), None]);
        assert_eq!((ring.tail(), ring.room(), ring.unread()), (3, 0, 3));
        assert!(ring.note_head(2));
        assert_eq!([ring.take(), ring.take(), ring.take()], [Some(3), Some(0), None]);
        assert_eq!(ring.tail(), 1);
    }

    #[test]
    fn a_head_beyond_the_tail_is_refused() {
        let mut ring = SubmissionRing::new(4);
        ring.take();
        for head in [2, 3, 4, u16::MAX] {
            assert!(!ring.note_head(head), "{head}");
        }
        assert!(ring.note_head(1) && ring.note_head(1));
        assert!(!ring.note_head(0));
        assert_eq!(ring.room(), 3);
    }

    #[test]
    fn a_queue_of_nothing_is_taken_for_the_smallest() {
        assert_eq!(SubmissionRing::new(0).room(), 1);
    }
}
