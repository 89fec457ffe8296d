// The public typing of `s9-websocket`: what the compiled TypeScript of `src-ts/` exports.
export * from './dist/index';
