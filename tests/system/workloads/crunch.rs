// SPDX-License-Identifier: Apache-2.0
//! crunch-rs [CPU [SECONDS]]: Rust with frame pointers; the hot function is
//! `crunch::till::Sum<T>::tally` (CPU is accepted for the same command line everywhere and not used).

mod till {
    pub struct Sum<T> {
        pub items: Vec<T>,
    }

    impl<T: Copy + Into<u64>> Sum<T> {
        #[inline(never)]
        pub fn tally(&self, mut x: u64, rounds: usize) -> u64 {
            // Operators, and no library's functions: a profile names what was inlined.
            let item: u64 = self.items[rounds % self.items.len()].into();
            let mut i = 0;
            while i < rounds {
                x = x * 6364136223846793005 + item;
                unsafe { std::arch::asm!("/* {0} */", inout(reg) x) };
                i += 1;
            }
            x
        }
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(3600.0);
    let start = std::time::Instant::now();
    let sum = till::Sum { items: (0u32..64).collect() };
    let mut x = 1u64;
    while start.elapsed().as_secs_f64() < seconds {
        x = sum.tally(x, 100_000);
    }
    std::process::exit((x & 0) as i32);
}
