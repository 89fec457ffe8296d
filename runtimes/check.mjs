// Runs one check of `checks.mjs` on whatever runtime this is: `check.mjs NAME SERVERS-AS-JSON`.

import { CHECKS } from './checks.mjs';

const [name, servers] = process.argv.slice(2);
await CHECKS[name](JSON.parse(servers));
console.log('passed');
