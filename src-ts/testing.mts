// The ESM face of the testing entry: the same instance as `require` gives.

export * from './testing.js';
