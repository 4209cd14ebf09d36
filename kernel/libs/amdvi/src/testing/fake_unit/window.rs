//! The register window: which access reaches what, and which none.

use mmio_regs::Registers;

use crate::spec::control::Control;
use crate::spec::registers::{
    COMMAND_HEAD, COMMAND_TAIL, COMMANDS, CONTROL, DEVICE_TABLE, EVENT_HEAD, EVENT_TAIL, EVENTS,
    EXCLUSION_BASE, EXCLUSION_LIMIT, FEATURES, STATUS,
};
use crate::spec::ring::{DeviceTableBase, RingBase, RingPosition};
use crate::spec::status::Status;

use super::{FakeUnit, Pace, State, Stuck};

// The offsets as patterns.
const TABLE: usize = DEVICE_TABLE.offset();
const COMMAND_BASE: usize = COMMANDS.offset();
const EVENT_BASE: usize = EVENTS.offset();
const CONTROL_AT: usize = CONTROL.offset();
const EXCLUSION_FROM: usize = EXCLUSION_BASE.offset();
const EXCLUSION_TO: usize = EXCLUSION_LIMIT.offset();
const FEATURES_AT: usize = FEATURES.offset();
const COMMAND_FIRST: usize = COMMAND_HEAD.offset();
const COMMAND_END: usize = COMMAND_TAIL.offset();
const EVENT_FIRST: usize = EVENT_HEAD.offset();
const EVENT_END: usize = EVENT_TAIL.offset();
const STATUS_AT: usize = STATUS.offset();

impl Registers for FakeUnit {
    fn len(&self) -> usize {
        self.state.borrow().config.window
    }

    fn read32(&self, offset: usize) -> u32 {
        panic!("the register at {offset:#x} has 64 bits")
    }

    fn write32(&self, offset: usize, _: u32) {
        panic!("the register at {offset:#x} has 64 bits")
    }

    fn read64(&self, offset: usize) -> u64 {
        self.state.borrow().read(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        let mut state = self.state.borrow_mut();
        state.meanwhile();
        state.write(offset, value);
        state.note();
    }
}

impl State {
    fn read(&self, offset: usize) -> u64 {
        match offset {
            TABLE => self.table.0,
            COMMAND_BASE => self.commands.base.0,
            EVENT_BASE => self.events.base.0,
            CONTROL_AT => self.control.bits(),
            EXCLUSION_FROM => self.exclusion.0,
            EXCLUSION_TO => self.exclusion.1,
            FEATURES_AT => self.config.features().0,
            COMMAND_FIRST => RingPosition::at(self.commands.head).0,
            COMMAND_END => RingPosition::at(self.commands.tail).0,
            EVENT_FIRST => RingPosition::at(self.events.head).0,
            EVENT_END => RingPosition::at(self.events.tail).0,
            STATUS_AT => self.status.bits(),
            _ => panic!("no register to read at {offset:#x}"),
        }
    }

    fn write(&mut self, offset: usize, value: u64) {
        let commands_on = self.control.contains(Control::COMMANDS);
        let log_on = self.control.contains(Control::EVENT_LOG);
        match offset {
            TABLE => {
                assert_eq!(value & (0xe00 | !0 << 52), 0, "reserved bits of the device table register");
                self.table = DeviceTableBase(value);
            }
            COMMAND_BASE => {
                assert!(!commands_on, "the command buffer is moved while it is on");
                self.commands.base = ring(value);
            }
            EVENT_BASE => {
                assert!(!log_on, "the event log is moved while it is on");
                self.events.base = ring(value);
            }
            CONTROL_AT => self.set_control(Control::from_bits_retain(value)),
            EXCLUSION_FROM => self.exclusion.0 = value,
            EXCLUSION_TO => self.exclusion.1 = value,
            COMMAND_FIRST => {
                assert!(!commands_on, "the head of the commands is written while they are fetched");
                self.commands.head = position(value);
            }
            COMMAND_END => {
                self.commands.tail = position(value);
                if self.config.pace == Pace::AtOnce {
                    self.work_through(usize::MAX);
                }
            }
            EVENT_FIRST => self.events.head = position(value),
            EVENT_END => {
                assert!(!log_on, "the tail of the events is written while they are logged");
                self.events.tail = position(value);
            }
            STATUS_AT => {
                let overflow = value & Status::EVENT_OVERFLOW.bits() != 0;
                assert!(!overflow || !log_on, "an overflow is cleared while the log is on");
                let cleared = Status::from_bits_retain(value) & Status::EVENTS;
                self.status.remove(cleared);
            }
            _ => panic!("no register to write at {offset:#x}"),
        }
    }

    pub(super) fn set_control(&mut self, control: Control) {
        if self.is_stuck(Stuck::Control) {
            return;
        }
        let before = self.control;
        self.control = control;
        let starts = |bit: Control| {
            let now = control.contains(Control::UNIT | bit);
            (now && !before.contains(Control::UNIT | bit), now)
        };
        for (bit, run) in
            [(Control::COMMANDS, Status::COMMANDS_RUN), (Control::EVENT_LOG, Status::EVENTS_RUN)]
        {
            match starts(bit) {
                (true, _) if self.is_stuck(Stuck::Start) => {}
                // A log that overflowed starts only once that was cleared.
                (true, _) if run == Status::EVENTS_RUN && self.status.contains(Status::EVENT_OVERFLOW) => {}
                (true, _) => self.status.insert(run),
                (false, true) => {}
                (false, false) => self.status.remove(run),
            }
        }
        self.note();
    }
}

fn ring(value: u64) -> RingBase {
    let base = RingBase(value);
    assert!(base.entries() >= 256, "a ring of fewer than 256 entries");
    assert_eq!(value & 0xf0f0_0000_0000_0fff, 0, "reserved bits of a ring's base");
    base
}

fn position(value: u64) -> usize {
    assert_eq!(value & !0x7_fff0, 0, "reserved bits of a ring's position");
    RingPosition(value).index()
}
