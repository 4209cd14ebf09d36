//! How a stop screen is set: what fits on a screen.

use crate::font::Typeface;
use crate::pixels::Rect;
use crate::qr::Symbol;
use crate::stop_text::StopText;

use super::Page;

/// Characters of the stop code line.
const STOP_LINE_WIDTH: usize = 101;
/// Pixels of a module with which every phone copes.
const EASY_MODULE: usize = 3;
/// The part of the screen's height that the QR code takes, in hundredths, where its modules are larger.
const CODE_HEIGHT: usize = 27;

/// How a stop screen is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The size of the text.
    pub(super) typeface: Typeface,
    /// What is shown.
    pub(super) extent: Extent,
    /// Pixels of a module of the QR code; 0: no code.
    pub(super) scale: usize,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything.
    Full,
    /// No registers, smaller margins, and a headline no larger than the text.
    Compact,
}

impl Layout {
    /// The first in which everything has its place, from the most comfortable to the tightest; the tightest
    /// if there is none.
    pub(super) fn fitting(area: Rect, text: &StopText<'_>, symbol: Option<&Symbol<'_>>) -> Self {
        let modules = symbol.map_or(0, Symbol::modules);
        let ample = (area.height * CODE_HEIGHT / 100).checked_div(modules).unwrap_or(0).max(EASY_MODULE);
        let full = |typeface| Self { typeface, extent: Extent::Full, scale: ample };
        let compact = |scale| Self { typeface: Typeface::SMALLEST, extent: Extent::Compact, scale };
        let tightest = compact(0);
        Typeface::ALL
            .into_iter()
            .map(full)
            .filter(|layout| layout.keeps_stop_line(area))
            .chain([full(Typeface::SMALLEST), compact(EASY_MODULE), compact(2), compact(1)])
            .find(|layout| layout.fits(area, text, symbol))
            .unwrap_or(tightest)
    }

    /// Pixels left free at each side, and above and below.
    pub(super) const fn margins(self, area: Rect) -> (usize, usize) {
        let part = match self.extent {
            Extent::Full => 24,
            Extent::Compact => 48,
        };
        (area.width / part, area.height / part)
    }

    fn keeps_stop_line(self, area: Rect) -> bool {
        let (side, _) = self.margins(area);
        area.width.saturating_sub(2 * side) >= STOP_LINE_WIDTH * self.typeface.width()
    }

    fn fits(self, area: Rect, text: &StopText<'_>, symbol: Option<&Symbol<'_>>) -> bool {
        let mut page = Page::new(None, area, self, symbol);
        let end = page.compose(text);
        let leaves_room = page.notch.width <= page.content.width / 2;
        end <= page.content.y + page.content.height && leaves_room
    }
}
