/** An answer in the parts in which it is sent: an array when all are there already, else made while it is sent. */
export type ReplyParts = Iterable<string> | readonly Uint8Array[];
