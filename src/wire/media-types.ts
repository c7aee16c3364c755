import { LossmeterError } from '../errors.ts';
import { encodeJson } from './json/reply.ts';
import { jsonCodec } from './json/codec.ts';
import { jsonLinesCodec } from './json-lines/codec.ts';
import { packReply } from './msgpack/reply.ts';
import { msgpackCodec } from './msgpack/codec.ts';
import type { ReplyParts, ReplyStyle } from './reply.ts';
import type { Codec } from './request.ts';
import { encodeSafetensors } from './safetensors/reply.ts';
import { SAFETENSORS, safetensorsCodec } from './safetensors/codec.ts';

/** Name and description of bodies in the OpenAPI document. */
interface BodyDocument {
  readonly title: string;
  readonly description: string;
}

/** A format of bodies. */
interface Format {
  /** Reads requests. */
  readonly codec: Codec;
  /** Requests in the OpenAPI document; absent for JSON, which has schemas. */
  readonly request?: BodyDocument;
  /** Answers in the OpenAPI document, if their structure differs from JSON. */
  readonly answer?: BodyDocument;
  /** Media types that answers may have. */
  readonly answers: readonly string[];
  readonly encode: (answer: object, style: ReplyStyle) => ReplyParts;
}

/** Formats of bodies. The first is preferred for answers. */
const FORMATS: readonly Format[] = [
  { codec: jsonCodec, answers: jsonCodec.mediaTypes, encode: encodeJson },
  {
    codec: msgpackCodec,
    request: {
      title: 'MessagePackBody',
      description:
        'The fields of the JSON body in MessagePack. `data` of a tensor is a bin; a tensor can also be an array of msgpack-numpy.',
    },
    answers: msgpackCodec.mediaTypes,
    encode: packReply,
  },
  // application/octet-stream says nothing of the content.
  { codec: safetensorsCodec, answers: [SAFETENSORS], encode: encodeSafetensors },
];

/** Media types that request bodies may have. */
export const REQUEST_MEDIA_TYPES = FORMATS.flatMap(({ codec }) => codec.mediaTypes);

/** Media types of bodies that can be plain values without logits. */
export const VALUE_MEDIA_TYPES = FORMATS.flatMap(({ codec }) => (codec.values === undefined ? [] : codec.mediaTypes));

/** Media types that answers may have, the preferred one first. */
export const REPLY_MEDIA_TYPES = FORMATS.flatMap(({ answers }) => answers);

/** Formats by the media types of their requests. */
const formats = new Map(FORMATS.flatMap((format) => format.codec.mediaTypes.map((type) => [type, format] as const)));
const encoders = new Map(FORMATS.flatMap(({ answers, encode }) => answers.map((type) => [type, encode] as const)));

/** Largest number of characters of a media type in an error. */
const MAX_SHOWN_LENGTH = 256;

/** Codec for a Content-Type header, whose parameters are ignored. */
export function codecFor(contentType: string | undefined): Codec | undefined {
  return formats.get(nameOf(contentType))?.codec;
}

const nameOf = (contentType: string | undefined): string => contentType?.split(';', 1)[0]!.trim().toLowerCase() ?? '';

/** Formats of many items in one body. */
const BULK_CODECS: readonly Codec[] = [jsonLinesCodec, jsonCodec, msgpackCodec];

export const BULK_MEDIA_TYPES = BULK_CODECS.flatMap(({ mediaTypes }) => mediaTypes);

/** Returns the codec for a body of many items. @throws LossmeterError unsupported_media_type */
export function requireBulkCodec(contentType: string | undefined): Codec {
  const name = nameOf(contentType);
  const codec = BULK_CODECS.find(({ mediaTypes }) => mediaTypes.includes(name));
  if (codec !== undefined) return codec;
  const detail = `${describeType(contentType)}, expected one of ${BULK_MEDIA_TYPES.join(', ')}`;
  throw new LossmeterError('unsupported_media_type', detail);
}

/** Name of the format of a media type, and its bodies in the OpenAPI document. */
export function documentsOf(mediaType: string): Pick<Format, 'request' | 'answer'> & { name: string } {
  const { codec, request, answer } = formats.get(mediaType)!;
  return { name: codec.name, ...(request && { request }), ...(answer && { answer }) };
}

/**
 * Returns the codec for a Content-Type header.
 * @param target arguments with which curl calls the service
 * @throws LossmeterError unsupported_media_type
 */
export function requireCodec(contentType: string | undefined, target: () => string): Codec {
  const codec = codecFor(contentType);
  if (codec !== undefined) return codec;
  const example = `curl -H 'Content-Type: application/json' -d '{"logits": [[1, 2, 3]], "label": [2]}' ${target()}`;
  const detail = `${describeType(contentType)}, expected one of ${REQUEST_MEDIA_TYPES.join(', ')}; for example ${example}`;
  throw new LossmeterError('unsupported_media_type', detail);
}

function describeType(contentType: string | undefined): string {
  if (contentType === undefined) return 'there is no Content-Type';
  const mediaType = contentType.split(';', 1)[0]!.trim().toLowerCase();
  return mediaType === '' ? 'Content-Type is empty' : `Content-Type is ${mediaType.slice(0, MAX_SHOWN_LENGTH)}`;
}

/** @throws LossmeterError unsupported_media_type when the codec has no plain values */
export function requireValues(codec: Codec): Required<Codec> {
  if (codec.values !== undefined) return codec as Required<Codec>;
  const detail = `Content-Type is that of ${codec.name}, which is only for requests with logits; expected one of ${VALUE_MEDIA_TYPES.join(', ')}`;
  throw new LossmeterError('unsupported_media_type', detail);
}

/** Encodes an answer of plain values and tensors. @param mediaType one of REPLY_MEDIA_TYPES */
export function encodeReply(answer: object, mediaType: string, style: ReplyStyle): ReplyParts {
  return encoders.get(mediaType)!(answer, style);
}
