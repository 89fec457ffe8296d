// The ESM face: the same instance as `require` gives.

export * from './index.js';
