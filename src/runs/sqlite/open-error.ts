/** A database that cannot be opened. Its message names the file and says what to do. */
export class OpenError extends Error {
  override readonly name = 'OpenError';
  /** Message without the name of the file. */
  readonly reason: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`LOSSMETER_STORE is ${path}: ${reason}`, options);
    this.reason = reason;
  }
}
