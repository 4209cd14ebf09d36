//! The life of a device behind a unit, as one checked state machine.
//!
//! Every change is an event. One that does not fit the state is refused, so that nobody overwrites what somebody else
//! has decided. What takes many steps begins with an event that opens an *attempt* and ends with
//! [`finish`](LifeCycle::finish); whatever cuts the device off meanwhile makes the attempt void.

mod atomic;
#[cfg(test)]
mod tests;

use core::fmt;

pub use atomic::{AtomicLifeCycle, Attempt};

/// What a function may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nothing: its requester ids lead nowhere.
    Blocked = 0,
    /// What its driver mapped.
    Assigned = 1,
    /// What a reserved region of the firmware names.
    FirmwareRegion = 2,
    /// No unit translates its requests, so it is kept without bus mastering.
    BypassesIommu = 3,
    /// Nothing any more, until it is released.
    Quarantined = 4,
    /// A bridge that passes on the requests of the devices below.
    PortOpen = 5,
    /// A bridge that was closed for what came through it.
    PortClosed = 6,
}

/// On whose behalf a device works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Its driver's: [`State::Assigned`].
    OfDriver,
    /// The firmware's, in its reserved regions alone: [`State::FirmwareRegion`].
    OfFirmware,
}

/// Whether a function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Presence {
    /// It has to, at any time.
    Here = 0,
    /// It is being reset, and answers nothing meanwhile.
    InReset = 1,
    /// It has left for good, whatever stands in its place.
    Left = 2,
}

/// What its driver has yet to do about the device's being cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Telling {
    Nothing = 0,
    /// To hear of it.
    Due = 1,
    /// To start the device again once it may work.
    Told = 2,
}

/// Why an attempt cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The function has left for good.
    Left,
    /// Another attempt is under way, or what was given is being taken.
    Busy,
    /// Nothing of the kind begins in this state.
    State(State),
}

/// The attempt was interrupted by what cut the device off. The device must be blocked again, every id of it and its bus
/// mastering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voided;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the function has left"),
            Self::Busy => f.write_str("the function is being let in or moved already"),
            Self::State(state) => write!(f, "not possible for a function that is {state:?}"),
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for Voided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the function was cut off meanwhile")
    }
}

impl core::error::Error for Voided {}

/// Tells one attempt from all others of the same device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// Where a device stands: state, presence, what its driver is owed, and the attempt under way.
///
/// A value of one word. [`AtomicLifeCycle`] has the same events for many parties at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeCycle(u64);

/// The bits of the word. The state lies lowest, so that asking for it takes one mask.
mod bits {
    pub(super) const STATE: u64 = 0b111;
    pub(super) const PRESENCE: u32 = 3;
    pub(super) const TELLING: u32 = 5;
    pub(super) const TWO: u64 = 0b11;
    /// An attempt is under way.
    pub(super) const ATTEMPT: u64 = 1 << 7;
    /// It moves a device that worked before.
    pub(super) const MOVE: u64 = 1 << 8;
    /// How many are taking everything from it just now.
    pub(super) const TAKERS: u32 = 9;
    pub(super) const MOST_TAKERS: u64 = 0xff;
    pub(super) const GENERATION: u32 = 17;
}

impl LifeCycle {
    /// A function that is here, with no attempt under way.
    pub const fn new(state: State) -> Self {
        Self(state as u64)
    }

    /// What it may do.
    pub const fn state(self) -> State {
        match self.0 & bits::STATE {
            1 => State::Assigned,
            2 => State::FirmwareRegion,
            3 => State::BypassesIommu,
            4 => State::Quarantined,
            5 => State::PortOpen,
            6 => State::PortClosed,
            _ => State::Blocked,
        }
    }

    /// Tells whether its driver may give it memory.
    #[inline(always)]
    pub const fn is_open(self) -> bool {
        self.0 & bits::STATE == State::Assigned as u64
    }

    /// Tells whether its ids lead into a domain: [`State::Assigned`] or [`State::FirmwareRegion`].
    pub const fn works(self) -> bool {
        matches!(self.state(), State::Assigned | State::FirmwareRegion)
    }

    /// Tells whether it is being let in or moved, so that its ids may lead anywhere.
    pub const fn in_attempt(self) -> bool {
        self.0 & bits::ATTEMPT != 0
    }

    /// Whether it answers.
    pub const fn presence(self) -> Presence {
        match self.0 >> bits::PRESENCE & bits::TWO {
            0 => Presence::Here,
            1 => Presence::InReset,
            _ => Presence::Left,
        }
    }

    /// Begins to let a device in that is blocked, or that works for the firmware only.
    ///
    /// # Errors
    /// In any other state, while another attempt is under way, or if it has left.
    pub fn begin_entry(self) -> Result<(Self, Generation), Refusal> {
        self.begin(matches!(self.state(), State::Blocked | State::FirmwareRegion), bits::ATTEMPT)
    }

    /// Begins to let a device in again that is quarantined, or to open a port that was closed.
    ///
    /// # Errors
    /// As for [`begin_entry`](Self::begin_entry).
    pub fn begin_release(self) -> Result<(Self, Generation), Refusal> {
        self.begin(matches!(self.state(), State::Quarantined | State::PortClosed), bits::ATTEMPT)
    }

    /// Begins to lead the ids of a device at work elsewhere: they may lead nowhere meanwhile.
    ///
    /// # Errors
    /// As for [`begin_entry`](Self::begin_entry).
    pub fn begin_move(self) -> Result<(Self, Generation), Refusal> {
        self.begin(self.works(), bits::ATTEMPT | bits::MOVE)
    }

    fn begin(self, fits: bool, attempt: u64) -> Result<(Self, Generation), Refusal> {
        match () {
            () if self.presence() == Presence::Left => Err(Refusal::Left),
            () if !fits => Err(Refusal::State(self.state())),
            () if self.in_attempt() || self.takers() > 0 => Err(Refusal::Busy),
            () => {
                let begun = self.void();
                Ok((Self(begun.0 | attempt), begun.generation()))
            }
        }
    }

    /// Ends an attempt that came through: the device works from now on, and a port is open.
    ///
    /// # Errors
    /// If the device was cut off since the attempt began.
    pub fn finish(self, attempt: Generation, work: Work) -> Result<Self, Voided> {
        if !self.is_in(attempt) {
            return Err(Voided);
        }
        let state = match (self.state(), work) {
            (State::PortOpen | State::PortClosed, _) => State::PortOpen,
            (_, Work::OfDriver) => State::Assigned,
            (_, Work::OfFirmware) => State::FirmwareRegion,
        };
        Ok(self.with_state(state).without_attempt())
    }

    /// Ends an attempt that failed; nothing happens to one that is void. The ids of a device that was moved may lead
    /// nowhere now, so it counts as cut off.
    pub fn abandon(self, attempt: Generation) -> Self {
        if !self.is_in(attempt) {
            self
        } else if self.0 & bits::MOVE != 0 {
            self.quarantined()
        } else {
            self.without_attempt()
        }
    }

    /// Begins to take everything from a device, and makes an attempt void. One that worked or was being let in is
    /// quarantined, and its driver has to hear of it.
    ///
    /// To be called before anything is taken, and [`end_cut_off`](Self::end_cut_off) after it is: an attempt that ends
    /// later finds itself void and takes back what it gave, and none begins in between.
    pub fn begin_cut_off(self) -> Self {
        self.without_work().with_takers(self.takers() + 1)
    }

    /// Notes that a device is going to be cut off, once what it did before has been judged. One at work keeps its state so
    /// long; one that is being let in or moved is quarantined at once. No attempt begins any more.
    ///
    /// [`begin_cut_off`](Self::begin_cut_off) follows, and [`end_cut_off`](Self::end_cut_off) once for each of the two.
    pub fn condemn(self) -> Self {
        let stopped = if self.in_attempt() { self.without_work() } else { self };
        stopped.with_takers(self.takers() + 1)
    }

    /// Tells whether a port above may be opened for this device: it works, and nobody is going to change that.
    const fn may_open_port(self) -> bool {
        self.works() && self.takers() == 0
    }

    /// Everything is taken.
    pub const fn end_cut_off(self) -> Self {
        self.with_takers(self.takers().saturating_sub(1))
    }

    fn without_work(self) -> Self {
        match self.state() {
            State::Quarantined => self.void(),
            State::Assigned | State::FirmwareRegion => self.quarantined(),
            State::Blocked if self.in_attempt() => self.quarantined(),
            State::Blocked | State::BypassesIommu | State::PortOpen | State::PortClosed => self,
        }
    }

    /// Notes that it has left for good: an attempt is void, and none begins any more.
    pub const fn leave(self) -> Self {
        self.void().with_presence(Presence::Left)
    }

    /// The driver lets go of its device, which is blocked from now on.
    pub const fn give_up(self) -> Self {
        let without_driver = self.void().with_telling(Telling::Nothing);
        match self.state() {
            State::Blocked | State::Assigned | State::FirmwareRegion | State::Quarantined => {
                without_driver.with_state(State::Blocked)
            }
            State::BypassesIommu | State::PortOpen | State::PortClosed => without_driver,
        }
    }

    /// The driver lets go of a device that reserved regions name. As [`give_up`](Self::give_up), except that one that was
    /// cut off stays so: it gets the regions back by a release alone.
    pub const fn give_up_to_firmware(self) -> Self {
        match self.state() {
            State::Quarantined => self.void().with_telling(Telling::Nothing),
            _ => self.give_up(),
        }
    }

    /// Closes a port; an attempt to open it is void. Nothing happens to anything but a bridge.
    pub const fn close(self) -> Self {
        match self.state() {
            State::PortOpen | State::PortClosed | State::BypassesIommu => {
                self.void().with_state(State::PortClosed)
            }
            State::Blocked | State::Assigned | State::FirmwareRegion | State::Quarantined => self,
        }
    }

    /// A device below a closed port was let in, and with it the port is open. An attempt to open it goes on.
    pub const fn open_for_device(self) -> Self {
        match self.state() {
            State::PortClosed => self.with_state(State::PortOpen),
            _ => self,
        }
    }

    /// It need not answer until [`end_reset`](Self::end_reset).
    pub fn begin_reset(self) -> Self {
        if self.presence() == Presence::Here { self.with_presence(Presence::InReset) } else { self }
    }

    /// It has to answer again.
    pub fn end_reset(self) -> Self {
        if self.presence() == Presence::InReset { self.with_presence(Presence::Here) } else { self }
    }

    /// Its driver hears that the device was cut off, unless it has heard.
    pub fn tell_driver(self) -> Option<Self> {
        (self.telling() == Telling::Due).then_some(self.with_telling(Telling::Told))
    }

    /// Its driver starts the device again, if it was told that it was cut off and may work now.
    pub fn restart(self) -> Option<Self> {
        let due = self.telling() == Telling::Told && self.state() != State::Quarantined;
        due.then_some(self.with_telling(Telling::Nothing))
    }

    const fn telling(self) -> Telling {
        match self.0 >> bits::TELLING & bits::TWO {
            0 => Telling::Nothing,
            1 => Telling::Due,
            _ => Telling::Told,
        }
    }

    const fn generation(self) -> Generation {
        Generation(self.0 >> bits::GENERATION)
    }

    fn is_in(self, attempt: Generation) -> bool {
        self.in_attempt() && self.generation() == attempt
    }

    fn quarantined(self) -> Self {
        self.void().with_state(State::Quarantined).with_telling(Telling::Due)
    }

    /// Ends whatever attempt is under way, and lets no later one be taken for it.
    const fn void(self) -> Self {
        Self(self.without_attempt().0.wrapping_add(1 << bits::GENERATION))
    }

    const fn without_attempt(self) -> Self {
        Self(self.0 & !(bits::ATTEMPT | bits::MOVE))
    }

    const fn with_state(self, state: State) -> Self {
        Self(self.0 & !bits::STATE | state as u64)
    }

    const fn takers(self) -> u64 {
        self.0 >> bits::TAKERS & bits::MOST_TAKERS
    }

    const fn with_takers(self, takers: u64) -> Self {
        let takers = if takers < bits::MOST_TAKERS { takers } else { bits::MOST_TAKERS };
        Self(self.0 & !(bits::MOST_TAKERS << bits::TAKERS) | takers << bits::TAKERS)
    }

    const fn with_presence(self, presence: Presence) -> Self {
        Self(self.0 & !(bits::TWO << bits::PRESENCE) | (presence as u64) << bits::PRESENCE)
    }

    const fn with_telling(self, telling: Telling) -> Self {
        Self(self.0 & !(bits::TWO << bits::TELLING) | (telling as u64) << bits::TELLING)
    }
}
