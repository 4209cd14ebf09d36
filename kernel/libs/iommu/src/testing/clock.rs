//! A clock that advances only while somebody waits.

use mmio_regs::Clock;
use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Nanoseconds per round of a wait: a deadline of a second passes in a thousand rounds.
const ROUND_NS: u64 = 1_000_000;

/// A clock that advances by a millisecond in every round of a wait, and may do something in it; clones are the same
/// clock.
#[derive(Clone, Default)]
pub struct FakeClock(Rc<State>);

#[derive(Default)]
struct State {
    now_ns: Cell<u64>,
    rounds: Cell<usize>,
    hook: RefCell<Option<Box<dyn FnMut()>>>,
}

impl FakeClock {
    /// A clock at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has `hook` run in every round of a wait: what an interrupt would do there, or the hardware.
    pub fn on_relax(&self, hook: impl FnMut() + 'static) {
        *self.0.hook.borrow_mut() = Some(Box::new(hook));
    }

    /// How many rounds were waited so far.
    pub fn rounds(&self) -> usize {
        self.0.rounds.get()
    }
}

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        self.0.now_ns.get()
    }

    fn relax(&self) {
        self.0.now_ns.set(self.0.now_ns.get() + ROUND_NS);
        self.0.rounds.set(self.0.rounds.get() + 1);
        // Taken out while it runs, so that it may wait itself.
        let hook = self.0.hook.borrow_mut().take();
        if let Some(mut hook) = hook {
            hook();
            self.0.hook.borrow_mut().get_or_insert(hook);
        }
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClock").field("now_ns", &self.0.now_ns).finish_non_exhaustive()
    }
}
