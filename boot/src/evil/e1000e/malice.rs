//! What a hostile card does beside its work.

use std::time::Duration;

use dma_types::INTERRUPT_RANGE;

use super::firmware::{Filled, Firmware};
use super::registers::{Ring, cause};
use super::trick::Trick;
use crate::evil::neighbour::Lease;
use crate::evil::sweep::PAGE;

/// How long a card waits after it was released.
const AFTER_RELEASE: Duration = Duration::from_secs(10);
/// Where messages go (SDM "Message Address Register Format"): to the first processor.
const MESSAGES: u64 = INTERRUPT_RANGE.start;
/// A frame of 60 bytes that has arrived as it should.
const A_FRAME: u64 = 60 | 0b11 << 32;
/// Every error of a receive descriptor.
const EVERY_ERROR: u64 = 0xff << 40;

impl Firmware {
    /// How often a frame is received.
    pub(super) fn times(&self) -> usize {
        match self.trick {
            Trick::EmptyFrames | Trick::HugeFrames | Trick::LongFrames | Trick::EndlessFrame => 20,
            _ => 1,
        }
    }

    /// What the other machine on its network gives out.
    pub(super) fn lease(&self) -> Lease {
        if self.trick == Trick::BadLease { Lease::Hostile } else { Lease::Good }
    }

    /// The descriptor that is filled in place of the one at the head.
    pub(super) fn slot_for(&self, ring: Ring, head: u32) -> u32 {
        match self.trick {
            Trick::Backwards => (ring.tail + 2 * ring.entries).saturating_sub(1 + head) % ring.entries.max(1),
            _ => head,
        }
    }

    /// What is written of a frame in place of the truth.
    pub(super) fn described(&self, truth: u64) -> u64 {
        let of_length = |length: u64| truth & !0xffff | length;
        match self.trick {
            Trick::EmptyFrames => of_length(0),
            Trick::HugeFrames => of_length(0xffff),
            Trick::LongFrames => of_length(2049),
            Trick::EndlessFrame => truth & !(1 << 33),
            Trick::EveryError => truth | EVERY_ERROR,
            _ => truth,
        }
    }

    /// Beside every descriptor that was sent.
    pub(super) fn misbehave_over_sent(&mut self, ring: Ring) {
        match self.trick {
            Trick::SentUngiven => {
                (0..ring.entries).for_each(|slot| self.write_word(ring.place(slot) + 8, u64::MAX));
            }
            Trick::LinkFlaps => (0..2_000).for_each(|_| self.interrupt(cause::LINK)),
            Trick::MessageStorm => (0..10_000).for_each(|_| self.interrupt(cause::SENT)),
            Trick::ForgedMessages => {
                // Fixed delivery; the other kinds stop a machine whose messages are not remapped.
                (0..=0xff_u32).for_each(|vector| {
                    let _ = self.port.write(MESSAGES, &vector.to_le_bytes());
                });
            }
            Trick::AgainstTheDirection => self.intruder.write_against_the_direction(),
            Trick::BehindRings => self.intruder.write_behind(ring.base),
            Trick::LateWrite | Trick::WriteAfterReset => self.intruder.write_what_was_taken_back(),
            Trick::AfterRelease if self.ups == 1 => self.intruder.write_what_was_taken_back(),
            Trick::NoiseWithoutEnd => self.make_noise(),
            Trick::EverythingElse => {
                for _ in 0..200 {
                    let bits = self.random.below(52) + 12;
                    let page = self.random.next() >> (64 - bits) & !(PAGE - 1);
                    self.intruder.write(page);
                    self.intruder.read(page);
                }
            }
            _ => (),
        }
    }

    /// Beside every buffer that was filled.
    pub(super) fn misbehave_over_received(&mut self, ring: Ring, filled: Filled) {
        match self.trick {
            Trick::BehindBuffers => self.intruder.write_behind(filled.buffer),
            Trick::BehindRings => self.intruder.write_behind(ring.base),
            Trick::DoneUngiven => self.write_word(ring.place(ring.tail) + 8, A_FRAME),
            Trick::DoneEverywhere => {
                (0..ring.entries).for_each(|slot| self.write_word(ring.place(slot) + 8, A_FRAME));
            }
            Trick::FlickeringDescriptors => {
                self.interrupt(cause::RECEIVED);
                for turn in 0..2_000_u64 {
                    let change = if turn.is_multiple_of(2) { 0 } else { 0xf8ff };
                    self.write_word(filled.place + 8, filled.facts ^ change);
                }
                self.write_word(filled.place + 8, filled.facts);
            }
            Trick::OtherAddresses => {
                let address = self.random.next();
                self.write_word(filled.place, address);
            }
            Trick::BytesThatChange => {
                self.interrupt(cause::RECEIVED);
                for _ in 0..2_000 {
                    let place = filled.buffer + self.random.below(200) * 8;
                    let may = self.port.with_books(|books| books.at(place).is_some());
                    if !may {
                        return self.intruder.write(place);
                    }
                    let noise = self.random.next();
                    self.write_word(place, noise);
                }
            }
            Trick::LateWrite => self.intruder.write_what_was_taken_back(),
            _ => (),
        }
    }

    /// Right after a reset.
    pub(super) fn misbehave_after_reset(&mut self) {
        if self.trick == Trick::WriteAfterReset {
            self.intruder.write_what_was_taken_back();
        }
    }

    /// While the driver wants nothing.
    pub(super) fn be_idle(&mut self) {
        match self.trick {
            Trick::LateWrite | Trick::WriteAfterReset => self.intruder.write_what_was_taken_back(),
            Trick::AfterRelease
                if self.ups > 1 && self.up.is_some_and(|since| since.elapsed() > AFTER_RELEASE) =>
            {
                self.intruder.write_what_was_taken_back();
            }
            Trick::NoiseWithoutEnd => self.make_noise(),
            _ => (),
        }
    }

    /// Receives frames of chance, for everybody.
    fn make_noise(&mut self) {
        for _ in 0..64 {
            let length = 14 + self.random.below(1_500);
            let mut frame: Vec<u8> = (0..length).map(|_| self.random.next() as u8).collect();
            let kinds = [[0x08, 0x00], [0x08, 0x06], [0x86, 0xdd]];
            let kind = kinds[self.random.below(3) as usize];
            frame[..6].fill(0xff);
            frame[12..14].copy_from_slice(&kind);
            self.receive(frame);
        }
    }
}
