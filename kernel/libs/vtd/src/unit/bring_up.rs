//! Default-deny bring-up without an unprotected moment.
//!
//! 1. fault interrupt masked; what firmware left on is taken over, save translation, protected memory and interrupt remapping
//! 2. root table pointer replaced: with translation on, the new table counts from here
//! 3. invalidation queue on, or registers where there is none: the other table modes take no descriptor of ours
//! 4. context cache and IOTLB emptied; the cache of interrupt entries too, where they are remapped by a table of ours
//! 5. translation on, and verified
//! 6. protected memory regions off: only now is nothing else needed
//! 7. fault interrupt programmed and unmasked
//!
//! Failing at any step leaves translation and protected memory at least as strict as they were.

use dma_types::{MsiMessage, PAGE_SIZE, PhysAddr};
use mmio_regs::{Clock, Registers, TypedAccess};

use crate::TableMemory;
use crate::invalidation::Invalidation;
use crate::queue::Queue;
use crate::spec::command::{GlobalStatus, ProtectedMemoryEnable, RootTableAddress};
use crate::spec::fault_event::FaultStatus;
use crate::spec::queue_registers::{QueueAddress, QueuePosition};
use crate::spec::registers::{FEADDR, FEDATA, FEUADDR, FSTS, IQA, IQH, IQT, PMEN, RTADDR};
use crate::tables::Coherence;
use iommu::wait::{ANSWER_LIMIT_NS, EMPTY_QUEUE_LIMIT_NS, TimedOut, wait_for};

use super::command::Command;
use super::{InvalidationPath, Unit, UnitError};

/// What bringing up needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BringUp {
    /// The root table, complete and flushed as the unit demands. It should permit nothing yet.
    pub root: PhysAddr,
    /// The message of the fault interrupt.
    pub fault_message: MsiMessage,
}

impl<R: Registers> Unit<R> {
    /// Makes the unit enforce the tables below `config.root`.
    ///
    /// Safe to call on a unit that firmware, or an earlier kernel, left translating: it translates
    /// throughout. One that was left in scalable or abort mode is taken where it can change its mode that way, and
    /// left as it is otherwise, because translation would have to go off in between. The queue takes two pages of `memory`, which stay with the unit for good.
    ///
    /// Fault records are not discarded. The returned conditions are those that stand after the fault
    /// interrupt was unmasked; they raise no interrupt by themselves, so with [`FaultStatus::PENDING`] or
    /// [`FaultStatus::OVERFLOW`] among them the caller must drain the records.
    ///
    /// # Errors
    ///
    /// See [`UnitError`]. Translation that was on is still on, and protected memory regions still hold,
    /// unless translation had already been verified.
    pub fn bring_up(
        &mut self,
        config: &BringUp,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<FaultStatus, UnitError> {
        self.check(config)?;
        if self.extended.queued_invalidation() && self.queue.is_none() {
            let coherence = Coherence::of_unit(self.extended);
            self.queue = Some(Queue::allocate(memory, coherence).ok_or(UnitError::OutOfMemory)?);
        }
        self.faults().mask_fault_event();
        self.take_over(clock)?;
        self.set_root(config.root, clock)?;
        self.start_invalidation(clock)?;
        self.invalidate_all(&[Invalidation::ContextGlobal, Invalidation::IotlbGlobal], memory, clock)?;
        if self.interrupts.is_some() {
            self.invalidate(Invalidation::InterruptGlobal, memory, clock)?;
        }
        self.command(Command::TranslationOn, clock)?;
        self.root = Some(config.root);
        if !self.is_enforcing() {
            let (status, register) = (self.status(), self.registers.get(RTADDR));
            return Err(UnitError::NotEnforcing { status, register });
        }
        self.release_protected_memory(clock)?;
        self.arm_fault_event(config.fault_message)
    }

    /// Refuses what could not be carried through, before anything is touched.
    fn check(&self, config: &BringUp) -> Result<(), UnitError> {
        if !config.root.is_aligned(PAGE_SIZE) {
            return Err(UnitError::RootUnaligned { root: config.root });
        }
        let MsiMessage { address, data } = config.fault_message;
        let reachable = address >> 32 == 0 || self.extended.extended_interrupt_mode();
        if address & 0b11 != 0 || !reachable {
            return Err(UnitError::MessageUnsupported { address, data });
        }
        self.levels()?;
        let register = self.registers.get(RTADDR);
        let foreign = self.status().contains(GlobalStatus::TRANSLATION) && register.table_mode() != 0;
        // Without ESRTPS the mode changes only while translation is off (VT-d "Root Table Address Register").
        if foreign && !self.capabilities.changes_table_mode() {
            return Err(UnitError::ForeignTableMode { register });
        }
        Ok(())
    }

    /// Ends what firmware left running, save translation, the protected memory regions and interrupt remapping: whoever
    /// turned that off would have live messages taken for what they do not say. [`Unit::remap_interrupts`] exchanges its
    /// table while it is on.
    fn take_over(&mut self, clock: &impl Clock) -> Result<(), UnitError> {
        self.path = InvalidationPath::None;
        let status = self.status();
        if status.contains(GlobalStatus::ADVANCED_FAULT_LOG) {
            self.command(Command::AdvancedFaultLogOff, clock)?;
        }
        if status.contains(GlobalStatus::QUEUE) {
            let all = QueuePosition(u64::MAX);
            let tail = self.registers.get(IQT);
            // A queue that stopped at an error never becomes empty; it is turned off like any other.
            let _ = wait_for(&self.registers, IQH, (all, tail), EMPTY_QUEUE_LIMIT_NS, clock);
            self.command(Command::QueueOff, clock)?;
        }
        self.registers.clear(FSTS, FaultStatus::QUEUE_ERRORS | FaultStatus::LOG);
        Ok(())
    }

    /// Turns the queue on where there is one.
    fn start_invalidation(&mut self, clock: &impl Clock) -> Result<(), UnitError> {
        let Some(queue) = &mut self.queue else {
            self.path = InvalidationPath::Registers;
            return Ok(());
        };
        queue.restart();
        let address = QueueAddress::one_page(queue.ring());
        self.registers.set(IQT, QueuePosition::at(0));
        self.registers.set(IQA, address);
        self.command(Command::QueueOn, clock)?;
        self.path = InvalidationPath::Queue;
        Ok(())
    }

    fn set_root(&self, root: PhysAddr, clock: &impl Clock) -> Result<(), UnitError> {
        self.flush_write_buffer(clock)?;
        self.registers.set(RTADDR, RootTableAddress::legacy(root));
        self.command(Command::SetRoot, clock)?;
        Ok(())
    }

    fn release_protected_memory(&self, clock: &impl Clock) -> Result<(), UnitError> {
        if self.capabilities.protected_memory_regions() {
            self.registers.set(PMEN, ProtectedMemoryEnable::empty());
            let off = (ProtectedMemoryEnable::STATUS, ProtectedMemoryEnable::empty());
            wait_for(&self.registers, PMEN, off, ANSWER_LIMIT_NS, clock)?;
        }
        Ok(())
    }

    /// Programs and unmasks the fault interrupt.
    fn arm_fault_event(&self, message: MsiMessage) -> Result<FaultStatus, UnitError> {
        let MsiMessage { address, data } = message;
        let (lower, upper) = (address as u32, (address >> 32) as u32);
        self.registers.set(FEDATA, data);
        self.registers.set(FEADDR, lower);
        // A message for a processor with a number above 255 needs all of it.
        let keeps_upper = !self.extended.extended_interrupt_mode() || {
            self.registers.set(FEUADDR, upper);
            self.registers.get(FEUADDR) == upper
        };
        if self.registers.get(FEDATA) != data || self.registers.get(FEADDR) != lower || !keeps_upper {
            return Err(UnitError::MessageUnsupported { address, data });
        }
        Ok(self.faults().unmask_fault_event())
    }

    /// Makes table changes that turned entries from not present to present reach the unit, where the
    /// chipset buffers writes (CAP.RWBF); nothing elsewhere. An invalidation does it implicitly.
    ///
    /// # Errors
    ///
    /// The unit did not confirm in time.
    pub fn flush_write_buffer(&self, clock: &impl Clock) -> Result<(), TimedOut> {
        if self.capabilities.write_buffer_flush_required() {
            self.command(Command::FlushWriteBuffer, clock)?;
        }
        Ok(())
    }
}
