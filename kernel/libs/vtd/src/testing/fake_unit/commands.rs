//! Global commands and their status.

use crate::spec::command::{GlobalCommand, GlobalStatus};

use super::caches::Caches;
use super::{State, Stuck};

impl State {
    /// GCMD as written: one change against the status, and none while another is under way.
    pub(super) fn command(&mut self, command: GlobalCommand) {
        assert!(GlobalCommand::all().contains(command), "reserved bits of GCMD: {command:?}");
        assert!(self.pending.is_none(), "{command:?} while another command is under way");
        let changes = GlobalCommand::keeping(self.status).symmetric_difference(command);
        assert!(changes.bits().count_ones() <= 1, "more than one change: {changes:?}");
        if command.contains(GlobalCommand::SET_ROOT) {
            self.status -= GlobalStatus::ROOT_SET;
        }
        if command.contains(GlobalCommand::WRITE_BUFFER_FLUSH) {
            assert!(self.config.write_buffer_flush.is_yes(), "there is no write buffer");
            self.status |= GlobalStatus::WRITE_BUFFER_FLUSH;
        }
        if changes.contains(GlobalCommand::TRANSLATION) && command.contains(GlobalCommand::TRANSLATION) {
            assert!(self.status.contains(GlobalStatus::ROOT_SET), "translation without a root table");
        }
        self.check_interrupts(command, changes);
        self.pending = Some((command, self.config.delay));
        self.confirm();
    }

    /// GCMD as written by somebody who keeps to no order: what is on goes off at once where its bit is 0.
    pub(super) fn overwrite(&mut self, command: GlobalCommand) {
        let switches =
            GlobalStatus::from_bits_truncate(GlobalCommand::all().difference(GlobalCommand::ONE_SHOT).bits());
        let off = switches.difference(GlobalStatus::from_bits_retain(command.bits()));
        self.status = self.status.difference(off);
    }

    /// GSTS as read: a command is confirmed after some reads.
    pub(super) fn read_status(&mut self) -> u32 {
        if let Some((_, reads)) = &mut self.pending {
            *reads = reads.saturating_sub(1);
        }
        self.confirm();
        self.status.bits()
    }

    fn confirm(&mut self) {
        let Some((command, 0)) = self.pending else { return };
        self.pending = None;
        let mut follow = |bit: GlobalCommand, part: Option<Stuck>| {
            let on = command.contains(bit);
            let stuck = part.is_some_and(|part| self.stuck.contains(&part));
            if !(on && stuck) {
                self.status.set(GlobalStatus::from_bits_retain(bit.bits()), on);
            }
        };
        follow(GlobalCommand::TRANSLATION, Some(Stuck::Translation));
        follow(GlobalCommand::INTERRUPT_REMAPPING, Some(Stuck::InterruptRemapping));
        follow(GlobalCommand::ADVANCED_FAULT_LOG, None);
        if !self.stuck.contains(&Stuck::CompatibilityInterrupts) {
            let pass = command.contains(GlobalCommand::COMPATIBILITY_INTERRUPTS);
            self.status.set(GlobalStatus::COMPATIBILITY_INTERRUPTS, pass);
        }
        // A queue that does not end in a wait, or is not empty, stays on.
        let ends = self.queue.ends_with_wait && self.queue.head == self.queue.tail;
        let stopped = self.faults.stands(crate::spec::fault_event::FaultStatus::QUEUE_ERRORS);
        if command.contains(GlobalCommand::QUEUE) {
            self.turn_queue_on();
        } else if ends || stopped {
            self.status -= GlobalStatus::QUEUE;
        }
        if command.contains(GlobalCommand::SET_ROOT) && !self.is_stuck(Stuck::RootPointer) {
            self.set_root();
        }
        if command.contains(GlobalCommand::SET_INTERRUPT_TABLE) && !self.is_stuck(Stuck::InterruptTable) {
            self.set_interrupt_table();
        }
        if command.contains(GlobalCommand::WRITE_BUFFER_FLUSH) && !self.is_stuck(Stuck::WriteBuffer) {
            self.status -= GlobalStatus::WRITE_BUFFER_FLUSH;
        }
        self.note();
    }

    /// What must not be commanded of interrupt remapping.
    fn check_interrupts(&mut self, command: GlobalCommand, changes: GlobalCommand) {
        let about = GlobalCommand::INTERRUPT_REMAPPING
            | GlobalCommand::SET_INTERRUPT_TABLE
            | GlobalCommand::COMPATIBILITY_INTERRUPTS;
        let offered = self.config.interrupt_remapping.is_yes();
        assert!(offered || !command.intersects(about), "there is no interrupt remapping");
        if command.contains(GlobalCommand::SET_INTERRUPT_TABLE) {
            self.status -= GlobalStatus::INTERRUPT_TABLE_SET;
        }
        if changes.contains(GlobalCommand::INTERRUPT_REMAPPING)
            && command.contains(GlobalCommand::INTERRUPT_REMAPPING)
        {
            let set = self.status.contains(GlobalStatus::INTERRUPT_TABLE_SET);
            assert!(set, "interrupt remapping without a table");
            assert!(self.status.contains(GlobalStatus::QUEUE), "interrupt remapping without a queue");
        }
    }

    fn set_interrupt_table(&mut self) {
        let on = self.status.contains(GlobalStatus::INTERRUPT_REMAPPING);
        assert!(
            !on || self.interrupts.register.mode() == self.interrupts.table.mode(),
            "another interrupt mode while remapping is on"
        );
        self.interrupts.table = self.interrupts.register;
        self.status |= GlobalStatus::INTERRUPT_TABLE_SET;
        if self.config.forgets_at_interrupt_table.is_yes() {
            self.interrupts.forget_all();
        }
    }

    fn set_root(&mut self) {
        let changes = self.config.table_mode_changes.is_yes();
        let mode = self.root_register.table_mode();
        let translates = self.status.contains(GlobalStatus::TRANSLATION);
        assert!(
            changes || !translates || mode == self.root.table_mode(),
            "another table mode while translation is on"
        );
        self.root = self.root_register;
        self.status |= GlobalStatus::ROOT_SET;
        if changes {
            self.caches = Caches::default();
        }
    }

    fn turn_queue_on(&mut self) {
        if !self.status.contains(GlobalStatus::QUEUE) && !self.is_stuck(Stuck::Queue) {
            assert!(self.config.queue.is_yes(), "there is no queue");
            assert_eq!(self.queue.tail, 0, "the queue starts with its tail at 0");
            self.queue.head = 0;
            self.queue.fetched.clear();
            self.queue.ends_with_wait = true;
            self.status |= GlobalStatus::QUEUE;
        }
    }
}
