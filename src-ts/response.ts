// The server's answer that accepted the upgrade.

import { headerRecord, type ResponseHeaders } from './header-record';
import type { NativeResponse } from './native';

/** The response that accepted the upgrade. */
export interface UpgradeResponse {
  /** The HTTP status: 101. */
  status: number;
  /** The header fields. */
  headers: ResponseHeaders;
  /** The subprotocol that the server chose, if it chose one. */
  subprotocol: string | null;
  /** The extensions agreed on, such as `'permessage-deflate'`; empty if there is none. */
  extensions: string;
}

export function upgradeResponse(response: NativeResponse): UpgradeResponse {
  return {
    status: response.status,
    headers: headerRecord(response.headers),
    subprotocol: response.subprotocol ?? null,
    extensions: response.extensions,
  };
}
