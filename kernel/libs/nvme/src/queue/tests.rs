//! The pair against a controller that answers in any order, and against one that answers nonsense.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::spec::completion::{CompletionEntry, Phase};
use crate::spec::registers::QueueId;
use crate::spec::status::Status;

const QUEUE: QueueId = QueueId(1);

/// A controller: reads commands up to the tail, completes them in the order that it is told.
struct Controller {
    entries: u16,
    submissions: Vec<Option<CommandId>>,
    head: u16,
    fetched: VecDeque<CommandId>,
    completions: Vec<CompletionEntry>,
    tail: u16,
    phase: Phase,
}

impl Controller {
    fn new(entries: u16) -> Self {
        let zero =
            CompletionEntry::new(QueueId(0), 0, CommandId::from_bits(0), Phase::Clear, Status::SUCCESS, 0);
        Self {
            entries,
            submissions: std::vec![None; entries.into()],
            head: 0,
            fetched: VecDeque::new(),
            completions: std::vec![zero; entries.into()],
            tail: 0,
            phase: Phase::Set,
        }
    }

    fn fetch_up_to(&mut self, tail: u16) {
        while self.head != tail {
            let command = self.submissions[usize::from(self.head)].take();
            self.fetched.push_back(command.expect("a command is fetched once"));
            self.head = (self.head + 1) % self.entries;
        }
    }

    /// Completes one of the fetched commands.
    fn complete(&mut self, choice: usize) {
        if self.fetched.is_empty() {
            return;
        }
        let id = self.fetched.remove(choice % self.fetched.len()).unwrap();
        self.write(CompletionEntry::new(
            QUEUE,
            self.head,
            id,
            self.phase,
            Status::SUCCESS,
            u32::from(id.bits()),
        ));
    }

    fn write(&mut self, entry: CompletionEntry) {
        self.completions[usize::from(self.tail)] = entry;
        self.tail += 1;
        if self.tail == self.entries {
            (self.tail, self.phase) = (0, self.phase.next());
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Submit,
    Complete(usize),
    Poll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Submit),
        2 => any::<usize>().prop_map(Step::Complete),
        2 => Just(Step::Poll),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    /// Every command ends once, whatever the order, the size of the queue and the depth.
    #[test]
    fn every_command_ends_exactly_once(entries in 2..20_u16, depth in 1..20_u16, steps in steps()) {
        let mut pair = QueuePair::new(QUEUE, entries, depth);
        let mut controller = Controller::new(entries);
        let mut open: Vec<CommandId> = Vec::new();
        for step in steps {
            match step {
                Step::Submit => match pair.begin() {
                    Some((id, place)) => {
                        prop_assert!(!open.contains(&id));
                        open.push(id);
                        controller.submissions[usize::from(place)] = Some(id);
                        controller.fetch_up_to(pair.tail());
                    }
                    // Only a full table or a queue whose head is not yet known to have moved refuses.
                    None => prop_assert!(!open.is_empty()),
                },
                // As many completions as commands, so the queue of `entries` never overflows.
                Step::Complete(choice) => controller.complete(choice),
                Step::Poll => {
                    while let Taken::Finished(done) = pair.take(controller.completions[usize::from(pair.head())]) {
                        prop_assert_eq!(done.result, u32::from(done.id.bits()));
                        let place = open.iter().position(|id| *id == done.id);
                        open.swap_remove(place.expect("a command ends once"));
                        pair.release(done.id);
                    }
                }
            }
            prop_assert!(open.len() <= usize::from(depth.min(entries - 1)));
            prop_assert_eq!(open.len(), pair.outstanding() as usize);
        }
        prop_assert_eq!(pair.refused(), 0);
    }

    /// Whatever stands in the completion queue: no panic, no command ended that was not open, all else counted.
    #[test]
    fn nonsense_is_refused_and_counted(
        entries in 2..20_u16,
        begun in 0..20_usize,
        words in prop::collection::vec((0..3_u16, 0..24_u16, 0..300_u16, any::<bool>()), 0..200),
    ) {
        let mut pair = QueuePair::new(QUEUE, entries, MAX_COMMANDS);
        let mut open: Vec<_> = (0..begun).map_while(|_| pair.begin()).map(|(id, _)| id).collect();
        let mut refused = 0;
        for (queue, head, id, is_set) in words {
            let phase = if is_set { Phase::Set } else { Phase::Clear };
            let id = CommandId::from_bits(id);
            match pair.take(CompletionEntry::new(QueueId(queue), head, id, phase, Status(0), 0)) {
                Taken::Nothing => {}
                Taken::Finished(done) => {
                    prop_assert!(queue == QUEUE.0 && head < entries);
                    let place = open.iter().position(|id| *id == done.id);
                    open.swap_remove(place.expect("only an open command ends"));
                }
                Taken::Refused(_) => refused += 1,
            }
            prop_assert!(pair.head() < entries);
        }
        prop_assert_eq!(pair.refused(), refused);
        prop_assert_eq!(pair.outstanding() as usize, open.len());
    }
}

fn entry(queue: QueueId, head: u16, id: CommandId) -> CompletionEntry {
    CompletionEntry::new(queue, head, id, Phase::Set, Status::SUCCESS, 0)
}

#[test]
fn each_kind_of_nonsense_has_its_name() {
    let mut pair = QueuePair::new(QUEUE, 8, 8);
    let (id, _) = pair.begin().unwrap();
    let other = CommandId::from_bits(id.bits() ^ 1);
    assert_eq!(pair.take(entry(QueueId(2), 1, id)), Taken::Refused(Refusal::Queue { found: QueueId(2) }));
    assert_eq!(pair.take(entry(QUEUE, 2, id)), Taken::Refused(Refusal::Head { found: 2 }));
    assert_eq!(pair.take(entry(QUEUE, 1, other)), Taken::Refused(Refusal::Id { found: other }));
    assert_eq!(pair.outstanding(), 1);
    let done = Finished { id, status: Status::SUCCESS, result: 0 };
    assert_eq!(pair.take(entry(QUEUE, 1, id)), Taken::Finished(done));
    assert_eq!(pair.take(entry(QUEUE, 1, id)), Taken::Refused(Refusal::Id { found: id }));
    assert_eq!((pair.refused(), pair.outstanding(), pair.head()), (4, 0, 5));
}

#[test]
fn after_a_restart_late_completions_are_refused() {
    let mut pair = QueuePair::new(QUEUE, 4, 1);
    let (old, _) = pair.begin().unwrap();
    pair.restart();
    assert_eq!((pair.outstanding(), pair.begin(), pair.tail()), (0, None, 0));
    pair.release(old);
    let (new, place) = pair.begin().unwrap();
    assert_eq!((place, old.slot()), (0, new.slot()));
    assert_eq!(pair.take(entry(QUEUE, 1, old)), Taken::Refused(Refusal::Id { found: old }));
    assert!(matches!(pair.take(entry(QUEUE, 1, new)), Taken::Finished(_)));
}
