//! What waits until there is time for it.

/// A ring of at most `N` records, oldest first, that says which of them nobody has glanced at yet.
#[derive(Debug)]
pub struct Waiting<T, const N: usize> {
    records: [Option<T>; N],
    first: usize,
    count: usize,
    /// How many of them, counted from the oldest, were glanced at.
    glanced: usize,
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T: Copy, const N: usize> Waiting<T, N> {
    /// Nothing waits.
    pub const fn new() -> Self {
        Self { records: [None; N], first: 0, count: 0, glanced: 0 }
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Tells whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one behind the others.
    ///
    /// # Errors
    /// [`Full`]; it is lost then.
    pub fn push(&mut self, record: T) -> Result<(), Full> {
        if self.count == N {
            return Err(Full);
        }
        *self.records.get_mut((self.first + self.count) % N).ok_or(Full)? = Some(record);
        self.count += 1;
        Ok(())
    }

    /// The oldest at which nobody has glanced: each comes once, and goes on waiting.
    pub fn glance(&mut self) -> Option<T> {
        if self.glanced == self.count {
            return None;
        }
        let record = *self.records.get((self.first + self.glanced) % N)?;
        self.glanced += 1;
        record
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<T> {
        let record = self.records.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % N;
        self.count -= 1;
        self.glanced = self.glanced.saturating_sub(1);
        Some(record)
    }
}

impl<T: Copy, const N: usize> Default for Waiting<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn they_come_in_their_order_round_and_round() {
        let mut waiting = Waiting::<u32, 3>::new();
        for turn in 0..5 {
            assert!((0..3).all(|n| waiting.push(3 * turn + n).is_ok()));
            assert_eq!((waiting.len(), waiting.push(99)), (3, Err(Full)));
            let out: Vec<u32> = core::iter::from_fn(|| waiting.pop()).collect();
            assert_eq!(out, [3 * turn, 3 * turn + 1, 3 * turn + 2]);
            assert!(waiting.is_empty());
        }
    }

    #[test]
    fn each_is_glanced_at_once_and_goes_on_waiting() {
        let mut waiting = Waiting::<u32, 3>::new();
        waiting.push(1).unwrap();
        waiting.push(2).unwrap();
        assert_eq!((waiting.glance(), waiting.glance(), waiting.glance()), (Some(1), Some(2), None));
        assert_eq!((waiting.pop(), waiting.glance()), (Some(1), None));
        waiting.push(3).unwrap();
        waiting.push(4).unwrap();
        assert_eq!(waiting.glance(), Some(3));
        // Taken before anybody glanced at it.
        assert_eq!(
            [waiting.pop(), waiting.pop(), waiting.pop(), waiting.pop()],
            [Some(2), Some(3), Some(4), None]
        );
        waiting.push(5).unwrap();
        assert_eq!((waiting.glance(), waiting.glance()), (Some(5), None));
    }

    #[test]
    fn one_without_room_holds_nothing() {
        let mut waiting = Waiting::<u32, 0>::new();
        assert_eq!((waiting.push(1), waiting.glance(), waiting.pop()), (Err(Full), None, None));
    }
}
