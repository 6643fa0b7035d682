// SPDX-License-Identifier: Apache-2.0

//! Traits, closures and generics: what oracle.py asks names of.

use std::collections::{BTreeMap, HashMap};

trait Shape {
    fn area(&self) -> f64;
    fn name(&self) -> String {
        format!("shape {:.1}", self.area())
    }
}

struct Square(f64);
struct Circle {
    radius: f64,
}

impl Shape for Square {
    #[inline(never)]
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl Shape for Circle {
    fn area(&self) -> f64 {
        self.radius.powi(2) * std::f64::consts::PI
    }
    fn name(&self) -> String {
        "circle".to_string()
    }
}

mod inner {
    #[inline]
    pub fn mix<T: Into<u64>>(x: T) -> u64 {
        let mut x = x.into();
        x ^= x >> 32;
        x.wrapping_mul(0x9e3779b97f4a7c15)
    }
}

#[inline(never)]
fn count(shapes: &[Box<dyn Shape>]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    shapes.iter().for_each(|s| *sums.entry(s.name()).or_insert(0.0) += s.area());
    sums
}

fn main() {
    let n = std::env::args().count() as u32;
    let mut shapes: Vec<Box<dyn Shape>> = Vec::new();
    let mut seen: HashMap<u64, u32> = HashMap::new();
    for i in 0..20u32 {
        let x = inner::mix(i * n);
        *seen.entry(x % 7).or_default() += inner::mix(x as u32) as u32 & 1;
        if x & 1 == 0 {
            shapes.push(Box::new(Square(i as f64)));
        } else {
            shapes.push(Box::new(Circle { radius: i as f64 }));
        }
    }
    shapes.sort_by(|a, b| a.area().partial_cmp(&b.area()).unwrap());
    println!("{:?} {:?}", count(&shapes), seen);
}
