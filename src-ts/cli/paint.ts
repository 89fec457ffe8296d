// Colours, where the output is a terminal that shows them and NO_COLOR is not set.

import type { WriteStream } from 'node:tty';

const CODES = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export type Colour = keyof typeof CODES;

/** Gives a text a colour, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

export function paintFor(stream: NodeJS.WriteStream): Paint {
  // Node looks at NO_COLOR, FORCE_COLOR and TERM.
  const isColoured = stream.isTTY && (stream as WriteStream).hasColors();
  return isColoured
    ? (colour, text) => `\u001b[${CODES[colour]}m${text}\u001b[0m`
    : (_colour, text) => text;
}

/** All but tabs and line ends: a peer must not be able to steer the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** A text from the network, fit for a terminal. */
export function harmless(text: string): string {
  return text.replace(STEERING, found => {
    const code = found.charCodeAt(0);
    return `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
