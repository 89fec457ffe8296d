// What is wrong with a command line, told in one line.

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Names the argument, the value given and what is allowed, as the package's own errors do. */
export function wrong(name: string, given: string, allowed: string): UsageError {
  return new UsageError(`invalid ${name}: ${given} (allowed: ${allowed})`);
}
