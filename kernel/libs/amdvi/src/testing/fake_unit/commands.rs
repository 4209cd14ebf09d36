//! Carrying out commands.

use dma_types::{DomainId, Iova, PhysAddr, SourceId};
use iommu::testing::View;

use crate::spec::command::{Command, Opcode};
use crate::spec::status::Status;

use super::config::Offer;
use super::{Injection, State, Stuck};

/// A command that the unit does not know, or whose reserved bits are set.
struct Illegal;

impl State {
    /// Carries out up to so many commands.
    pub(super) fn work_through(&mut self, commands: usize) {
        for _ in 0..commands {
            let runs = self.status.contains(Status::COMMANDS_RUN) && !self.is_stuck(Stuck::Commands);
            if !runs || self.commands.head == self.commands.tail {
                return;
            }
            let at = PhysAddr::new(self.commands.base.address().as_u64() + self.commands.head as u64 * 16);
            let injected = (!self.injections.is_empty()).then(|| self.injections.remove(0));
            let read = |at: u64| self.memory.device_read(PhysAddr::new(at), View::Coherent);
            let command = match (injected, read(at.as_u64()), read(at.as_u64() + 8)) {
                (Some(Injection::UnreadableCommand), ..) | (_, None, _) | (_, _, None) => {
                    return self.stop_commands(6, at);
                }
                (_, Some(low), Some(high)) => Command { low, high },
            };
            if injected.is_some() || self.carry_out(command).is_err() {
                return self.stop_commands(5, at);
            }
            self.commands.head = (self.commands.head + 1) % self.commands.base.entries();
        }
    }

    fn stop_commands(&mut self, code: u64, at: PhysAddr) {
        self.status.remove(Status::COMMANDS_RUN);
        self.log(code << 60, at.as_u64());
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Illegal> {
        let Command { low, high } = command;
        match command.opcode() {
            Opcode::COMPLETION_WAIT => {
                if low & 1 != 0 && !self.is_stuck(Stuck::Answers) {
                    self.memory.device_write64(PhysAddr::new(low & 0x000f_ffff_ffff_fff8), high);
                }
            }
            Opcode::DEVICE_ENTRY => {
                let source = of_device(command)?;
                self.caches.forget_entry(source);
                self.torn.forget(source);
                self.told.insert(source.bits());
            }
            Opcode::INTERRUPT_TABLE => {
                of_device(command)?;
            }
            Opcode::PAGES => {
                if low & 0x0fff_0000_ffff_ffff != 0 || high & 0xffc != 0 {
                    return Err(Illegal);
                }
                self.forget_pages(DomainId((low >> 32) as u16), high);
            }
            Opcode::ALL if self.config.invalidate_all == Offer::Yes => {
                if low << 4 != 0 || high != 0 {
                    return Err(Illegal);
                }
                self.caches = super::Caches::default();
                self.torn.forget_all();
            }
            _ => return Err(Illegal),
        }
        Ok(())
    }

    fn forget_pages(&mut self, domain: DomainId, high: u64) {
        let address = high & !0xfff;
        let several = high & 1 != 0;
        // Ones from bit 12 on, and the 0 behind them, are the size.
        let order = if several { (address >> 12).trailing_ones() + 1 } else { 0 };
        if order >= 40 {
            self.caches.forget_all_pages(domain);
            if high & 2 != 0 {
                self.caches.forget_all_tables(domain);
            }
            return;
        }
        let start = Iova::new(address >> (12 + order) << (12 + order));
        self.caches.forget_pages(domain, start, order);
        if high & 2 != 0 {
            self.caches.forget_tables(domain, start, order);
        }
    }
}

/// The requester of a command that has nothing else.
fn of_device(command: Command) -> Result<SourceId, Illegal> {
    if command.low << 4 >> 20 != 0 || command.high != 0 {
        return Err(Illegal);
    }
    Ok(SourceId::from_bits(command.low as u16))
}
