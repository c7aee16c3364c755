/** Reader of tensorflow.TensorProto messages with one element. */
import type { PbfReader } from 'pbf';

/** Values of the enumeration tensorflow.DataType. */
const DT_FLOAT = 1;
const DT_DOUBLE = 2;
const DT_INT32 = 3;
const DT_INT64 = 9;
const DT_BFLOAT16 = 14;
const DT_HALF = 19;

interface Tensor {
  dtype: number;
  /** Product of the dimensions; 1 without dimensions. */
  elements: number;
  content: Uint8Array | undefined;
  values: number[];
}

/** Value of a TensorProto with one element; undefined for any other tensor, and for types that are not numbers. */
export function readTensorScalar(reader: PbfReader): number | undefined {
  const tensor = reader.readMessage<Tensor>(readTensorField, {
    dtype: 0,
    elements: 1,
    content: undefined,
    values: [],
  });
  if (tensor.elements !== 1) return undefined;
  const [value] = tensor.content === undefined ? tensor.values : [numberIn(tensor.content, tensor.dtype)];
  if (value === undefined || tensor.values.length > 1) return undefined;
  // These types are stored as the bits of an integer.
  if (tensor.content === undefined && (tensor.dtype === DT_HALF || tensor.dtype === DT_BFLOAT16)) {
    return numberIn(Uint8Array.of(value & 0xff, (value >>> 8) & 0xff), tensor.dtype);
  }
  return value;
}

function readTensorField(field: number, tensor: Tensor, reader: PbfReader): void {
  if (field === 1) tensor.dtype = reader.readVarint();
  else if (field === 2) tensor.elements = reader.readMessage(readShapeField, { elements: 1 }).elements;
  else if (field === 4) tensor.content = reader.readBytes();
  else if (field === 5) reader.readPackedFloat(tensor.values);
  else if (field === 6) reader.readPackedDouble(tensor.values);
  else if (field === 7 || field === 10 || field === 13) readPackedVarints(reader, tensor.values);
}

/** Reads a list after a check of its length: with a wrong length the reader would read beyond the end of the bytes. */
function readPackedVarints(reader: PbfReader, values: number[]): void {
  const { pos } = reader;
  if (reader.readPackedEnd() > reader.length) throw new Error('the list is longer than the record');
  reader.pos = pos;
  reader.readPackedVarint(values, true);
}

/** Fields of TensorShapeProto: its field 2 is a dimension, whose field 1 is the size. */
function readShapeField(field: number, shape: { elements: number }, reader: PbfReader): void {
  if (field !== 2) return;
  const { size } = reader.readMessage(
    (inner, dimension, inside) => {
      if (inner === 1) dimension.size = inside.readVarint(true);
    },
    { size: 0 },
  );
  shape.elements *= size;
}

/** Number of `tensor_content`, which is little-endian. */
function numberIn(content: Uint8Array, dtype: number): number | undefined {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const { byteLength } = view;
  if (dtype === DT_FLOAT && byteLength === 4) return view.getFloat32(0, true);
  if (dtype === DT_DOUBLE && byteLength === 8) return view.getFloat64(0, true);
  if (dtype === DT_INT32 && byteLength === 4) return view.getInt32(0, true);
  if (dtype === DT_INT64 && byteLength === 8) return Number(view.getBigInt64(0, true));
  if (dtype === DT_HALF && byteLength === 2) return new Float16Array(Uint16Array.of(view.getUint16(0, true)).buffer)[0];
  if (dtype === DT_BFLOAT16 && byteLength === 2) {
    return new Float32Array(Uint32Array.of(view.getUint16(0, true) << 16).buffer)[0];
  }
  return undefined;
}
