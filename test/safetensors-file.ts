/** Writes and reads safetensors files without code of the service. */
import type { DType } from '../src/tensor/dtype.ts';
import type { Tensor } from '../src/tensor/tensor.ts';

const SAFETENSORS_NAMES: Record<DType, string> = {
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  float16: 'F16',
  bfloat16: 'BF16',
  float32: 'F32',
  float64: 'F64',
  int8: 'I8',
  int16: 'I16',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
};

/** A safetensors file with tensors in a given order. */
export function safetensorsFile(
  tensors: readonly [string, Tensor][],
  metadata?: Record<string, string>,
  arrange: <T>(entries: T[]) => T[] = (entries) => entries,
): Buffer {
  let end = 0;
  const entries = tensors.map(([name, { dtype, shape, data }]): [string, object] => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: SAFETENSORS_NAMES[dtype], shape, data_offsets: [begin, end] }];
  });
  const header = { ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(arrange(entries)) };
  return withHeader(JSON.stringify(header), ...tensors.map(([, { data }]) => data));
}

/** Length of a header, the header, and further bytes. */
export function withHeader(header: string | Uint8Array, ...rest: Uint8Array[]): Buffer {
  const bytes = Buffer.from(header as string);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.byteLength));
  return Buffer.concat([length, bytes, ...rest]);
}

interface Metadata {
  __metadata__: Record<string, string>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Tensors and metadata of a safetensors file, read without code of the service. */
export function readSafetensors(file: Buffer): { tensors: Record<string, Tensor>; metadata: Record<string, string> } {
  const begin = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString('utf8', 8, begin)) as Record<string, Entry> & Partial<Metadata>;
  const { __metadata__: metadata = {}, ...entries } = header;
  const dtypes = Object.fromEntries(Object.entries(SAFETENSORS_NAMES).map(([dtype, name]) => [name, dtype as DType]));
  const tensors = Object.entries(entries).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      return [name, { dtype: dtypes[dtype]!, shape, data: file.subarray(begin + from, begin + to) }] as const;
    },
  );
  return { tensors: Object.fromEntries(tensors), metadata };
}
