// The ESM face: the same instance as `require` gives. By name, since Bun's bundler loses `export *`.

export type * from './index.js';
export {
  AsyncNonBlockingOptions,
  BlockingOptions,
  ControlMessage,
  NonBlockingOptions,
  Receiver,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  S9Socket,
  S9WebSocketError,
  Sender,
  setLogger,
} from './index.js';
