//! A controller as a device that can be told to overreach, without ever changing its medium.
//!
//! It writes memory by reading a block from the medium, and reads memory by comparing it with a block: so it knows one
//! content when it reads it, and writes one other.

use alloc::vec::Vec;

use dma_types::{Access, Iova, PAGE_SIZE};
use nvme::spec::command::Transfer;

use super::requests::{Io, Token};
use super::{Nvme, NvmeError};
use crate::devices::{DeviceRecord, Disk, Namespace, Overreach};
use crate::dma::{self, PageBuffer};
use crate::sync::{Mutex, rank};
use ::attack::{Progress, Skill, StartRefused};

/// Blocks that are looked at for such with contents to tell.
const LOOKED_AT: u64 = 64;

/// What a controller is made to overreach with, and the overreach under way.
pub(super) struct Attack {
    namespace: Namespace,
    key: Content,
    stamp: Content,
    state: Mutex<State, rank::Attempt>,
}

/// A block and what stands in it.
#[derive(Clone)]
struct Content {
    block: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    Over(Progress),
    Going(Access, Token),
}

impl Nvme {
    /// Looks for blocks to work with; without any the device is not told to overreach.
    pub(super) fn prepare_attack(&mut self) {
        let fits = |namespace: &&Namespace| u64::from(namespace.block_bytes) <= PAGE_SIZE;
        let Some(namespace) = self.namespaces.iter().find(fits).copied() else { return };
        if !self.has_compare {
            log::info!("{}: without the command Compare it can only be told to write", self.record);
        }
        match self.contents(namespace) {
            Ok(Some((key, stamp))) => {
                let state = Mutex::new(State::Over(Progress::Done));
                self.attack = Some(Attack { namespace, key, stamp, state });
            }
            Ok(None) => {}
            Err(error) => log::warn!("{}: it cannot be told to overreach: {error}", self.record),
        }
    }

    /// A block that is not all zeros to be recognised, and one that is to be written, as far as there are such
    /// among the first.
    fn contents(
        &self,
        namespace: Namespace,
    ) -> Result<Option<(Content, Content)>, crate::devices::DiskError> {
        let bytes = u64::from(namespace.block_bytes);
        let blocks = namespace.blocks.min(LOOKED_AT);
        let exponent = (blocks * bytes).div_ceil(PAGE_SIZE).next_power_of_two().ilog2() as u8;
        let buffer = PageBuffer::new(exponent).map_err(dma::DmaError::from)?;
        let buffer = self.read(namespace.id, 0, buffer, blocks as u32)?;
        let read = buffer.bytes().chunks(bytes as usize).zip(0..blocks);
        let contents = || read.clone().map(|(bytes, block)| Content { block, bytes: bytes.to_vec() });
        let is_zero = |content: &Content| content.bytes.iter().all(|byte| *byte == 0);
        let key = contents().find(|content| !is_zero(content));
        let stamp = contents().find(is_zero);
        Ok(match (key, stamp) {
            (Some(key), Some(stamp)) => Some((key, stamp)),
            (Some(only), None) | (None, Some(only)) => Some((only.clone(), only)),
            (None, None) => None,
        })
    }
}

impl Overreach for Nvme {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn skill(&self) -> Skill {
        let (key, stamp) = match &self.attack {
            Some(attack) => (attack.key.bytes.clone(), attack.stamp.bytes.clone()),
            None => (Vec::new(), Vec::new()),
        };
        Skill::Recognises { key, stamp }
    }

    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused> {
        let attack = self.attack.as_ref().ok_or(StartRefused::Dead)?;
        let (transfer, block) = match access {
            Access::Read if self.has_compare => (Transfer::Compare, attack.key.block),
            Access::Write => (Transfer::Read, attack.stamp.block),
            other => return Err(StartRefused::Access(other)),
        };
        if self.poll_attack(attack) == Progress::Busy {
            return Err(StartRefused::Busy);
        }
        let io = Io { transfer, namespace: attack.namespace, block, blocks: 1 };
        match self.submit_at(&io, iova) {
            Ok(token) => {
                *attack.state.lock() = State::Going(access, token);
                Ok(())
            }
            Err(NvmeError::Busy) => Err(StartRefused::Busy),
            Err(NvmeError::Prp(_)) => Err(StartRefused::Address(iova)),
            Err(_) => Err(StartRefused::Dead),
        }
    }

    /// It reads a block into memory of its own.
    fn interrupt(&self) -> Result<(), StartRefused> {
        let attack = self.attack.as_ref().ok_or(StartRefused::Dead)?;
        if self.poll_attack(attack) == Progress::Busy {
            return Err(StartRefused::Busy);
        }
        let page = PageBuffer::new(0).map_err(|_| StartRefused::Dead)?;
        let io =
            Io { transfer: Transfer::Read, namespace: attack.namespace, block: attack.key.block, blocks: 1 };
        let token = self.submit(&io, page).map_err(|_| StartRefused::Dead)?;
        *attack.state.lock() = State::Going(Access::Write, token);
        Ok(())
    }

    fn poll(&self) -> Progress {
        self.attack.as_ref().map_or(Progress::Done, |attack| self.poll_attack(attack))
    }
}

impl Nvme {
    fn poll_attack(&self, attack: &Attack) -> Progress {
        let mut state = attack.state.lock();
        let progress = match *state {
            State::Over(progress) => progress,
            State::Going(access, token) => match (self.poll(token), access) {
                (None, _) => return Progress::Busy,
                (Some(ended), Access::Read) if ended.result.is_ok() => Progress::Recognised,
                (Some(_), Access::Read) => Progress::NotRecognised,
                (Some(_), _) => Progress::Done,
            },
        };
        *state = State::Over(progress);
        progress
    }
}
