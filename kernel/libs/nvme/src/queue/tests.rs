//! The pair against a controller that answers in any order, and against one that answers nonsense.

use std::cell::Cell;
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

/// Completion memory that a hostile controller fills anew each time it is looked at, always as if it was just written.
struct Flood<'a> {
    /// What it writes, over and over.
    words: &'a [(u16, u16, u16)],
    phase: Cell<Phase>,
    written: Cell<usize>,
    reads: Cell<usize>,
    told: Cell<usize>,
    entries: u16,
}

impl<'a> Flood<'a> {
    fn new(entries: u16, words: &'a [(u16, u16, u16)]) -> Self {
        let [written, reads, told] = [0; 3].map(Cell::new);
        Self { words, phase: Cell::new(Phase::Set), written, reads, told, entries }
    }
}

impl Completions for Flood<'_> {
    fn read(&self, _: u16) -> CompletionEntry {
        self.reads.set(self.reads.get() + 1);
        let (queue, head, id) = self.words[self.written.get() % self.words.len()];
        let id = CommandId::from_bits(id);
        CompletionEntry::new(QueueId(queue), head, id, self.phase.get(), Status::SUCCESS, 0)
    }

    fn free(&self, head: u16) {
        assert!(head < self.entries);
        self.written.set(self.written.get() + 1);
        if head == 0 {
            self.phase.set(self.phase.get().next());
        }
    }

    fn refused(&self, _: Refusal, _: u64) {
        self.told.set(self.told.get() + 1);
    }
}

proptest! {
    /// A controller that never stops writing costs each call a bounded number of steps, a few lines of log in all, and
    /// is found out.
    #[test]
    fn a_flood_of_completions_ends(
        entries in 2..70_u16,
        words in prop::collection::vec((0..3_u16, 0..80_u16, any::<u16>()), 1..20),
    ) {
        let mut pair = QueuePair::new(QUEUE, entries, MAX_COMMANDS);
        let begun = core::iter::from_fn(|| pair.begin()).count();
        let flood = Flood::new(entries, &words);
        let mut ended = 0;
        loop {
            flood.reads.set(0);
            let next = pair.next(&flood);
            prop_assert!(flood.reads.get() <= 2 * usize::from(entries) + 1);
            match next {
                Ok(Some(_)) => ended += 1,
                Ok(None) => prop_assert!(false, "there is always news"),
                Err(Nonsense { completions }) => {
                    prop_assert_eq!(completions, entries);
                    break;
                }
            }
            prop_assert!(ended <= begun);
        }
        flood.reads.set(0);
        prop_assert!(pair.next(&flood).is_err());
        prop_assert_eq!(flood.reads.get(), 0, "nothing is taken before a reset");
        prop_assert!(flood.told.get() <= 8);
    }
}

/// The positive twin: what a controller completes late, after its commands were given up, does not condemn it.
#[test]
fn as_many_late_answers_as_there_were_commands_are_passed_over() {
    let mut pair = QueuePair::new(QUEUE, 4, 3);
    let open: Vec<_> = core::iter::from_fn(|| pair.begin()).map(|(id, _)| id.bits()).collect();
    let words: Vec<_> = open.iter().zip(1..).map(|(id, head)| (QUEUE.0, head, *id)).collect();
    pair.end_all();
    let late = Late { entries: words.clone(), next: Cell::new(0) };
    assert_eq!(pair.next(&late), Ok(None));
    assert_eq!((pair.refused(), late.next.get()), (3, 3));
    pair.restart();
    assert_eq!(pair.next(&late), Ok(None));
}

/// Completion memory in which a few entries stand, and nothing after them.
struct Late {
    entries: Vec<(u16, u16, u16)>,
    next: Cell<usize>,
}

impl Completions for Late {
    fn read(&self, place: u16) -> CompletionEntry {
        let found = self.entries.get(usize::from(place)).filter(|_| usize::from(place) == self.next.get());
        let (phase, (queue, head, id)) =
            found.map_or((Phase::Clear, (0, 0, 0)), |found| (Phase::Set, *found));
        CompletionEntry::new(QueueId(queue), head, CommandId::from_bits(id), phase, Status::SUCCESS, 0)
    }

    fn free(&self, head: u16) {
        self.next.set(head.into());
    }

    fn refused(&self, _: Refusal, _: u64) {}
}
