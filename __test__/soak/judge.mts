// Holds what both sides counted on a connection against each other and against its plan.

import { type Plan, planOf } from './plan.mjs';
import type { ClientRecord, Counts, ServerRecord } from './records.mjs';

/** Everything the judge knows when the soak is over. */
export interface Evidence {
  seed: number;
  clients: readonly ClientRecord[];
  servers: readonly ServerRecord[];
  /** When the server refused connections, in milliseconds since the epoch. */
  restarts: readonly { from: number; to: number }[];
}

/** A connect that fails this long before or after a restart failed for it. */
const AROUND_RESTART = 1_000;

/** What must hold and did not. */
export function violations(evidence: Evidence): string[] {
  const servers = new Map(evidence.servers.map(record => [record.id, record]));
  const found: string[] = [];
  for (const client of evidence.clients) {
    const server = servers.get(client.id);
    servers.delete(client.id);
    const plan = planOf(evidence.seed, client.id);
    const wrong = [...client.violations, ...(server?.violations ?? [])];
    if (server) wrong.push(...judged(client, server, plan));
    else if (client.failedAt !== undefined) {
      const { failedAt } = client;
      const isExcused = evidence.restarts.some(
        ({ from, to }) => failedAt > from - AROUND_RESTART && failedAt < to + AROUND_RESTART,
      );
      if (!isExcused) wrong.push(`${client.outcome} without a restart`);
    } else if (client.outcome !== 'terminated') wrong.push('is unknown to the server');
    if (wrong.length > 0) found.push(`${wrong.join('\n  ')}${context(client, server)}`);
  }
  for (const server of servers.values()) {
    found.push(`connection ${server.id} is unknown to the client: ${JSON.stringify(server)}`);
  }
  return found;
}

function context(client: ClientRecord, server: ServerRecord | undefined): string {
  const { violations: _, ...rest } = client;
  return `\n    client ${JSON.stringify(rest)}\n    server ${JSON.stringify({ ...server, violations: undefined })}`;
}

function judged(client: ClientRecord, server: ServerRecord, plan: Plan): string[] {
  return [
    ...transfer('to the client', server, client, isWholeToClient(client, server)),
    ...transfer('to the server', client, server, isWholeToServer(client, server)),
    ...ended(client, server, plan),
  ];
}

/** What was received is the beginning of what was sent: each message was compared as it came. */
function transfer(way: string, from: Counts, to: Counts, isWhole: boolean): string[] {
  const wrong: string[] = [];
  for (const [what, sent, received] of [
    ['messages', from.sent, to.received],
    ['pings', from.pingsSent, to.pingsReceived],
  ] as const) {
    if (received > sent) wrong.push(`${received} ${what} came ${way}, ${sent} were sent`);
    if (isWhole && received < sent) wrong.push(`${sent - received} of ${sent} ${what} lost ${way}`);
  }
  return wrong;
}

function wasClosed(client: ClientRecord, server: ServerRecord): boolean {
  return (
    client.outcome.startsWith('closed') && client.outcome !== 'closed 1006' && server.code !== 1006
  );
}

/** Everything comes before the Close frame, and all of a stream before its FIN. */
function isWholeToClient(client: ClientRecord, server: ServerRecord): boolean {
  return (
    wasClosed(client, server) ||
    (client.ending === 'half-close' && !server.restarted && client.outcome.startsWith('error'))
  );
}

/** To a callback that answers too late the end is not known yet: its send goes the way of the bytes in flight. */
function isWholeToServer(client: ClientRecord, server: ServerRecord): boolean {
  const isOnThread = /thread|blocking_run$/.test(client.way);
  return wasClosed(client, server) && !(client.ending === 'server-close' && isOnThread);
}

const EXPECTED: Record<ClientRecord['ending'], { outcome: RegExp; code: RegExp }> = {
  'client-close': { outcome: /^closed 1000$/, code: /^1000$/ },
  'client-close-early': { outcome: /^closed 4001$/, code: /^4001$/ },
  'server-close': { outcome: /^closed 4000$/, code: /^4000$/ },
  reset: { outcome: /^error ERR_S9_IO$/, code: /^1006$/ },
  'half-close': { outcome: /^error ERR_S9_(CONNECTION_CLOSED|TLS)$/, code: /^1006$/ },
  // The client's Close may come before the server falls silent, or be seen when it gives up.
  silence: { outcome: /^closed (4001|1006)$/, code: /^(4001|1006)$/ },
  'force-quit': { outcome: /^quit$/, code: /^1006$/ },
  // A peer that is sending meanwhile may be reset before it has read the Close frame.
  throw: { outcome: /^thrown$/, code: /^100[06]$/ },
  terminate: { outcome: /^terminated$/, code: /^100[06]$/ },
  steady: { outcome: /^closed 1000$/, code: /^1000$/ },
};

function ended(client: ClientRecord, server: ServerRecord, plan: Plan): string[] {
  if (server.restarted || client.outcome === 'terminated') return [];
  const { outcome, code } = EXPECTED[client.ending];
  const wrong: string[] = [];
  if (!outcome.test(client.outcome)) wrong.push(`${plan.ending} ended in ${client.outcome}`);
  if (!code.test(String(server.code))) wrong.push(`${plan.ending}: the server saw ${server.code}`);
  return wrong;
}
