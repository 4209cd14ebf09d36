//! Mutations of tables, the same in every run.

/// A xorshift generator.
pub struct Random(u64);

impl Random {
    /// Starts where every run starts.
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number from 0 to below the bound.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// Changes one to four bytes behind the signature, half of them to small numbers, as lengths and kinds
    /// are; one table in four is cut as well.
    pub fn mutate(&mut self, table: &[u8]) -> Vec<u8> {
        let mut table = table.to_vec();
        for _ in 0..=self.below(4) {
            let at = 4 + self.below(table.len() - 4);
            table[at] =
                u8::try_from(if self.below(2) == 0 { self.below(24) } else { self.below(256) }).unwrap();
        }
        if self.below(4) == 0 {
            table.truncate(36 + self.below(table.len() - 36));
        }
        table
    }
}
