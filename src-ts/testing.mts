// The ESM face of `s9-websocket/testing`: the same instance as `require` gives.

export type * from './testing.js';
export { EchoServer } from './testing.js';
