//! A life cycle that interrupts and other processors change as well.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use super::{Generation, LifeCycle, Presence, Refusal, State, Voided, Work};

/// The [`LifeCycle`] of one device in one atomic word.
///
/// Every event is one exchange of the word: whoever sees a state (acquire) sees what was done before it came about
/// (release). No event waits, so interrupt handlers may call all of them.
pub struct AtomicLifeCycle(AtomicU64);

/// A device being let in or moved. It ends with [`finish`](Self::finish); dropped, it has failed, and a device that was
/// to be moved counts as cut off.
#[must_use = "dropping it gives the attempt up"]
pub struct Attempt<'l> {
    life: &'l AtomicLifeCycle,
    generation: Generation,
}

impl AtomicLifeCycle {
    /// A function that is here, with no attempt under way.
    pub const fn new(state: State) -> Self {
        Self(AtomicU64::new(LifeCycle::new(state).0))
    }

    /// Where it stands.
    pub fn get(&self) -> LifeCycle {
        LifeCycle(self.0.load(Ordering::Acquire))
    }

    /// What it may do.
    pub fn state(&self) -> State {
        self.get().state()
    }

    /// Tells whether its driver may give it memory.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.get().is_open()
    }

    /// [`LifeCycle::begin_entry`].
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn begin_entry(&self) -> Result<Attempt<'_>, Refusal> {
        self.begin(LifeCycle::begin_entry)
    }

    /// [`LifeCycle::begin_release`].
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn begin_release(&self) -> Result<Attempt<'_>, Refusal> {
        self.begin(LifeCycle::begin_release)
    }

    /// [`LifeCycle::begin_move`].
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn begin_move(&self) -> Result<Attempt<'_>, Refusal> {
        self.begin(LifeCycle::begin_move)
    }

    fn begin(
        &self,
        event: impl Fn(LifeCycle) -> Result<(LifeCycle, Generation), Refusal>,
    ) -> Result<Attempt<'_>, Refusal> {
        let mut refusal = Refusal::Busy;
        let begun = self.change_if(|life| match event(life) {
            Ok((begun, _)) => Some(begun),
            Err(error) => {
                refusal = error;
                None
            }
        });
        let begun = begun.ok_or(refusal)?;
        Ok(Attempt { life: self, generation: begun.generation() })
    }

    /// [`LifeCycle::begin_cut_off`].
    pub fn begin_cut_off(&self) {
        self.change(LifeCycle::begin_cut_off);
    }

    /// [`LifeCycle::condemn`].
    pub fn condemn(&self) {
        self.change(LifeCycle::condemn);
    }

    /// [`LifeCycle::end_cut_off`].
    pub fn end_cut_off(&self) {
        self.change(LifeCycle::end_cut_off);
    }

    /// [`LifeCycle::leave`]; false if that was known.
    pub fn leave(&self) -> bool {
        let left = |life: LifeCycle| (life.presence() != Presence::Left).then(|| life.leave());
        self.change_if(left).is_some()
    }

    /// [`LifeCycle::give_up`].
    pub fn give_up(&self) {
        self.change(LifeCycle::give_up);
    }

    /// [`LifeCycle::give_up_to_firmware`].
    pub fn give_up_to_firmware(&self) {
        self.change(LifeCycle::give_up_to_firmware);
    }

    /// [`LifeCycle::close`]; false if it was closed and nobody was opening it. To be called once the devices below are
    /// condemned.
    pub fn close(&self) -> bool {
        let mut changes = false;
        self.change_if(|life| {
            changes = life.state() != State::PortClosed || life.in_attempt();
            // Also where it is closed: who looked at it before opens it no more.
            Some(life.close())
        });
        changes
    }

    /// [`LifeCycle::open_for_device`], unless the device that was let in below is condemned or was cut off since. Whoever
    /// closes the port meanwhile finds it open, or leaves it closed.
    pub fn open_for(&self, device: &Self) {
        self.change_if(|port| device.get().may_open_port().then(|| port.open_for_device()));
    }

    /// [`LifeCycle::begin_reset`].
    pub fn begin_reset(&self) {
        self.change(LifeCycle::begin_reset);
    }

    /// [`LifeCycle::end_reset`].
    pub fn end_reset(&self) {
        self.change(LifeCycle::end_reset);
    }

    /// Tells whether its driver has yet to hear that the device was cut off; from then on it has.
    pub fn needs_telling(&self) -> bool {
        self.change_if(LifeCycle::tell_driver).is_some()
    }

    /// Tells whether its driver was told that the device was cut off, and has to start it again now.
    pub fn needs_restart(&self) -> bool {
        self.change_if(LifeCycle::restart).is_some()
    }

    fn change(&self, event: impl Fn(LifeCycle) -> LifeCycle) {
        let _always_changes = self.change_if(|life| Some(event(life)));
    }

    /// Makes a change of whatever stands here when it is made; gives what stands here then.
    fn change_if(&self, mut event: impl FnMut(LifeCycle) -> Option<LifeCycle>) -> Option<LifeCycle> {
        let mut old = self.get();
        loop {
            let new = event(old)?;
            match self.0.compare_exchange_weak(old.0, new.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(new),
                Err(other) => old = LifeCycle(other),
            }
        }
    }
}

impl Attempt<'_> {
    /// [`LifeCycle::finish`]: the last step, after everything was given.
    ///
    /// # Errors
    /// As there: everything that was given must be taken back.
    pub fn finish(self, work: Work) -> Result<(), Voided> {
        let finish = |life: LifeCycle| life.finish(self.generation, work).ok();
        // The drop that follows finds no attempt of this generation any more.
        self.life.change_if(finish).map(|_| ()).ok_or(Voided)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.life.change(|life| life.abandon(self.generation));
    }
}

impl fmt::Debug for AtomicLifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("life", self.life).field("generation", &self.generation).finish()
    }
}
