// SPDX-License-Identifier: Apache-2.0
//! Works for ever, in many functions of the standard library that are inlined into one another.

use std::collections::{BTreeMap, HashMap};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn sorts(random: &mut Random) -> u64 {
    let mut v: Vec<u64> = (0..2000).map(|_| random.next() % 5000).collect();
    v.sort_unstable();
    v.dedup();
    v.sort_by_key(|x| x % 97);
    v.iter().fold(0u64, |a, b| a.wrapping_mul(31).wrapping_add(*b))
}

fn maps(random: &mut Random) -> u64 {
    let mut tree = BTreeMap::new();
    let mut table: HashMap<u64, String> = HashMap::new();
    for _ in 0..500 {
        let key = random.next() % 300;
        *tree.entry(key.to_string()).or_insert(0u64) += 1;
        table.entry(key).or_insert_with(|| "x".repeat((key % 40) as usize));
    }
    tree.values().sum::<u64>() + table.values().map(|t| t.len() as u64).sum::<u64>()
}

fn texts(random: &mut Random) -> u64 {
    let text: String = (0..40).map(|i| format!("abc-{} {:.1};", random.next() % 1000, i as f64 / 2.0)).collect();
    text.split(';').filter_map(|w| w.split_once('-')).map(|(a, b)| (a.len() + b.len()) as u64).sum()
}

fn main() {
    let mut random = Random(88172645463325252);
    let mut sum = 0u64;
    loop {
        sum = sum.wrapping_add(sorts(&mut random) ^ maps(&mut random) ^ texts(&mut random));
        if sum == 1 {
            println!("{sum}");
        }
    }
}
