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
            for i in 0..rounds {
                let item: u64 = self.items[i % self.items.len()].into();
                let next = x.wrapping_mul(6364136223846793005).wrapping_add(item);
                // Debian 12's rustc has no stable black_box yet.
                x = unsafe { std::ptr::read_volatile(&next) };
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
