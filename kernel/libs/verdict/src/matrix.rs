//! What a whole drill came to: devices against targets, and in one line.

use core::fmt;

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It was blocked, or reached nothing of anybody's.
    Held,
    /// It was blocked, and taken for something else than it was.
    Misjudged,
    /// It left no fault, and reached nothing.
    Unseen,
    /// It got through.
    Through,
    /// There was none: the device or the drill did not work.
    Failed,
    /// There was none: it is not possible here.
    NotPossible,
    /// There is no such try.
    NoSuch,
}

impl Cell {
    /// Every one, as the legend lists them.
    const ALL: [Self; 6] =
        [Self::Held, Self::Misjudged, Self::Unseen, Self::Through, Self::Failed, Self::NotPossible];

    const fn mark(self) -> char {
        match self {
            Self::Held => '+',
            Self::Misjudged => 'w',
            Self::Unseen => '?',
            Self::Through => '!',
            Self::Failed => 'x',
            Self::NotPossible => '.',
            Self::NoSuch => ' ',
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Misjudged => "held, wrong verdict",
            Self::Unseen => "no fault seen",
            Self::Through => "GOT THROUGH",
            Self::Failed => "did not work",
            Self::NotPossible => "not possible",
            Self::NoSuch => "no such try",
        }
    }

    /// Whether the device did try.
    const fn is_try(self) -> bool {
        !matches!(self, Self::Failed | Self::NotPossible | Self::NoSuch)
    }
}

/// One device, and what came of its tries.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The device.
    pub device: &'a dyn fmt::Display,
    /// Reading and writing, target by target.
    pub cells: &'a [[Cell; 2]],
}

/// What a drill came to; shown as a table with its totals, lines of at most 91 characters for targets of usual length.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// The targets, in the order of the cells.
    pub targets: &'a [&'a str],
    /// The devices.
    pub rows: &'a [Row<'a>],
}

/// Width of the column with the devices.
const DEVICE: usize = 12;

/// The fewest characters of a target's column.
const COLUMN: usize = 5;

impl Matrix<'_> {
    fn count(&self, counts: impl Fn(Cell) -> bool) -> usize {
        self.rows.iter().flat_map(|row| row.cells.iter().flatten()).filter(|cell| counts(**cell)).count()
    }
}

impl fmt::Display for Matrix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:DEVICE$}", "read, write")?;
        self.targets.iter().try_for_each(|target| write!(f, " {target:<COLUMN$}"))?;
        for row in self.rows {
            write!(f, "\n{:<DEVICE$}", row.device)?;
            for ([read, write], target) in row.cells.iter().zip(self.targets) {
                // Read and write stand at the column's left; the rest of its width is empty.
                let width = target.len().max(COLUMN) - 2;
                write!(f, " {}{}{:width$}", read.mark(), write.mark(), "")?;
            }
        }
        f.write_str("\n")?;
        let mut gap = "";
        for cell in Cell::ALL.into_iter().filter(|cell| self.count(|other| other == *cell) > 0) {
            write!(f, "{gap}{} {}", cell.mark(), cell.meaning())?;
            gap = ", ";
        }
        f.write_str("\n")?;
        let tries = self.count(Cell::is_try);
        if tries == 0 {
            return f.write_str("nothing was tried, so nothing is shown by it");
        }
        let through = self.count(|cell| cell == Cell::Through);
        let unseen = self.count(|cell| cell == Cell::Unseen);
        let none = self.count(|cell| matches!(cell, Cell::Failed | Cell::NotPossible));
        write!(f, "{tries} tries: {} held, {through} got through", tries - through - unseen)?;
        if unseen > 0 {
            write!(f, ", {unseen} left no fault")?;
        }
        if none > 0 {
            write!(f, "; {none} not made")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const TARGETS: [&str; 2] = ["canary", "past-end"];

    fn shown(cells: &[[Cell; 2]]) -> std::string::String {
        Matrix { targets: &TARGETS, rows: &[Row { device: &"0000:00:03.0", cells }] }.to_string()
    }

    #[test]
    fn tries_stand_under_their_target_and_add_up() {
        use Cell::{Held, NotPossible, Through};
        assert_eq!(
            shown(&[[Held, Held], [Held, NotPossible]]),
            "read, write  canary past-end\n\
             0000:00:03.0 ++     +.      \n\
             + held, . not possible\n\
             3 tries: 3 held, 0 got through; 1 not made"
        );
        assert!(shown(&[[Held, Through], [Held, Held]]).ends_with("4 tries: 3 held, 1 got through"));
        let mixed = shown(&[[Cell::Misjudged, Cell::Unseen], [Cell::Failed, Held]]);
        assert!(mixed.contains("w?") && mixed.contains("x+"), "{mixed}");
        assert!(mixed.ends_with("3 tries: 2 held, 0 got through, 1 left no fault; 1 not made"), "{mixed}");
    }

    #[test]
    fn a_drill_that_tried_nothing_is_not_called_a_success() {
        let nothing = shown(&[[Cell::NotPossible; 2]; 2]);
        assert!(nothing.ends_with("nothing was tried, so nothing is shown by it"), "{nothing}");
    }

    /// All targets of the kernel's drill, as its table calls them, fit the narrowest screen.
    #[test]
    fn the_widest_table_fits_640_pixels() {
        let targets = [
            "canary",
            "kernel",
            "tables",
            "freed",
            "foreign",
            "direction",
            "past-end",
            "neighbour",
            "interrupt",
        ];
        let cells = [[Cell::Held; 2]; 9];
        let matrix = Matrix { targets: &targets, rows: &[Row { device: &"0000:00:03.0", cells: &cells }] };
        assert!(matrix.to_string().lines().all(|line| line.len() <= 91));
    }
}
