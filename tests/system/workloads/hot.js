// SPDX-License-Identifier: Apache-2.0
// hot.js SECONDS: keeps the CPU in a function that is compiled at run time.
function jsHot(n) {
  let x = 1;
  for (let i = 0; i < n; i++) x = (x * 1103515245 + 12345 + i) & 0x7fffffff;
  return x;
}

function jsDriver(seconds) {
  const end = Date.now() + seconds * 1000;
  let sum = 0;
  while (Date.now() < end) sum += jsHot(200000);
  return sum;
}

console.log(jsDriver(Number(process.argv[2])));
