/** First bytes of files that NumPy 2, PyTorch 2 and llama.cpp wrote, with the name of their kind in messages. */

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** Filler for the rest of a file, which is not read. */
const REST = Buffer.alloc(400, 7);

export const FOREIGN_FILES: Readonly<Record<string, { bytes: Buffer; kind: string }>> = {
  'batch.npy': {
    bytes: Buffer.concat([hex('934e554d5059010076007b276465736372273a20273c6634272c20'), REST]),
    kind: 'an array of NumPy (.npy)',
  },
  'batch.npz': {
    bytes: Buffer.concat([
      hex('504b03042d00000000000000210078b32618ffffffffffffffff0a0014006c6f676974732e6e70790100100098'),
      REST,
    ]),
    kind: 'an archive of NumPy (.npz)',
  },
  'batch.pt': {
    bytes: Buffer.concat([
      hex('504b0304000008080000000000000000000000000000000000000e00140062617463682f646174612e706b6c464210005a5a'),
      REST,
    ]),
    kind: 'a file of PyTorch (.pt)',
  },
  'old.pt': {
    bytes: Buffer.concat([hex('80028a0a6cfc9c46f9206aa850192e80024de9032e80027d7100'), REST]),
    kind: 'a pickle of Python, as old .pt files are',
  },
  'model.gguf': {
    bytes: Buffer.concat([hex('4747554603000000230100000000000024000000'), REST]),
    kind: 'a model in GGUF (.gguf)',
  },
  'base.kld': {
    bytes: Buffer.concat([hex('5f6c6f676974735f80000000400100000800000001000000'), REST]),
    kind: 'a logit file of llama.cpp (.kld)',
  },
  'batch.zip': {
    bytes: Buffer.concat([hex('504b0304140000000800000021000000000000000000000000000100000061'), REST]),
    kind: 'a ZIP archive',
  },
};
