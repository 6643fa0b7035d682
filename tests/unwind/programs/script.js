// SPDX-License-Identifier: Apache-2.0
// Code compiled at run time and the runtime's own, for ever: calls, a sort, JSON, garbage, digests.
const crypto = require("crypto");

function grow(depth) {
  return depth === 0 ? {} : { left: grow(depth - 1), right: grow(depth - 1) };
}

function work(n) {
  const words = Array.from({ length: 500 }, (_, i) => `word ${(i * n) % 97}`);
  words.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const text = JSON.stringify(words.concat(JSON.stringify(grow(8))));
  const digest = crypto.createHash("sha256").update(text.repeat(20)).digest();
  return JSON.parse(text).length + text.match(/\d+/g).length + digest[0];
}

for (let n = 1; n; ) n = 1 + (work(n) % 1000);
