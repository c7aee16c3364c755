/** The file below RECORDED_REPLIES to which this process writes the replies that it gives or sees. */
const { mkdirSync, openSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');

const NOTHING = new Uint8Array();

let file;
let replies = 0;

/** A reply, of which each part is written at once: the process may be killed. */
function newReply() {
  const reply = replies++;
  return {
    begin: (head) => write({ reply, part: 'head', ...head }, NOTHING),
    add: (bytes) => write({ reply, part: 'body' }, bytes),
    end: () => write({ reply, part: 'end' }, NOTHING),
  };
}

/** A line of JSON, and bytes behind it. */
function write(line, bytes) {
  if (file === undefined) {
    const folder = process.env['RECORDED_REPLIES'];
    mkdirSync(folder, { recursive: true });
    file = openSync(join(folder, `${process.pid}-${threadId}-${Date.now()}`), 'a');
  }
  writeSync(file, `${JSON.stringify({ ...line, bytes: bytes.byteLength })}\n`);
  for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
}

module.exports = { newReply };
