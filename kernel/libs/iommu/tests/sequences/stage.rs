//! A group of functions on a unit of software, with something that happens at any step of a sequence.
//!
//! Wired as the kernel wires a group, with switches that only say how they stand.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use dma_types::{Access, PAGE_SIZE, PhysAddr, SourceId};
use iommu::group::{self, Failure, Group, GroupDomain, Member, MemberAttempt, Membership, Tied};
use iommu::{AtomicLifeCycle, Error, RemappingUnit, State, Work};
use vtd::InvalidationError;
use vtd::testing::fake_unit::{FakeConfig, Stuck};

use super::machine::*;

const fn id(bits: u16) -> SourceId {
    SourceId::from_bits(bits)
}

/// The first two share an id, so they are cut off together; the third is alone.
const IDS: [&[SourceId]; 3] = [&[id(0x18), id(0x20)], &[id(0x19), id(0x20)], &[id(0x4100)]];
const TIED: [&[SourceId]; 3] =
    [&[id(0x18), id(0x19), id(0x20)], &[id(0x18), id(0x19), id(0x20)], &[id(0x4100)]];
/// Functions of the group.
pub const FUNCTIONS: usize = IDS.len();

/// More allocations than any sequence makes.
const NEVER: usize = 1 << 32;

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A violation: the function is cut off.
    CutOff(usize),
    /// The function is pulled, and cut off for it.
    Pulled(usize),
    /// From now on the unit confirms nothing that it is asked.
    Refuses,
    /// From now on the unit answers nothing.
    FallsSilent,
    /// The next table gets no memory.
    NoMemory,
}

/// Why the unit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    NotEnforcing,
    Unit(Error<InvalidationError>),
}

pub type Ended<'l> = Result<(), Failure<'l, &'l Stage>>;

/// A function and its switches.
pub struct Function {
    number: usize,
    life: AtomicLifeCycle,
    pub is_driven: Cell<bool>,
    pub masters: Cell<bool>,
    /// Whether its unit lets its interrupts pass.
    has_interrupts: Cell<bool>,
    /// The state that was reported last.
    pub reported: Cell<State>,
    stage: Weak<Stage>,
}

/// A domain with one page mapped, which no other domain maps.
pub struct Space {
    domain: RefCell<Domain>,
    target: PhysAddr,
    pub notes: RefCell<Vec<Membership>>,
    stage: Weak<Stage>,
}

pub struct Stage {
    pub machine: RefCell<Machine>,
    pub functions: Vec<Function>,
    space: RefCell<Hold>,
    spaces: Cell<u64>,
    steps: Cell<usize>,
    events: RefCell<Vec<(usize, Event)>>,
    pub is_silent: Cell<bool>,
    /// What the unit did not confirm, so far.
    pub unconfirmed: Cell<usize>,
}

impl Stage {
    /// A group whose functions are as `states` says, each driven, on a unit that works.
    pub fn new(states: [State; FUNCTIONS]) -> Rc<Self> {
        let mut machine = Machine::new(FakeConfig::default());
        let first = machine.mapped(TARGET);
        let stage = Rc::new_cyclic(|stage: &Weak<Self>| {
            let function = |number| Function {
                number,
                life: AtomicLifeCycle::new(State::Blocked),
                is_driven: Cell::new(true),
                masters: Cell::new(false),
                has_interrupts: Cell::new(true),
                reported: Cell::new(State::Blocked),
                stage: stage.clone(),
            };
            Self {
                machine: RefCell::new(machine),
                functions: (0..FUNCTIONS).map(function).collect(),
                space: RefCell::new(Space::held(first, TARGET, stage.clone())),
                spaces: Cell::new(1),
                steps: Cell::new(0),
                events: RefCell::new(Vec::new()),
                is_silent: Cell::new(false),
                unconfirmed: Cell::new(0),
            }
        });
        let in_work = |state| matches!(state, State::Assigned | State::FirmwareRegion | State::Quarantined);
        for (function, state) in stage.functions.iter().zip(states) {
            function.is_driven.set(matches!(state, State::Assigned | State::Quarantined));
            if in_work(state) {
                stage.enter(function.number).unwrap();
            }
        }
        for (function, _) in
            stage.functions.iter().zip(states).filter(|(_, state)| *state == State::Quarantined)
        {
            stage.cut_off(function.number).unwrap();
        }
        assert!(stage.functions.iter().map(Function::state).eq(states), "no such start");
        stage.steps.set(0);
        stage
    }

    /// Has something happen at steps from here on.
    pub fn expect(&self, events: &[(usize, Event)]) {
        *self.events.borrow_mut() = events.into();
    }

    /// Steps made since the start.
    pub fn steps(&self) -> usize {
        self.steps.get()
    }

    /// Gives a function that is cut off, and those that are with it, their interrupts again, as before a release.
    pub fn give_interrupts(&self, function: usize) {
        self.tied_to(function).members.for_each(|member| member.has_interrupts.set(true));
    }

    /// Lets a function in that is blocked, without anything that may go wrong taken back.
    pub fn enter(&self, function: usize) -> Ended<'_> {
        group::enter(&self, group::begin_entry(&self.functions[function], self.tied_to(function).members)?)
    }

    /// A domain that maps its own page.
    pub fn new_space(&self) -> Hold {
        let number = self.spaces.replace(self.spaces.get() + 1);
        let target = PhysAddr::new(TARGET.as_u64() + number * PAGE_SIZE);
        let domain = self.machine.borrow_mut().mapped(target);
        Space::held(domain, target, self.functions[0].stage.clone())
    }

    /// Cuts a function off with those that are tied to it.
    pub fn cut_off(&self, function: usize) -> Result<(), Refused> {
        let domain = self.space.borrow().clone();
        group::cut_off(self.tied_to(function), Some(&domain), |ids| (&self).block(ids.iter().copied()))
    }

    fn tied_to(&self, function: usize) -> Tied<'static, impl Iterator<Item = &Function> + Clone> {
        let ids = TIED[function];
        Tied { members: self.functions.iter().filter(move |other| TIED[other.number] == ids), ids }
    }

    /// A step between which and the next anything may happen.
    fn step(&self) {
        let step = self.steps.replace(self.steps.get() + 1);
        let due = |events: &Vec<(usize, Event)>| events.iter().position(|(at, _)| *at == step);
        loop {
            let position = due(&self.events.borrow());
            let Some(position) = position else { return };
            let (_, event) = self.events.borrow_mut().swap_remove(position);
            self.happen(event);
        }
    }

    fn happen(&self, event: Event) {
        match event {
            Event::CutOff(function) => {
                let _ = self.cut_off(function);
            }
            Event::Pulled(function) => {
                if self.functions[function].life.leave() {
                    let _ = self.cut_off(function);
                }
            }
            Event::Refuses => self.machine.borrow().refuse(),
            Event::FallsSilent => self.machine.borrow().fake.break_part(Stuck::QueueHead),
            Event::NoMemory => self.machine.borrow().memory.fail_allocation(0),
        }
    }

    /// Runs a sequence on the unit; one that does not answer any more loses all that are behind it.
    fn run<T>(
        &self,
        sequence: impl FnOnce(&mut Machine) -> Result<T, Error<InvalidationError>>,
    ) -> Result<T, Refused> {
        self.step();
        let result = sequence(&mut self.machine.borrow_mut());
        if matches!(result, Err(Error::Unconfirmed(_) | Error::NotNoted(_))) {
            self.unconfirmed.set(self.unconfirmed.get() + 1);
            let is_dead = self.machine.borrow().controller.unit().is_dead();
            if is_dead && !self.is_silent.replace(true) {
                group::take_everything(self.functions.iter(), || {
                    let mut machine = self.machine.borrow_mut();
                    let ids = IDS.iter().copied().flatten();
                    ids.for_each(|id| machine.controller.unit_mut().block_unconfirmed(*id));
                });
            }
        }
        self.step();
        result.map_err(Refused::Unit)
    }

    /// Mends the unit, and brings it up anew if it was silent.
    pub fn mend(&self) {
        let mut machine = self.machine.borrow_mut();
        machine.fake.mend();
        machine.memory.fail_allocation(NEVER);
        assert!(!self.is_silent.replace(false) || machine.bring_up_again());
    }

    /// The domain that the group works in.
    pub fn space(&self) -> Hold {
        self.space.borrow().clone()
    }

    /// What requests with an id reach.
    fn reached(&self, id: SourceId) -> Option<PhysAddr> {
        self.machine.borrow().reached(id, IOVA, Access::Read)
    }

    /// Every function has exactly what its state says.
    pub fn check(&self) {
        let works = |function: &&Function| function.life.get().works();
        for function in &self.functions {
            let life = function.life.get();
            assert!(!life.in_attempt());
            let begins = [life.begin_entry(), life.begin_release(), life.begin_move()];
            assert!(!begins.contains(&Err(iommu::Refusal::Busy)), "a cut-off has not ended");
            assert_eq!(function.masters.get(), works(&function), "{life:?}");
            assert_eq!(function.reported.get(), life.state());
            assert!(life.state() != State::Quarantined || !function.has_interrupts.get(), "{life:?}");
            for id in IDS[function.number] {
                let shared = self.functions.iter().filter(works).any(|other| other.ids().contains(id));
                let reached = self.reached(*id);
                if shared {
                    assert_eq!(reached, Some(self.space().target), "{id} of {life:?}");
                    continue;
                }
                assert_eq!(self.machine.borrow().walked(*id, IOVA, Access::Read), None, "{id} of {life:?}");
                assert!(reached.is_none() || self.unconfirmed.get() > 0, "{id}, and nobody said so");
            }
        }
        self.check_books();
    }

    /// Where nobody works in the domain, its books say that they were cut off.
    fn check_books(&self) {
        let space = self.space();
        if !self.functions.iter().any(|function| function.life.get().works()) {
            assert_ne!(space.notes.borrow().last(), Some(&Membership::Attached));
        }
    }
}

impl Function {
    pub fn state(&self) -> State {
        self.life.state()
    }

    pub fn has_left(&self) -> bool {
        self.life.get().presence() == iommu::Presence::Left
    }

    fn stage(&self) -> Rc<Stage> {
        self.stage.upgrade().unwrap()
    }

    fn switch<T>(&self, what: impl FnOnce() -> T) -> T {
        self.stage().step();
        let switched = what();
        self.stage().step();
        switched
    }
}

impl Member for Function {
    fn life(&self) -> &AtomicLifeCycle {
        &self.life
    }

    fn ids(&self) -> &[SourceId] {
        IDS[self.number]
    }

    fn work(&self) -> Work {
        if self.is_driven.get() { Work::OfDriver } else { Work::OfFirmware }
    }

    fn makes_requests(&self) -> bool {
        true
    }

    fn start_mastering(&self) {
        self.switch(|| self.masters.set(true));
    }

    fn stop_mastering(&self) {
        self.switch(|| self.masters.set(false));
    }

    fn withdraw_interrupts(&self) {
        self.switch(|| self.has_interrupts.set(false));
    }

    fn await_completion(&self) {
        assert!(!self.masters.get(), "what goes on making requests never ends");
        self.stage().step();
    }

    fn open_way(&self) {
        self.stage().step();
    }

    fn forget_driver(&self) {
        self.switch(|| self.is_driven.set(false));
    }

    fn report_state(&self) {
        self.switch(|| self.reported.set(self.life.state()));
    }
}

impl Space {
    fn held(domain: Domain, target: PhysAddr, stage: Weak<Stage>) -> Hold {
        let domain = RefCell::new(domain);
        Hold(Rc::new(Self { domain, target, notes: RefCell::default(), stage }))
    }
}

/// A hold on a domain.
#[derive(Clone)]
pub struct Hold(Rc<Space>);

impl core::ops::Deref for Hold {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.0
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}: {:?}", self.number, self.life)
    }
}

impl GroupDomain for Hold {
    type Error = Refused;

    fn attach(&self, source: SourceId) -> Result<(), Refused> {
        let stage = self.stage.upgrade().unwrap();
        stage.run(|machine| machine.controller.attach(&self.domain.borrow(), source))
    }

    fn note(&self, what: Membership) {
        let stage = self.stage.upgrade().unwrap();
        stage.step();
        self.notes.borrow_mut().push(what);
        let ids = || stage.functions.iter().filter(|function| !function.masters.get());
        let is_current = Rc::ptr_eq(&self.0, &stage.space().0);
        if what == Membership::Forgotten && !is_current {
            let reach = |id: &SourceId| stage.reached(*id) == Some(self.target);
            assert!(!ids().any(|function| function.ids().iter().any(reach)), "it is remembered");
        }
        stage.step();
    }
}

/// As the kernel's: with its last owner. The unit panics if it walks a table that was freed.
impl Drop for Space {
    fn drop(&mut self) {
        if let Some(stage) = self.stage.upgrade() {
            let _ = stage.run(|machine| machine.controller.retire(&mut self.domain.borrow_mut()));
        }
    }
}

impl<'l> Group<'l> for &'l Stage {
    type Member = Function;
    type Domain = Hold;
    type Error = Refused;

    fn members(&self) -> impl Iterator<Item = &'l Function> {
        self.functions.iter()
    }

    fn tied(&self, member: &'l Function) -> Tied<'l, impl Iterator<Item = &'l Function> + Clone> {
        self.tied_to(member.number)
    }

    fn demand_enforcing(&self) -> Result<(), Refused> {
        self.step();
        let enforces = self.machine.borrow().controller.unit().unit().is_enforcing();
        if enforces && !self.is_silent.get() { Ok(()) } else { Err(Refused::NotEnforcing) }
    }

    fn domain(&self) -> Hold {
        self.space()
    }

    fn exchange(&self, new: Hold) -> Hold {
        self.step();
        let old = self.space.replace(new);
        self.step();
        old
    }

    fn block(&self, ids: impl Iterator<Item = SourceId>) -> Result<(), Refused> {
        let ids: Vec<_> = ids.collect();
        let carries = |function: &&Function| function.ids().iter().any(|id| ids.contains(id));
        let mut carriers = self.functions.iter().filter(carries);
        assert!(carriers.all(|function| !function.masters.get()), "bus mastering goes first");
        self.run(|machine| machine.controller.block(ids))
    }
}

/// Lets a function in that is given to a driver, which gives it up where that fails.
pub fn claim(stage: &Stage, number: usize) -> Ended<'_> {
    let function = &stage.functions[number];
    let attempt: MemberAttempt<'_, _> = group::begin_entry(function, stage.tied_to(number).members)?;
    function.is_driven.set(true);
    group::enter(&stage, attempt).inspect_err(|_| {
        let _ = group::give_up(&stage, function, group::Heir::Nobody);
    })
}
