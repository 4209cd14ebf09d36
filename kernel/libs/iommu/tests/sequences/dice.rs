//! Numbers that look random and are the same in every run (xorshift).

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// How many operations: the second number with `IVT_FULL=1`.
pub fn operations((few, many): (usize, usize)) -> usize {
    if std::env::var("IVT_FULL").is_ok_and(|value| value == "1") { many } else { few }
}
