/** Fields of tensorflow.Event that an import needs, see event.proto and summary.proto of TensorFlow. */
import { PbfReader } from 'pbf';
import { readTensorScalar } from './tensor-scalar.ts';

/** Value of `tensorflow.SessionLog.status`: a writer resumed at the step of the event. */
const SESSION_START = 1;

/** Value of `tensorflow.DataClass`. */
const DATA_CLASS_SCALAR = 1;

const NOT_AN_EVENT = 'the record is not an Event';

export interface SummaryValue {
  tag: string;
  /** Number of `simple_value`, or of a tensor with one element. */
  number: number | undefined;
  isTensor: boolean;
  /** True when the metadata declares a scalar; undefined without metadata. Only the first value of a tag has metadata. */
  isScalar: boolean | undefined;
}

export interface Event {
  step: number;
  values: SummaryValue[];
  /** True when the writer resumed at this step. */
  isStart: boolean;
}

/** Decodes an event. @throws Error for bytes that are not an Event */
export function decodeEvent(data: Uint8Array): Event {
  const reader = new PbfReader(data);
  const event: Event = { step: 0, values: [], isStart: false };
  try {
    reader.readFields(readEventField, event);
  } catch (cause) {
    throw new Error(NOT_AN_EVENT, { cause });
  }
  // The reader does not check the lengths of messages.
  if (reader.pos !== data.length) throw new Error(NOT_AN_EVENT);
  return event;
}

function readEventField(field: number, event: Event, reader: PbfReader): void {
  if (field === 2) event.step = reader.readVarint(true);
  else if (field === 5) reader.readMessage(readSummaryField, event.values);
  else if (field === 7) reader.readMessage(readSessionField, event);
}

function readSessionField(field: number, event: Event, reader: PbfReader): void {
  if (field === 1) event.isStart = reader.readVarint() === SESSION_START;
}

function readSummaryField(field: number, values: SummaryValue[], reader: PbfReader): void {
  if (field !== 1) return;
  const value: SummaryValue = { tag: '', number: undefined, isTensor: false, isScalar: undefined };
  values.push(reader.readMessage(readValueField, value));
}

function readValueField(field: number, value: SummaryValue, reader: PbfReader): void {
  if (field === 1) value.tag = reader.readString();
  else if (field === 2) value.number = reader.readFloat();
  else if (field === 8) {
    value.isTensor = true;
    value.number = readTensorScalar(reader);
  } else if (field === 9) {
    const { plugin, dataClass } = reader.readMessage(readMetadataField, { plugin: '', dataClass: 0 });
    value.isScalar = plugin === 'scalars' || dataClass === DATA_CLASS_SCALAR;
  }
}

interface Metadata {
  plugin: string;
  dataClass: number;
}

function readMetadataField(field: number, metadata: Metadata, reader: PbfReader): void {
  if (field === 1) {
    reader.readMessage((inner, into, inside) => {
      if (inner === 1) into.plugin = inside.readString();
    }, metadata);
  } else if (field === 4) metadata.dataClass = reader.readVarint();
}
