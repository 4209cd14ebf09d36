//! One attack by interrupt, step by step: a device is programmed with the message of another.

use alloc::boxed::Box;
use core::time::Duration;

use ::attack::{Forgery, Heard, Judgement, NotPossible, Progress, StartRefused, Wait, WaitsFor, WhatNext};
use diagnosis::Verdict;
use dma_types::{Access, Iova};
use report::DrillResult;

use super::flight::{self, Flight, FlightId};
use super::order::Order;
use super::other_interrupt::OtherInterrupt;
use super::step::{Advance, Attempt};
use crate::devices::{self, Astray, Overreach};
use crate::platform::clock::Deadline;

/// Longest time for a message, or the fault that refuses it, once its device is idle; a busy emulator takes it.
const ARRIVAL: Duration = Duration::from_millis(500);

/// Bytes of a message.
const MESSAGE_BYTES: u32 = 4;

/// An attack by interrupt by one device.
pub(super) struct Forging {
    device: &'static dyn Overreach,
    order: Order,
    forgery: Forgery,
    other: Option<OtherInterrupt>,
    /// While the device is programmed with the other's message.
    astray: Option<Astray>,
    flight: Option<FlightId>,
    /// Interrupts of its own before the last message.
    before: u64,
    /// Until when one may come; begins once the device is idle.
    arrival: Option<Deadline>,
}

impl Forging {
    /// Prepares an attack.
    pub(super) fn new(device: &'static dyn Overreach, order: Order) -> Self {
        let forgery = Forgery::default();
        Self { device, order, forgery, other: None, astray: None, flight: None, before: 0, arrival: None }
    }

    fn try_advance(&mut self) -> Result<Advance, Judgement> {
        if self.other.is_none() {
            self.other = Some(self.begin()?);
        }
        let heard = self.heard()?;
        let next = self.forgery.next(&heard);
        if !self.forgery.is_striking() {
            self.recall();
        }
        match next {
            WhatNext::Wait => Ok(Advance::Wait),
            WhatNext::SendOwn => {
                self.send()?;
                Ok(Advance::Wait)
            }
            WhatNext::SendOthers => {
                self.strike()?;
                Ok(Advance::Struck)
            }
            WhatNext::Over(Judgement::DeadDevice) => Err(Judgement::DeadDevice),
            WhatNext::Over(judgement) => {
                let flight = self.recall().ok_or(Judgement::Broken)?;
                report(flight, judgement);
                Ok(Advance::Over(judgement))
            }
        }
    }

    /// Has an interrupt made to aim at.
    fn begin(&self) -> Result<OtherInterrupt, Judgement> {
        let possible = match () {
            () if self.order.access == Access::Read => Err(NotPossible::WriteOnly),
            () if !self.device.dma().is_open() => Err(NotPossible::NoAddressSpace),
            () => OtherInterrupt::beside(self.device.record(), self.order.sabotage),
        };
        possible.map_err(Judgement::NotPossible)
    }

    /// What came since the last message was sent.
    fn heard(&mut self) -> Result<Heard, Judgement> {
        let arrival = self.arrival.get_or_insert_with(|| Deadline::after(ARRIVAL));
        let wait = if arrival.expired() { Wait::Over } else { Wait::Lasts };
        let others = self.other.as_ref().ok_or(Judgement::Broken)?.arrived();
        let own = self.own()?.saturating_sub(self.before);
        Ok(Heard { own, others, seen: self.flight.and_then(flight::seen), wait })
    }

    /// Interrupts of its own so far.
    fn own(&self) -> Result<u64, Judgement> {
        let no_message = Judgement::NotPossible(NotPossible::NoMessage);
        devices::arrived_from(self.device.record()).ok_or(no_message)
    }

    /// Has the device send whatever message it is programmed with.
    fn send(&mut self) -> Result<(), Judgement> {
        (self.before, self.arrival) = (self.own()?, None);
        self.device.interrupt().map_err(|refused| match refused {
            StartRefused::Access(_) => Judgement::NotPossible(NotPossible::NoMessage),
            _ => Judgement::Broken,
        })
    }

    /// Has it send the other's.
    fn strike(&mut self) -> Result<(), Judgement> {
        let other = self.other.as_ref().ok_or(Judgement::Broken)?;
        let message = other.message();
        let flight = Flight {
            command: self.order.command,
            notice: self.order.notice,
            device: self.device.record(),
            access: self.order.access,
            target: self.order.target,
            iova: Iova::new(message.address),
            memory: None,
            length: MESSAGE_BYTES,
            before: None,
            expected: Some(Verdict::Interrupt),
            entry: Some(other.entry()),
            seen: None,
            expectation: None,
        };
        let too_many = Judgement::NotPossible(NotPossible::Memory);
        self.flight = Some(flight::launch(flight).ok_or(too_many)?);
        let astray = Astray::lead(self.device.record(), message);
        self.astray = Some(astray.map_err(|_| Judgement::Broken)?);
        self.send()
    }

    /// Gives the device its own message back, and then ends the wait for the fault.
    fn recall(&mut self) -> Option<Flight> {
        self.astray = None;
        self.flight.take().and_then(flight::land)
    }
}

impl Attempt for Forging {
    fn advance(&mut self) -> Advance {
        if self.device.poll() == Progress::Busy {
            return Advance::Wait;
        }
        self.try_advance().unwrap_or_else(Advance::Over)
    }

    fn waits_for(&self) -> WaitsFor {
        self.forgery.waits_for()
    }

    fn is_striking(&self) -> bool {
        self.forgery.is_striking()
    }

    fn is_striking_again(&self) -> bool {
        self.forgery.is_striking_again()
    }

    fn finish(mut self: Box<Self>) {
        self.recall();
    }
}

fn report(flight: Flight, judgement: Judgement) {
    match judgement {
        Judgement::Leaked => {
            flight.report(DrillResult::Leaked, Some("the interrupt of the other device came"))
        }
        Judgement::Unheard => {
            let detail = "it raised nothing, but its unit recorded no fault";
            Flight { expected: None, ..flight }.report(DrillResult::Blocked, Some(detail));
        }
        _ => flight.report(DrillResult::Blocked, None),
    }
}
