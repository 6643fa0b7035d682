// SPDX-License-Identifier: Apache-2.0
//! Rust as it is released, for ever: closures, dynamic calls, a sort, a map, threads.

use std::collections::HashMap;

trait Shape {
    fn area(&self, n: u64) -> u64;
}

struct Square(u64);
struct Many(Vec<Box<dyn Shape + Send>>);

impl Shape for Square {
    #[inline(never)]
    fn area(&self, n: u64) -> u64 {
        (0..n).fold(self.0, |a, b| a.wrapping_mul(6364136223846793005).rotate_left(7) ^ b)
    }
}

impl Shape for Many {
    #[inline(never)]
    fn area(&self, n: u64) -> u64 {
        self.0.iter().map(|s| s.area(n)).fold(0, u64::wrapping_add)
    }
}

#[inline(never)]
fn nest(depth: u32) -> Box<dyn Shape + Send> {
    if depth == 0 {
        return Box::new(Square(depth as u64 + 3));
    }
    Box::new(Many(vec![nest(depth - 1), Box::new(Square(7))]))
}

#[inline(never)]
fn work(seed: u64) -> u64 {
    let mut numbers: Vec<u64> = (0..3000u64).map(|i| (i ^ seed).wrapping_mul(2654435761)).collect();
    numbers.sort_by(|a, b| (a % 1000).cmp(&(b % 1000)));
    let mut counts: HashMap<u64, u64> = HashMap::new();
    for n in &numbers {
        *counts.entry(n % 97).or_insert(0) += 1;
    }
    nest(30).area(2000).wrapping_add(counts.len() as u64)
}

fn main() {
    let thread = std::thread::spawn(|| {
        let mut x = 1u64;
        loop {
            x = x.wrapping_add(work(x));
        }
        #[allow(unreachable_code)]
        x
    });
    let mut x = 2u64;
    while !thread.is_finished() {
        x = x.wrapping_add(work(x));
    }
    println!("{}", x);
}
