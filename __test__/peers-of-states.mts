// Which peer brings a client into which of the states that `children/states.mts` has.

import { EchoServer } from 's9-websocket/testing';

import {
  ANSWERED_WITHOUT_END,
  ECHOED,
  ECHOED_OVER_TLS,
  UNACCEPTED,
  UNANSWERED,
  UNREAD,
} from './children/states.mjs';
import { deafPeer, endlessPeer, silentPeer, unacceptingPeer } from './unhelpful-peers.mjs';

export const KINDS_OF_STATES = [
  { states: ECHOED, start: () => EchoServer.start() },
  { states: ECHOED_OVER_TLS, start: () => EchoServer.start({ tls: true }) },
  { states: UNANSWERED, start: silentPeer },
  { states: ANSWERED_WITHOUT_END, start: endlessPeer },
  { states: UNACCEPTED, start: unacceptingPeer },
  { states: UNREAD, start: deafPeer },
];
