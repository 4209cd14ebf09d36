//! Fault handling beside a serial port that takes a byte in 87 microseconds, in a model of time: a device faults as fast
//! as it can, each time at another page, so that each fault has lines of its own.

use diagnosis::{Allowance, Budget, Timestamp};
use outbox::Outbox;

/// Nanoseconds of a byte at 115200 baud: ten bits.
const BYTE: u64 = 86_806;
/// Bytes that a port takes at once when it has none.
const FIFO: usize = 16;
/// Nanoseconds that judging a fault and making its lines take: an ample guess.
const JUDGING: u64 = 100_000;
/// Nanoseconds of filling the port.
const FILLING: u64 = 20_000;
/// Nanoseconds for which the waiting loop sleeps at most while something waits for the port.
const NAP: u64 = 350_000;
/// The machine runs for so long.
const RUN: u64 = 20_000_000_000;
/// What one fault has to say: as measured, in the report and in the log.
const LINE: usize = 1_600;

const WINDOW: u64 = 100_000_000;

struct Machine {
    now: u64,
    /// When the port has sent what it has.
    port_is_empty: u64,
    sent: Vec<u8>,
    /// Spans of fault handling.
    handling: Vec<(u64, u64)>,
    faults: u64,
}

impl Machine {
    const fn new() -> Self {
        Self { now: 0, port_is_empty: 0, sent: Vec::new(), handling: Vec::new(), faults: 0 }
    }

    fn line(&mut self) -> Vec<u8> {
        self.faults += 1;
        let mut line = format!("{:<width$}", self.faults, width = LINE - 1).into_bytes();
        line.push(b'\n');
        line
    }

    /// Offers the port bytes; gives how many it took.
    fn offer(&mut self, bytes: &[u8]) -> usize {
        if self.now < self.port_is_empty {
            return 0;
        }
        let taken = bytes.len().min(FIFO);
        self.sent.extend(&bytes[..taken]);
        self.now += FILLING;
        self.port_is_empty = self.now + taken as u64 * BYTE;
        taken
    }

    /// Runs with a handler for one fault, and a waiting loop.
    fn run(&mut self, mut handle: impl FnMut(&mut Self), mut wait: impl FnMut(&mut Self)) {
        let mut budget = Budget::new();
        let mut masked_until = 0;
        while self.now < RUN {
            if self.now < masked_until {
                wait(self);
                continue;
            }
            let start = self.now;
            budget.advance(Timestamp::from_nanos(start)).for_each(drop);
            handle(self);
            self.handling.push((start, self.now));
            if let Allowance::Spent { until } =
                budget.spend(Timestamp::from_nanos(start), Timestamp::from_nanos(self.now), 1)
            {
                masked_until = until.as_nanos();
            }
            wait(self);
        }
    }

    /// The most nanoseconds of fault handling in any 100 ms, and in all.
    fn shares(&self) -> (u64, u64) {
        let within = |from: u64| {
            let parts = self
                .handling
                .iter()
                .map(|&(start, end)| end.min(from + WINDOW).saturating_sub(start.max(from)));
            parts.sum::<u64>()
        };
        let most = self.handling.iter().step_by(7).map(|&(start, _)| within(start)).max();
        (most.unwrap_or(0), self.handling.iter().map(|(start, end)| end - start).sum())
    }
}

#[test]
fn lines_that_wait_for_the_port_leave_fault_handling_its_share() {
    let mut machine = Machine::new();
    let outbox = std::cell::RefCell::new(Outbox::<{ 64 << 10 }>::new());
    machine.run(
        |machine| {
            machine.now += JUDGING;
            let line = machine.line();
            // What is lost is counted.
            let _ = outbox.borrow_mut().push(&line);
        },
        |machine| {
            let mut outbox = outbox.borrow_mut();
            let taken = machine.offer(outbox.next());
            outbox.sent(taken);
            machine.now += if taken == 0 { NAP } else { 0 };
        },
    );
    let (most, all) = machine.shares();
    assert!(all <= RUN / 25 + WINDOW / 25, "{all}");
    assert!(most <= WINDOW / 10, "{most}");

    // What went out is whole lines in their order, and the others are counted.
    let outbox = outbox.into_inner();
    let numbers: Vec<u64> = machine
        .sent
        .chunks_exact(LINE)
        .map(|line| {
            let text = std::str::from_utf8(line).expect("digits and blanks");
            assert!(text.ends_with('\n'));
            text.trim().parse().expect("a number")
        })
        .collect();
    assert!(numbers.is_sorted() && numbers.len() > 100, "{}", numbers.len());
    let waiting = (((64 << 10) - outbox.room()) as u64).div_ceil(LINE as u64);
    assert_eq!(numbers.len() as u64 + waiting + outbox.lost(), machine.faults);
    // The port was never idle.
    assert!(machine.sent.len() as u64 * BYTE > RUN * 9 / 10);
}

/// The twin: a handler that sends its line itself is all that the machine does.
#[test]
fn a_handler_that_waits_for_the_port_has_no_share_to_keep_to() {
    let mut machine = Machine::new();
    machine.run(
        |machine| {
            machine.now += JUDGING;
            let line = machine.line();
            let mut rest = &line[..];
            while !rest.is_empty() {
                let taken = machine.offer(rest);
                rest = &rest[taken..];
                machine.now += if taken == 0 { BYTE } else { 0 };
            }
        },
        |machine| machine.now += NAP,
    );
    let (most, all) = machine.shares();
    assert!(all > RUN / 2 && most > WINDOW / 2, "{all} {most}");
}
