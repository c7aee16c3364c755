import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

/** Greatest number of reported mismatches of a value. */
const MOST_MISMATCHES = 5;

/** Compares values with schemas of an OpenAPI 3.1 document: JSON Schema 2020-12. */
export class Schemas {
  readonly #ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  readonly #validators = new Map<object, ValidateFunction>();

  constructor() {
    formats.default(this.#ajv);
  }

  /** Messages about the places where a value differs from a schema. */
  mismatches(schema: object, value: unknown): string[] {
    const validate = this.#validators.get(schema) ?? this.#ajv.compile(schema);
    this.#validators.set(schema, validate);
    return validate(value) ? [] : (validate.errors ?? []).slice(0, MOST_MISMATCHES).map(describe);
  }
}

function describe({ instancePath, schemaPath, message, params }: ErrorObject): string {
  return `at ${instancePath || '/'} ${message} (${schemaPath}, ${JSON.stringify(params)})`;
}
