//! Asking a controller what it is, what it stores, and how it feels.

use alloc::vec::Vec;

use nvme::spec::command::{DataPointer, NamespaceId, SubmissionEntry};
use nvme::spec::identify::{ControllerInfo, NamespaceInfo, active_namespaces};
use nvme::spec::smart::SmartLog;

use super::{Namespace, Nvme, NvmeError};
use crate::dma::{FromDevice, PageBuffer};

/// Namespaces that are looked at.
const MOST_NAMESPACES: usize = 64;

impl Nvme {
    /// Learns what the controller is and stores.
    pub(super) fn identify(&mut self) -> Result<(), NvmeError> {
        let min_page = self.controller.capabilities().min_page_bytes();
        let data = self.ask(SubmissionEntry::identify_controller)?;
        let info = ControllerInfo::parse(data.bytes(), min_page);
        if !info.takes_usual_entries {
            return Err(NvmeError::EntrySizes);
        }
        self.description = alloc::format!("{}, serial {}", info.model, info.serial);
        self.max_bytes = self.max_bytes.min(info.max_transfer.unwrap_or(u64::MAX));
        self.has_compare = info.has_compare;
        for id in self.namespace_ids(info.namespaces)? {
            match self.ask_namespace(id)? {
                Ok(namespace) => self.namespaces.push(namespace),
                Err(error) => log::warn!("{}: namespace {} is left out: {error}", self.record, id.0),
            }
        }
        Ok(())
    }

    /// The numbers of active namespaces, or of all that there may be where the controller cannot tell.
    fn namespace_ids(&self, highest: u32) -> Result<Vec<NamespaceId>, NvmeError> {
        if !self.controller.lists_namespaces() {
            return Ok((1..=highest).take(MOST_NAMESPACES).map(NamespaceId).collect());
        }
        let list = self.ask(|data| SubmissionEntry::active_namespaces(NamespaceId::NONE, data))?;
        Ok(active_namespaces(list.bytes(), NamespaceId::NONE).take(MOST_NAMESPACES).collect())
    }

    fn ask_namespace(
        &self,
        id: NamespaceId,
    ) -> Result<Result<Namespace, nvme::spec::identify::NamespaceError>, NvmeError> {
        let data = self.ask(|data| SubmissionEntry::identify_namespace(id, data))?;
        Ok(NamespaceInfo::parse(data.bytes()).map(|info| Namespace {
            id: id.0,
            blocks: info.blocks,
            block_bytes: info.block_bytes,
        }))
    }

    /// The health of the controller's medium.
    pub(super) fn smart(&self) -> Result<SmartLog, NvmeError> {
        self.check_condition()?;
        let asked = self.ask(SubmissionEntry::smart_log);
        if matches!(asked, Err(NvmeError::Timeout)) {
            self.recover();
        }
        Ok(SmartLog::parse(asked?.bytes()))
    }

    /// Runs an admin command that fills a page.
    fn ask(&self, command: impl FnOnce(DataPointer) -> SubmissionEntry) -> Result<PageBuffer, NvmeError> {
        let page = PageBuffer::new(0).map_err(crate::dma::DmaError::from)?;
        let mapping =
            self.dma.map::<FromDevice, _>(page, "nvme identify").map_err(crate::dma::DmaError::from)?;
        self.admin_command(command(DataPointer { first: mapping.iova().as_u64(), second: 0 }))?;
        Ok(mapping.unmap()?)
    }
}
