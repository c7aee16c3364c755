/** The file below RECORDED_REPLIES to which this process writes the replies that it gives or sees. */
const { mkdirSync, openSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');

const NOTHING = new Uint8Array();

/** The file of this process in the folder, which changes when Vitest runs the next file of tests in the process. */
const current = { folder: '', file: -1 };
let replies = 0;

/** A reply, of which each part is written at once: the process may be killed. */
function newReply() {
  const reply = replies++;
  let file;
  return {
    begin: (head) => {
      file = openFile(process.env['RECORDED_REPLIES']);
      write(file, { reply, part: 'head', ...head }, NOTHING);
    },
    add: (bytes) => write(file, { reply, part: 'body' }, bytes),
    end: () => write(file, { reply, part: 'end' }, NOTHING),
  };
}

/** Descriptor of the file. An earlier one stays open: the end of a reply may still be written to it. */
function openFile(folder) {
  if (folder !== current.folder) {
    mkdirSync(folder, { recursive: true });
    current.folder = folder;
    current.file = openSync(join(folder, `${process.pid}-${threadId}-${Date.now()}`), 'a');
  }
  return current.file;
}

/** A line of JSON, and bytes behind it. */
function write(file, line, bytes) {
  writeSync(file, `${JSON.stringify({ ...line, bytes: bytes.byteLength })}\n`);
  for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
}

module.exports = { newReply };
