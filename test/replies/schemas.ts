import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

/** Greatest number of reported mismatches of a value. */
const MOST_MISMATCHES = 5;

/** Compares values with schemas of an OpenAPI 3.1 document: JSON Schema 2020-12. */
export class Schemas {
  readonly #ajv = new Ajv2020({
    ...{ allErrors: true, strict: true, strictTypes: false, strictRequired: false },
    // Most validators run once or twice, which takes less time than the optimization of their code.
    code: { optimize: false },
  });
  /** Validators by schema, and by the text of schemas: the document repeats many. */
  readonly #validators = new Map<object | string, ValidateFunction>();

  constructor() {
    formats.default(this.#ajv);
  }

  /** Messages about the places where a value differs from a schema. */
  mismatches(schema: object, value: unknown): string[] {
    const validate = this.#validatorOf(schema);
    return validate(value) ? [] : (validate.errors ?? []).slice(0, MOST_MISMATCHES).map(describe);
  }

  #validatorOf(schema: object): ValidateFunction {
    const known = this.#validators.get(schema);
    if (known !== undefined) return known;
    const text = JSON.stringify(schema);
    const validate = this.#validators.get(text) ?? this.#ajv.compile(schema);
    this.#validators.set(schema, validate).set(text, validate);
    return validate;
  }
}

function describe({ instancePath, schemaPath, message, params }: ErrorObject): string {
  return `at ${instancePath || '/'} ${message} (${schemaPath}, ${JSON.stringify(params)})`;
}
