// What `s9-websocket` exports.

export type { Bytes } from './argument';
export { S9AsyncNonBlockingWebSocketClient } from './async-non-blocking-client';
export { S9BlockingWebSocketClient } from './blocking-client';
export type { CallbackClient } from './callback-client';
export { Receiver, Sender } from './channel';
export { ControlMessage } from './control-message';
export { type RefusedUpgrade, S9WebSocketError, type S9WebSocketErrorCode } from './errors';
export type { WebSocketEvent } from './events';
export type { S9WebSocketClientHandler } from './handler';
export type { ResponseHeaders } from './header-record';
export type { RequestHeaders } from './headers';
export type { JoinHandle } from './join-handle';
export { type LogLevel, type LogRecord, setLogger } from './logger';
export { type RunOptions, S9NonBlockingWebSocketClient } from './non-blocking-client';
export {
  AsyncNonBlockingOptions,
  type AsyncNonBlockingOptionsInit,
  BlockingOptions,
  type BlockingOptionsInit,
  type CommonOptionsInit,
  type HandlerOptionsInit,
  NonBlockingOptions,
  type NonBlockingOptionsInit,
  type PerMessageDeflateOptions,
} from './options';
export type { SendOptions } from './outbound';
export type { UpgradeResponse } from './response';
export { S9Socket, type TlsFacts } from './socket';
export type { TlsMaterial, TlsOptions, TlsVersion } from './tls-options';
